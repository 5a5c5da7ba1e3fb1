"""Rows that ask for several generations in `count` and `ratios`."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.cells.content import cells_of
from pipeline.core.inputs import canonical, parsed
from pipeline.core.model import Job, JobKey, Result, State
from pipeline.core.planning.lines import Line
from pipeline.core.rows.generations import copy_of, generations_of, label, several
from pipeline.core.sheet.header import RATIO
from tests.core.build import SHEET, attempt, planned
from tests.core.rows.test_chains import lines
from tests.fakes.cases import each

ID = "r_aaaaaaaaa"
TITLES = "row_id | prompt | count | ratios | aspect_ratio | take"


def parts(**cells: str) -> list[str]:
    """The parts that a row with these cells asks for."""
    return [one.part for one in several(canonical({"prompt": "a fox", **cells})).generations]


def problems(**cells: str) -> str:
    """What is wrong with these cells, as one text."""
    return "; ".join(several(canonical({"prompt": "a fox", **cells})).problems)


def made(part: str = "", state: State = State.SUCCEEDED, **more: object) -> Job:
    """A generation that was sent from a sheet with both columns."""
    ratio = part.partition("_")[0].replace("x", ":")
    wrote = {"prompt": "a fox", **({RATIO: ratio} if ratio else {})}
    columns = ("count", "prompt", "ratios", *([RATIO] if ratio else []))
    urls = Result((f"https://x/{part or 'one'}.png",)) if state is State.SUCCEEDED else Result()
    sent = attempt(
        state, inputs=canonical(wrote), columns=columns, task_id=f"t-{part}", result=urls
    )
    return Job(JobKey(SHEET, ID, 1, part), 1, (replace(sent, **more),))  # type: ignore[arg-type]


def row(cells: str, *jobs: Job) -> Line:
    """The line of a row with these cells (count | ratios | aspect_ratio | take)."""
    (line,) = planned(f"{TITLES} \n {ID} | a fox | {cells}", *jobs)
    return line


def to_send(line: Line) -> list[str]:
    """The parts of a row that are sent now."""
    return [one.part for one in line.each if one.endpoint]


# -- what the cells say ---------------------------------------------------------------------------


@each(
    ("cells", "asked"),
    [
        ({"count": "3"}, ["", "_2", "_3"]),
        ({"count": "2.0"}, ["", "_2"]),
        ({"ratios": "1:1, 9:16; 16 : 9"}, ["1x1", "9x16", "16x9"]),
        ({"ratios": "1:1\n1:1"}, ["1x1"]),
        ({"ratios": "16:09:00"}, ["16x9"]),
        ({"ratios": "ASPECT_16_9"}, ["aspect-16-9"]),
        ({"ratios": "1:1,9:16", "count": "2"}, ["1x1", "1x1_2", "9x16", "9x16_2"]),
    ],
)
def test_a_row_asks_for_each_ratio_as_often_as_it_says(
    cells: dict[str, str], asked: list[str]
) -> None:
    assert parts(**cells) == asked


@each(
    ("cells", "said"),
    [
        ({"count": "many"}, 'count is "many": write a whole number from 1 to 10'),
        ({"count": "0"}, "from 1 to 10"),
        ({"count": "250"}, "from 1 to 10"),
        ({"ratios": ", ;"}, "write ratios such as 1:1, 9:16"),
        ({"ratios": "1:1", "aspect_ratio": "9:16"}, "are both filled: clear one of them"),
        ({"ratios": "1:1 2:1 3:1", "count": "7"}, "21 generations; a row may ask for 20 at most"),
        ({"ratios": "x" * 31}, "is too long for a ratio"),
    ],
)
def test_cells_that_cannot_be_meant_are_explained(cells: dict[str, str], said: str) -> None:
    assert said in problems(**cells)
    line = row(
        f"{cells.get('count', '')} | {cells.get('ratios', '')} | {cells.get('aspect_ratio', '')} | "
    )
    assert (line.status, to_send(line)) == ("invalid", [])
    assert said in line.note


@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=6),
    st.integers(1, 3),
)
def test_the_order_of_a_list_means_nothing_and_parts_are_told_apart(
    ratios: list[tuple[int, int]], count: int
) -> None:
    texts = [f"{wide}:{high}" for wide, high in ratios]
    cells = {"ratios": ", ".join(texts), "count": str(count)}
    asked = several(canonical({"prompt": "a fox", **cells})).generations
    turned = several(canonical({"prompt": "a fox", **cells, "ratios": " ".join(reversed(texts))}))

    assert {one.part: one.inputs for one in asked} == {
        one.part: one.inputs for one in turned.generations
    }
    assert len({one.part for one in asked}) == len(asked) == len({*texts}) * count
    assert all(copy_of(one.part) == one.copy for one in asked)
    assert {parsed(one.inputs)[RATIO] for one in asked} == {*texts}
    assert len({label(one.part) for one in asked}) == len(asked)


# -- what is sent ---------------------------------------------------------------------------------


def test_each_generation_is_sent_with_its_own_ratio_and_price() -> None:
    line = row("| 1:1, 9:16 | | ")

    assert to_send(line) == ["1x1", "9x16"]
    assert [parsed(one.inputs) for one in line.each] == [
        {"prompt": "a fox", RATIO: "1:1"},
        {"prompt": "a fox", RATIO: "9:16"},
    ]
    assert line.price == sum(one.price for one in line.each) == 2 * line.each[0].price
    assert line.status == "queued"


def test_a_wrong_ratio_names_the_column_that_it_is_in() -> None:
    line = row("| 1:1, wide | | ")

    assert (line.status, to_send(line)) == ("invalid", [])
    assert line.note.startswith('Not sent, nothing paid: ratios is "wide"; it must be two numbers')


@each("cells", ["| 1:1, 9:16 | | ", "| 9:16 1:1 | |", "1 | 1:1,9:16 | |"])
def test_what_was_made_is_never_sent_again(cells: str) -> None:
    line = row(cells, made("1x1"), made("9x16"))

    assert (line.status, to_send(line)) == ("done", [])


def test_a_longer_list_sends_only_what_is_new() -> None:
    assert to_send(row("| 1:1, 9:16, 4:5 | | ", made("1x1"), made("9x16"))) == ["4x5"]
    assert to_send(row("3 | | | ", made(""))) == ["_2", "_3"]


@each("cells", ["| 9:16 | | ", "| 4:5, 9:16 | | ", "| | | ", "2 | | | ", "x | | |"])
def test_a_row_that_no_longer_asks_for_what_was_made_keeps_it_and_sends_nothing(
    cells: str,
) -> None:
    line = row(cells, made("1x1"), made("9x16"))

    assert (line.status, to_send(line)) == ("edited", [])
    assert "count or ratios was changed" in line.note
    shown = cells_of(line)["image_urls"]
    assert shown == "https://x/1x1.png\nhttps://x/9x16.png"


@each("cells", ["| 1:1, 9:16 | | ", "| 9:16, 1:1 | | ", "| 1:1, 9:16, 4:5 | |"])
def test_what_failed_is_corrected_by_another_ratio(cells: str) -> None:
    refused = made("0x5", State.FAILED)

    line = row(cells, made("1x1"), refused)

    assert sorted(to_send(line)) == sorted({"9x16"} | ({"4x5"} if "4:5" in cells else set()))
    assert "was changed" not in line.note


def test_without_what_failed_the_row_is_done() -> None:
    line = row("| 1:1 | | ", made("1x1"), made("0x5", State.FAILED))

    assert (line.status, to_send(line)) == ("done", [])


def test_a_correction_that_cannot_be_meant_is_explained() -> None:
    line = row("| portrait please | | ", made("0x5", State.FAILED))

    assert (line.status, to_send(line)) == ("invalid", [])
    assert 'ratios is "portrait"' in line.note


def test_what_failed_is_not_sent_again_by_a_longer_list() -> None:
    assert to_send(row("| 0:5, 1:1 | | ", made("0x5", State.FAILED))) == ["1x1"]


def test_a_failed_row_from_before_there_was_a_count_sends_nothing_by_itself() -> None:
    plain = made("", State.FAILED, columns=("aspect_ratio", "prompt"))

    assert to_send(row("3 | | | ", plain)) == []


def test_a_column_that_was_not_there_when_the_row_was_sent_sends_nothing_by_itself() -> None:
    plain = made("", columns=("aspect_ratio", "prompt"))

    line = row("3 | | | ", plain)

    assert (line.status, to_send(line)) == ("edited", [])


def test_a_column_of_the_team_s_own_from_before_changes_nothing_in_rows_that_were_sent() -> None:
    plain = made("", columns=("aspect_ratio", "prompt"))

    line = row("250 | | | ", plain)

    assert (line.status, to_send(line), line.note) == ("done", [], "")
    assert '[columns] ignore = ["count"] if that column is your own' in row("250 | | | ").note


def test_a_higher_take_makes_all_that_the_row_asks_for_now() -> None:
    line = row("| 4:5, 1:1 | | 2", made("1x1"), made("9x16"))

    assert to_send(line) == ["4x5", "1x1"]


def test_an_edited_prompt_stops_every_generation_that_was_made() -> None:
    (line,) = planned(f"{TITLES} \n {ID} | an owl | | 1:1, 9:16 | | ", made("1x1"), made("9x16"))

    assert (line.status, to_send(line)) == ("edited", [])


def test_a_failed_generation_is_sent_again_if_it_is_requested_and_no_other() -> None:
    failed = replace(made("9x16", State.FAILED), asked=2)

    assert to_send(row("| 1:1, 9:16 | | ", made("1x1"), failed)) == ["9x16"]


# -- what the row says ----------------------------------------------------------------------------


def test_a_row_is_done_once_all_its_generations_are() -> None:
    assert row("| 1:1, 9:16 | |", made("1x1"), made("9x16")).status == "done"
    running = made("9x16", State.RUNNING, progress=50)
    half = row("| 1:1, 9:16 | |", made("1x1"), running)
    assert (half.status, half.note) == ("in progress 75%", "1 of 2 are done.")


def test_a_failure_is_named_beside_what_is_done() -> None:
    failed = made("9x16", State.FAILED, reason="banned word", result=Result())
    line = row("| 1:1, 9:16 | |", made("1x1"), failed)

    assert line.status == "failed"
    assert line.note.startswith("1 of 2 are done. 9:16: ")
    assert "banned word" in line.note


def test_the_cells_list_all_generations_in_the_order_of_the_row() -> None:
    line = row("2 | 9:16, 1:1 | |", *map(made, ("1x1", "1x1_2", "9x16", "9x16_2")))
    cells = cells_of(line)

    names = ("9x16", "9x16_2", "1x1", "1x1_2")
    assert cells["image_urls"].split() == [f"https://x/{name}.png" for name in names]
    assert cells["image_3"] == "https://x/1x1.png"
    assert cells["task_id"].split() == [f"t-{name}" for name in names]
    assert (cells["credits"], cells["progress"]) == ("16", "100%")


def test_a_row_cannot_follow_one_that_asks_for_several() -> None:
    titles = "prompt | name | parent | ratios | endpoint | index"
    first, child = lines(f"{titles} \n a fox | fox | | 1:1, 9:16 | | \n | | fox | | upscale | 1")

    assert to_send(first) == ["1x1", "9x16"]
    assert child.status == "invalid"
    assert 'the row "fox" asks for several generations' in child.note


def test_a_plain_row_is_one_generation_without_a_part() -> None:
    inputs = canonical({"prompt": "a fox"})

    assert generations_of(inputs, ()).generations == (None,)
