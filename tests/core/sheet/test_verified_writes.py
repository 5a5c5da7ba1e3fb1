"""Which cells prove that a write reached the intended row."""

from __future__ import annotations

from pipeline.core.sheet.verified_writes import row_writes
from tests.core.build import columns_of, sheet
from tests.fakes.cases import each

A, B = "r_aaaaaaaaa", "r_bbbbbbbbb"


@each(
    ("second", "proof"),
    [(B, {1: A}), ("", {1: A}), (A, {0: "a fox", 1: A})],
)
def test_an_id_alone_proves_a_row_only_if_it_is_unique_in_the_sheet(
    second: str, proof: dict[int, str]
) -> None:
    grid = sheet(f"prompt | row_id | status \n a fox | {A} | \n an owl | {second} |")

    found, lost = row_writes(grid, {(1, 2): "done"}, grid, columns_of(grid))

    assert lost == 0
    assert [(one.row, one.proof) for one in found] == [(1, proof)]


def test_a_row_that_is_just_getting_its_id_is_proved_by_its_inputs() -> None:
    grid = sheet("prompt | row_id | status \n a fox | | ")

    (found,), _ = row_writes(grid, {(1, 1): A, (1, 2): "queued"}, grid, columns_of(grid))

    assert found.proof == {0: "a fox"}
