"""Which done rows need no plan, and that the plan finds each of those done and up to date."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.core.cells.content import patch
from pipeline.core.cells.settled_rows import DoneRow, can_settle, settled_rows
from pipeline.core.model import Grid, Result
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.rows.rules import Rules
from tests.core.build import NOW, RULES, attempt, columns_of, job, known, memory, planned, wrote
from tests.fakes.cases import each

A = "r_aaaaaaaaa"
URLS = ("https://x/1.png", "https://x/2.png")
TITLES = (
    *("prompt", "remark", "take", "approved", "skip", "pick", "feedback", "row_id", "status"),
    *("task_id", "image_urls", "note", "image_1", "image_3", "grid_url"),
)
ROW = {
    "prompt": "a fox",
    "row_id": A,
    "status": "done",
    "task_id": "t-1",
    "image_urls": "\n".join(URLS),
    "image_1": URLS[0],
    "grid_url": "https://x/g.png",
}
DONE = DoneRow(
    row_id=A,
    inputs=wrote("a fox"),
    others="",
    approved="",
    approved_for="",
    columns=("prompt",),
    task_id="t-1",
    urls="\n".join(URLS),
    saved="",
    grid_url=ROW["grid_url"],
)


def grid_of(**cells: str) -> Grid:
    row = {**ROW, **cells}
    return TITLES, tuple(row.get(title, "") for title in TITLES)


def is_settled(grid: Grid, one: DoneRow = DONE, rules: Rules = RULES) -> bool:
    columns = columns_of(grid)
    return can_settle(columns, rules) and A in settled_rows(grid, columns, rules, [one]).places


def needs_nothing(grid: Grid, one: DoneRow = DONE, rules: Rules = RULES) -> bool:
    """True if the plan finds the row done, without a note, a change or an out-of-date cell."""
    its = attempt(
        columns=one.columns,
        inputs=one.inputs,
        task_id=one.task_id,
        result=Result(tuple(one.urls.split("\n")), one.grid_url),
        ended_at=NOW - timedelta(hours=1),
    )
    made = replace(job(its), files={url: url for url in one.saved.split("\n") if url})
    was = replace(
        known(A, "a fox", others=one.others),
        inputs=one.inputs,
        approved=one.approved,
        approved_for=one.approved_for,
    )
    lines = planned(grid, made, remembers=memory(was), rules=rules)
    if not lines:
        return False
    first = lines[0]
    return (
        (first.status, first.note, first.memory, first.seen.row_id) == ("done", "", was, A)
        and first.confirmed
        and not patch(lines, grid, columns_of(grid), [made], links=rules.links)
    )


APPROVED = DONE._replace(approved="yes", approved_for=f"1 {wrote('a fox')}")
SAVING = replace(RULES, saves_files=True)


@each(
    ("grid", "one", "rules"),
    [
        (grid_of(), DONE, RULES),
        (grid_of(prompt=" a fox "), DONE, RULES),
        (grid_of(remark="urgent", take="1", skip="yes"), DONE, RULES),
        (grid_of(approved="no"), DONE, RULES),
        (grid_of(approved="yes"), APPROVED, RULES),
        (grid_of(task_id="'=1"), DONE._replace(task_id="=1"), RULES),
        (grid_of(), DONE._replace(saved=DONE.urls), SAVING),
        (tuple(row[:-2] for row in grid_of()), DONE, RULES),
    ],
)
def test_a_done_row_whose_cells_agree_with_the_store_is_settled(
    grid: Grid, one: DoneRow, rules: Rules
) -> None:
    noted = one._replace(others=next(columns_of(grid).rows(grid)).others)

    assert is_settled(grid, noted, rules)
    assert needs_nothing(grid, noted, rules)


@each(
    "cells",
    [
        *({"prompt": "a hen"}, {"prompt": ""}, {"remark": "urgent"}, {"take": "2"}, {"take": "x"}),
        *({"approved": "yes"}, {"row_id": ""}, {"status": "failed"}),
        *({"status": ""}, {"task_id": "t-2"}, {"image_urls": URLS[0]}, {"note": "mine"}),
        *({"image_1": URLS[1]}, {"image_3": URLS[1]}, {"grid_url": ""}, {"pick": "9"}),
        {"feedback": "darker"},
    ],
)
def test_a_row_with_any_other_cell_is_left_to_the_plan(cells: dict[str, str]) -> None:
    assert not is_settled(grid_of(**cells))
    assert not needs_nothing(grid_of(**cells))


@each(
    ("one", "rules"),
    [
        (DONE._replace(inputs=wrote("a hen")), RULES),
        (DONE._replace(approved="yes", approved_for=f"1 {wrote('a fox')}"), RULES),
        (DONE._replace(task_id="t-2"), RULES),
        (DONE._replace(urls=URLS[0]), RULES),
        (DONE._replace(grid_url=""), RULES),
        (DONE._replace(saved=URLS[0]), SAVING),
    ],
)
def test_a_row_of_which_the_store_knows_other_things_is_left_to_the_plan(
    one: DoneRow, rules: Rules
) -> None:
    assert not is_settled(grid_of(), one, rules)
    assert not needs_nothing(grid_of(), one, rules)


def test_a_prompt_that_raises_a_doubt_is_left_to_the_plan() -> None:
    grid, one = grid_of(prompt="a {animal}"), DONE._replace(inputs=wrote("a {animal}"))

    assert not is_settled(grid, one)
    assert not needs_nothing(grid, one)


def test_an_approval_in_other_words_is_left_to_the_plan() -> None:
    assert not is_settled(grid_of(approved="ok"), APPROVED)
    assert not is_settled(grid_of(approved="yes"), APPROVED._replace(approved_for="1 {}"))


@each("more", ["", " ", "\u200b"])
def test_an_id_that_is_there_twice_is_left_to_the_plan(more: str) -> None:
    grid = (*grid_of(), grid_of(row_id=f"{A}{more}")[1])

    assert not is_settled(grid)


def test_columns_that_show_more_than_the_result_leave_all_rows_to_the_plan() -> None:
    header, row = grid_of()

    assert not is_settled(((*header, "credits"), (*row, "4")))
    assert not is_settled(grid_of(), rules=replace(RULES, links=CellLinks(own=True)))
