"""The texts and the bar of the page that change often, from a snapshot of the board."""

from __future__ import annotations

from typing import Final, NamedTuple

from pipeline.core.credits import Credits
from pipeline.core.language import NOTHING, Said, figures, say, together
from pipeline.core.money.costs import Cost
from pipeline.core.money.currency import Money
from pipeline.core.text import rounded
from pipeline.page.sheet_status import SheetStatus
from pipeline.page.snapshot import Snapshot


def texts_of(snapshot: Snapshot) -> dict[str, Said]:
    """The texts of the page that change often, by their place in the HTML."""
    totals, sheet_status = snapshot.totals, snapshot.sheet_status
    spent, budget = _spending(sheet_status)
    today = say("{budget} today", budget=budget)
    more = [cost.in_words(",") for cost in sheet_status.elsewhere]
    return {
        "pictures": _figures(totals.pictures) if snapshot.is_complete else _UNKNOWN,
        "rows": _figures(totals.rows),
        "spent": spent,
        "budget": together([today, *more], " · "),
        "progress": _progress(snapshot),
        "state": _state(snapshot),
        **{f"count {status}": _figures(count) for status, count in totals.counts.items()},
        "count needing": _figures(totals.needing),
        "count all": _figures(sum(totals.counts.values())) if snapshot.is_complete else _UNKNOWN,
    }


def _spending(sheet_status: SheetStatus) -> tuple[Said, Said]:
    """What is spent today, and what the number is: its unit, and the limit of the day."""
    spent, budget = sheet_status.spent, sheet_status.budget
    if isinstance(budget, Money):
        amount = figures(spent.in_words().split()[0]) if isinstance(spent, Money) else _NOTHING
        return amount, say("of {amount}", amount=budget.in_words())
    # In the plural: the number stands above its label.
    amount = _NOTHING if isinstance(spent, Money) or spent is None else _figures(spent)
    if budget is None:
        return amount, Cost(0, sheet_status.account).label
    return amount, say("of {amount}", amount=Cost(budget, sheet_status.account).in_words(","))


def waiting(snapshot: Snapshot) -> Said:
    """When a requested take or attempt is sent; empty if by the next run."""
    if snapshot.sheet_status.is_at_rest:
        return say("after Resume")
    return say("not before the hold ends") if snapshot.sheet_status.hold else NOTHING


#: Instead of a number that is not known yet, and of one that there is not.
_UNKNOWN: Final = together(["…"])
_NOTHING: Final = together(["–"])


class BarPart(NamedTuple):
    """One status in the bar: where its part begins and how wide it is, both in percent."""

    status: str
    start: float
    width: float


def bar_of(snapshot: Snapshot) -> list[BarPart]:
    """The rows by status as parts of a bar."""
    counts = snapshot.totals.counts
    whole = sum(counts.values()) or 1
    parts, at = [], 0.0
    for status, count in counts.items():
        width = 100 * count / whole
        parts.append(BarPart(status.replace(" ", "-"), round(at, 3), round(width, 3)))
        at += width
    return parts


def _progress(snapshot: Snapshot) -> Said:
    """How many rows are finished, the rate, and the estimated time left."""
    totals = snapshot.totals
    if not snapshot.is_complete:
        return say("Counting…")
    finished, rows = _figures(totals.finished), _figures(totals.rows)
    words = [say("{number} of {all} finished", number=finished, all=rows)]
    if snapshot.sheet_status.is_at_rest or snapshot.sheet_status.hold:
        return words[0]  # Nothing is sent, so the rate says nothing about the rest.
    if totals.on_their_way and totals.rate:
        rate = figures(f"{totals.rate:,.0f}")
        is_slow = totals.rate < 1
        words.append(say("under 1 a minute") if is_slow else say("{number} a minute", number=rate))
    if totals.left is not None:
        words.append(say("about {time} left", time=rounded(totals.left)))
    return together(words, " · ")


def _state(snapshot: Snapshot) -> Said:
    sheet_status = snapshot.sheet_status
    if sheet_status.paused:
        return say("Paused")
    if sheet_status.running_since:
        return say("Running")
    if sheet_status.stopped:
        return say("Stopped")
    on_their_way = snapshot.totals.on_their_way
    return say("Waiting for the next run") if on_their_way else say("Up to date")


def _figures(number: Credits) -> Said:
    return figures(f"{number:,}")
