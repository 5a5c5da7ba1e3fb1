"""Content of our cells: only differences are written, only in our columns, and never a formula."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.cells.content import cells_of, patch
from pipeline.core.messages import row_notes
from pipeline.core.model import Grid, Job, Patch, Result, State
from pipeline.core.sheet.header import Header
from tests.core.build import FIELDS, attempt, columns_of, job, known, memory, planned, sheet
from tests.fakes.cases import each

A, B = "r_aaaaaaaaa", "r_bbbbbbbbb"
HEADER = "prompt | row_id | status | task_id | image_urls | note"


def patched(text: str, *jobs: Job, **more: object) -> Patch:
    grid = sheet(text)
    return patch(planned(text, *jobs, **more), grid, columns_of(grid))  # type: ignore[arg-type]


def with_patch(grid: Grid, changes: Patch) -> Grid:
    width = max([*(len(row) for row in grid), *(at + 1 for _, at in changes)])
    return tuple(
        tuple(changes.get((place, at), row[at] if at < len(row) else "") for at in range(width))
        for place, row in enumerate(grid)
    )


def test_our_missing_columns_are_added_to_the_right_of_the_widest_row() -> None:
    text = "prompt | mine \n a fox | x | beyond the header"

    changes = patched(text)

    assert {at: says for (row, at), says in changes.items() if row == 0} == {
        3: "row_id",
        4: "status",
        5: "task_id",
        6: "image_urls",
        7: "note",
    }


def test_an_up_to_date_sheet_is_not_written() -> None:
    text = f"{HEADER} \n a fox | {A} | done | t-1 | https://x/1.png |"

    assert patched(text, job(attempt())) == {}


def test_only_the_cells_that_differ_are_written() -> None:
    text = f"{HEADER} \n a fox | {A} | in progress | t-1 | | thanks!"

    assert patched(text, job(attempt())) == {(1, 2): "done", (1, 4): "https://x/1.png", (1, 5): ""}


def test_the_same_content_is_not_written_twice() -> None:
    text = f"prompt | row_id \n a fox | {A}"
    grid = with_patch(sheet(text), patched(text, job(attempt())))
    again = "\n".join(" | ".join(row) for row in grid)

    assert patched(again, job(attempt())) == {}


def test_optional_columns_are_filled_if_the_person_added_them() -> None:
    done = attempt(result=Result(("https://x/1.png", "https://x/2.png"), "https://x/grid.png"))
    (line,) = planned(f"prompt | row_id \n a fox | {A}", job(done))

    said = cells_of(line)

    assert (said["image_1"], said["image_2"]) == ("https://x/1.png", "https://x/2.png")
    assert said["grid_url"] == "https://x/grid.png"
    assert said["credits"] == "4"
    assert said["image_urls"] == "https://x/1.png\nhttps://x/2.png"


def test_a_refused_row_shows_zero_credits() -> None:
    (line,) = planned(f"prompt | row_id \n a fox | {A}", job(attempt(State.FAILED)))

    assert cells_of(line)["credits"] == "0"


def test_results_are_removed_from_a_copied_row() -> None:
    text = f"{HEADER} \n a fox | {A} | done | t-1 | https://x/1.png | \n" * 1
    text += f"a fox | {A} | done | t-1 | https://x/1.png |"

    changes = patched(text, job(attempt()), remembers=memory(known(A, "a fox")))

    assert changes[2, 1] == "r_new000001"
    assert (changes[2, 2], changes[2, 3], changes[2, 4]) == ("copy", "", "")


def test_an_unrecognized_row_is_left_unchanged() -> None:
    text = f"{HEADER} \n a fox | | finished | t-77 | https://other/1.png | their note"

    assert patched(text) == {}


def test_a_result_in_a_line_without_a_prompt_is_removed() -> None:
    text = f"{HEADER} \n a fox | {A} | done | t-1 | https://x/1.png | \n | {A} | | t-1 | |"

    changes = patched(text, job(attempt()), remembers=memory(known(A, "a fox")))

    assert changes == {(2, 1): "", (2, 3): ""}


def test_results_sorted_into_a_line_without_a_prompt_are_removed() -> None:
    text = f"""
        {HEADER}
        a fox | {A} | done   | t-1 | https://x/1.png |
              | {B} | queued | t-7 | https://x/7.png |
    """
    grid = sheet(text)
    gone = job(attempt(task_id="t-7", result=Result(("https://x/7.png",))), row_id=B)
    lines = planned(text, job(attempt()), remembers=memory(known(A, "a fox")))

    assert patch(lines, grid, columns_of(grid), [gone]) == {(2, at): "" for at in (1, 2, 3, 4)}
    assert patch(lines, grid, columns_of(grid), None) == {}


@each("status", ["in progress 40%", "in progress", "queued", "over budget"])
def test_every_status_is_removed_from_a_line_that_is_no_longer_a_row(status: str) -> None:
    text = f"{HEADER} \n a fox | {A} | done | t-1 | https://x/1.png | \n | | {status} | | |"

    assert patched(text, job(attempt())) == {(2, 2): ""}


def test_a_copy_without_a_planned_line_keeps_its_cells() -> None:
    # A full copy while the sheet is held: without its marks it would be a new row and be paid.
    text = f"{HEADER} \n a fox | {A} | done | t-1 | | \n a fox | {A} | done | t-1 | |"
    grid = sheet(text)
    lines = planned(text, job(attempt(), row_id=A), remembers=memory(known(A, "a fox")))

    changes = patch(lines[:1], grid, columns_of(grid))

    assert not [at for row, at in changes if row == 2]


def test_a_persons_totals_line_is_kept_in_our_columns() -> None:
    text = f"{HEADER} \n a fox | {A} | done | t-1 | https://x/1.png | \n | | 1 of 1 | | | sum"

    assert patched(text, job(attempt())) == {}


def test_a_returned_job_shows_no_task_id() -> None:
    (line,) = planned(
        f"prompt | row_id \n a fox | {A}", job(attempt(State.RETURNED, task_id="t-9"))
    )

    assert cells_of(line).get("task_id", "") == ""


LIVE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1",
    "＋1",
    "=cmd|'/c calc'!A0",
    "|x",
    "\n=1",
]


@each("hostile", LIVE)
def test_text_from_the_api_never_becomes_a_formula(hostile: str) -> None:
    failed = attempt(State.FAILED, reason=hostile, task_id=hostile)
    (line,) = planned(f"prompt | row_id \n a fox | {A}", job(failed))

    for said in cells_of(line).values():
        assert not said.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


@given(st.text())
def test_no_text_whatever_becomes_a_formula(text: str) -> None:
    said = row_notes.as_text(text)

    assert not said.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert row_notes.as_text(said) == said


@each(
    ("said", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("\x01\xa0=1+1", "'=1+1"),
        ("\r\n  one \r\ntwo\x1b[31m\u202e\n", "one \ntwo [31m"),
        ("-- verse --\nla la", "'-- verse --\nla la"),
        ("a" * 40_000, "a" * 31_999 + "…"),
        ("\U0001f98a" * 20_000, "\U0001f98a" * 15_999 + "…"),
    ],
)
def test_a_result_that_is_text_is_never_a_formula_and_always_fits_in_a_cell(
    said: str, cell: str
) -> None:
    grid = sheet(f"{HEADER} | text \n a fox | {A} | done | t-1 | | |")
    columns = Header(FIELDS, gives_text=True).read(grid)
    lines = planned(grid, job(attempt(result=Result(text=said))))

    changes = patch(lines, grid, columns)

    assert changes[1, 6] == cell
    assert patch(lines, with_patch(grid, changes), columns) == {}
