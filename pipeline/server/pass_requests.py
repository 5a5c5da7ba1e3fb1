"""The passes that callers ask for: at most one waits, and two starts have a least distance.

`PassRequests` owns the request that waits, for one sheet. Use it in one event loop only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from pipeline.core.planning.causes import ON_SCHEDULE


@dataclass(frozen=True, slots=True)
class PassRequest:
    """A pass that sends at most `limit` rows (None: all), or only the named row."""

    limit: int | None = None
    row: str = ""
    #: Who or what asked for it, in words.
    by: str = field(default=ON_SCHEDULE, compare=False)

    @property
    def is_plain(self) -> bool:
        """True if the pass sends whatever is ready."""
        return self.limit is None and not self.row


class Taken(Enum):
    """What became of a request."""

    #: A pass begins now.
    STARTED = "started"
    #: A pass begins as soon as the least distance allows, or was asked for before.
    PLANNED = "planned"
    #: A pass is running, and reads the sheet again.
    RUNNING = "running"
    #: Another pass is running or planned, which would not keep to the limit or the row.
    REFUSED = "refused"


class PassControl(Protocol):
    """The passes over one sheet, as far as callers may see and start them (`watch.Watcher`)."""

    #: When the pass began that is running; None between two passes.
    running_since: datetime | None
    #: How many passes began since the start of the program.
    passes: int
    #: True if a rule stopped the sending, until a person resumes the sheet.
    is_stopped: bool

    def ask(self, request: PassRequest) -> Taken:
        """Ask for a pass."""

    def waits(self) -> float | None:
        """Seconds until the pass begins that was asked for; None if none was."""

    def is_told_of_edit(self, token: str) -> bool:
        """Check soon for edits, if the token is that of our channel. Returns whether it is."""


class PassRequests:
    """The request that waits. `apart` is the least time between two starts, in seconds."""

    def __init__(self, apart: float, now: Callable[[], float] = time.monotonic) -> None:
        self._apart, self._now = apart, now
        self._waiting: PassRequest | None = None
        self._next_at = now()

    def add(self, request: PassRequest) -> Taken:
        """Let a request wait. Returns STARTED, PLANNED or REFUSED.

        A request for all rows replaces one with a limit. A request with a limit is refused if
        another one waits, because the pass would not keep to it.
        """
        waiting = self._waiting
        if waiting is not None and waiting != request and not request.is_plain:
            return Taken.REFUSED
        self._waiting = request
        return Taken.PLANNED if waiting or self.waits() else Taken.STARTED

    def waits(self) -> float | None:
        """Seconds until the request may begin that waits; None if none does."""
        return max(self._next_at - self._now(), 0.0) if self._waiting else None

    def take(self) -> PassRequest | None:
        """The request that waits, which begins now; None if none does."""
        taken, self._waiting = self._waiting, None
        if taken:
            self._next_at = self._now() + self._apart
        return taken

    def put_back(self, request: PassRequest) -> None:
        """Let a request wait again that could not be served; not before the least distance."""
        self._next_at = self._now() + self._apart
        self._waiting = self._waiting or request
