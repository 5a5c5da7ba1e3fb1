"""When to poll: the cost of the default polling interval in requests and in time.

The poller is real; the API, the store's rate limit and the clock are simulated. Each time is
compared with the least possible: each place is used again at the moment its task ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.config import load
from pipeline.core.api.accounts import Api
from pipeline.core.api.poll_times import DurationEstimate
from pipeline.core.model import JobKey, Request, Response, State
from pipeline.core.states import Event, Succeeded
from pipeline.server import event_loop
from pipeline.store import Store
from pipeline.sync.clock import Clock
from pipeline.sync.poller import Poller
from pipeline.sync.ports import ApiAccess, Pace
from tests.core.build import NOW, attempt
from tests.fakes.cases import each

IN_FLIGHT = 50
Lasts = Callable[[Random], float]
#: What is known of an endpoint: for each task, the two ages between which it ended.
Spans = tuple[tuple[float, float], ...]

#: How long tasks take, in seconds.
LASTING: dict[str, Lasts] = {
    "2 s": lambda chance: 2.0,
    "1 to 3 s": lambda chance: chance.uniform(1, 3),
    "1 s or 5 s": lambda chance: chance.choice((1.0, 5.0)),
    "images of 40 to 80 s": lambda chance: chance.uniform(40, 80),
    "videos of 200 to 400 s": lambda chance: chance.uniform(200, 400),
    "a few much longer": lambda chance: chance.lognormvariate(2, 0.5),
}


class Desk:
    """A simulated pass: `rows` tasks, a limited number at once, and the polls for them."""

    def __init__(self, rows: int, lasts: Lasts, provider: Any, seed: int = 1) -> None:
        chance = Random(seed)
        self.lasting = [lasts(chance) for _ in range(rows)]
        self.clock, self.questions, self.sent = 0.0, 0, 0
        self.ends: dict[str, float] = {}
        self.knows_no_task = False
        self.ages: list[float] = []
        rate_limit = SimpleNamespace(permits=lambda key, wanted, per_minute: wanted)
        self.store = SimpleNamespace(rate_limit=rate_limit)
        limits = SimpleNamespace(api_key="", per_minute=None)
        sync: Any = SimpleNamespace(
            spending=SimpleNamespace(of=lambda api: limits), store=self.store
        )
        submissions: Any = SimpleNamespace(record=len)
        worker: Any = SimpleNamespace(run=_at_once)
        wire: Any = SimpleNamespace(ask=self._answer)
        self.poller = Poller(
            *(sync, submissions, worker, ApiAccess(Api(provider), wire, Pace()), Clock(self.now)),
            patient=True,
            on_event=self._on_event,
            on_order=lambda stop, pause: None,
        )

    def now(self) -> Any:
        return NOW + timedelta(seconds=self.clock)

    async def run(self, tick: float) -> None:
        """Run until all tasks are known to be done."""
        while self.sent < len(self.lasting) or self.ends:
            await self.step(tick)

    async def step(self, tick: float) -> None:
        """Send where there is a free place, poll what is due, and let `tick` seconds pass."""
        while self.sent < len(self.lasting) and len(self.ends) < IN_FLIGHT:
            task = f"task {self.sent}"
            self.ends[task] = self.clock + self.lasting[self.sent]
            sent = attempt(State.RUNNING, task_id=task, endpoint="imagine")
            key = JobKey("sheet", task, 1)
            self.poller.schedule.follow(key, replace(sent, sent_at=self.now()))
            self.sent += 1
        await self.poller.round()
        self.clock += tick

    async def _answer(self, request: Request, within: float) -> Response:
        self.questions += 1
        body = request.body or {}
        asked = body.get("task_ids") or [body["task_id"]]
        assert isinstance(asked, list)
        return Response(
            200, {}, json.dumps({"tasks": [self._answer_about(task) for task in asked]}).encode()
        )

    def _answer_about(self, task: str) -> dict[str, object]:
        if self.knows_no_task:
            return {"task_id": "another", "status": "processing"}
        if self.ends[task] > self.clock:
            return {"task_id": task, "status": "processing"}
        return {"task_id": task, "image_urls": ["http://127.0.0.1/1.png"]}

    def _on_event(self, key: JobKey, number: int, event: Event) -> None:
        if isinstance(event, Succeeded):
            del self.ends[key.row_id]

    @property
    def per_row(self) -> float:
        """Requests per row, including its submission."""
        return 1 + self.questions / len(self.lasting)

    @property
    def least(self) -> float:
        """Seconds for the same tasks if the end of each is known at once."""
        ends: list[float] = []
        for lasting in self.lasting:
            heappush(ends, lasting + (heappop(ends) if len(ends) == IN_FLIGHT else 0.0))
        return max(ends)


async def _at_once(work: Callable[..., Any], *words: Any) -> Any:
    return work(*words)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("asking")
    config = folder / "promptsheet.toml"
    config.write_text('[sheet]\nsource = "prompts.csv"\n')
    return load(config).provider


def passed(rows: int, lasts: Lasts, provider: Any, known: Spans = ()) -> Desk:
    """A finished pass; it can use the durations of an earlier one."""
    desk = Desk(rows, lasts, provider)
    if known:
        desk.poller.schedule.durations.recall({"imagine": known})
    event_loop.run(desk.run(tick=sum(desk.lasting) / rows / 40))
    return desk


@pytest.mark.parametrize("lasting", LASTING)
def test_polling_needs_few_requests_and_loses_little_time(lasting: str, provider: Any) -> None:
    first = passed(300, LASTING[lasting], provider)
    later = passed(
        100, LASTING[lasting], provider, first.poller.schedule.durations.to_keep()["imagine"]
    )

    for desk in (first, later):
        found = f"{desk.per_row:.3f} a row, {desk.clock / desk.least:.2f} times the least time"
        print(f"{lasting}: {found}")
        assert desk.per_row <= 1.2, found
        assert desk.clock <= 1.3 * desk.least, found


def test_a_single_long_video_is_polled_less_and_less_often(provider: Any) -> None:
    desk = passed(1, lambda chance: 600.0, provider)

    assert desk.questions < 16
    assert desk.clock < 600 * 1.6


def test_the_known_durations_adapt_to_an_api_that_becomes_much_faster(provider: Any) -> None:
    slow = passed(100, lambda chance: 60.0, provider).poller.schedule.durations.to_keep()["imagine"]

    desk = passed(500, lambda chance: 3.0, provider, slow)

    # The end of the first group is found late, of the next ones soon.
    assert desk.clock < 60 + 2 * 3 + 1.6 * desk.least
    assert desk.per_row <= 1.2


def test_a_quick_task_is_found_soon_although_most_take_much_longer(provider: Any) -> None:
    slow = Desk(150, lambda chance: chance.choice((2.0, 200.0)), provider)
    event_loop.run(slow.run(tick=0.5))

    desk = passed(
        1, lambda chance: 2.0, provider, slow.poller.schedule.durations.to_keep()["imagine"]
    )

    assert desk.clock < 10, desk.clock


def test_a_quick_task_is_found_soon_among_tasks_that_rarely_end(provider: Any) -> None:
    known = passed(100, lambda chance: 2.0, provider).poller.schedule.durations.to_keep()["imagine"]
    desk = Desk(40, lambda chance: 3000.0, provider)
    desk.poller.schedule.durations.recall({"imagine": known})
    desk.lasting += [2.0]

    async def until_it_is_found() -> None:
        while not desk.sent or "task 40" in desk.ends:
            await desk.step(0.1)

    event_loop.run(until_it_is_found())

    assert desk.clock < 6, desk.clock


def test_a_task_unknown_to_the_api_is_polled_less_and_less_often(provider: Any) -> None:
    desk = Desk(30, lambda chance: 2000.0, provider)
    known = passed(100, lambda chance: 2.0, provider).poller.schedule.durations.to_keep()["imagine"]
    desk.poller.schedule.durations.recall({"imagine": known})
    desk.knows_no_task = True

    async def for_half_an_hour() -> None:
        while desk.clock < 1800:
            await desk.step(0.5)

    event_loop.run(for_half_an_hour())

    assert desk.questions < 30 * 30, desk.questions


def test_while_the_rate_limit_allows_no_poll_the_store_is_queried_seldom(
    provider: Any,
) -> None:
    desk = Desk(1, lambda chance: 1.0, provider)
    asked: list[int] = []

    def permits(key: str, wanted: int, per_minute: int | None) -> int:
        asked.append(wanted)
        return 0

    desk.store.rate_limit.permits = permits

    async def for_a_moment() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    await desk.step(1.0)
                    await asyncio.sleep(0)

    event_loop.run(for_a_moment())

    assert asked == [1]


def test_an_endpoint_without_a_usable_duration_counts_as_unknown(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'promptsheet.db'}", now=lambda: NOW) as store:
        kept = {"imagine": ((1.0, 2.0), (3.0, 3.0)), "blend": ((5.0, 4.0),), "vary": ()}
        store.durations.keep("key", kept)

        assert store.durations.get("key") == {"imagine": ((1.0, 2.0),)}


@each("age", [0.0, 1.0, 2.0, 30.0])
def test_the_chance_of_an_end_grows_with_age_and_is_a_probability(age: float) -> None:
    known = DurationEstimate()
    for span in ((1.0, 2.0), (0.0, 0.8), (2.0, 2.0), (5.0, 9.0)):
        known = known.with_one(*span)
    chances = [known.chance(age + more / 10, age) for more in range(400)]

    assert chances[0] == 0
    assert all(0 <= one <= 1 for one in chances)
    assert chances == sorted(chances)
    assert chances[-1] > 0.5
