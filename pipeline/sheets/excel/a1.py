"""Cells and ranges as a workbook names them: `B7` is row 6, column 1, counted from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from pipeline.core.sheet.header_checks import letters

Place = tuple[int, int]
#: Top, left, bottom, right.
Box = tuple[int, int, int, int]

MAX_COLUMNS, MAX_ROWS = 16_384, 1_048_576

_REF = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")


def name_of(row: int, column: int) -> str:
    """The A1 name of a cell."""
    return f"{letters(column)}{row + 1}"


def place_of(ref: str) -> tuple[int, int] | None:
    """Row and column of `B7`, counted from 0; None if it is not the name of a cell."""
    match = _REF.fullmatch(ref)
    if match is None:
        return None
    row, column = int(match[2]) - 1, _column(match[1])
    return (row, column) if 0 <= row < MAX_ROWS and column < MAX_COLUMNS else None


@lru_cache(maxsize=1024)
def _column(name: str) -> int:
    column = 0
    for letter in name.upper():
        column = column * 26 + ord(letter) - 64
    return column - 1


def box_of(ref: str) -> Box | None:
    """The box of `A1:B7` or `A1`; None if it is not a range."""
    first, _, last = ref.partition(":")
    start, end = place_of(first), place_of(last or first)
    return (*start, *end) if start and end else None


def holds_any(box: Box, places: Iterable[Place]) -> bool:
    """Returns whether one of these places is in the box."""
    top, left, bottom, right = box
    return any(top <= row <= bottom and left <= column <= right for row, column in places)


def width_of(refs: Iterable[str], last: int) -> int:
    """How many columns from the left these ranges need in the rows up to `last`.

    A range as wide as the whole sheet does not count: there is no space at its right.
    """
    boxes = [box for ref in refs if (box := box_of(ref))]
    beside = [right + 1 for top, _, _, right in boxes if top <= last and right + 1 < MAX_COLUMNS]
    return max(beside, default=0)
