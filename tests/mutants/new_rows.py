"""Faults in `expand`: rows added twice, over people's cells, or in the wrong columns."""

from __future__ import annotations

from tests.mutants.fault import Fault

_GOOGLE = "tests/sheets/google/test_new_rows.py"

FAULTS = (
    Fault(
        "a combination that is in the sheet is added again",
        "P1",
        "pipeline/core/sheet/combinations.py",
        "        if mark not in here and",
        "        if",
        "tests/core/sheet/test_combinations.py",
    ),
    Fault(
        "a ratio that a spreadsheet saved as a time is another combination",
        "P1",
        "pipeline/core/sheet/combinations.py",
        "columns.compared(name, text) for name, text",
        "text.strip() for name, text",
        "tests/core/sheet/test_combinations.py",
    ),
    Fault(
        "two calls of expand add rows at once",
        "P1",
        "pipeline/cli/expand.py",
        "    if not isinstance(lease, Lease):",
        "    if isinstance(lease, str):",
        "tests/cli/test_expand.py",
    ),
    Fault(
        "more rows are added than were shown",
        "P4",
        "pipeline/cli/expand.py",
        "rows = self._missing(grid).rows(shown)\n            before",
        "rows = self._missing(grid).rows()\n            before",
        "tests/cli/test_expand.py",
    ),
    Fault(
        "new rows are written over what people typed there",
        "P5",
        "pipeline/sheets/google/formatting.py",
        "    return [*wanted, cells_of_rows(sheet, at, rows)]",
        "    return [cells_of_rows(sheet, at, rows)]",
        _GOOGLE,
    ),
    Fault(
        "new rows stay in wrong columns",
        "P2",
        "pipeline/sheets/google/new_rows.py",
        "                self._put_right(titles, part)\n",
        "",
        _GOOGLE,
    ),
    Fault(
        "a request that adds rows is repeated",
        "P1",
        "pipeline/sheets/google/sheet.py",
        "                if not rows_for((now",
        "                if rows_for(self._tab.look().grid):\n                    continue\n"
        "                if not rows_for((now",
        _GOOGLE,
    ),
    Fault(
        "a new cell of a CSV becomes a formula",
        "P5",
        "pipeline/sheets/csv/sheet.py",
        "                if why := self.objection(cell):",
        '                if why := "":',
        "tests/sheets/test_sheets.py",
    ),
    Fault(
        "a row that names a take follows the present one",
        "P1",
        "pipeline/core/planning/followed_rows.py",
        "        take = named.take or take",
        "        take = take or named.take",
        "tests/core/rows/test_chains.py",
    ),
    Fault(
        "a follow-up row of the page follows a take that comes later",
        "P1",
        "pipeline/page/following.py",
        "    return name_of_take(one.row_id, one.take, one.part, has_parts=has_parts)",
        "    return one.row_id if not has_parts else name_of_take(one.row_id, one.take, one.part)",
        "tests/page/test_following.py",
    ),
    Fault(
        "a row that was withdrawn is added all the same",
        "P1",
        "pipeline/sync/wanted_rows.py",
        "    ready = [one for one in ready if one.row_id in begun]",
        "    ready = [one for one in ready if one.row_id in begun or True]",
        "tests/page/test_following.py",
    ),
    Fault(
        "a row is withdrawn while a run adds it",
        "P1",
        "pipeline/store/wanted_rows.py",
        "is_free = wanted_rows.c.adding_at.is_(None), wanted_rows",
        "is_free = wanted_rows.c.added_at.is_(None), wanted_rows",
        "tests/page/test_following.py",
    ),
    Fault(
        "a second store of a process ends the locks of the first",
        "P3",
        "pipeline/store/connection.py",
        "        if not path.exists():",
        "        if True:",
        "tests/store/test_processes.py",
    ),
)
