"""All combinations of some lists of values, as new rows of a sheet.

A combination that is in the sheet already is left out: a row has it if its cells of these columns
say the same, compared as inputs are compared. Other columns do not count. Pure.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from itertools import product
from math import prod
from typing import Final, NamedTuple

from pipeline.core.inputs import normalise
from pipeline.core.model import Grid
from pipeline.core.sheet.header import ALWAYS, OURS, WRITTEN, Columns, folded
from pipeline.core.sheet.new_rows import NewRow
from pipeline.core.text import quoted

#: Columns that a person fills in row by row: their cells cause or allow a payment.
_BY_HAND: Final = ("take", "approved")
_FILE = re.compile(r"(.+?\.(?:csv|tsv|xlsx|xlsm))(?::(.*))?", re.IGNORECASE | re.DOTALL)
#: What is written like the path of a file of another kind.
_OTHER_FILE = re.compile(r"[/\\]|\.[A-Za-z]{2,5}$")
_WORKBOOKS: Final = (".xlsx", ".xlsm")
#: As many titles are named in a sentence about a missing column.
MOST_TITLES: Final = 8
_FORM: Final = "write a list such as product=fox,owl or product=@products.csv:name"


class Source(NamedTuple):
    """Where the values of a list are: columns of a file, or of another tab of the sheet."""

    #: The path of the file; empty: the workbook or Google Sheet of the configuration.
    file: str
    #: The tab; empty: the first.
    tab: str
    #: Titles of columns; none: the columns of the same titles.
    titles: tuple[str, ...]


class ValueList(NamedTuple):
    """The values for one column, or for several columns that go together."""

    #: The columns, as the person wrote them.
    columns: tuple[str, ...]
    #: Each has a text for each column.
    values: tuple[tuple[str, ...], ...] = ()
    #: Where the values are, if they are not on the command line.
    source: Source | None = None


class Combinations(NamedTuple):
    """The combinations that a sheet lacks, in their order, and how many it has already."""

    #: Of each, the texts of the listed columns, in the order of the lists.
    lacking: tuple[tuple[str, ...], ...]
    there: int
    #: The listed columns.
    columns: tuple[int, ...]

    def rows(self, among: Collection[tuple[str, ...]] | None = None) -> list[NewRow]:
        """The rows to add; with `among`, only those of these combinations."""
        return [
            {at: text for at, text in zip(self.columns, texts, strict=True) if text}
            for texts in self.lacking
            if among is None or texts in among
        ]


# -- what the person writes ------------------------------------------------------------------------


def value_list(word: str) -> ValueList:
    """A list as it is written on the command line, such as `product=fox,owl`.

    Values are separated by commas. A value with a comma is in quotation marks, as in a CSV. After
    `@` is where the values are: `@FILE`, `@FILE:COLUMN`, `@WORKBOOK:TAB:COLUMN` or `@TAB:COLUMN`.
    Raises ValueError with a sentence.
    """
    left, sign, right = word.partition("=")
    names = tuple(name.strip() for name in left.split(","))
    if not sign or not all(names):
        raise ValueError(f"{quoted(word, 60)} is not a list: {_FORM}.")
    if right.startswith("@"):
        return ValueList(names, source=_source(left, right[1:]))
    if len(names) > 1:
        raise ValueError(
            f"{left}: columns that go together come from a file: write {left}=@FILE, such as "
            f"{left}=@products.csv."
        )
    try:
        lines = list(csv.reader(io.StringIO(right, newline=""), skipinitialspace=True))
    except csv.Error as why:
        raise ValueError(f"{quoted(word, 60)} cannot be read: {why}.") from None
    return ValueList(names, _distinct((cell,) for line in lines or [[]] for cell in line or [""]))


def _source(left: str, place: str) -> Source:
    match = _FILE.fullmatch(place)
    file, rest = (match[1], match[2] or "") if match else ("", place)
    tab = ""
    if not match or (file.casefold().endswith(_WORKBOOKS) and ":" in rest):
        tab, _, rest = rest.partition(":")
        if not tab.strip():
            raise ValueError(f"{left}=@{place} names no file: {_FORM}.")
        if not match and _OTHER_FILE.search(tab):
            raise ValueError(f"{left}=@{place}: a list is in a .csv, .tsv, .xlsx or .xlsm file.")
    titles = tuple(title.strip() for title in rest.split(",")) if rest.strip() else ()
    if titles and len(titles) != len(left.split(",")):
        raise ValueError(f"{left}=@{place}: name as many columns after the file as before it.")
    return Source(file, tab.strip(), titles)


def values_in(grid: Grid, wanted: ValueList, place: str) -> tuple[tuple[str, ...], ...]:
    """The values of a list in a file, whose first line is a header.

    A line in which all of these cells are empty is left out. `place` is what the file is called.
    Raises ValueError with a sentence.
    """
    titles = [title.strip() for title in (grid[0] if grid else ())]
    asked = wanted.source.titles if wanted.source else ()
    at = [_column_of(name, titles, place) for name in asked or wanted.columns]
    if not asked and len(at) == 1 and at[0] < 0:
        at = [0]  # A file with one list need not call it like the column.
    for name, column in zip(asked or wanted.columns, at, strict=True):
        if column < 0:
            raise ValueError(f"{place} has no column {name}{_instead(name, titles, add=False)}.")
    rows = (tuple(row[n] if n < len(row) else "" for n in at) for row in grid[1:])
    found = _distinct(row for row in rows if any(map(normalise, row)))
    if not found:
        raise ValueError(f"{place} has no values for {', '.join(wanted.columns)}.")
    return found


def _column_of(name: str, titles: Sequence[str], place: str) -> int:
    found = [n for n, title in enumerate(titles) if folded(title) == folded(name)]
    if len(found) > 1:
        raise ValueError(f"{place} has several columns {name}: rename one of them.")
    return found[0] if found else -1


def _distinct(rows: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(tuple(map(normalise, row)) for row in rows))


# -- rows of a sheet -------------------------------------------------------------------------------


def places_in(columns: Columns, lists: Sequence[ValueList], title: str) -> list[list[int]]:
    """The columns of each list in a sheet. Raises ValueError with a sentence if one is unusable."""
    places = [[_place(columns, name, title) for name in one.columns] for one in lists]
    every = [at for some in places for at in some]
    for at in every:
        if every.count(at) > 1:
            raise ValueError(
                f"{columns.header[at]} is listed twice: write all its values into one list."
            )
    sent = {columns.index[name] for name in columns.inputs if name not in WRITTEN}
    if sent.isdisjoint(every):
        known = ", ".join(columns.header[at] for at in sorted(sent))
        raise ValueError(
            f"A row with only {', '.join(columns.header[at] for at in every)} would not be sent. "
            f"List a column that is sent, too{f': {known}' if known else ''}."
        )
    return places


def _place(columns: Columns, name: str, title: str) -> int:
    """The column of this name or title. Raises ValueError."""
    known = {folded(one): at for one, at in columns.index.items()}
    titles = {folded(one): at for at, one in reversed([*enumerate(columns.header)])}
    at = known.get(folded(name), titles.get(folded(name), -1))
    ours = _name_at(columns, at) if at >= 0 else folded(name)
    if ours in OURS or (at < 0 and ours in map(folded, ALWAYS)):
        raise ValueError(f"{name} is filled by Promptsheet: list another column.")
    if ours in _BY_HAND:
        raise ValueError(f"{name} is for a person, row by row: list another column.")
    if at < 0:
        raise ValueError(f"{title} has no column {name}{_instead(name, columns.header)}.")
    return at


def _name_at(columns: Columns, at: int) -> str:
    """Our name of the column at a place; empty for a column of the team's own."""
    return next((name for name, place in columns.index.items() if place == at), "")


def _instead(name: str, titles: Iterable[str], *, add: bool = True) -> str:
    """Which column may be meant, or which there are, as the end of a sentence.

    `add` is whether a missing column may be added.
    """
    known = {folded(title): title.strip() for title in titles if folded(title)}
    if near := get_close_matches(folded(name), known, n=1, cutoff=0.6):
        meant = f": did you mean {quoted(known[near[0]], 40)}?"
        return f"{meant} Otherwise add the column" if add else f"{meant} Correct the name"
    there = ", ".join(quoted(title, 40) for title in [*known.values()][:MOST_TITLES])
    more = " …" if len(known) > MOST_TITLES else ""
    cure = ": add it, or correct the name" if add else ": correct the name"
    return f"{cure}; there is {there}{more}" if there else ": it has no header"


def many(lists: Sequence[ValueList]) -> int:
    """How many combinations there are."""
    return prod(len(one.values) for one in lists)


def in_words(lists: Sequence[ValueList]) -> str:
    """The lists with their sizes, such as "3 product × 4 style"."""
    names = (one.columns[0] if len(one.columns) == 1 else _together(one) for one in lists)
    return " × ".join(f"{len(one.values)} {name}" for one, name in zip(lists, names, strict=True))


def _together(one: ValueList) -> str:
    return f"({', '.join(one.columns)})"


def missing(grid: Grid, columns: Columns, lists: Sequence[ValueList], title: str) -> Combinations:
    """The combinations that no row of the sheet has. The last list changes fastest.

    `title` is what the sheet is called. Raises ValueError with a sentence if a column is unusable.
    """
    places = tuple(at for some in places_in(columns, lists, title) for at in some)
    names = [_name_at(columns, at) for at in places]

    def compared(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(columns.compared(name, text) for name, text in zip(names, texts, strict=True))

    here = {compared(row[at] if at < len(row) else "" for at in places) for row in grid[1:]}
    lacking: dict[tuple[str, ...], tuple[str, ...]] = {}
    there = 0
    for parts in product(*(one.values for one in lists)):
        texts = tuple(text for part in parts for text in part)
        mark = compared(texts)
        there += mark in here
        row = dict(zip(places, texts, strict=True))
        if mark not in here and columns.is_row([row.get(n, "") for n in range(max(row) + 1)]):
            lacking.setdefault(mark, texts)
    return Combinations(tuple(lacking.values()), there, places)
