"""Row matching: each rule, and each change that people make between two readings."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from pipeline.core.model import RowKind
from pipeline.core.rows.known import Memory, Seen, is_id, new_id, own_results
from pipeline.core.rows.matching import match_by_id_alone
from tests.core.build import after, attempt, columns_of, job, known, matched, memory, sheet, wrote
from tests.fakes.cases import each

A, B, C = "r_aaaaaaaaa", "r_bbbbbbbbb", "r_ccccccccc"
FOX, OWL, CAT = known(A, "a fox"), known(B, "an owl"), known(C, "a cat")


def ids(text: str, remembers: Memory) -> list[str]:
    return [seen.row_id for seen in matched(sheet(text), remembers)]


def kinds(text: str, remembers: Memory) -> list[str]:
    return [str(seen.standing) for seen in matched(sheet(text), remembers)]


def test_a_row_whose_id_and_inputs_agree_is_recognised_at_any_position() -> None:
    text = """
        prompt | row_id
        a cat  | r_ccccccccc
        a fox  | r_aaaaaaaaa
        an owl | r_bbbbbbbbb
    """
    assert ids(text, memory(FOX, OWL, CAT)) == [C, A, B]


def test_of_several_matching_rows_the_one_at_the_old_position_is_the_row() -> None:
    text = """
        prompt | row_id
        an owl | r_bbbbbbbbb
        an owl | r_bbbbbbbbb
    """
    assert ids(text, memory(FOX, OWL)) == ["r_new000001", B]


def test_a_cleared_id_is_restored_to_the_row_with_its_inputs() -> None:
    text = """
        prompt | row_id
        a fox  |
        an owl | r_bbbbbbbbb
    """
    assert ids(text, memory(FOX, OWL)) == [A, B]


def test_ids_sorted_alone_return_to_the_rows_with_their_inputs() -> None:
    text = """
        prompt | row_id
        a fox  | r_bbbbbbbbb
        an owl | r_ccccccccc
        a cat  | r_aaaaaaaaa
    """
    assert ids(text, memory(FOX, OWL, CAT)) == [A, B, C]


def test_ids_sorted_alone_return_to_their_rows_despite_an_edit() -> None:
    # The other cells of the rows show that the ids were moved.
    before = """
        prompt | remark | row_id
        a fox  | for Ann | r_aaaaaaaaa
        an owl | for Bob | r_bbbbbbbbb
        a cat  | for Eve | r_ccccccccc
    """
    now = """
        prompt | remark | row_id
        a fox  | for Ann | r_bbbbbbbbb
        an owl | for Bob | r_ccccccccc
        a dog  | for Eve | r_aaaaaaaaa
    """
    rows = columns_of(sheet(before)).rows(sheet(before))
    met = [replace(one, others=row.others) for one, row in zip((FOX, OWL, CAT), rows, strict=True)]

    assert ids(now, memory(*met)) == [A, B, "r_new000001"]


def test_a_unique_id_leaves_its_row_only_for_a_row_with_its_inputs() -> None:
    # The fox was deleted and the owl's words became the fox's: the owl is an edited row.
    text = """
        prompt | row_id
        a fox  | r_bbbbbbbbb
    """
    assert ids(text, memory(FOX, OWL)) == [B]


def test_rows_stay_the_same_through_a_chain_of_edits() -> None:
    # Each row got the words of the next, the last one new words: nothing was sorted.
    text = """
        prompt | row_id
        an owl | r_aaaaaaaaa
        a cat  | r_bbbbbbbbb
        a dog  | r_ccccccccc
    """
    assert ids(text, memory(FOX, OWL, CAT)) == [A, B, C]


def test_prompts_sorted_alone_keep_their_ids_although_a_row_was_deleted() -> None:
    # The words moved up by one row; then the first row was deleted, and the dog with it.
    text = """
        prompt | row_id
        a fox  | r_bbbbbbbbb
        an owl | r_ccccccccc
        a cat  | r_ddddddddd
    """
    assert ids(text, memory(FOX, OWL, CAT, known("r_ddddddddd", "a dog"))) == [A, B, C]


def test_an_edited_row_is_the_same_row() -> None:
    text = """
        prompt    | row_id
        a red fox | r_aaaaaaaaa
    """
    (seen,) = matched(sheet(text), memory(FOX))

    assert (seen.row_id, seen.standing) == (A, RowKind.ROW)
    assert after(seen).inputs == wrote("a red fox")


def test_a_deleted_row_that_is_typed_again_is_the_old_row() -> None:
    text = """
        prompt | row_id
        an owl | r_bbbbbbbbb
        a fox  |
    """
    assert ids(text, memory(FOX, OWL)) == [B, A]


def test_a_missing_id_gets_a_matching_row_before_an_id_that_can_stay() -> None:
    # Two foxes: the id of the second was cleared, the first was edited into a dog.
    text = """
        prompt | row_id
        a dog  | r_aaaaaaaaa
        a fox  |
    """
    assert ids(text, memory(FOX, known(B, "a fox"))) == [A, B]


def test_a_deleted_row_is_recognised_by_its_earlier_inputs() -> None:
    text = """
        prompt    | row_id
        a fox     |
    """
    assert ids(text, memory(known(A, "a red fox"), past={A: ["a fox"]})) == [A]


def test_an_id_still_in_the_sheet_does_not_move_to_its_earlier_inputs() -> None:
    text = """
        prompt     | row_id
        a blue fox | r_aaaaaaaaa
        a fox      |
    """
    assert ids(text, memory(known(A, "a red fox"), past={A: ["a fox"]})) == [A, "r_new000001"]


def test_an_id_next_to_a_copy_of_another_row_returns_to_its_earlier_inputs() -> None:
    # An old version of the sheet brought the fox back, without its id, and undoing a delete brought
    # a copy of the owl, beside which the fox's id had been sorted. The fox was made once.
    now = """
        prompt | remark  | row_id
        a fox  | for Ann |
        an owl | for Bob | r_bbbbbbbbb
        an owl | for Bob | r_aaaaaaaaa
    """
    rows = list(columns_of(sheet(now)).rows(sheet(now)))
    fox = replace(known(A, "a red fox"), others=rows[0].others)
    owl = replace(OWL, others=rows[1].others)

    assert ids(now, memory(fox, owl, past={A: ["a fox"]})) == [A, B, "r_new000001"]


def test_an_id_yields_to_another_id_with_its_inputs_if_its_earlier_inputs_exist() -> None:
    # The fox had been edited into a second owl. An old version of the sheet has no ids yet, and a
    # fox and one owl: each was made once.
    now = """
        prompt | row_id
        a fox  |
        an owl |
    """
    fox = known(A, "an owl")

    assert ids(now, memory(fox, OWL, past={A: ["a fox"]})) == [A, B]


def test_a_row_edited_to_the_inputs_of_another_is_still_the_same_row() -> None:
    text = """
        prompt | row_id
        an owl | r_aaaaaaaaa
        an owl | r_bbbbbbbbb
    """
    assert ids(text, memory(FOX, OWL)) == [A, B]


def test_equal_rows_without_ids_are_distinguished_by_their_other_cells() -> None:
    before = """
        prompt | owner | row_id
        a fox  | Kim   | r_aaaaaaaaa
        a fox  | Lou   | r_bbbbbbbbb
    """
    seen = matched(sheet(before), memory(known(A, "a fox"), known(B, "a fox")))
    remembers = memory(*(after(one) for one in seen))
    text = """
        prompt | owner | row_id
        a fox  | Lou   |
        a fox  | Kim   |
    """
    assert ids(text, remembers) == [B, A]


def test_rows_equal_in_all_cells_keep_their_order() -> None:
    text = """
        prompt | row_id
        a fox  |
        a fox  |
    """
    assert ids(text, memory(known(A, "a fox"), known(B, "a fox"))) == [A, B]


def test_a_row_copied_with_all_cells_is_a_copy() -> None:
    text = """
        prompt | row_id      | status
        a fox  | r_aaaaaaaaa | done
        a fox  | r_aaaaaaaaa | done
    """
    assert ids(text, memory(FOX)) == [A, "r_new000001"]
    assert kinds(text, memory(FOX)) == ["row", "copy"]


@each("second", ["r_aaaaaaaaa", "r_ccccccccc"])
def test_an_id_filled_down_alone_does_not_make_equal_rows_copies(
    second: str,
) -> None:
    # A second fox was typed, and an id of this sheet or of another one came into its id cell only.
    text = f"""
        prompt | row_id      | status
        a fox  | r_aaaaaaaaa | done
        a fox  | {second}    |
    """
    remembers = memory(FOX, foreign={"r_ccccccccc": wrote("a fox")})

    assert ids(text, remembers) == [A, "r_new000001"]
    assert kinds(text, remembers) == ["row", "row"]


def test_a_copied_and_changed_row_is_a_new_row() -> None:
    text = """
        prompt    | row_id      | status
        a fox     | r_aaaaaaaaa | done
        a red fox | r_aaaaaaaaa | done
    """
    assert ids(text, memory(FOX)) == [A, "r_new000001"]
    assert kinds(text, memory(FOX)) == ["row", "row"]


def test_a_row_edited_and_then_copied_stays_and_its_copy_waits() -> None:
    text = """
        prompt    | row_id      | status
        a red fox | r_aaaaaaaaa | done
        a red fox | r_aaaaaaaaa | done
    """
    assert ids(text, memory(FOX)) == [A, "r_new000001"]
    assert kinds(text, memory(FOX)) == ["row", "copy"]


def test_a_copy_becomes_the_original_when_the_original_is_deleted() -> None:
    text = """
        prompt | row_id      | status
        a fox  | r_bbbbbbbbb | copy
    """
    assert ids(text, memory(FOX, known(B, "a fox", standing=RowKind.COPY))) == [A]


def test_two_copies_never_alternate_in_one_row() -> None:
    first, second = (known(one, "a fox", standing=RowKind.COPY) for one in (B, C))
    text = """
        prompt | row_id
        a fox  | r_aaaaaaaaa
        a fox  | r_bbbbbbbbb
    """
    assert ids(text, memory(FOX, first, second)) == [A, B]


def test_a_copy_that_yields_to_the_original_gets_another_row_with_its_inputs() -> None:
    # The id column was sorted alone: without its id the second row would be new, and paid for.
    text = """
        prompt | row_id      | status
        a fox  | r_bbbbbbbbb | done
        a fox  |             | copy
    """
    copy = known(B, "a fox", standing=RowKind.COPY)

    assert ids(text, memory(FOX, copy)) == [A, B]


def test_a_row_that_was_empty_before_does_not_block_an_id_from_its_inputs() -> None:
    # The prompts were sorted alone, and one of the rows had been emptied before.
    text = """
        prompt | row_id
               | r_aaaaaaaaa
        a fox  | r_bbbbbbbbb
    """
    emptied = replace(memory(FOX, OWL), order={A: 1})

    assert ids(text, emptied) == [A]


def test_a_row_from_another_sheet_is_a_copy() -> None:
    text = """
        prompt | row_id      | status
        a fox  | r_aaaaaaaaa | done
    """
    assert kinds(text, memory(foreign={A: wrote("a fox")})) == ["copy"]


def test_a_changed_row_from_another_sheet_is_a_new_row() -> None:
    text = """
        prompt    | row_id      | status
        a red fox | r_aaaaaaaaa | done
    """
    assert kinds(text, memory(foreign={A: wrote("a fox")})) == ["row"]


@each(
    "text",
    [
        "prompt | row_id \n a fox | r_zzzzzzzzz",
        "prompt | row_id | task_id \n a fox | | t-1",
        "prompt | row_id | image_urls \n a fox | | https://x/1.png",
    ],
)
def test_a_row_with_results_that_this_store_never_made_is_unrecognized(text: str) -> None:
    assert kinds(text, memory()) == ["stranger"]


@each(
    ("words", "task", "urls", "standing"),
    [
        ("a new bird", "t-1", "https://x/1.png", RowKind.ROW),
        ("a new bird", "", "https://x/1.png", RowKind.ROW),
        ("a fox", "t-1", "", RowKind.COPY),
        ("a new bird", "t-2", "https://x/1.png", RowKind.ROW),
        ("a fox", "t-2", "https://x/1.png", RowKind.COPY),
        ("a new bird", "", "see the folder", RowKind.ROW),
        ("a new bird", "tbd", "", RowKind.ROW),
        ("a new bird", "", "see https://elsewhere/1.png", RowKind.UNRECOGNIZED),
        ("a new bird", "t-9", "", RowKind.UNRECOGNIZED),
    ],
)
def test_our_result_in_a_row_without_an_id_does_not_identify_the_row(
    words: str, task: str, urls: str, standing: RowKind
) -> None:
    grid = sheet(f"""
        prompt  | row_id      | task_id | image_urls
        a fox   | r_aaaaaaaaa | t-1     |
        {words} |             | {task}  | {urls}
    """)
    rows = list(columns_of(grid).rows(grid))
    results = own_results(rows, grid, columns_of(grid), [job(attempt(), row_id=A)])

    (_, seen) = matched(grid, replace(memory(FOX), results=results))

    assert (seen.row_id, seen.standing) == ("r_new000001", standing)


def test_an_unrecognized_row_keeps_its_id() -> None:
    assert ids("prompt | row_id \n a fox | r_zzzzzzzzz", memory()) == ["r_zzzzzzzzz"]


def test_other_text_in_the_id_cell_is_not_an_id() -> None:
    text = """
        prompt | row_id
        a fox  | ask Kim
        a dog  | see above
    """
    assert ids(text, memory(FOX)) == [A, "r_new000001"]
    assert kinds(text, memory(FOX)) == ["row", "row"]


def test_new_rows_get_ids_in_the_order_of_the_sheet() -> None:
    text = """
        prompt | row_id
        a dog  |
        a fox  | r_aaaaaaaaa
        a hen  |
    """
    assert ids(text, memory(FOX)) == ["r_new000001", A, "r_new000002"]


def test_an_added_column_does_not_change_which_row_is_which() -> None:
    text = """
        prompt | aspect_ratio | row_id
        an owl | 16:9         | r_aaaaaaaaa
        a fox  | 1:1          | r_bbbbbbbbb
    """
    grid = sheet(text)
    remembers = memory(FOX, OWL)
    narrow = Memory(
        remembers.known, remembers.order, remembers.past, {}, columns=frozenset({"prompt"})
    )
    assert [seen.row_id for seen in matched(grid, narrow)] == [B, A]


def test_a_line_without_inputs_is_not_a_row() -> None:
    text = """
        prompt | aspect_ratio | take | row_id
        a fox  |              |      | r_aaaaaaaaa
               |              | 2    |
        Total  |              |      |
    """
    assert len(ids(text, memory(FOX))) == 2


def test_a_copy_becomes_a_row_by_a_change_or_by_its_take() -> None:
    waiting = known(B, "a fox", standing=RowKind.COPY)

    def standing(text: str, take: int) -> RowKind:
        (seen,) = matched(sheet(text), memory(waiting))
        return after(seen, take).standing

    assert standing("prompt | row_id \n a fox | r_bbbbbbbbb", 1) is RowKind.COPY
    assert standing("prompt | row_id \n a fox | r_bbbbbbbbb", 2) is RowKind.ROW
    assert standing("prompt | row_id \n a dog | r_bbbbbbbbb", 1) is RowKind.ROW


def test_an_unrecognized_row_becomes_a_row_only_by_its_take() -> None:
    foreign = known(B, "a fox", standing=RowKind.UNRECOGNIZED)

    def standing(text: str, take: int) -> RowKind:
        (seen,) = matched(sheet(text), memory(foreign))
        return after(seen, take).standing

    assert standing("prompt | row_id \n a dog | r_bbbbbbbbb", 1) is RowKind.UNRECOGNIZED
    assert standing("prompt | row_id \n a dog | r_bbbbbbbbb", 2) is RowKind.ROW


def test_in_a_rejected_reading_rows_are_matched_by_id_only() -> None:
    grid = sheet("""
        aspect_ratio | row_id
        16:9         | r_bbbbbbbbb
        1:1          | r_aaaaaaaaa
        1:1          | r_ccccccccc
        1:1          | r_ccccccccc
        1:1          |
    """)
    rows = list(columns_of(grid).rows(grid))

    seen = match_by_id_alone(rows, memory(FOX, OWL, CAT))

    assert [(one.row_id, one.marked.inputs) for one in seen] == [
        (B, wrote("an owl")),
        (A, wrote("a fox")),
    ]


def test_no_spreadsheet_reads_an_id_as_a_number_or_a_date() -> None:
    chance = Random(1)
    made = [new_id(chance) for _ in range(1000)]

    assert all(map(is_id, made))
    assert len(set(made)) == 1000


def test_a_thousand_rows_in_random_order_are_all_recognised() -> None:
    rows = [known(f"r_{n:09d}", f"animal {n}") for n in range(1000)]
    shuffled = Random(2).sample(rows, k=1000)
    lines = [f"{row.inputs[11:-2]} |" for row in shuffled]
    text = "prompt | row_id\n" + "\n".join(lines)

    found: list[Seen] = matched(sheet(text), memory(*rows))

    assert [seen.row_id for seen in found] == [row.row_id for row in shuffled]
