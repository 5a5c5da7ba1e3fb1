"""A test bench for passes: an event loop with simulated time and an API in memory.

Sheet, store and every part of the pass are real. Only time and the connection to the API are
simulated: when nothing is ready to run, the loop sets its clock to the next timer.
"""

from __future__ import annotations

import asyncio
import csv
import json
import math
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pipeline import wiring
from pipeline.config import Settings, load
from pipeline.core.errors import NoAnswer
from pipeline.core.model import Request, Response
from pipeline.open_sheet import open_sheet
from pipeline.store import Store
from pipeline.sync.clock import Clock
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.ports import ApiAccess, Pace
from pipeline.sync.progress import Progress
from pipeline.sync.runner import Runner

T = TypeVar("T")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class _Jump(selectors.SelectSelector):
    """A selector that never waits: the clock jumps to the next timer.

    Time passes in whole microseconds. A loop runs a timer up to a nanosecond early, and the clock
    would stand still at one that is set again each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("the pass waits for something that never comes")
        self.at = round(self.at + max(timeout, 0.0), 6)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with its own clock, in which the work of threads is done at once."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.at

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, **more: Any
    ) -> asyncio.TimerHandle:
        whole = math.ceil(when * 1e6) / 1e6
        # `when` may be later than a whole microsecond by the last digit of a float.
        whole = whole if whole >= when else whole + 1e-6
        return super().call_at(whole, callback, *args, **more)

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._jump.at += seconds

    def run_in_executor(  # type: ignore[override]  # one thread's worth of it
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as e:
            done.set_exception(e)
        return done


@dataclass
class Api:
    """An API in memory, with tasks that take `lasts` seconds. It counts what it received."""

    loop: SimulatedLoop
    answers_in: float = 0.1
    lasts: float = 2.0
    #: Prompt -> what to answer to its submission instead of a task.
    replies: dict[str, Response] = field(default_factory=dict)
    #: What to answer to the next polls.
    poll_replies: list[Response] = field(default_factory=list)
    #: Prompt -> how many seconds its task takes, if not `lasts`.
    lasting: dict[str, float] = field(default_factory=dict)
    #: The prompts whose tasks fail.
    failing: set[str] = field(default_factory=set)
    received: list[tuple[float, str]] = field(default_factory=list)
    polled: list[float] = field(default_factory=list)
    most: int = 0
    _in_hand: int = 0
    _tasks: dict[str, float] = field(default_factory=dict)

    def open(self) -> None:
        """Do nothing: there is no connection."""

    async def submit(self, request: Request, within: float) -> Response:
        prompt = str((request.body or {})["prompt"])
        self.received.append((self.loop.time(), prompt))
        self._in_hand += 1
        self.most = max(self.most, self._in_hand)
        await asyncio.sleep(self.answers_in)
        self._in_hand -= 1
        if prompt in self.replies:
            return self.replies[prompt]
        lasts = self.lasting.get(prompt, self.lasts)
        self._tasks[f"task of {prompt}"] = self.loop.time() + lasts
        return reply({"task_id": f"task of {prompt}"})

    async def uploaded(self, request: Request, within: float) -> Request:
        return request

    async def ask(self, request: Request, within: float) -> Response:
        self.polled.append(self.loop.time())
        await asyncio.sleep(self.answers_in)
        if self.poll_replies:
            return self.poll_replies.pop(0)
        body = request.body or {}
        tasks = body.get("task_ids") or [body["task_id"]]
        assert isinstance(tasks, list)
        answers = [self._answer_about(str(task)) for task in tasks]
        return reply({"tasks": answers} if "task_ids" in body else answers[0])

    def _answer_about(self, task: str) -> dict[str, object]:
        if self._tasks[task] > self.loop.time():
            return {"task_id": task, "status": "processing"}
        if task.removeprefix("task of ") in self.failing:
            return {"task_id": task, "status": "failed", "message": "it did not work"}
        return {"task_id": task, "status": "finished", "image_urls": ["http://127.0.0.1/1.png"]}

    @property
    def prompts(self) -> Counter[str]:
        """How often each prompt was received."""
        return Counter(prompt for _, prompt in self.received)


@dataclass
class ApiV2(Api):
    """The same with version 2's requests, and with a memory of idempotency keys."""

    #: Which of the answers to submissions are lost, counted from 1.
    lost: Callable[[int], bool] = lambda number: False
    #: Idempotency key -> the prompt and the task that it made.
    made: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: How many tasks the account may have at once; None: the API does not say.
    at_once: int | None = None
    #: For how long a key is remembered, in seconds.
    remembers: float = 24 * 3600.0
    #: How often each prompt was charged.
    charged: Counter[str] = field(default_factory=Counter)
    #: How many jobs a page of the list has; None: the list is refused.
    page: int | None = 100
    #: Jobs of other programs in the list, newer than all others; and jobs that are not in it.
    others: int = 0
    unlisted: set[str] = field(default_factory=set)
    #: Whether the list shows results; and whether its cursors still work.
    lists_results: bool = True
    knows_cursors: bool = True
    #: The path of each poll.
    asked: list[str] = field(default_factory=list)
    _answers: int = 0
    _made_at: dict[str, float] = field(default_factory=dict)

    async def submit(self, request: Request, within: float) -> Response:
        body = request.body or {}
        key, prompt = request.headers["Idempotency-Key"], str(body["prompt"])
        assert request.path == "/images/generate"
        self.received.append((self.loop.time(), prompt))
        await asyncio.sleep(self.answers_in)
        if self.loop.time() - self._made_at.get(key, -1e9) > self.remembers:
            self.charged[prompt] += 1
            self._made_at[key] = self.loop.time()
            self.made[key] = prompt, f"job-{len(self.made) + 1}"
            self._tasks[self.made[key][1]] = self.loop.time() + self.lasting.get(prompt, self.lasts)
        elif self.made[key][0] != prompt:
            return reply({"error": "this key was used with another request"}, 409)
        self._answers += 1
        if self.lost(self._answers):
            raise NoAnswer("the connection was closed without an answer")
        return reply({"jobId": self.made[key][1], "status": "QUEUED"}, 202)

    async def ask(self, request: Request, within: float) -> Response:
        assert request.method == "GET"
        self.polled.append(self.loop.time())
        await asyncio.sleep(self.answers_in)
        if request.path == "/me":
            return reply({"team": {"credits": 9999, "maxConcurrentJobs": self.at_once}})
        self.asked.append(request.path)
        if self.poll_replies:
            return self.poll_replies.pop(0)
        if request.path.startswith("/jobs?"):
            return self._listed(dict(parse_qsl(request.path.partition("?")[2])))
        task = request.path.removeprefix("/jobs/")
        if task not in self._tasks:
            return reply({"error": "Job not found"}, 404)
        return reply(self._answer_about(task))

    def _answer_about(self, task: str) -> dict[str, object]:
        if self._tasks[task] > self.loop.time():
            return {"id": task, "status": "PROCESSING", "progress": 40, "result": None}
        if task in self.failing:
            return {"id": task, "status": "FAILED", "error": "it did not work", "result": None}
        result = {"images": ["https://cdn.example/1.png"], "gridUrl": "https://cdn.example/g.png"}
        return {"id": task, "status": "COMPLETED", "result": result, "creditCost": 16}

    def _listed(self, asked: Mapping[str, str]) -> Response:
        """A page of the list: the newest jobs first, from the job that the cursor names."""
        if self.page is None or ("cursor" in asked and not self.knows_cursors):
            return reply({"error": "Invalid query"}, 400)
        assert asked["limit"] == "100"
        other = {"status": "COMPLETED", "result": {"images": ["https://cdn.example/other.png"]}}
        jobs: list[dict[str, object]] = [{"id": f"other {n}", **other} for n in range(self.others)]
        ours = [self._answer_about(task) for task in reversed(self._tasks)]
        jobs += [job for job in ours if job["id"] not in self.unlisted]
        start = _place(asked["cursor"], jobs) if "cursor" in asked else 0
        if start is None:
            return reply({"error": "Invalid cursor"}, 400)
        page, rest = jobs[start : start + self.page], jobs[start + self.page :]
        if not self.lists_results:
            page = [{name: job[name] for name in job if name != "result"} for job in page]
        following = rest[0]["id"] if rest else None
        return reply({"jobs": page, "nextCursor": following, "hasMore": bool(rest)})


def _place(cursor: str, jobs: list[dict[str, object]]) -> int | None:
    return next((n for n, job in enumerate(jobs) if job["id"] == cursor), None)


def reply(body: Mapping[str, object], status: int = 200, **headers: str) -> Response:
    """An answer of the API."""
    named = {name.lower().replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, json.dumps(body).encode())


class Bench:
    """A CSV file, its store, and passes over it, in simulated time."""

    def __init__(
        self,
        folder: Path,
        prompts: list[str],
        extra: str = "",
        *,
        environ: Mapping[str, str] = MappingProxyType({}),
        kind: type[Api] = Api,
    ) -> None:
        self.loop = SimulatedLoop()
        self.api = kind(self.loop)
        self.file = folder / "rows.csv"
        self.write([["prompt"], *([prompt] for prompt in prompts)])
        self.config = config = folder / "bench.toml"
        config.write_text(f'[sheet]\nsource = "rows.csv"\n[media]\nsave_to = ""\n{extra}')
        self.settings: Settings = load(config, environ=environ)
        #: Provider file -> its API, where it is not `api`.
        self.apis: dict[str, Api] = {}
        self.clock = Clock(self.now, self.loop.time)
        self.runner: Runner

    def close(self) -> None:
        self.loop.close()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.loop.time())

    def write(self, rows: list[list[str]]) -> None:
        """Save the sheet as a person does."""
        with self.file.open("w", newline="") as file:
            csv.writer(file).writerows(rows)

    def lines(self) -> list[list[str]]:
        """The sheet as it is: the header, then the rows."""
        with self.file.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    def loaded(self, extra: str, environ: Mapping[str, str]) -> Settings:
        """The settings of the same configuration, with more lines in it and with other keys."""
        self.config.write_text(self.config.read_text() + extra)
        return load(self.config, environ=environ)

    def sleep(self, seconds: float) -> None:
        """Nothing happens for so long."""
        self.loop.jump(seconds)

    def rows(self) -> list[dict[str, str]]:
        """The rows of the sheet as they are now."""
        with self.file.open(newline="") as file:
            return [*csv.DictReader(file)]

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, by the simulated clock."""
        with Store(self.settings.store_url, now=self.now) as store:
            yield store

    def run(
        self,
        asked: Asked | None = None,
        pace: Pace | None = None,
        *,
        during: Callable[[Bench, Store], Coroutine[Any, Any, None]] | None = None,
        before: Callable[[Store], None] = lambda store: None,
        called: bool = False,
        keep_lease: Callable[[], bool] = lambda: True,
        tell: Callable[[Progress], None] = lambda progress: None,
    ) -> Outcome:
        """Run one pass; `before` runs before its first sync, `during` at the same time."""
        with self.store() as store:
            sheet = open_sheet(self.settings, store)
            sync = wiring.open_sync(self.settings, store, sheet, clock=self.clock)
            sync.state.is_called = called

            before(store)

            async def both() -> Outcome:
                self.runner = Runner(
                    sync,
                    wiring.submissions(self.settings, sync, self.clock),
                    [
                        ApiAccess(
                            one,
                            self.apis.get(one.provider.name, self.api),
                            pace or wiring.pace(self.settings),
                        )
                        for one in sync.rules.apis
                    ],
                    None,
                    asked or Asked(wait=True),
                    self.clock,
                    keep_lease=keep_lease,
                    tell=tell,
                )
                beside = asyncio.ensure_future(during(self, store)) if during else None
                outcome = await self.runner.run()
                if beside:
                    await beside
                return outcome

            return self.loop.run_until_complete(both())
