"""The product's own resender in a pass of the world, without a network and without waiting."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar

from pipeline.core.api.accounts import Api
from pipeline.core.errors import NoAnswer
from pipeline.core.model import JobKey, Request, Response
from pipeline.core.states import Event
from pipeline.sync.clock import Clock
from pipeline.sync.ports import ApiAccess, Pace
from pipeline.sync.resender import Resender
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from pipeline.sync.worker import Worker

P = ParamSpec("P")
T = TypeVar("T")


class Resends:
    """The resender of one pass at one API.

    `answer` gives the response to each request, or None if none comes. `on_event` gets what is
    recorded.
    """

    def __init__(
        self,
        sync: SheetSync,
        submissions: Submissions,
        api: Api,
        clock: Clock,
        *,
        answer: Callable[[Request], Response | None],
        on_event: Callable[[JobKey, int, Event], None],
    ) -> None:
        self.api, self._sync, self._answer = api, sync, answer
        self._is_stopped = False
        #: What the API found wrong with a request. The product takes it for a lost answer.
        self._wrong: AssertionError | None = None
        self._resender = Resender(
            sync,
            submissions,
            _Inline(),
            ApiAccess(api, self, Pace()),
            clock,
            patient=True,
            may_send=lambda: not (self._is_stopped or sync.last.hold),
            on_event=on_event,
            on_order=self._heed,
            on_stale=lambda: self._heed("the next look decides", 0.0),
        )

    def take_all(self) -> None:
        """Take over the attempts of rows in the sheet, as a pass does after a look."""
        rules, at_work = self._sync.rules, self._sync.state.jobs.at_work()
        rows = {line.seen.row_id for line in self._sync.last.plan.lines}
        its = {place: one for place, one in at_work.items() if rules.api_of(one) == self.api}
        self._resender.found(its, rows)

    @property
    def is_idle(self) -> bool:
        """True if nothing is to be sent again in this pass."""
        return self._resender.is_idle

    def round(self) -> None:
        """Send again, once, whatever is due. Raises what the API found wrong with a request."""
        _loop().run_until_complete(self._resender.round())
        if self._wrong:
            raise self._wrong

    def _heed(self, stop: str, pause: float) -> None:
        self._is_stopped |= bool(stop)

    # -- the way to the API --------------------------------------------------------------------

    def open(self) -> None:
        """Do nothing: there is no connection."""

    async def submit(self, request: Request, within: float) -> Response:
        """The response. Raises NoAnswer."""
        try:
            response = self._answer(request)
        except AssertionError as wrong:
            self._wrong = wrong
            raise
        if response is None:
            raise NoAnswer("no answer in time")
        return response

    async def uploaded(self, request: Request, within: float) -> Request:
        """The request as it is: it has no files."""
        return request

    async def ask(self, request: Request, within: float) -> Response:
        """Not used: the world polls for itself."""
        raise AssertionError(request)


class _Inline(Worker):
    """Runs everything at once."""

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of this process."""
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop
