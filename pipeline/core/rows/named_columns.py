"""Columns that the configuration names for budgets and names of files. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns, folded
from pipeline.core.text import quoted


def missing(columns: Columns, rules: Rules) -> Iterator[str]:
    """A sentence for each such column: what happens without it, and the title that may be meant."""
    for name in rules.budgeted:
        if columns.titled(name) is None:
            yield (
                f"[budget] per names the column {name}, and the sheet has none: all rows share "
                f"that budget. {_cure(columns, name)}"
            )
    for name in rules.file_columns:
        if name != "endpoint" and columns.titled(name) is None:
            yield (
                f"[media] file_name names the column {name}, and the sheet has none: that part of "
                f"the names stays empty. {_cure(columns, name)}"
            )


def places(columns: Columns, rules: Rules) -> Iterator[int]:
    """Where the columns are that the configuration names and the sheet has, counted from 0."""
    for name in (*rules.budgeted, *rules.file_columns):
        if (at := columns.titled(name)) is not None:
            yield at


def _cure(columns: Columns, name: str) -> str:
    titles = {folded(title): title.strip() for title in columns.header if folded(title)}
    if near := get_close_matches(folded(name), titles, n=1, cutoff=0.7):
        return f"Did you mean {quoted(titles[near[0]], 40)}?"
    return "Add the column, or correct its name."
