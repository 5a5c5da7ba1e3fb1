"""Shares of a budget: what rows with one value in a column may cost together.

`[budget] per = { campaign = 5000 }` gives each value of the column `campaign` a budget of its own.
A share is named by the column and the value, such as `campaign=spring`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.core.inputs import normalise
from pipeline.core.language import Said, say
from pipeline.core.sheet.header import Columns, folded
from pipeline.core.text import quoted, shortened


def share_of(column: str, cell: str) -> str:
    """The name of a share. Case and white space in a cell make no other value."""
    return f"{folded(column)}={' '.join(normalise(cell).casefold().split())}"


def column_of(share: str) -> str:
    """The folded title of the column of a share."""
    return share.partition("=")[0]


def in_words(share: str) -> Said:
    """The share for people, such as `campaign "spring"`."""
    column, _, value = share.partition("=")
    if not value:
        return say("rows without a {column}", column=shortened(column, 40))
    return say("{column} {value}", column=column, value=quoted(value, 40))


def used_up(share: str) -> Said:
    """The note of a row whose share has nothing left for it."""
    return say(
        "Not enough is left of the budget of {share} ([budget] per). Raise that budget to send "
        "this row.",
        share=in_words(share),
    )


def beyond_share(share: str, allowed: str, cost: str) -> Said:
    """The note of a row that alone costs more than its share."""
    return say(
        "This row costs {cost}, and [budget] per allows {share} {allowed}. Raise that budget to "
        "send it.",
        cost=cost,
        share=in_words(share),
        allowed=allowed,
    )


def shares_of(columns: Columns, row: Sequence[str], budgeted: Iterable[str]) -> tuple[str, ...]:
    """The shares that a row counts under, for the columns with a budget."""
    return tuple(share_of(name, _cell(columns, row, name)) for name in budgeted)


def _cell(columns: Columns, row: Sequence[str], name: str) -> str:
    at = columns.titled(name)
    return row[at] if at is not None and at < len(row) else ""
