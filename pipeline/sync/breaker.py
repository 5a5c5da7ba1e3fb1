"""Decides when a pass stops sending, so that one mistake is not paid for many times.

Two rules of our own: the first submissions were all refused with the same words, or too many tasks
failed. The API, or a part of the pass that cannot go on, may stop it as well.

The breaker owns the counts and the reason. It knows no clock and no network, and raises nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("promptsheet")

#: If more than this share of at least this many tasks failed, all of them have the same problem.
FAILED_SHARE, FAILED_LEAST = 0.3, 20


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing more is sent by this pass."""

    sentence: str
    #: True if the API or store cannot be reached or refuses (exit 3), or a rule of ours (exit 1).
    out_of_reach: bool


class CircuitBreaker:
    """Open once nothing more may be sent; it never closes again. `on_open` is called each time.

    `stop_after` is how many equal refusals at the start stop the pass. With `is_careful`, the first
    submission is answered before a second one leaves: the pass before was stopped.
    """

    def __init__(
        self, title: str, stop_after: int, on_open: Callable[[], None], *, is_careful: bool = False
    ) -> None:
        self.is_open = False
        #: The first reason; None while closed, and where the pass ends without one.
        self.stop: Stop | None = None
        self._title, self._stop_after, self._on_open = title, stop_after, on_open
        self._has_accepted, self._is_careful = False, is_careful
        self._refusals: list[str] = []
        self._succeeded = self._failed = 0

    def open(self, stop: Stop | None = None) -> None:
        """Stop the sending, with a reason or without one."""
        self.is_open = True
        if stop and self.stop is None:
            self.stop = stop
            log.warning("%s: %s", self._title, stop.sentence)
        self._on_open()

    def accepted(self) -> None:
        """The API took a submission."""
        self._has_accepted = True

    def refused(self, reason: str) -> None:
        """The API refused a submission; `reason` is what it said."""
        self._refusals.append(reason)
        first = self._refusals[: self._stop_after]
        alike = len(first) == self._stop_after and len(set(first)) == 1
        if alike and not self._has_accepted:
            said = f'The first {len(first)} were all refused alike ("{first[0]}")'
            self.open(Stop(f"{said}, so nothing more was sent. Repair that first.", False))

    def finished(self, *, succeeded: bool) -> None:
        """A task ended, however that was learnt: by an answer, a poll or a webhook."""
        self._succeeded += succeeded
        self._failed += not succeeded
        total = self._succeeded + self._failed
        if total >= FAILED_LEAST and self._failed > FAILED_SHARE * total:
            said = f"{self._failed} of {total} rows failed"
            self.open(Stop(f"{said}, so nothing more was sent. Look at their notes first.", False))

    def room(self, unanswered: int) -> int | None:
        """How many more may be begun while `unanswered` are; None for any number.

        Until a submission is accepted, one more than the stop rule needs is never sent.
        """
        if self._has_accepted:
            return None
        refused = len(self._refusals)
        doubtful = refused if refused < self._stop_after else 0
        room = self._stop_after - unanswered - doubtful
        return min(room, 1 - unanswered) if self._is_careful and not refused else room
