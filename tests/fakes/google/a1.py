"""Ranges: how they are written (A1) and how the API counts them (from 0, the end is outside)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

PLAIN_TITLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CELLS = re.compile(r"\$?([A-Za-z]{1,3})?\$?([1-9][0-9]*)?")


@dataclass(slots=True)
class Area:
    """A rectangle of cells; an end that is None reaches to the end of the grid, which may grow."""

    top: int = 0
    bottom: int | None = None
    left: int = 0
    right: int | None = None

    def within(self, rows: int, columns: int) -> Area:
        """The same with its open ends set, and cut where the grid ends."""
        bottom = rows if self.bottom is None else min(self.bottom, rows)
        right = columns if self.right is None else min(self.right, columns)
        return Area(self.top, bottom, self.left, right)

    def holds(self, row: int, column: int) -> bool:
        return (
            self.top <= row
            and (self.bottom is None or row < self.bottom)
            and self.left <= column
            and (self.right is None or column < self.right)
        )

    @property
    def is_one_cell(self) -> bool:
        return self.bottom == self.top + 1 and self.right == self.left + 1

    def meets(self, other: Area) -> bool:
        """True if the areas have a cell in common."""
        return (
            (other.bottom is None or self.top < other.bottom)
            and (self.bottom is None or other.top < self.bottom)
            and (other.right is None or self.left < other.right)
            and (self.right is None or other.left < self.right)
        )

    def copy(self) -> Area:
        return replace(self)


@lru_cache(maxsize=4096)
def letters(column: int) -> str:
    """0 is A, 26 is AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


@lru_cache(maxsize=4096)
def number(name: str) -> int:
    """A is 0, AA is 26."""
    column = 0
    for letter in name.upper():
        column = column * 26 + ord(letter) - 64
    return column - 1


def quoted(title: str) -> str:
    """The title as Google writes it before `!`: in quotes only if it needs them."""
    looks_like_a_cell = re.fullmatch(r"[A-Za-z]{1,3}[0-9]+|[Rr][0-9]*[Cc][0-9]*", title)
    if PLAIN_TITLE.fullmatch(title) and not looks_like_a_cell:
        return title
    return "'" + title.replace("'", "''") + "'"


def written(title: str, area: Area) -> str:
    """`Sheet1!A1:B2`; one cell is `Sheet1!A1`."""
    start = f"{letters(area.left)}{area.top + 1}"
    if area.is_one_cell:
        return f"{quoted(title)}!{start}"
    end = ("" if area.right is None else letters(area.right - 1)) + (
        "" if area.bottom is None else str(area.bottom)
    )
    return f"{quoted(title)}!{start}:{end}"


def split_title(text: str) -> tuple[str | None, str]:
    """The title before the `!`, if there is one, and the cells after it."""
    if text.startswith("'"):
        found = re.fullmatch(r"'((?:[^']|'')*)'(?:!(.*))?", text, re.DOTALL)
        if not found:
            return None, text
        return found[1].replace("''", "'"), found[2] or ""
    title, mark, cells = text.rpartition("!")
    return (title, cells) if mark else (None, text)


def cells(text: str) -> Area | None:
    """`B2:D`, `A1`, `A:C`, `2:5`; None if it is none of these."""
    start, colon, end = text.partition(":")
    first = CELLS.fullmatch(start)
    if not first or not start or (not colon and not (first[1] and first[2])):
        return None
    if not colon:
        row, column = int(first[2]) - 1, number(first[1])
        return Area(row, row + 1, column, column + 1)
    second = CELLS.fullmatch(end)
    if not second or not end:
        return None
    columns = [number(one) for one in (first[1], second[1]) if one]
    rows = [int(one) - 1 for one in (first[2], second[2]) if one]
    if len(columns) == 1 and len(rows) < 2:
        return None
    # `A5:B` begins at row 5 and is open below; `A2:3`, `5:B` likewise at the right.
    return Area(
        top=min(rows, default=0),
        bottom=max(rows) + 1 if len(rows) == 2 else None,
        left=min(columns, default=0),
        right=max(columns) + 1 if len(columns) == 2 else None,
    )
