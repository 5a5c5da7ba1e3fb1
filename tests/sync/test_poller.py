"""Polling tasks while another part of the program receives answers about the same tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import ParamSpec, TypeVar

import pytest

from pipeline import wiring
from pipeline.core.model import JobKey, Request, Response, State
from pipeline.core.states import Event
from pipeline.open_sheet import open_sheet
from pipeline.server import event_loop
from pipeline.store import Store
from pipeline.sync.clock import Clock
from pipeline.sync.poller import Poller
from pipeline.sync.ports import ApiAccess, Pace, Wire
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from pipeline.sync.worker import Worker
from tests.core.build import NOW, attempt
from tests.sync.test_submitter import settings_in

P = ParamSpec("P")
T = TypeVar("T")
TASK = attempt(State.RUNNING, task_id="t-1")


class Finished:
    """An API that answers that every task has ended."""

    def open(self) -> None:
        """Do nothing: there is no connection."""

    async def submit(self, request: Request, within: float) -> Response:
        raise AssertionError("nothing is sent here")

    async def uploaded(self, request: Request, within: float) -> Request:
        return request

    async def ask(self, request: Request, within: float) -> Response:
        body = {"task_id": "t-1", "status": "finished", "image_urls": ["http://127.0.0.1/1.png"]}
        return Response(200, {}, json.dumps(body).encode())


class CalledMeanwhile(Worker):
    """A worker thread; while it records an answer, the API calls about the same task."""

    poller: Poller
    calls: bool

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        done = await super().run(work, *args, **kwargs)
        if self.calls and work.__name__ == "record":
            self.poller.schedule.ended(TASK)
        return done


CLOCK = Clock(lambda: NOW)


def _submissions(sync: SheetSync) -> Submissions:
    return Submissions(sync, clock=CLOCK, chance=Random(1))


def _poller(
    sync: SheetSync, worker: Worker, api: Wire, on_event: Callable[[JobKey, int, Event], None]
) -> Poller:
    """The poller of a pass that does not wait."""
    return Poller(
        *(sync, _submissions(sync), worker, ApiAccess(sync.rules.api, api, Pace()), CLOCK),
        patient=False,
        on_event=on_event,
        on_order=lambda stop, pause: None,
    )


@pytest.mark.parametrize(("calls", "counted"), [(False, 1), (True, 0)])
def test_an_end_already_reported_by_a_webhook_is_not_counted_again(
    tmp_path: Path, calls: bool, counted: int
) -> None:
    events: list[Event] = []

    async def asked() -> None:
        settings = settings_in(tmp_path, "http://127.0.0.1:9", rows=1)
        with Store(settings.store_url) as store:
            sync = wiring.open_sync(settings, store, open_sheet(settings, store))
            worker = CalledMeanwhile()
            worker.calls = calls
            worker.poller = _poller(
                sync, worker, Finished(), lambda key, number, event: events.append(event)
            )
            worker.poller.schedule.follow(JobKey(sync.key, "r_aaaaaaaaa", 1), TASK, soon=True)
            await worker.poller.round()
            worker.close()

    event_loop.run(asked())

    assert len(events) == counted


class LeavesOut(Finished):
    """An API that omits a task from its answers about several tasks."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def ask(self, request: Request, within: float) -> Response:
        assert request.body is not None
        self.asked.append(request.body)
        known = ["t-2"] if "task_ids" in request.body else ["t-1"]
        answers = [
            {"task_id": task, "status": "finished", "image_urls": ["http://127.0.0.1/1.png"]}
            for task in known
        ]
        return Response(200, {}, json.dumps({"tasks": answers}).encode())


def test_a_pass_without_wait_polls_a_task_alone_if_a_group_answer_omits_it(
    tmp_path: Path,
) -> None:
    reported: list[str] = []
    api = LeavesOut()

    async def asked() -> None:
        settings = settings_in(tmp_path, "http://127.0.0.1:9", rows=1)
        with Store(settings.store_url) as store:
            sync = wiring.open_sync(settings, store, open_sheet(settings, store))
            poller = _poller(
                sync, Worker(), api, lambda key, number, event: reported.append(key.row_id)
            )
            for number in (1, 2):
                key = JobKey(sync.key, f"r_aaaaaaaa{number}", 1)
                poller.schedule.follow(
                    key, attempt(State.RUNNING, task_id=f"t-{number}"), soon=True
                )
            while not poller.has_polled:
                await poller.round()

    event_loop.run(asked())

    assert api.asked == [{"task_ids": ["t-1", "t-2"]}, {"task_id": "t-1"}]
    assert reported == ["r_aaaaaaaa2", "r_aaaaaaaa1"]
