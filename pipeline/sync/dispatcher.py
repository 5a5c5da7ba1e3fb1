"""Sends the requests of attempts that are on disk as sent, so many at once and no more.

Each request is sent once, and each ends in one verdict. An attempt that finds no place in time, or
whose sending was stopped, was not sent, and is reported as such. The dispatcher owns the requests
under way and why the API could not be reached.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from pipeline import telemetry
from pipeline.core import messages_sent, reasons
from pipeline.core.apis import endpoint_of
from pipeline.core.errors import NotSent, PartUnread, WireError
from pipeline.core.protocol import Verdict, verdict
from pipeline.core.states import Failed, Lost, Postponed
from pipeline.sync.breaker import CircuitBreaker, Stop
from pipeline.sync.clock import Clock, lately
from pipeline.sync.ports import ApiAccess
from pipeline.sync.submissions import Sending
from pipeline.sync.throttle import Throttle
from pipeline.sync.with_addresses import WithAddresses

log = logging.getLogger("promptsheet")

#: Seconds that an attempt on disk as sent may wait for a place; after that it was not sent.
SOON = 0.5


class Dispatcher:
    """At most `[pace] concurrency` requests at once.

    It opens the breaker if the API cannot be reached. `on_answer` is called with each verdict, then
    `on_late` with the attempts that found no place in time, and `on_change` whenever a place
    becomes free.
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
        on_late: Callable[[Sequence[Sending]], None],
        on_change: Callable[[], None],
    ) -> None:
        #: Why the last submission could not leave, as a sentence; empty once one was answered.
        self.trouble = ""
        #: Seconds until an answer, of the last submissions.
        self._answer_took = 0.0
        self._access, self._clock, self._addresses = access, clock, addresses
        self._throttle, self._breaker = throttle, breaker
        self._on_answer, self._on_late, self._on_change = on_answer, on_late, on_change
        self._air: set[asyncio.Task[None]] = set()
        #: Attempts without a place so far, and until when each waits for one.
        self._waiting: deque[tuple[float, Sending]] = deque()

    @property
    def in_air(self) -> int:
        """Requests that have left and are not answered."""
        return len(self._air)

    @property
    def pending(self) -> int:
        """Attempts that have no verdict."""
        return len(self._air) + len(self._waiting)

    def room(self, until: float) -> int:
        """How many more may be sent `until` so many seconds from now.

        These are the free places, and those that become free by then. Answers come in bursts, so
        twice as many as come in that time on average are expected.
        """
        share = 2 * until / self._answer_took if self._answer_took else 0.0
        places = self._access.pace.concurrency
        return places + int(places * min(share, 1.0)) - self.pending

    @property
    def gives_up_in(self) -> float | None:
        """Seconds until the first attempt has waited too long; None if none waits."""
        if not self._waiting:
            return None
        return max(self._waiting[0][0] - self._clock.monotonic(), 0.0)

    def open(self) -> None:
        """Load what a request needs, before an attempt is on disk as sent."""
        self._access.wire.open()

    def send(self, sendings: Sequence[Sending]) -> None:
        """Send these as soon as there is a place for each."""
        until = self._clock.monotonic() + SOON
        self._waiting.extend((until, sending) for sending in sendings)
        self.let_leave()

    def let_leave(self) -> None:
        """Give the free places to attempts that wait; report those that may not leave any more."""
        may_leave = not self._breaker.is_open and self._throttle.may_leave
        places = self._access.pace.concurrency
        while self._waiting and may_leave and len(self._air) < places:
            _, sending = self._waiting.popleft()
            task = asyncio.create_task(self._submit(sending))
            self._air.add(task)
            task.add_done_callback(self._landed)
        late = []
        while self._waiting and (not may_leave or self.gives_up_in == 0):
            _, sending = self._waiting.popleft()
            why = "the sending was stopped before it could leave"
            if may_leave:
                why = "no answer came in time to make room for it"
                late.append(sending)
            self._on_answer(sending, Verdict(Postponed(why)))
        if late:
            self._answer_took = 0.0  # Expect no place to become free until an answer comes.
            self._on_late(late)

    async def landed(self) -> None:
        """Wait until every request that has left has its verdict."""
        while self._air:
            await asyncio.wait(self._air)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._air.discard(task)
        self.let_leave()
        self._on_change()

    async def _submit(self, sending: Sending) -> None:
        """Send once; whatever comes of it is one verdict."""
        api = self._access.api
        endpoint = endpoint_of(api.provider, sending.attempt.endpoint, api.prefix)
        began = self._clock.monotonic()
        try:
            request = await self._addresses.request(
                sending.key, sending.attempt, sending.request, self._left(sending)
            )
            row_id, name = sending.key.generation, sending.attempt.endpoint
            with telemetry.span("submit", row_id=row_id, endpoint=name):
                response = await self._access.wire.submit(request, self._left(sending))
            self._answer_took = lately(self._answer_took, self._clock.monotonic() - began)
            answer = verdict(api.provider, endpoint, response, self._clock.now())
            self._throttle.reached()
            self.trouble = ""
        except PartUnread as e:
            answer = Verdict(Failed(f"{messages_sent.UNREAD}{e}", refused=True))
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
