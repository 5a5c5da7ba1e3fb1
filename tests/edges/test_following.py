"""Asking after tasks, where somebody else is told of the same ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from pipeline import loop, wiring
from pipeline.clerk import Clerk
from pipeline.core.model import JobKey, Request, Response, State
from pipeline.core.states import Event
from pipeline.following import Poller
from pipeline.sending import Pace, Sender
from pipeline.store import Store
from tests.core.build import NOW, attempt
from tests.edges.test_in_the_air import settings_in

P = ParamSpec("P")
T = TypeVar("T")
TASK = attempt(State.RUNNING, task_id="t-1")


class Finished:
    """An API that says of every task that it has ended."""

    def open(self) -> None:
        """There is nothing to open."""

    async def submit(self, request: Request, within: float) -> Response:
        raise AssertionError("nothing is sent here")

    async def ask(self, request: Request, within: float) -> Response:
        told = {"task_id": "t-1", "status": "finished", "image_urls": ["http://127.0.0.1/1.png"]}
        return Response(200, {}, json.dumps(told).encode())


class CalledMeanwhile(Clerk):
    """A thread in which, while an answer is recorded, the API calls about the same task."""

    poller: Poller
    calls: bool

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        done = await super().do(work, *args, **kwargs)
        if self.calls and work.__name__ == "record":
            self.poller.ended(TASK)
        return done


@pytest.mark.parametrize(("calls", "counted"), [(False, 1), (True, 0)])
def test_an_end_that_a_call_told_meanwhile_is_not_counted_once_more(
    tmp_path: Path, calls: bool, counted: int
) -> None:
    heard: list[Event] = []

    async def asked() -> None:
        settings = settings_in(tmp_path, "http://127.0.0.1:9", rows=1)
        with Store(settings.store_url) as store:
            book = wiring.open_book(settings, store, wiring.open_sheet(settings, store))
            clerk = CalledMeanwhile()
            clerk.calls = calls
            sender = Sender(
                book,
                clerk,
                Finished(),
                Pace(),
                now=lambda: NOW,
                limit=None,
                patient=True,
                on_answer=lambda sending, told: None,
                on_stale=lambda: None,
            )
            clerk.poller = Poller(
                book,
                clerk,
                Finished(),
                sender,
                Pace(),
                now=lambda: NOW,
                on_event=lambda key, number, event: heard.append(event),
            )
            clerk.poller.follow(JobKey(book.key, "r_aaaaaaaaa", 1), TASK, soon=True)
            await clerk.poller.round()
            clerk.close()

    loop.run(asked())

    assert len(heard) == counted
