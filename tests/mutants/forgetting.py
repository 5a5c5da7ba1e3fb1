"""Planted faults in what `promptsheet forget` removes, and in what is made of the rest."""

from __future__ import annotations

from typing import Final

from tests.mutants.fault import Fault

_STORE: Final = "tests/store/test_forgetting.py"
_CLI: Final = "tests/cli/test_forget.py"

FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        "the words of a failed row that was forgotten count as new words",
        "P1",
        "pipeline/sync/sheet_state.py",
        "            self.jobs.recall(recalled)",
        "            pass",
        _CLI,
    ),
    Fault(
        "feedback for a take that is still to be made is forgotten, and its trace is sent",
        "P1",
        "pipeline/store/forgetting.py",
        "        is_used = take.isdecimal() and int(take) <= takes.get(one.row_id, 0)",
        "        is_used = take.isdecimal()",
        _STORE,
    ),
    Fault(
        "a forgotten result is cleared from its cells",
        "P3",
        "pipeline/core/cells/forgotten_results.py",
        "        if not is_forgotten(job):",
        "        if job:",
        _CLI,
    ),
    Fault(
        "a saved file is deleted although another row uses it",
        "P3",
        "pipeline/store/forgetting.py",
        "            return paths - shared",
        "            return paths",
        _STORE,
    ),
    Fault(
        "a result is forgotten before its messages are delivered",
        "P3",
        "pipeline/store/old_rows.py",
        "        told.where(here, outbox.c.state.in_(OPEN)),",
        "        told.where(here, outbox.c.state.is_(None)),",
        _STORE,
    ),
    Fault(
        "a row that changes in another cell brings its words back into the store",
        "use",
        "pipeline/store/rows.py",
        "    return noted | same",
        "    return noted",
        _STORE,
    ),
)
