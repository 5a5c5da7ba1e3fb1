"""Faults in row matching, planning, states and cells."""

from __future__ import annotations

from tests.mutants.fault import Fault

_MATCHING = "tests/core/test_row_matching.py"
_PLANNING = "tests/core/test_planning.py"
_STATES = "tests/core/test_states.py"

FAULTS = (
    Fault(
        "filled-down id makes a copy",
        "use",
        "pipeline/core/row_matching.py",
        "copy = row.has_marks and self.inputs",
        "copy = self.inputs",
        _MATCHING,
    ),
    Fault(
        "an id found elsewhere is matched first",
        "P2",
        "pipeline/core/row_matching.py",
        "one in self.bearers, order.get",
        "one not in self.bearers, order.get",
        _MATCHING,
    ),
    Fault(
        "any higher take releases a copy",
        "P1",
        "pipeline/core/known_rows.py",
        "raised = take == known.first_take + 1",
        "raised = take is not None and take > known.first_take",
        f"{_MATCHING} {_PLANNING}",
    ),
    Fault(
        "a row at the cap is told to raise it",
        "use",
        "pipeline/core/planning.py",
        "most is not None and price > most",
        "most is not None and price >= most",
        _PLANNING,
    ),
    Fault(
        "progress stays in a line without a row",
        "use",
        "pipeline/core/statuses.py",
        'return text in IN_CELLS or text.startswith(f"{Status.IN_PROGRESS} ")',
        "return text in IN_CELLS",
        "tests/core/test_cells.py",
    ),
    Fault(
        "an id that occurs twice proves its row",
        "P2",
        "pipeline/core/verified_writes.py",
        'if mark != "" and marks.get(mark) == 1:',
        'if mark != "":',
        "tests/core/test_verified_writes.py",
    ),
    *(
        Fault(
            f"unchanged rows are not checked after {what} changed",
            "use",
            "pipeline/sync/changed_rows.py",
            "            self._rules,\n            columns.header,\n",
            f"            __import__('dataclasses').replace(self._rules, {same}),\n"
            "            columns.header,\n",
            "tests/sync/test_changed_rules.py",
        )
        for what, same in (
            ("approval", "approval=False"),
            ("defaults", "defaults={}"),
            ("prices", "provider=None"),
            ("the endpoint", "endpoint=''"),
        )
    ),
)
