"""Adds the rows to a sheet that people asked for on the page.

A row is in the store before it is in the sheet, with the id that is reserved for it. So the next
look knows it, and a pass that was killed in between adds it later, and once. From when a pass
begins to add it, it cannot be withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.errors import MaybeWritten, SheetError
from pipeline.core.inputs import canonical
from pipeline.core.model import Grid, KnownRow
from pipeline.core.rows.follow_ups import lacks, missing_columns, place_of
from pipeline.core.sheet.header import Columns
from pipeline.core.sheet.new_rows import NewRow
from pipeline.core.text import quoted
from pipeline.store import WantedRow
from pipeline.sync.sheet_sync import SheetSync


def add_wanted_rows(sync: SheetSync) -> bool:
    """Add the rows that are not in the sheet yet. Returns whether the sheet has new rows.

    Call it after a look. Nothing is added while the sheet is held. A row that cannot be added keeps
    the reason in the store, and a later pass tries again. Raises StoreError.
    """
    look, wanted = sync.last, sync.store.wanted_rows
    if look.hold or not (left := wanted.open(sync.key)):
        return False
    there = look.places().keys()
    if seen := {one.row_id for one in left} & there:
        wanted.note_added(sync.key, seen)
    left = [one for one in left if one.row_id not in there]
    ready = [one for one in left if not _refused(one, sync)]
    # Another store may have taken over the sheet. Then the next look says so.
    if not ready or sync.ownership.own():
        return False
    begun = wanted.begin_adding(sync.key, [one.row_id for one in ready])
    ready = [one for one in ready if one.row_id in begun]
    sync.state.rows.add([_known(one, sync) for one in ready])
    try:
        grid = sync.sheet.append(lambda grid: _rows_for(grid, ready, sync.planner.columns(grid)))
    except SheetError as error:
        unsure = isinstance(error, MaybeWritten)
        for one in ready:
            wanted.note_reason(sync.key, one.row_id, str(error), may_be_there=unsure)
        return False
    added = {one.row_id for one in ready} & _ids(grid, sync.planner.columns(grid))
    wanted.note_added(sync.key, added)
    return bool(added)


def _refused(one: WantedRow, sync: SheetSync) -> bool:
    """Note why the sheet cannot hold the row; False if it can."""
    reason = ""
    if missing := missing_columns(one.cells, sync.last.columns):
        reason = f"{lacks(missing)} The next run then adds the row."
    for text in one.cells.values():
        if why := sync.sheet.objection(text):
            reason = f"{quoted(text, 60)} {why}."
    if reason and (one.reason != reason or one.adding_at):
        sync.store.wanted_rows.note_reason(sync.key, one.row_id, reason)
    return bool(reason)


def _known(one: WantedRow, sync: SheetSync) -> KnownRow:
    return KnownRow(one.row_id, canonical(one.cells), 1, since=sync.now())


def _rows_for(grid: Grid, ready: Sequence[WantedRow], columns: Columns) -> list[NewRow]:
    """The rows that the grid lacks. A person may have deleted a column since the look."""
    there = _ids(grid, columns)
    rows: list[NewRow] = []
    for one in ready:
        cells = {"row_id": one.row_id, **one.cells}
        places = {place_of(name, columns): text for name, text in cells.items()}
        row = {at: text for at, text in places.items() if at is not None}
        if one.row_id not in there and len(row) == len(cells):
            rows.append(row)
    return rows


def _ids(grid: Grid, columns: Columns) -> set[str]:
    return {columns.cell(row, "row_id").strip() for row in grid[1:]}
