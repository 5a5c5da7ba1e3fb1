"""Sends the requests of attempts that are on disk as sent, so many at once and no more.

Each request is sent once, and each ends in one verdict. An attempt is begun only for a free place,
so a program that is killed leaves no more attempts in doubt than there are places. If the sending
was stopped while an attempt was written to disk, the attempt is reported as not sent. The
dispatcher owns the requests under way and why the API could not be reached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from pipeline import telemetry
from pipeline.core.api.accounts import endpoint_of
from pipeline.core.api.protocol import Verdict, verdict
from pipeline.core.errors import NotSent, PartUnread, WireError
from pipeline.core.messages import reasons, sent_notes
from pipeline.core.states import Failed, Lost, Postponed
from pipeline.sync.breaker import CircuitBreaker, Stop
from pipeline.sync.clock import Clock
from pipeline.sync.ports import ApiAccess
from pipeline.sync.submissions import Sending
from pipeline.sync.throttle import Throttle
from pipeline.sync.with_addresses import WithAddresses

log = logging.getLogger("promptsheet")


class Dispatcher:
    """At most `[pace] concurrency` requests at once.

    It opens the breaker if the API cannot be reached. `on_answer` is called with each verdict, and
    `on_change` whenever a place becomes free.
    """

    def __init__(
        self,
        access: ApiAccess,
        clock: Clock,
        throttle: Throttle,
        breaker: CircuitBreaker,
        addresses: WithAddresses,
        *,
        on_answer: Callable[[Sending, Verdict], None],
        on_change: Callable[[], None],
    ) -> None:
        #: Why the last submission could not leave, as a sentence; empty once one was answered.
        self.trouble = ""
        self._access, self._clock, self._addresses = access, clock, addresses
        self._throttle, self._breaker = throttle, breaker
        self._on_answer, self._on_change = on_answer, on_change
        self._air: set[asyncio.Task[None]] = set()

    @property
    def in_air(self) -> int:
        """Requests that have left and are not answered."""
        return len(self._air)

    @property
    def room(self) -> int:
        """Free places: so many requests may leave now."""
        return self._access.pace.concurrency - len(self._air)

    def open(self) -> None:
        """Load what a request needs, before an attempt is on disk as sent."""
        self._access.wire.open()

    def send(self, sendings: Sequence[Sending]) -> None:
        """Send these. There is a place for each, but the sending may have been stopped since."""
        for sending in sendings:
            if self._breaker.is_open or not self._throttle.may_leave:
                why = "the sending was stopped before it could leave"
                self._on_answer(sending, Verdict(Postponed(why)))
                continue
            task = asyncio.create_task(self._submit(sending))
            self._air.add(task)
            task.add_done_callback(self._landed)

    async def landed(self) -> None:
        """Wait until every request that has left has its verdict."""
        while self._air:
            await asyncio.wait(self._air)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._air.discard(task)
        self._on_change()

    async def _submit(self, sending: Sending) -> None:
        """Send once; whatever comes of it is one verdict."""
        api = self._access.api
        endpoint = endpoint_of(api.provider, sending.attempt.endpoint, api.prefix)
        try:
            request = await self._addresses.request(
                sending.key, sending.attempt, sending.request, self._left(sending)
            )
            row_id, name = sending.key.generation, sending.attempt.endpoint
            with telemetry.span("submit", row_id=row_id, endpoint=name):
                response = await self._access.wire.submit(request, self._left(sending))
            answer = verdict(api.provider, endpoint, response, self._clock.now())
            self._throttle.reached()
            self.trouble = ""
        except PartUnread as e:
            answer = Verdict(Failed(f"{sent_notes.UNREAD}{e}", refused=True))
        except NotSent as e:
            answer = Verdict(Postponed(str(e)))
            self._unreached(str(e))
        except WireError as e:
            answer = Verdict(Lost(str(e)))
        except asyncio.CancelledError:
            self._on_answer(sending, Verdict(Lost(reasons.WAS_STOPPED)))
            raise
        except Exception as e:  # The API may have accepted it, whatever went wrong here.
            log.exception("a submission ended in an unforeseen way")
            answer = Verdict(Lost(reasons.UNFORESEEN.format(error=type(e).__name__)))
        self._on_answer(sending, answer)

    def _left(self, sending: Sending) -> float:
        """Seconds until the attempt's deadline. Raises NotSent if there are none."""
        left = (sending.attempt.deadline - self._clock.now()).total_seconds()
        if left <= 0:
            raise NotSent("its time was over before it could leave")
        return left

    def _unreached(self, why: str) -> None:
        title = self._access.api.title
        self.trouble = f"{title} cannot be reached: {why}. Nothing was sent or paid."
        if not self._throttle.unreached():
            self._breaker.open(Stop(self.trouble, True))
