"""Notes readings of a sheet in the store.

A row must be in the store before its id is written into the sheet, so this comes before any write.
"""

from __future__ import annotations

from pipeline.core.cell_errors import is_value
from pipeline.core.rows.approval import is_taken_back
from pipeline.core.sheet.header import believed
from pipeline.store import Store
from pipeline.sync.look import Look
from pipeline.sync.sheet_state import SheetState


def noted(look: Look, state: SheetState, store: Store) -> Look:
    """Note a reading, and return the look with the rows that may be written.

    Of a held sheet, new rows are neither noted nor returned.
    """
    if look.hold:
        known = (line for line in look.plan.lines if line.seen.known is not None)
        look = look.with_lines(tuple(known))
    if not (look.hold and look.hold.hides_rows):
        _take_back_approvals(look, state.key, store)
        state.note(look.plan.lines, look.unchanged, believed(look.columns), len(look.grid))
    return look


def _take_back_approvals(look: Look, sheet: str, store: Store) -> None:
    """Forget approvals of the page that a cell of the sheet contradicts now.

    A "rejected" still counts after that cell was emptied again.
    """
    for line in look.plan.lines:
        if not line.memory.approved_on_page:
            continue
        cell = look.columns.control(look.grid[line.seen.place], "approved")
        if is_value(cell) and is_taken_back(line.memory, line.take, line.before, cell):
            row_id, inputs = line.seen.row_id, line.memory.inputs
            store.rows.approve(sheet, row_id, inputs, "", line.take or 0, by_sheet=True)
