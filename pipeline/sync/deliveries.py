"""Delivers the messages of one outlet: when, how many together, and what a failure means.

The outlet's lease is held while messages are delivered, so that two processes never deliver the
same one. What was being delivered when a process died is delivered again, and marked as a possible
repeat. A failure never raises: it is recorded in the store, and seen by `status` and on the page.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from pipeline.core.errors import PromptsheetError
from pipeline.core.outlets.outbox import Delivered, LineState, Message, Result, Trouble, Undelivered
from pipeline.core.text import counted
from pipeline.outlets import MOST_IN_DIGEST, Outlet, Pace
from pipeline.store import Delivery, Lease, Line, Store
from pipeline.sync.clock import Clock
from pipeline.sync.lease import take_lease_on

log = logging.getLogger("promptsheet")

#: Pauses after the first failed try, the second, and so on; the last one repeats. They are those of
#: Standard Webhooks 1.0.0, with 30 s more at the beginning.
PAUSES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
#: The longest pause of an outlet that fails as a whole. When it works again, all is delivered.
LONGEST_PAUSE: Final = timedelta(minutes=30)
#: A closed outlet is tried again after this time: a person may have repaired it.
CLOSED_PAUSE: Final = timedelta(hours=1)
#: The longest wait that an outlet can ask for.
LONGEST_WAIT: Final = timedelta(days=1)
#: After this time nothing more follows for a digest, while no pass runs.
QUIET: Final = timedelta(seconds=10)
#: The longest that one call may take.
CALL_SECONDS: Final = 120.0
#: Seconds of the outlet's lease: a check and a call may follow one another, and the lease must not
#: end before them. A process that dies on this machine loses it at once.
LEASE_SECONDS: Final = 2 * CALL_SECONDS + 60


Render = Callable[[Sequence[Line]], list[Message | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """An outlet as its configuration describes it."""

    #: Its number in the store.
    id: int
    #: The sheet's key in the store.
    sheet: str
    name: str
    #: Opens it; called at its first message. Raises MissingExtra.
    open: Callable[[], Outlet]
    #: The least time between two digests; None: no digests.
    digest_every: timedelta | None
    #: A message that could not be delivered for this time is given up.
    patience: timedelta


@dataclass(slots=True)
class Told:
    """What an outlet got from this process."""

    sheet: str
    name: str
    is_digest: bool
    messages: int = 0
    #: Calls in which it took messages; each call of a digest is one digest.
    calls: int = 0


class Deliveries:
    """The deliveries of one outlet, in one process.

    `render` makes the messages of some lines from the store; None for one that is no longer true.
    """

    def __init__(
        self,
        store: Store,
        route: Route,
        render: Render,
        clock: Clock,
        chance: Random,
    ) -> None:
        self._store, self._route, self._render = store, route, render
        self._clock, self._chance = clock, chance
        self._outlet: Outlet | None = None
        #: Messages for a call, at most, while one among them that is refused is being looked for.
        self._most: int | None = None
        self._next_call = 0.0
        #: What this process has delivered.
        self.told = Told(route.sheet, route.name, is_digest=route.digest_every is not None)

    def due(self, *, is_last: bool = False, at_once: bool = False) -> datetime | None:
        """When the next delivery is due; None if nothing waits.

        `is_last`: the process ends, so a digest does not wait for more to come. `at_once`: a person
        waits for it, so it does not wait for the least time between two digests either.
        """
        due = self._store.outbox.next_due(self._route.id)
        every = self._route.digest_every
        if due is None or every is None:
            return due
        waiting = self._store.outbox.waiting(self._route.id)
        if self._most or waiting.is_urgent or waiting.oldest is None or waiting.newest is None:
            return due
        if waiting.delivered_at and not at_once:
            due = max(due, waiting.delivered_at + every)
        if not is_last:  # More may come, but the first does not wait longer than for a digest.
            due = max(due, min(waiting.newest + QUIET, waiting.oldest + every))
        return due

    async def deliver(self, *, until: float | None = None, at_once: bool = False) -> int:
        """Deliver what is due now, call after call. Returns the number of delivered messages.

        `until`: the process ends, so a digest does not wait for more to come, and no call begins
        after this moment of the event loop. `at_once`: see `due`.
        """
        is_last = until is not None
        if not self._is_due(is_last, at_once):
            return 0
        lease = take_lease_on(self._store, f"outlet {self._route.id}", LEASE_SECONDS)
        if not isinstance(lease, Lease):
            return 0  # Another process delivers.
        number = 0
        try:
            while self._is_due(is_last, at_once) and not _is_over(until):
                delivered = await self._call()
                if delivered is None:
                    break
                number += delivered
                if not self._store.leases.renew(lease, LEASE_SECONDS):
                    break
        finally:
            self._store.leases.release(lease)
        return number

    async def close(self) -> None:
        """End the outlet's connections."""
        if self._outlet:
            await self._outlet.close()

    @property
    def _is_digest(self) -> bool:
        return self._route.digest_every is not None

    def _is_due(self, is_last: bool, at_once: bool) -> bool:
        due = self.due(is_last=is_last, at_once=at_once)
        return due is not None and due <= self._clock.now()

    async def _call(self) -> int | None:
        """One call of the outlet: how many messages it took; None if it must not go on."""
        if (outlet := await self._opened()) is None:
            return None
        pace = outlet.pace
        await self._keep_pace(pace)
        lines = self._claimed(pace)
        if not lines:
            self._most = None
            return None
        messages, ended = _rendered(self._render, lines)
        results = await _results(outlet, [*messages.values()])
        return self._recorded([line for line in lines if line.id in messages], results, ended)

    def _recorded(
        self, told: Sequence[Line], results: Sequence[Result], ended: dict[int, Delivery]
    ) -> int | None:
        """Record the results of one call; see `_call` for what it returns.

        `ended` is what became of the lines that were not told.
        """
        now = self._clock.now()
        are_all_refused = bool(results) and all(map(_is_refused, results))
        # If a digest is refused, one of its messages may be at fault: smaller groups are tried.
        is_final = not (self._is_digest and are_all_refused and len(results) > 1)
        if self._is_digest and are_all_refused:
            self._most = len(results) // 2 or None
        ended = ended | {
            line.id: _ended(line, result, self._route, now, self._chance, is_final=is_final)
            for line, result in zip(told, results, strict=True)
        }
        failures = [one for one in results if isinstance(one, Undelivered)]
        closed = next((one.reason for one in failures if one.trouble is Trouble.CLOSED), "")
        not_before, has_failed = None, bool(results) and len(failures) == len(results)
        if closed:
            not_before = now + CLOSED_PAUSE
        elif has_failed and not are_all_refused:
            # That a message was tried often says nothing of the outlet: its own failures count.
            before = self._store.outbox.waiting(self._route.id).failures
            # It is shorter than that of the message, so that another one is tried first.
            pause = min(0.6 * _pause(self._chance, before + 1), LONGEST_PAUSE)
            not_before = now + max(pause, *map(_wait, failures))
        elif asked := max((_wait(one) for one in failures), default=None):
            not_before = now + asked
        self._store.outbox.record(
            self._route.id,
            ended.values(),
            delivered=len(results) > len(failures),
            failed=failures[0].reason if not_before and has_failed else "",
            closed=closed,
            not_before=not_before,
        )
        if failures:
            log.info("outlet %s: %s", self._route.name, failures[0].reason)
        delivered = len(results) - len(failures)
        self.told.messages += delivered
        self.told.calls += delivered > 0
        return None if not_before else delivered

    def _claimed(self, pace: Pace) -> list[Line]:
        most = MOST_IN_DIGEST if self._is_digest else pace.most
        return self._store.outbox.claim(
            self._route.id,
            min(most, self._most or most),
            one_take=pace.has_one_take,
            several=self._is_digest,
        )

    async def _opened(self) -> Outlet | None:
        """The outlet, checked before its first message; None if it is closed."""
        if self._outlet is None:
            problems: Sequence[str]
            try:
                outlet = self._route.open()
            except PromptsheetError as e:
                problems = [str(e)]
            except Exception as error:
                _log_place_of(error)
                problems = [f"It could not be opened ({type(error).__name__})."]
            else:
                problems = await self._problems(outlet)
            if problems:
                self._store.outbox.record(
                    self._route.id,
                    (),
                    closed=" ".join(problems),
                    not_before=self._clock.now() + CLOSED_PAUSE,
                )
                log.info("outlet %s: %s", self._route.name, " ".join(problems))
                return None
            self._outlet = outlet
        return self._outlet

    async def _problems(self, outlet: Outlet) -> Sequence[str]:
        # Some services count each request, so a place that has taken messages is not checked again.
        if self._store.outbox.waiting(self._route.id).delivered_at:
            return ()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                problems = await outlet.check()
        except Exception as error:
            # Nothing is known of the place, so the delivery finds out.
            _log_place_of(error)
            return ()
        if problems:
            await outlet.close()
        return problems

    async def _keep_pace(self, pace: Pace) -> None:
        loop = asyncio.get_running_loop()
        if (wait := self._next_call - loop.time()) > 0:
            await asyncio.sleep(wait)
        self._next_call = loop.time() + pace.every


def _rendered(
    render: Render, lines: Sequence[Line]
) -> tuple[dict[int, Message], dict[int, Delivery]]:
    """The messages of these lines, and what became of lines of which there is none.

    A line that cannot be put into words is parked, so that it does not hold up the others.
    Raises StoreError.
    """
    try:
        found = render(lines)
    except PromptsheetError:
        raise
    except Exception as error:
        if len(lines) > 1:
            middle = len(lines) // 2
            messages, ended = _rendered(render, lines[:middle])
            others = _rendered(render, lines[middle:])
            return messages | others[0], ended | others[1]
        _log_place_of(error)
        reason = f"The message could not be made ({type(error).__name__})."
        return {}, {lines[0].id: Delivery(lines[0].id, LineState.PARKED, reason)}
    pairs = list(zip(lines, found, strict=True))
    return (
        {line.id: message for line, message in pairs if message},
        {
            line.id: Delivery(line.id, LineState.SENT, "no longer true")
            for line, message in pairs
            if not message
        },
    )


def _ended(
    line: Line, result: Result, route: Route, now: datetime, chance: Random, *, is_final: bool
) -> Delivery:
    """What became of a line. With `is_final` a refused one is parked."""
    if isinstance(result, Delivered):
        return Delivery(line.id, LineState.SENT, remote=result.remote)
    reason = result.reason
    match result.trouble:
        case Trouble.CLOSED:
            return Delivery(line.id, LineState.WAITING, reason, counts=False)
        case Trouble.REFUSED if not is_final:
            return Delivery(line.id, LineState.WAITING, reason, counts=False)
        case Trouble.REFUSED:
            return Delivery(line.id, LineState.PARKED, reason)
        case trouble:
            if now - line.made_at > route.patience:
                days = counted(route.patience.days, "day")
                return Delivery(line.id, LineState.PARKED, f"Given up after {days}. {reason}")
            is_unsure = line.is_unsure or trouble is Trouble.UNSURE
            not_before = now + max(_pause(chance, line.tries), _wait(result))
            return Delivery(line.id, LineState.WAITING, reason, not_before, is_unsure=is_unsure)


def _pause(chance: Random, tries: int) -> timedelta:
    """The pause after the last of so many failed tries."""
    return PAUSES[min(tries, len(PAUSES)) - 1] * chance.uniform(0.8, 1.2)


class _WithoutText(Exception):
    """Stands in a log for an exception whose text may hold an address or a token."""


def _log_place_of(error: Exception) -> None:
    shown = _WithoutText(type(error).__name__).with_traceback(error.__traceback__)
    log.info("The traceback:", exc_info=shown)


def _wait(result: Undelivered) -> timedelta:
    """How long the outlet asks us to wait; whatever it says, no longer than LONGEST_WAIT."""
    longest = LONGEST_WAIT.total_seconds()
    if result.wait >= longest:
        return LONGEST_WAIT
    return timedelta(seconds=max(0, result.wait))


def _is_over(until: float | None) -> bool:
    return until is not None and asyncio.get_running_loop().time() >= until


def _is_refused(result: Result) -> bool:
    return isinstance(result, Undelivered) and result.trouble is Trouble.REFUSED


async def _results(outlet: Outlet, messages: Sequence[Message]) -> Sequence[Result]:
    """One result for each message, whatever the outlet does."""
    if not messages:
        return ()
    try:
        async with asyncio.timeout(CALL_SECONDS):
            results = await outlet.deliver(messages)
        assert len(results) == len(messages), "one result for each message"
        return results
    except TimeoutError:
        reason = f"There was no answer within {CALL_SECONDS:.0f} s."
    except Exception as error:
        _log_place_of(error)
        # The text of an exception may hold an address or a token.
        reason = f"The delivery failed ({type(error).__name__})."
    return [Undelivered(Trouble.UNSURE, reason)] * len(messages)
