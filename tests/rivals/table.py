"""The tables of docs/explanation/rivals.md, between their two marks."""

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
Column = tuple[str, Cell]


def lines(all_figures: Sequence[Figures], rows: int) -> list[str]:
    """The tables as lines of Markdown: first the shares that matter, then all figures.

    Each has one line for each of the figures, and no line that would be empty.
    """
    in_short: list[Column] = [
        ("paid twice after a crash", _share("kills", "paid_twice", rows)),
        ("left to a person after a crash", _share("kills", "without", rows)),
        ("wrong pictures after sorting", _share("sorts", "wrong", rows)),
        ("paid twice after sorting", _share("sorts", "paid_twice", rows)),
    ]
    costs: list[Column] = [
        (f"seconds until the last of {rows} rows has its result", _cost("seconds", 1.0, ".1f")),
        ("requests to the API for each row", _cost("requests", rows, ".2f")),
        ("requests to Google", _cost("sheet_requests", 1.0, ".0f")),
        ("memory at its peak, MB", _cost("peak", 1.0, ".0f")),
    ]
    kills: list[Column] = [
        ("tasks paid twice", _each("kills", "paid_twice")),
        ("paid tasks whose pictures reach no row", _each("kills", "unseen")),
        ("rows without a result", _each("kills", "without")),
    ]
    sorts: list[Column] = [
        ("rows with the pictures of another prompt", _each("sorts", "wrong")),
        ("tasks paid twice", _each("sorts", "paid_twice")),
        ("rows without a result", _each("sorts", "without")),
    ]
    tables = [
        (f"of {rows} rows, at worst", in_short),
        ("a run", costs),
        ("killed, then started again", kills),
        ("sorted once a second", sorts),
    ]
    return [
        line for title, columns in tables for line in (*_table(title, columns, all_figures), "")
    ][:-1]


def placed(page: str, measured: Iterable[str]) -> str:
    """The page with these lines between its marks. Raises ValueError if it lacks a mark."""
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} or no {END}")
    return f"{before}{begin}\n" + "\n".join(measured) + f"\n\n{end}{after}"


def _table(title: str, columns: Sequence[Column], all_figures: Sequence[Figures]) -> list[str]:
    cells = [[figures.title, *(cell(figures) for _, cell in columns)] for figures in all_figures]
    return [
        _line([title, *(name for name, _ in columns)]),
        _line(["---"] * (len(columns) + 1)),
        *(_line(line) for line in cells if set(line[1:]) != {NONE}),
    ]


def _cost(name: str, parts: float, form: str) -> Cell:
    def cell(figures: Figures) -> str:
        found = [getattr(cost, name) / parts for cost in figures.costs]
        return format(median(found), form) if any(found) else NONE

    return cell


def _each(kind: str, name: str) -> Cell:
    def cell(figures: Figures) -> str:
        return ", ".join(str(number) for number in _numbers(figures, kind, name)) or NONE

    return cell


def _share(kind: str, name: str, rows: int) -> Cell:
    def cell(figures: Figures) -> str:
        found = _numbers(figures, kind, name)
        return f"{max(found) / rows:.0%}" if found else NONE

    return cell


def _numbers(figures: Figures, kind: str, name: str) -> list[int]:
    return [getattr(verdict, name) for verdict in getattr(figures, kind)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
