"""Whether a row waits for approval. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.core import messages
from pipeline.core.approval import (
    EXAMPLES,
    Tick,
    approval,
    covered_on_page,
    covers_another_take,
    is_covered,
)
from pipeline.core.header import Columns
from pipeline.core.language import NOTHING, Said
from pipeline.core.rules import Rules

if TYPE_CHECKING:
    from pipeline.core.lines import Line


def approval_missing(line: Line, row: Sequence[str], columns: Columns, rules: Rules) -> Said:
    """Why the row is not approved, as a note; empty if it is, or needs no approval."""
    cell = columns.control(row, "approved")
    if line.memory.approved_on_page == covered_on_page(line.memory, line.take, cell):
        return NOTHING
    if "approved" not in columns.index:
        return (
            messages.needs_approval_column(columns.title("approved")) if rules.approval else NOTHING
        )
    title = columns.title("approved")
    match approval(cell, rules.approved_words):
        case Tick.NO:
            return messages.needs_approval(title)
        case Tick.OTHER:
            return messages.not_approved(title, cell, rules.approved_words or EXAMPLES)
    if is_covered(line.memory, line.take):
        return NOTHING
    return messages.needs_approval_again(title, covers_another_take(line.memory, line.take))
