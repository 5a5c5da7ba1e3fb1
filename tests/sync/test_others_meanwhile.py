"""Events that another process records during a write are read, and never skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.model import JobKey, State
from pipeline.core.states import Accepted, Failed
from pipeline.store import Fact, Intent, Limits, Store
from pipeline.sync.clock import Clock
from pipeline.sync.sheet_state import SheetState

LIMITS = Limits("key", "run", "day")
ONE, TWO, THREE = (JobKey("sheet", f"r_00000000{n}", 1) for n in (1, 2, 3))


@pytest.mark.parametrize("ours", ["jobs are written down", "answers are recorded"])
def test_events_recorded_by_others_just_before_our_write_are_read(
    tmp_path: Path, ours: str
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store(url) as store, Store(url) as other:
        store.jobs.add([ONE, TWO])
        store.attempts.begin([Intent(k, 1, "{}", (), "imagine", 4, 60) for k in (ONE, TWO)], LIMITS)
        state = SheetState(store, "sheet", Clock())

        other.attempts.record([Fact(ONE, 1, Failed("banned word", "t-1"))])
        if ours == "jobs are written down":
            state.jobs.write_down([THREE])
        else:
            facts = [Fact(TWO, 1, Accepted("t-2"))]
            state.jobs.take_over(facts, store.attempts.recorded(facts))
        state.refresh()

        known = {key: job.attempts[0].state for key, job in state.jobs.all.items() if job.attempts}
        assert known[ONE] is State.FAILED
        assert state.rows.changed_ids >= {ONE.row_id}
        if ours == "answers are recorded":
            assert known[TWO] is State.RUNNING
