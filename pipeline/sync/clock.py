"""The time as a pass sees it, in one object, so that a test can set it by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of a pass. Everything in `sync` reads the time here and nowhere else."""

    #: The date and time, in UTC: for what is recorded.
    now: Callable[[], datetime] = _utc_now
    #: Seconds since some moment; it never goes back: for how long something takes.
    monotonic: Callable[[], float] = time.monotonic
