"""The state of outlets, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.text import counted, joined
from pipeline.store import OutletState, Store
from pipeline.sync.deliveries import Told

#: A single failure is nothing to report: the next try comes by itself.
_FAILURES: Final = 3
_LATE: Final = timedelta(minutes=30)


def troubles(states: Sequence[OutletState], now: datetime) -> Iterator[str]:
    """A sentence for each outlet that needs a person, or that has long failed."""
    for one in states:
        if one.closed:
            yield (
                f'The outlet "{one.name}" accepts nothing: {one.closed} {_wait(one)} It is tried '
                "again each hour, and at once with promptsheet outlets retry."
            )
        elif one.failures >= _FAILURES and one.oldest and now - one.oldest > _LATE:
            yield (
                f'The outlet "{one.name}" fails: {one.reason} {_wait(one)} Each run tries again.'
            )
        if one.parked:
            are, them = ("is", "it") if one.parked == 1 else ("are", "them")
            yield (
                f'{counted(one.parked, "message")} to the outlet "{one.name}" {are} set aside. '
                f"promptsheet outlets list shows why; promptsheet outlets retry sends {them} again."
            )


def all_troubles(store: Store, sheet: str, now: datetime) -> Iterator[str]:
    """The troubles of a sheet's outlets, also of those that are not configured any more."""
    yield from troubles(store.outbox.states(sheet), now)
    for name, number in store.outlets.left_behind(sheet).items():
        was, are, they = ("was", "is", "it") if number == 1 else ("were", "are", "they")
        yield (
            f'The outlet "{name}" is not in the configuration any more, and '
            f"{counted(number, 'message')} to it {was} not delivered. If it was renamed, give it "
            f"its old name back. Otherwise {they} {are} deleted after 30 days."
        )


def line(one: OutletState, next_try: datetime | None = None) -> str:
    """An outlet and its messages, on one line. `next_try`: when those that wait are delivered."""
    waiting = f"{one.waiting} waiting"
    if one.waiting and next_try:
        waiting += f" until {_moment(next_try)}"
    parts = [f"{one.sent} delivered", waiting]
    if one.parked:
        parts.append(f"{one.parked} set aside")
    if one.delivered_at:
        parts.append(f"last delivery {_moment(one.delivered_at)}")
    return f"{one.name}: {', '.join(parts)}."


def told(of: Sequence[Told], states: Sequence[OutletState]) -> str:
    """What the outlets of a sheet got from this process, and what waits; empty for nothing.

    Such as: Sent to outlets: push 12 messages, slack 1 digest.
    """
    got = [f"{one.name} {_amount(one)}" for one in of if one.messages]
    waiting = [f"{one.name} {counted(one.waiting, 'message')}" for one in states if one.waiting]
    sent = f"Sent to outlets: {', '.join(got)}." if got else ""
    left = f"Not sent yet: {', '.join(waiting)}; promptsheet outlets list shows why."
    return joined(sent, left if waiting else "")


def _amount(one: Told) -> str:
    return counted(one.calls, "digest") if one.is_digest else counted(one.messages, "message")


def _wait(one: OutletState) -> str:
    return f"Waiting: {counted(one.waiting, 'message')}."


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
