"""One day: people add rows, machines carry out passes. `live` it, and get what was counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import event

from pipeline import wiring
from pipeline.config import Settings, load
from pipeline.server.webhook_recorder import Call, CallCounts, WebhookRecorder
from pipeline.store import Store
from pipeline.sync import listener
from pipeline.sync.clock import Clock
from tests.benchmarks.day.api import Api, Job
from tests.benchmarks.day.clock import DayLoop
from tests.benchmarks.day.fleet import Fleet, Machine
from tests.benchmarks.day.google import Book, Google, paste
from tests.benchmarks.day.meter import Meter

HOUR = 3600.0
#: The day is given up after so many hours.
MOST_HOURS = 72
#: Seconds between two questions of a pass to the store, here. The product asks four times a second,
#: which costs this simulation more than all the rest.
LISTENS_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens on the day."""

    rows: int = 500_000
    sheets: int = 2_000
    machines: int = 20
    #: Service accounts of Google; five share a project.
    accounts: int = 5
    #: Rows that a person adds at a time.
    pasted: int = 50
    #: The hours in which people add rows.
    hours: float = 22.0
    #: Whether Drive calls after a change; else every sheet is read every `every`.
    is_told: bool = True
    every: timedelta = timedelta(minutes=10)
    write_every: str = "5s"
    #: What the API allows the account.
    per_minute: int = 500
    at_once: int = 1_000
    #: Seconds that a task takes, at least and at most.
    lasts: tuple[float, float] = (20.0, 90.0)
    #: Seconds for which a machine stands still in the middle of the day.
    still: float = 600.0
    #: Seconds between two rounds of orders; `watch` takes one.
    tick: float = 10.0

    @property
    def config(self) -> str:
        """The configuration of every sheet."""
        return f"""
[sheet]
source = "rows.csv"
settle = "30s"
[provider]
api_key = "env:KEY"
endpoint = "imagine"
[media]
save_to = ""
[webhook]
public_url = "https://hooks.example.com"
secret = "env:HOOKS"
[budget]
per_run = 1000000000
per_day = 1000000000
[pace]
per_minute = {self.per_minute * 24 // 25}
in_flight = 50
write_every = "{self.write_every}"
poll_every = "60s"
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What was counted, each where it happened: payments at the API, cells in the sheets."""

    plan: Plan
    rows: int
    done: int
    paid_twice: int
    in_wrong_rows: int
    hours: float
    passes: int
    handed_over: int
    #: Seconds from the end of a task to its cells, and from a pasted row to its submission.
    to_cell: Sequence[float]
    to_api: Sequence[float]
    api: Meter
    google: Sequence[Meter]
    most_at_once: int
    #: What used up a quota -> when, in seconds of the day.
    refused: dict[str, list[float]]
    commits: int
    statements: int
    cpu: float
    store_bytes: int
    troubles: dict[str, int]

    @property
    def over_quota(self) -> int:
        """Requests that were refused because a quota of the API or of Google was used up."""
        return sum(map(len, self.refused.values()))


class Day:
    """The day. `live` it once."""

    def __init__(self, plan: Plan, folder: Path, seed: int = 1) -> None:
        self._plan, self._loop, self._chance = plan, DayLoop(), Random(seed)
        config = folder / "day.toml"
        config.write_text(plan.config)
        environ = {"KEY": "afk_key", "HOOKS": "s" * 32}
        self._settings: Settings = load(config, environ=environ)
        self._store_file = folder / "day.db"
        self._to_cell: list[float] = []
        self._done: set[int] = set()
        self._in_wrong_rows = 0
        self._pasted_at: dict[str, float] = {}
        self._commits = self._statements = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    def live(self, each_hour: Callable[[str], None] = lambda said: None) -> Report:
        """What came of the day. `each_hour` is called with how far it is."""
        began = time.process_time()
        with ExitStack() as stack:
            stack.callback(self._loop.close)
            stack.enter_context(_clock(Clock(self._loop.now, self._loop.time)))
            stores = [stack.enter_context(self._store()) for _ in range(self._plan.machines + 1)]
            self._loop.call_later(HOUR, self._say, each_hour)
            return self._loop.run_until_complete(self._lived(stores, began))

    def _say(self, each_hour: Callable[[str], None]) -> None:
        hours, cpu = self._loop.time() / HOUR, time.process_time()
        each_hour(f"{hours:.0f} h: {len(self._done):,} rows done, {cpu:,.0f} s of CPU")
        self._loop.call_later(HOUR, self._say, each_hour)

    async def _lived(self, stores: Sequence[Store], began: float) -> Report:
        plan, loop = self._plan, self._loop
        self._books = {
            key: Book(key, number % plan.accounts)
            for number in range(plan.sheets)
            for key in [f"sheet {number + 1}"]
        }
        self._recorder = WebhookRecorder(stores[-1], CallCounts())
        proved = {}
        for key in self._books:
            rules = wiring.rules(self._settings, key)
            proved[key] = [(rules, rules.apis[0])]

        def called(hook: str, body: dict[str, object]) -> None:
            webhook = self._settings.provider.webhook
            assert webhook, "version 2 has webhooks"
            self._begin(self._recorder.take(Call(hook, body, webhook, proved)))

        self._api = api = Api(
            loop,
            self._chance,
            called,
            per_minute=plan.per_minute,
            at_once=plan.at_once,
            lasts=plan.lasts,
        )
        google = Google(
            loop, self._chance, plan.accounts, (lambda b: fleet.tell(b)) if plan.is_told else None
        )
        machines = [
            Machine(f"machine {n + 1}", self._settings, s, loop, google, api, self._shown)
            for n, s in enumerate(stores[:-1])
        ]
        every = timedelta(hours=2) if plan.is_told else plan.every
        fleet = Fleet(machines, self._books, every, plan.tick, self._chance)
        rows = self._people(google)
        # In the middle of the day, a machine stands still and goes on after others took over.
        self._begin(machines[0].stand_still(plan.hours * HOUR / 2, plan.still))
        await fleet.run(lambda: len(self._done) >= rows or loop.time() >= MOST_HOURS * HOUR, loop)
        ended = loop.time()
        await asyncio.gather(*self._tasks)
        await self._recorder.close()
        troubles: dict[str, int] = {}
        for one in machines:
            for sentence, times in one.troubles.items():
                troubles[sentence] = troubles.get(sentence, 0) + times
        to_api = [at - self._pasted_at[prompt] for prompt, at in api.received_at.items()]
        return Report(
            plan=plan,
            rows=rows,
            done=len(self._done),
            paid_twice=sum(times - 1 for times in api.paid.values()),
            in_wrong_rows=self._in_wrong_rows,
            hours=ended / HOUR,
            passes=sum(one.passes for one in machines),
            handed_over=fleet.handed_over,
            to_cell=self._to_cell,
            to_api=to_api,
            api=api.requests,
            google=google.meters,
            most_at_once=api.most_at_once,
            refused={
                "jobs at the API at once": api.crowded_at,
                **{one.title: one.refused_at for one in (api.requests, *google.meters)},
            },
            commits=self._commits,
            statements=self._statements,
            cpu=time.process_time() - began,
            store_bytes=self._store_file.stat().st_size,
            troubles=troubles,
        )

    def _people(self, google: Google) -> int:
        """Let people add rows through the day. Returns how many."""
        plan, chance, rows = self._plan, self._chance, 0
        books = chance.sample(list(self._books.values()), len(self._books))
        for turn in range(-(-plan.rows // plan.pasted)):
            book = books[turn % len(books)]
            number = min(plan.pasted, plan.rows - rows)
            at = chance.uniform(0, plan.hours * HOUR)
            prompts = [f"a fox in the snow, {rows + n} of {book.key}" for n in range(number)]
            self._pasted_at |= dict.fromkeys(prompts, at)
            rows += number
            self._begin(paste(google, book, prompts, at))
        return rows

    def _shown(self, book: Book, row: int, addresses: str) -> None:
        """A result was written into a row."""
        number = int(addresses.rpartition("/")[2].removesuffix(".png"))
        job: Job = self._api.jobs[number]
        self._in_wrong_rows += book.rows[row][0] != job.prompt
        if number not in self._done and job.ended_at is not None:
            self._done.add(number)
            self._to_cell.append(self._loop.time() - job.ended_at)

    @contextmanager
    def _store(self) -> Iterator[Store]:
        def committed(*_: object) -> None:
            self._commits += 1

        def counted(*_: object) -> None:
            self._statements += 1

        with Store(f"sqlite:///{self._store_file}", now=self._loop.now) as store:
            event.listen(store._database._writer, "commit", committed)
            event.listen(store._database.engine, "before_cursor_execute", counted)
            yield store

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@contextmanager
def _clock(clock: Clock) -> Iterator[None]:
    """The program's clock is the day's, meanwhile."""
    before, every = wiring.CLOCK, listener.LISTEN_EVERY
    wiring.CLOCK, listener.LISTEN_EVERY = clock, LISTENS_EVERY
    try:
        yield
    finally:
        wiring.CLOCK, listener.LISTEN_EVERY = before, every
