"""The number of requests in flight: as many as the configuration allows, and never more.

The API here is a server that counts its open requests, and stops answering on demand.
"""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from pipeline import wiring
from pipeline.config import Settings, load
from pipeline.core.model import State
from pipeline.server import event_loop
from pipeline.store import Store
from pipeline.sync.lease import Busy
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.runner import Runner
from tests.fakes.program import until

ROWS, CONCURRENCY, QUICK = 200, 10, 0.02
CONFIG = """
[sheet]
source = "rows.csv"
[provider]
api_key = "env:AIR_TEST_KEY"
base_url = "{url}"
[pace]
concurrency = {concurrency}
in_flight = 1000
per_minute = 0
poll_every = "1s"
[budget]
per_run = 10000
per_day = 10000
[media]
save_to = ""
"""


class Api:
    """Answers the first submissions quickly; after a given number it stops answering."""

    def __init__(self, answers: int = ROWS) -> None:
        self.most = 0
        self.received: Counter[str] = Counter()
        self.silent = asyncio.Event()
        self._left, self._in_hand, self._go_on = answers, 0, asyncio.Event()
        self._too_many = asyncio.Event()

    def go_on(self) -> None:
        """Start to answer again, including the requests that are still open."""
        self._go_on.set()

    def ask_for_a_pause(self) -> None:
        """Answer the first open request with 429."""
        self._too_many.set()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The address of the server."""
        app = web.Application()
        app.router.add_post("/imagine", self._imagine)
        app.router.add_post("/fetch-many", self._fetch)
        app.router.add_post("/fetch", self._fetch)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            self.go_on()
            await runner.cleanup()

    async def _imagine(self, request: web.Request) -> web.Response:
        prompt = (await request.json())["prompt"]
        self.received[prompt] += 1
        self._in_hand += 1
        self.most = max(self.most, self._in_hand)
        self._left -= 1
        if self._left < 0:
            if self._left == -CONCURRENCY:
                self.silent.set()
            if self._left == -1:
                await self._too_many.wait()
                self._in_hand -= 1
                return web.Response(status=429, headers={"Retry-After": "30"})
            await self._go_on.wait()
        await asyncio.sleep(QUICK)
        self._in_hand -= 1
        return web.json_response({"task_id": f"task of {prompt}"})

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response({"tasks": []})


class SlowToReport(Api):
    """Accepts the second row after a poll about the first, and reports the second first."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self._is_asked, self._has_reported = asyncio.Event(), asyncio.Event()

    async def _imagine(self, request: web.Request) -> web.Response:
        prompt = (await request.json())["prompt"]
        if prompt == "a heron, 1":
            await self._is_asked.wait()
        return web.json_response({"task_id": f"task of {prompt}"})

    async def _fetch(self, request: web.Request) -> web.Response:
        task = (await request.json())["task_id"]
        self.asked[task] += 1
        if task == "task of a heron, 0":
            self._is_asked.set()
            await self._has_reported.wait()
        else:
            self._has_reported.set()
        urls = [f"http://127.0.0.1/{number}.png" for number in range(4)]
        return web.json_response({"task_id": task, "status": "finished", "image_urls": urls})


class Emptied(Api):
    """Empties the sheet at the first poll, and restores it with its tenth answer."""

    def __init__(self, sheet: Path) -> None:
        super().__init__()
        self._sheet, self._saved, self._asked = sheet, b"", 0

    async def _fetch(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._asked += 1
        if self._asked == 1:
            self._saved = self._sheet.read_bytes()
            self._sheet.write_bytes(b"")
        elif self._asked == 10:
            self._sheet.write_bytes(self._saved)
        many = body.get("task_ids") or [body["task_id"]]
        tasks = [self._answer_about(task) for task in many]
        return web.json_response({"tasks": tasks} if "task_ids" in body else tasks[0])

    def _answer_about(self, task: str) -> dict[str, object]:
        if task == "task of a heron, 1" and self._asked < 10:
            return {"task_id": task, "status": "processing"}
        return {"task_id": task, "image_urls": ["http://127.0.0.1/0.png"]}


def settings_in(folder: Path, url: str, rows: int = ROWS) -> Settings:
    with (folder / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["prompt"], *([f"a heron, {n}"] for n in range(rows))])
    config = folder / "air.toml"
    config.write_text(CONFIG.format(url=url, concurrency=CONCURRENCY), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIR_TEST_KEY", "a-key")
        return load(config, need_key=True)


def states(folder: Path) -> Counter[State]:
    with Store(f"sqlite:///{folder / 'promptsheet.db'}") as store:
        (sheet,) = store.sheets.all()
        jobs = store.jobs.all(sheet.key).values()
        return Counter(attempt.state for job in jobs for attempt in job.attempts)


def _submitting(folder: Path) -> int:
    return states(folder)[State.SUBMITTING]


def test_every_free_place_for_a_request_is_used_and_none_twice(tmp_path: Path) -> None:
    async def sent() -> Api:
        api = Api()
        async with api.served() as url:
            outcome = await wiring.run(settings_in(tmp_path, url), Asked())
        assert isinstance(outcome, Outcome)
        assert outcome.counts.new == ROWS
        return api

    api = event_loop.run(sent())

    assert (api.most, api.received.total(), len(api.received)) == (CONCURRENCY, ROWS, ROWS)
    assert states(tmp_path) == {State.RUNNING: ROWS}


def test_no_waiting_request_leaves_after_the_api_asked_for_a_pause(tmp_path: Path) -> None:
    answered = 100

    async def stopped() -> Api:
        api = Api(answered)
        runners: list[Runner] = []
        async with api.served() as url:
            run = wiring.run(settings_in(tmp_path, url), Asked(), started=runners.append)
            running = asyncio.create_task(run)
            await api.silent.wait()
            api.ask_for_a_pause()
            unanswered = "as many count as sent as are in the air"
            others = CONCURRENCY - 1
            await asyncio.to_thread(until, lambda: _submitting(tmp_path) == others, unanswered)
            assert not running.done()
            runners[0].interrupt()
            api.go_on()
            await running
        return api

    api = event_loop.run(stopped())

    assert api.received.total() == len(api.received) == answered + CONCURRENCY
    left = states(tmp_path)
    assert left.pop(State.RUNNING) == answered + CONCURRENCY - 1
    assert not left.keys() - {State.RETURNED}


def test_an_unanswered_poll_delays_no_other_and_is_not_repeated(
    tmp_path: Path,
) -> None:
    async def finished() -> SlowToReport:
        api = SlowToReport()
        async with api.served() as url, asyncio.timeout(20):
            outcome = await wiring.run(settings_in(tmp_path, url, rows=2), Asked(wait=True))
        assert isinstance(outcome, Outcome)
        assert (outcome.counts.new, outcome.counts.done, outcome.sentences) == (2, 2, [])
        return api

    api = event_loop.run(finished())

    assert api.asked == {"task of a heron, 0": 1, "task of a heron, 1": 1}


def test_a_briefly_empty_sheet_does_not_end_a_waiting_run(tmp_path: Path) -> None:
    # Many programs truncate a file before they write it again.
    async def waited() -> Outcome | Busy:
        api = Emptied(tmp_path / "rows.csv")
        async with api.served() as url, asyncio.timeout(20):
            settings = settings_in(tmp_path, url, rows=2)
            soon = dict.fromkeys(("poll_every", "write_every"), timedelta(milliseconds=50))
            pace = settings.pace.model_copy(update=soon)
            quick = replace(settings, pace=pace)
            return await wiring.run(quick, Asked(wait=True))

    outcome = event_loop.run(waited())

    assert isinstance(outcome, Outcome)
    assert (outcome.counts.new, outcome.counts.done, outcome.code, outcome.sentences) == (
        2,
        2,
        0,
        [],
    )
    _, *rows = csv.reader((tmp_path / "rows.csv").read_text("utf-8").splitlines())
    assert [row[2] for row in rows] == ["done", "done"]
