"""Decides whether the header of a sheet can be used, and whether a reading is accepted.

All functions return or raise sentences that say what to do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from pipeline.core.errors import ColumnsError
from pipeline.core.model import Grid
from pipeline.core.pictures.picks import PICKED
from pipeline.core.sheet.header import ALWAYS, OURS, WRITTEN, Columns, Header
from pipeline.core.text import quoted

#: The least number of words in a cell that is a prompt rather than a title.
_PROSE = 5
_VALUE = re.compile(r"\d{1,4}:\d{1,4}|https?://\S+")


def check_header(
    columns: Columns, grid: Grid, ours: frozenset[str], inputs: Collection[str]
) -> None:
    """Raise ColumnsError unless the header can be used; `ours` are the columns that are ours.

    A column of one of our names that already holds text is a person's, and we write nowhere.
    """
    if not grid:
        raise ColumnsError("The sheet is empty. Write a header with a column named prompt.")
    if not set(columns.inputs) - set(WRITTEN):
        raise ColumnsError(_no_header(columns, grid, inputs))
    for name in OURS:
        if name in columns.index and name not in ours and columns.filled(grid, name):
            at, title = columns.index[name], columns.title(name)
            # A column that we add in any case needs another title; the others are left out.
            ignored = f'[columns] ignore = ["{title.strip()}"]'
            other = f'[columns] {name} = "{_another_title(name)}"'
            raise ColumnsError(
                f"Column {letters(at)}, {title}, already holds text. Rename it, or set "
                f"{other if name in ALWAYS else ignored}. "
                "If Promptsheet filled it and its store is lost, run promptsheet doctor --adopt. "
                "If another tool filled it for us, run promptsheet init --adopt."
            )


def without_theirs(columns: Columns, grid: Grid, ours: frozenset[str]) -> Columns:
    """The columns without a column `picked` of the team's own: one that we did not fill.

    The name is an ordinary word, and was free in earlier versions.
    """
    is_theirs = PICKED in columns.index and PICKED not in ours and columns.filled(grid, PICKED)
    if not is_theirs:
        return columns
    index = {name: at for name, at in columns.index.items() if name != PICKED}
    doubled = {name: places for name, places in columns.doubled.items() if name != PICKED}
    return replace(columns, index=index, doubled=doubled)


def becoming_ours(columns: Columns, ours: Collection[str]) -> list[str]:
    """Sentences about empty columns that have one of our names and may be meant for something else.

    `ours` are the columns that are ours already. A sheet with a column for ids was made for us.
    """
    if "row_id" in columns.index:
        return []
    return [
        f"Column {letters(columns.index[name])}, {columns.title(name).strip()}, is empty, so "
        f"Promptsheet writes its {name.replace('_', ' ')} there. If the column is your own, rename "
        f'it, or set [columns] {name} = "{_another_title(name)}".'
        for name in ALWAYS
        if name in columns.index and name not in ours
    ]


def _another_title(name: str) -> str:
    return f"Image {name.replace('_', ' ')}"


def _no_header(columns: Columns, grid: Grid, fields: Collection[str]) -> str:
    """Why the first line is no header, and what to do about it."""
    header = Header(frozenset(fields), columns.titles)
    for place, row in enumerate(grid[1:TITLE_LINES], start=2):
        if set(header.read_line(row).inputs) & set(fields):
            return (
                f"The header is in line {place}. Move it to the first line: delete the lines above "
                "it, or write them further down."
            )
    if cell := cell_of_a_row(columns.header):
        return row_as_header(cell)
    return (
        f"No column is named like something to send ({', '.join(sorted(fields))}). "
        "The header must be the first line; name a column prompt, "
        'or set [columns] prompt = "Your title".'
    )


def cell_of_a_row(cells: Sequence[str]) -> str:
    """The first cell that is a prompt, an aspect ratio or an address; empty if none is.

    A first line with such a cell is a row rather than the titles of the columns.
    """
    return next(
        (one for one in cells if len(one.split()) >= _PROSE or _VALUE.fullmatch(one.strip())), ""
    )


def row_as_header(cell: str) -> str:
    """What to do if a row is in the place of the header, because of this cell of it."""
    return (
        f"The first line looks like a row: {quoted(cell, 60)}. The header must be the first line: "
        "write one above it, with the title prompt over the prompts. If the first line has the "
        'titles, set [columns] prompt = "Your title".'
    )


#: How far down a header is looked for, to tell people where it is.
TITLE_LINES = 50


def loss(columns: Columns, accepted: Sequence[str] | None, rows: int, known: int) -> str:
    """Why this reading is not accepted, as a sentence; empty if it is.

    `accepted` holds the columns of the last accepted reading; `rows` and `known` count the rows of
    this reading and of that one.
    """
    if columns.doubled:
        return " ".join(_twice(columns, places) for places in columns.doubled.values())
    gone = [name for name in accepted or () if not columns.has(name)]
    if gone:
        return (
            f"The column {', '.join(gone)} is gone. Put it back, name it under [columns], "
            "or run once with --accept-columns."
        )
    if known and not rows:
        return "All rows are gone. Put them back, or run once with --accept-columns."
    return ""


def _twice(columns: Columns, places: Sequence[int]) -> str:
    *some, last = map(letters, places)
    names = dict.fromkeys(columns.header[at].strip() for at in places)
    return (
        f"Columns {', '.join(some)} and {last} have one name, {' or '.join(names)}. "
        "Rename all but one of them."
    )


def letters(at: int) -> str:
    """The letters that spreadsheets give to a column counted from 0: A, B, … Z, AA."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(65 + rest) + name
    return name
