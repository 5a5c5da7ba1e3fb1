"""The state of outlets, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pipeline.config import Settings
from pipeline.core.text import counted, is_or_are, joined
from pipeline.store import OutletState, Store
from pipeline.sync.deliveries import Told
from pipeline.sync.outlet_entries import entries

#: A single failure is nothing to report: the next try comes by itself.
_FAILURES: Final = 3
_LATE: Final = timedelta(minutes=30)
#: Messages to an outlet of another configuration may wait so long.
_LATE_ELSEWHERE: Final = timedelta(days=1)


def own(store: Store, sheet: str, settings: Settings) -> list[OutletState]:
    """The outlets of a configuration, in its order. The store may not know a new one yet."""
    known = {one.name: one for one in store.outbox.states(sheet)}
    return [known[one.name] for one in settings.outlets if one.name in known]


def others(store: Store, sheet: str, settings: Settings) -> list[OutletState]:
    """The outlets of a sheet that this configuration of it does not have, by name."""
    names = {one.name for one in settings.outlets}
    return [one for one in store.outbox.states(sheet) if one.name not in names]


def troubles(store: Store, sheet: str, settings: Settings, now: datetime) -> Iterator[str]:
    """A sentence for each outlet of a sheet that needs a person, or that has long failed."""
    yield from _of_own(own(store, sheet, settings), now)
    for one in others(store, sheet, settings):
        if elsewhere := configuration_of(one, settings):
            if one.oldest and now - one.oldest > _LATE_ELSEWHERE:
                waiting = f"{counted(one.waiting, 'message')} {is_or_are(one.waiting)} waiting"
                yield (
                    f'The outlet "{one.name}" is in another configuration, and {waiting} since '
                    f"{_moment(one.oldest)}. Run promptsheet run {elsewhere} to deliver them; or "
                    f"promptsheet outlets forget {one.name}, which deletes them."
                )
        else:
            yield _left_behind(one)


def disagreements(store: Store, sheet: str, settings: Settings) -> Iterator[str]:
    """A sentence for each outlet that another configuration has too, in another way."""
    here = {one.name: one.settings for one in entries(settings)}
    for one in own(store, sheet, settings):
        other = configuration_of(one, settings)
        if other and here[one.name] not in ("", one.settings):
            yield (
                f'The outlet "{one.name}" is in {other}, too, with another table or another '
                "address. Make both tables the same, or give one of the outlets another name."
            )


def configuration_of(one: OutletState, settings: Settings) -> str:
    """The path of another configuration that has an outlet; empty if none has it."""
    is_elsewhere = one.config not in ("", str(settings.path)) and Path(one.config).is_file()
    return one.config if one.is_told and is_elsewhere else ""


def _left_behind(one: OutletState) -> str:
    """About an outlet that no configuration has. More messages make no news of it."""
    return (
        f'The outlet "{one.name}" is in no configuration any more. Its messages are kept until it '
        f"is back: {counted(one.waiting + one.parked, 'message')}. If it was renamed, give it its "
        f"old name back. Otherwise run promptsheet outlets forget {one.name}, which deletes them."
    )


def undelivered(number: int) -> str:
    """That so many messages to an outlet were not delivered."""
    return f"{counted(number, 'message')} to it {'was' if number == 1 else 'were'} not delivered"


def _of_own(states: Sequence[OutletState], now: datetime) -> Iterator[str]:
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


def line(one: OutletState, next_try: datetime | None = None, elsewhere: str = "") -> str:
    """An outlet and its messages, on one line. `next_try`: when those that wait are delivered.

    `elsewhere` is the configuration that has it, if it is not the one that is asked about.
    """
    waiting = f"{one.waiting} waiting"
    if one.waiting and next_try:
        waiting += f" until {_moment(next_try)}"
    parts = [f"{one.sent} delivered", waiting]
    if one.parked:
        parts.append(f"{one.parked} set aside")
    if one.delivered_at:
        parts.append(f"last delivery {_moment(one.delivered_at)}")
    return f"{one.name}: {', '.join(parts)}.{f' It is in {elsewhere}.' if elsewhere else ''}"


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
