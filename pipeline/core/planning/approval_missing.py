"""Whether a row waits for approval. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pipeline.core.language import NOTHING, Said, say
from pipeline.core.messages import row_notes
from pipeline.core.rows.approval import Outdated, is_covered, is_covered_on_page, outdated
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns
from pipeline.core.sheet.ticks import EXAMPLES, Tick, approval

if TYPE_CHECKING:
    from pipeline.core.planning.lines import Line

_WHY: Final = {
    Outdated.TAKE: say("The approval was for another take."),
    Outdated.PICTURE: say("The picked pictures are not those that were approved."),
    Outdated.ROW: say("Changed after it was approved."),
}


def approval_missing(line: Line, row: Sequence[str], columns: Columns, rules: Rules) -> Said:
    """Why the row is not approved, as a note; empty if it is, or needs no approval."""
    cell = columns.control(row, "approved")
    about = line.memory, line.take, line.before
    if is_covered_on_page(*about, cell):
        return NOTHING
    title, words = columns.title("approved"), rules.approved_words or EXAMPLES
    if "approved" not in columns.index:
        return row_notes.needs_approval_column(title, words[0]) if rules.approval else NOTHING
    match approval(cell, rules.approved_words):
        case Tick.NO:
            return row_notes.needs_approval(title, words[0])
        case Tick.OTHER:
            return row_notes.not_approved(title, cell, words)
    if is_covered(*about):
        return NOTHING
    return row_notes.needs_approval_again(title, _WHY[outdated(*about)])
