"""The table of docs/explanation/rivals.md, between its two marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.rivals.measure import Cost, Verdict

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NONE = "–"


@dataclass(frozen=True)
class Figures:
    """What was measured of one program with one kind of sheet; a list is empty if it cannot be."""

    title: str
    costs: list[Cost] = field(default_factory=list)
    kills: list[Verdict] = field(default_factory=list)
    sorts: list[Verdict] = field(default_factory=list)


Cell = Callable[[Figures], str]


def lines(all_figures: Sequence[Figures], rows: int) -> list[str]:
    """The table as lines of Markdown: one column for each of the figures."""
    cells: list[tuple[str, Cell]] = [
        (f"seconds until the last of {rows} rows has its result", _cost("seconds", 1.0, ".1f")),
        ("requests to the API for each row", _cost("requests", rows, ".2f")),
        ("requests to Google in the whole run", _cost("sheet_requests", 1.0, ".0f")),
        ("memory at its peak, MB", _cost("peak", 1.0, ".0f")),
        ("killed and started again: tasks paid twice", _kills("paid_twice")),
        ("killed: paid tasks whose pictures reach no row", _kills("unseen")),
        ("killed: rows without a result", _kills("without")),
        ("sorted: rows with the pictures of another prompt", _sorts("wrong")),
        ("sorted: tasks paid twice", _sorts("paid_twice")),
        ("sorted: rows without a result", _sorts("without")),
    ]
    titles = [figures.title for figures in all_figures]
    return [
        _line(["", *titles]),
        _line(["---"] * (len(titles) + 1)),
        *(_line([what, *map(cell, all_figures)]) for what, cell in cells),
    ]


def placed(page: str, measured: Iterable[str]) -> str:
    """The page with these lines between its marks. Raises ValueError if it lacks a mark."""
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} or no {END}")
    return f"{before}{begin}\n" + "\n".join(measured) + f"\n\n{end}{after}"


def _cost(name: str, parts: float, form: str) -> Cell:
    def cell(figures: Figures) -> str:
        found = [getattr(cost, name) / parts for cost in figures.costs]
        return format(median(found), form) if any(found) else NONE

    return cell


def _kills(name: str) -> Cell:
    return lambda figures: _each(figures.kills, name)


def _sorts(name: str) -> Cell:
    return lambda figures: _each(figures.sorts, name)


def _each(verdicts: Sequence[Verdict], name: str) -> str:
    return ", ".join(str(getattr(verdict, name)) for verdict in verdicts) or NONE


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
