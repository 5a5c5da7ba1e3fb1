"""The state of outlets, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.text import counted
from pipeline.store import OutletState

#: A single failure is nothing to report: the next try comes by itself.
_FAILURES: Final = 3
_LATE: Final = timedelta(minutes=30)


def troubles(states: Sequence[OutletState], now: datetime) -> Iterator[str]:
    """A sentence for each outlet that needs a person, or that has long failed."""
    for one in states:
        waiting = f"{counted(one.waiting, 'message')} wait"
        if one.closed:
            yield (
                f'The outlet "{one.name}" accepts nothing: {one.closed} {waiting}; it is tried '
                f"again each hour, and at once with promptsheet outlets retry."
            )
        elif one.failures >= _FAILURES and one.oldest and now - one.oldest > _LATE:
            yield f'The outlet "{one.name}" fails: {one.reason} {waiting} and will be tried again.'
        if one.parked:
            yield (
                f'The outlet "{one.name}" refused {counted(one.parked, "message")}. promptsheet '
                f"outlets shows why; promptsheet outlets retry sends them again."
            )


def line(one: OutletState) -> str:
    """An outlet and its messages, on one line."""
    parts = [f"{one.sent} delivered", f"{one.waiting} waiting"]
    if one.parked:
        parts.append(f"{one.parked} refused")
    if one.delivered_at:
        parts.append(f"last at {one.delivered_at.astimezone():%Y-%m-%d %H:%M}")
    return f"{one.name}: {', '.join(parts)}."
