"""Approvals on the page and forgotten rows during a pass: no pass misses them."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.cells.unchanged_rows import Unchanged
from pipeline.core.inputs import canonical
from pipeline.core.model import KnownRow
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.sheet.header import Header
from pipeline.store import Store, Terms
from pipeline.sync.clock import Clock
from pipeline.sync.sheet_state import SheetState

ROWS = [KnownRow(f"r_00000000{n}", canonical({"prompt": f"fox {n}"}), 1) for n in range(3)]


def known_of(store: Store) -> SheetState:
    return SheetState(store, "sheet", Clock())


def test_an_approval_is_seen_at_any_moment_also_for_an_unchanged_row(tmp_path: Path) -> None:
    first, second, third = (row.row_id for row in ROWS)
    with Store(f"sqlite:///{tmp_path}/promptsheet.db") as store:
        store.rows.note("sheet", ROWS, ["", first, second, third], ("prompt",))
        noted, _ = store.unchanged.get("sheet")
        there = {first: b"1" * 16, second: b"2" * 16}
        rest = Unchanged("rules", store.jobs.version("sheet"), there, frozenset([third]))
        assert store.unchanged.keep("sheet", rest, noted)

        assert store.rows.approve("sheet", first, ROWS[0].inputs, "covers 1")
        known = known_of(store)  # before the pass
        assert known.rows.changed_ids == {first}
        assert known.rows.memory.known[first].approved_on_page == "covers 1"

        # While a pass listens for webhooks and does not read the page's requests.
        assert store.rows.approve("sheet", second, ROWS[1].inputs, "covers 2")
        assert store.rows.approve("sheet", third, ROWS[2].inputs, "covers 3")
        known.moved_by_others()
        assert known.rows.changed_ids == {first, second}
        assert {row.approved_on_page for row in known.rows.memory.known.values()} == {
            f"covers {n}" for n in (1, 2, 3)
        }
        # Noting the rows does not undo it; another prompt is not approved.
        store.rows.note("sheet", [ROWS[2]])
        assert known_of(store).rows.memory.known[third].approved_on_page == "covers 3"
        assert not store.rows.approve("sheet", third, canonical({"prompt": "a wolf"}), "covers 4")


def test_approving_twice_changes_the_store_once(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/promptsheet.db") as store:
        store.rows.note("sheet", ROWS, None, ("prompt",))
        answers = [
            store.rows.approve("sheet", ROWS[0].row_id, ROWS[0].inputs, "covers") for _ in range(3)
        ]
        assert answers == [True, False, False]
        before = store.jobs.version("sheet")
        assert store.rows.approve("sheet", ROWS[0].row_id, ROWS[0].inputs, "")
        assert store.jobs.version("sheet") == before + 1
        assert store.rows.approvals("sheet", before) == {ROWS[0].row_id: ""}
        assert store.rows.approvals("sheet", before + 1) == {}


def test_a_row_that_is_forgotten_during_a_pass_is_recalled_by_its_next_look(
    tmp_path: Path,
) -> None:
    row = ROWS[0]
    with Store(f"sqlite:///{tmp_path}/promptsheet.db") as store:
        store.rows.note("sheet", [row], ["", row.row_id], ("prompt",))
        during = known_of(store)
        terms = Terms(lambda inputs: (), CellLinks())
        store.forgetting.forget("sheet", [row.row_id], terms)

        during.complete()
        during.reload_if_changed()
        kept = during.rows.memory.known[row.row_id]
        grid = (("prompt", "row_id"), ("fox 0", row.row_id))
        during.recall(Header(frozenset({"prompt"})).read(grid).rows(grid))

        assert "fox 0" not in kept.inputs
        assert during.rows.memory.known[row.row_id].inputs == row.inputs
