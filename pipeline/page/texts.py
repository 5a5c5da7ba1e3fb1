"""The texts and the bar of the page that change often, from a snapshot of the board."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.core.costs import Cost
from pipeline.core.money import Money
from pipeline.core.text import rounded
from pipeline.page.sheet_status import SheetStatus
from pipeline.page.snapshot import Snapshot


def texts_of(snapshot: Snapshot) -> dict[str, str]:
    """The texts of the page that change often, by their place in the HTML."""
    totals, sheet_status = snapshot.totals, snapshot.sheet_status
    spent, budget, unit = _spending(sheet_status)
    more = "".join(f" · {cost.in_words(',')}" for cost in sheet_status.elsewhere)
    return {
        "pictures": f"{totals.pictures:,}" if snapshot.is_complete else "…",
        "rows": f"{totals.rows:,}",
        "spent": spent,
        "budget": f"{budget}{unit} today{more}",
        "progress": _progress(snapshot),
        "state": _state(snapshot),
        **{f"count {status}": f"{count:,}" for status, count in totals.counts.items()},
        "count needing": f"{totals.needing:,}",
        "count all": f"{sum(totals.counts.values()):,}" if snapshot.is_complete else "…",
    }


def _spending(sheet_status: SheetStatus) -> tuple[str, str, str]:
    """What is spent today, the limit of the day, and the unit of both."""
    spent, budget = sheet_status.spent, sheet_status.budget
    if isinstance(budget, Money):
        amount = spent.in_words().split()[0] if isinstance(spent, Money) else "–"
        most, unit = budget.in_words().split()
        return amount, f"of {most} ", unit
    # In the plural: the number stands above its label.
    unit = Cost(0, sheet_status.account).in_words().removeprefix("0 ")
    amount = "–" if spent is None else f"{spent:,}"
    return amount, "" if budget is None else f"of {budget:,} ", unit


def waiting(snapshot: Snapshot) -> str:
    """When a requested take or attempt is sent; empty if by the next run."""
    if snapshot.sheet_status.paused:
        return "after Resume"
    return "not before the hold ends" if snapshot.sheet_status.hold else ""


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


def _progress(snapshot: Snapshot) -> str:
    """How many rows are finished, the rate, and the estimated time left."""
    totals = snapshot.totals
    if not snapshot.is_complete:
        return "Counting…"
    words = [f"{totals.finished:,} of {totals.rows:,} finished"]
    if snapshot.sheet_status.paused or snapshot.sheet_status.hold:
        return words[0]  # Nothing is sent, so the rate says nothing about the rest.
    if totals.on_their_way and totals.rate:
        words.append(f"{totals.rate:,.0f} a minute" if totals.rate >= 1 else "under 1 a minute")
    if totals.left is not None:
        words.append(f"about {rounded(totals.left)} left")
    return " · ".join(words)


def _state(snapshot: Snapshot) -> str:
    sheet_status = snapshot.sheet_status
    if sheet_status.paused:
        return "Paused"
    if sheet_status.running_since:
        return "Running"
    return "Waiting for the next run" if snapshot.totals.on_their_way else "Up to date"
