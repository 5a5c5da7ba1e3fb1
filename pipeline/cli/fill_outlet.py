"""The command `outlets fill`: sends a new outlet the rows that ended before it was there."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime

from rich.console import Console

from pipeline import wiring
from pipeline.cli import dates
from pipeline.cli.outlets import list_outlets, named
from pipeline.cli.questions import confirm
from pipeline.config import OutletSettings, Settings
from pipeline.config.outlets import ChatTable
from pipeline.core.errors import ConfigError
from pipeline.core.outlets.outbox import ROW_KINDS
from pipeline.core.text import counted, one_line
from pipeline.delivering import deliver_now
from pipeline.open_outlets import open_outlet
from pipeline.store import Filled
from pipeline.sync.outlet_entries import file_wait
from pipeline.sync.outlet_filling import lacking


def fill(settings: Settings, console: Console, name: str, since: str, yes: bool) -> int:
    """Send an outlet the rows that ended earlier, after showing how many there are.

    Returns 1 if the person declines, or if an outlet needs a person afterwards. Raises ConfigError
    for an outlet that cannot be filled, a wrong date, and without a terminal to ask at.
    """
    its, begin = named(settings, name), dates.since(since, settings)
    _check(its)
    with ExitStack() as stack:
        (campaign,) = stack.enter_context(wiring.campaigns([settings]))
        store, key = campaign.store, campaign.key
        number = wiring.configure_outlets(settings, store, key)[name]
        told, jobs = store.filling.told(number), store.jobs.all(key)
        with wiring.previewing(settings) as sync:
            found = lacking(sync, jobs, its, told, begin, wiring.now())
            hold = sync.last.hold
        if not found:
            if hold:
                console.print(one_line(hold.sentence), markup=False, style="yellow")
            console.print(f"There is nothing to fill: {_nothing(its, since)}.", markup=False)
            return 0
        console.print(_summary(its, found), markup=False)
        if not yes:
            if not sys.stdin.isatty():
                raise ConfigError(f"Add --yes to send them to {name}.")
            if not confirm(f"Send them to {name}?"):
                return 1
        store.filling.add(number, found, begin, file_wait(settings, its))
        deliver_now(campaign)
    return list_outlets(settings, console)


def _check(its: OutletSettings) -> None:
    """Raise ConfigError if an outlet cannot be filled."""
    open_outlet(its)
    if isinstance(its.table, ChatTable) and its.table.send == "rows":
        raise ConfigError(
            f'The outlet "{its.name}" posts a message for each row, which would bury the chat. Set '
            'send = "digest" to fill it.'
        )


def _nothing(its: OutletSettings, since: str) -> str:
    if not {*its.kinds} & {*ROW_KINDS}:
        return f"{its.name} gets no messages about rows (when)"
    return f"{its.name} has all rows that ended{f' since {since}' if since else ''}"


def _summary(its: OutletSettings, found: Sequence[Filled]) -> str:
    """How many rows there are to tell of, how they ended, and when."""
    kinds = Counter(str(one.message.kind) for one in found)
    ends = sorted(one.message.at.astimezone() for one in found)
    rows = len({one.message.key.row_id for one in found})
    takes = f" ({counted(len(found), 'take', ',')})" if rows < len(found) else ""
    counts = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
    digest = " It gets a digest." if its.digest_every is not None else ""
    return (
        f"{its.name} does not have {counted(rows, 'row', ',')}{takes}: {counts}. They ended "
        f"{_days(ends[0], ends[-1])}.{digest}"
    )


def _days(first: datetime, last: datetime) -> str:
    """Such as: between 2026-11-01 and 2026-11-20."""
    days = [f"{at:%Y-%m-%d}" for at in (first, last)]
    return f"on {days[0]}" if days[0] == days[1] else f"between {' and '.join(days)}"
