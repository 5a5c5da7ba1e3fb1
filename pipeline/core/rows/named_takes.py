"""Which take and which part of another row a cell names: `fox@2`, `fox@2:9x16`, `fox@:9x16`.

The name of a row alone means the take that the row asks for. Pure.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pipeline.core.rows.generations import part_named

_NAMED: Final = re.compile(r"(.*\S)@(?:([1-9][0-9]{0,8})(?::(\S.*))?|:(\S.*))", re.DOTALL)
#: How a cell names the part that has an empty name: the first of a row with `count`.
_FIRST: Final = "_1"


class NamedTake(NamedTuple):
    """A take of a row, or one of its parts."""

    #: The row's name or row_id.
    row: str
    #: None: the take that the row asks for.
    take: int | None = None
    #: None: the only one.
    part: str | None = None


def named_take(text: str) -> NamedTake | None:
    """The take or part that a cell names; None if it can only name a row."""
    found = _NAMED.fullmatch(text)
    if found is None:
        return None
    row, take, part, part_alone = found.groups()
    part = part or part_alone
    return NamedTake(row, int(take) if take else None, part_named(part) if part else None)


def name_of_take(row: str, take: int, part: str = "", *, has_parts: bool = False) -> str:
    """How a cell names a take of a row, or one of its parts, as `named_take` reads it."""
    return f"{row}@{take}:{part or _FIRST}" if part or has_parts else f"{row}@{take}"
