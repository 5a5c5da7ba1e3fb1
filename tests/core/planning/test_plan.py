"""The status and the note of each row, and which rows may be sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from pipeline.core.cells.content import cells_of
from pipeline.core.messages import row_notes
from pipeline.core.model import Attempt, Job, Result, RowKind, State, Unsaved
from pipeline.core.money.currency import Money
from pipeline.core.money.shares import used_up
from pipeline.core.pictures.picks import NOTHING_PICKED
from pipeline.core.planning.budgets import Left, over_budget, short_of_budget, within_budget
from pipeline.core.planning.lines import Line
from pipeline.core.planning.plan import plan_held
from pipeline.core.rows.approval import covered_on_page
from pipeline.core.rows.known import Memory
from pipeline.core.rows.matching import match_by_id_alone
from tests.core.build import (
    NOW,
    PROVIDER,
    RULES,
    after,
    attempt,
    columns_of,
    job,
    known,
    matched,
    memory,
    planned,
    sheet,
    wrote,
)
from tests.fakes.cases import each

A, B, C = "r_aaaaaaaaa", "r_bbbbbbbbb", "r_ccccccccc"
ONE = "prompt | row_id \n a fox | r_aaaaaaaaa"
ONE_WITH_TAKE = "prompt | row_id | take \n a fox | r_aaaaaaaaa |"


def one(text: str, *jobs: Job, **more: object) -> Line:
    (line,) = planned(text, *jobs, **more)  # type: ignore[arg-type]
    return line


def test_a_new_row_is_queued_and_may_be_sent() -> None:
    line = one("prompt | row_id \n a fox |")

    assert (line.status, line.endpoint, line.asked, line.take) == ("queued", "imagine", 1, 1)
    assert not line.confirmed


def test_a_row_whose_id_is_in_the_sheet_is_confirmed() -> None:
    assert one(ONE).confirmed


@each(
    ("state", "status"),
    [
        (State.SUBMITTING, "sending"),
        (State.RUNNING, "in progress"),
        (State.SUCCEEDED, "done"),
        (State.FAILED, "failed"),
        (State.UNKNOWN, "check needed"),
        (State.RETURNED, "queued"),
    ],
)
def test_each_state_of_a_job_has_a_status_word(state: State, status: str) -> None:
    line = one(ONE, job(attempt(state)))

    assert line.status == status
    assert bool(line.endpoint) is (state is State.RETURNED)


def test_the_status_shows_the_progress_once_it_is_known() -> None:
    assert one(ONE, job(attempt(State.RUNNING, progress=40))).status == "in progress 40%"


def test_an_overdue_task_needs_attention_and_is_not_sent_again() -> None:
    old = attempt(State.RUNNING, sent_at=NOW - timedelta(hours=2))

    line = one(ONE_WITH_TAKE, job(old))

    assert (line.status, line.endpoint) == ("check needed", "")
    assert "t-1" in line.note
    assert "put 2 in the take column" in line.note


def test_a_row_with_a_lost_answer_is_never_sent_again_automatically() -> None:
    line = one(ONE, job(attempt(State.UNKNOWN, reason="timed out")))

    assert line.endpoint == ""
    assert "timed out" in line.note
    assert "Check your Apiframe account" in line.note


# -- what holds a row back ---------------------------------------------------------------------


@each(
    ("text", "status", "note"),
    [
        ("prompt | aspect_ratio \n | 1:1", "invalid", "prompt is empty"),
        ("prompt | aspect_ratio \n a fox | wide", "invalid", "such as 16:9"),
        ("prompt | endpoint \n a fox | fax", "invalid", 'no endpoint "fax"; write imagine'),
        ("prompt | parent \n a fox | hero", "invalid", "imagine has no input parent"),
        ("prompt | take \n a fox | twice", "invalid", 'take is "twice"'),
        ("prompt | take \n a fox | 0", "invalid", 'take is "0"'),
        ("prompt | skip \n a fox | x", "skipped", "the skip cell is filled in"),
        ("prompt | approved \n a fox | ", "needs approval", 'Write yes into "approved"'),
        ("prompt | approved \n a fox | FALSE", "needs approval", 'Write yes into "approved"'),
        ("prompt | APPROVED \n a fox | FALSE", "needs approval", 'Write yes into "APPROVED"'),
        (
            "prompt | approved \n a fox | Kim",
            "needs approval",
            'approved says "Kim". Tick it, or write',
        ),
        ("prompt | approved \n a fox | #REF!", "waiting", "approved shows #REF!"),
        ("prompt | approved \n a fox | Loading…", "waiting", "approved holds a formula"),
        ("prompt | skip \n a fox | #N/A", "waiting", "skip shows #N/A"),
        ("prompt \n #REF!", "waiting", "prompt shows #REF!"),
        ("prompt \n #N/A", "waiting", "Correct that cell"),
        ("prompt \n Loading...", "waiting", "If this does not change, open the sheet and save it"),
        ("prompt \n Err:509", "waiting", "prompt shows Err:509"),
    ],
)
def test_a_row_that_cannot_be_sent_says_why_and_costs_nothing(
    text: str, status: str, note: str
) -> None:
    line = one(text)

    assert (line.status, line.endpoint) == (status, "")
    assert note in line.note


def test_each_kind_of_problem_has_its_own_sentence() -> None:
    texts = [
        "prompt | aspect_ratio \n | 1:1",
        "prompt | take \n a fox | twice",
        "prompt | skip \n a fox | x",
        "prompt | approved \n a fox | ",
        "prompt \n #REF!",
        "prompt | row_id | task_id \n a fox | | t-1",
    ]
    said = [one(text).note for text in texts]

    assert len(set(said)) == len(said)


def test_a_row_of_an_endpoint_without_a_price_is_blocked() -> None:
    free = replace(PROVIDER.endpoints["imagine"], credits=None)
    rules = replace(RULES, provider=replace(PROVIDER, endpoints={"imagine": free}))

    line = one(ONE, rules=rules)

    assert (line.status, line.endpoint) == ("invalid", "")
    assert "no credits for imagine" in line.note


def test_a_default_counts_as_a_given_value() -> None:
    rules = replace(RULES, defaults={"prompt": "a house style"})

    assert one("prompt | aspect_ratio \n | 1:1", rules=rules).status == "queued"


def test_a_row_waits_until_it_has_been_unchanged_for_long_enough() -> None:
    rules = replace(RULES, settle=timedelta(seconds=30))
    young = memory(known(A, "a fox", since=NOW - timedelta(seconds=10)))
    old = memory(known(A, "a fox", since=NOW - timedelta(seconds=31)))

    assert one(ONE, rules=rules, remembers=young).status == "waiting"
    assert one(ONE, rules=rules, remembers=old).status == "queued"


# -- take --------------------------------------------------------------------------------------


def test_raising_take_by_one_makes_the_row_again() -> None:
    line = one(f"prompt | take | row_id \n a fox | 2 | {A}", job(attempt()))

    assert (line.status, line.take, line.job) == ("queued", 2, None)


def test_a_jump_in_take_is_refused_because_dragging_a_cell_counts_up() -> None:
    line = one(f"prompt | take | row_id \n a fox | 7 | {A}", job(attempt()))

    assert (line.status, line.endpoint) == ("invalid", "")
    assert "take went from 1 to 7. Write 2" in line.note


def test_a_lower_take_shows_the_earlier_pictures_and_pays_nothing() -> None:
    first, second = job(attempt(task_id="t-1")), job(attempt(task_id="t-2"), take=2)

    line = one(f"prompt | take | row_id \n a fox | 1 | {A}", first, second)

    assert (line.status, line.job) == ("done", first)


def test_the_number_at_the_first_reading_is_the_first_take() -> None:
    line = one("prompt | take | row_id \n a fox | 5 |")

    assert (line.status, line.take) == ("queued", 5)


MISTAKES = ("two", "3", "7", "0", "-1", "2.5", "#REF!", "Loading…", "9" * 5000, "٢", "1e3")


@each("take", MISTAKES)
@each("state", [State.SUCCEEDED, State.RUNNING, State.FAILED, State.UNKNOWN])
def test_an_invalid_take_costs_nothing_and_keeps_the_results(take: str, state: State) -> None:
    made = job(attempt(state))

    line = one(f"prompt | take | row_id \n a fox | {take} | {A}", made)

    assert (line.status, line.endpoint) == ("waiting" if take in MISTAKES[6:8] else "invalid", "")
    assert line.job == made
    said = cells_of(line)
    assert (said.get("task_id"), said.get("image_urls")) == (
        cells_of(one(ONE, made)).get("task_id"),
        cells_of(one(ONE, made)).get("image_urls"),
    )
    assert len(said["note"]) < 200


def test_the_latest_take_with_results_is_shown() -> None:
    first, second = job(attempt()), job(attempt(task_id="t-2"), take=2)
    returned = job(attempt(State.RETURNED), take=3)
    text = f"prompt | take | row_id \n a fox | 9 | {A}"

    assert one(text, first, second).job == second
    assert one(text, first, second, returned).job == second
    assert one(text, first, second, job(take=3)).job == second
    assert one(text, job(attempt(State.RETURNED))).job is None


def test_a_skipped_row_keeps_its_results_when_take_is_invalid() -> None:
    line = one(f"prompt | take | skip | row_id \n a fox | 9 | x | {A}", job(attempt()))

    assert (line.status, cells_of(line)["task_id"]) == ("skipped", "t-1")


def test_the_note_for_an_invalid_take_says_what_to_write_and_the_prompt_of_the_pictures() -> None:
    text = f"prompt | Take | row_id \n an owl | 7 | {A}"

    assert one(text, job(attempt())).note == (
        "Not sent: Take went from 1 to 7. Write 2 to generate this row again, or 1 to keep it as "
        'it is. prompt was "a fox" when these pictures were made.'
    )


def test_if_take_is_no_number_at_the_first_reading_it_may_be_the_teams_own_column() -> None:
    new, made = (
        one("prompt | Take \n a fox | scene 4"),
        f"prompt | Take | row_id \n a fox | x | {A}",
    )

    assert new.note == (
        'Not sent: Take is "scene 4". Write a whole number, 1 or more, or clear the cell, or set '
        '[columns] ignore = ["Take"] if that column is your own.'
    )
    assert "ignore" not in one(made, job(attempt())).note


@each("text", ["2.0", "2,0", "2.00", "02", " 2 ", "2\u200b"])
def test_a_take_is_read_in_every_form_in_which_programs_save_numbers(text: str) -> None:
    (line,) = planned((("prompt", "take"), ("a fox", text)))

    assert line.take == 2


def test_a_number_below_the_first_take_is_invalid() -> None:
    line = one(f"prompt | take | row_id \n a fox | 3 | {A}", job(attempt(), take=5))

    assert line.status == "invalid"
    assert "the first take of this row is 5" in line.note


# -- copies and unrecognized rows --------------------------------------------------------------


def test_a_copy_waits_for_a_change_or_for_its_take() -> None:
    text = f"prompt | row_id | status | take \n a fox | {A} | done | \n a fox | {A} | done |"

    original, copy = planned(text, job(attempt()), remembers=memory(known(A, "a fox")))

    assert (original.status, copy.status, copy.endpoint) == ("done", "copy", "")
    assert "put 2 in the take column" in copy.note


@each("standing", [RowKind.COPY, RowKind.UNRECOGNIZED])
@each(("first", "take"), [(1, 3), (1, 7), (2, 1), (5, 7)])
def test_only_the_next_take_starts_a_copy_and_any_other_number_costs_nothing(
    standing: RowKind, first: int, take: int
) -> None:
    waiting = memory(known(A, "a fox", standing=standing, first_take=first))

    line = one(f"prompt | take | row_id \n a fox | {take} | {A}", remembers=waiting)

    assert (line.memory.standing, line.endpoint) == (standing, "")


def test_a_changed_copy_runs() -> None:
    waiting = memory(known(A, "a fox", standing=RowKind.COPY))

    assert one(f"prompt | row_id \n a red fox | {A}", remembers=waiting).status == "queued"


def test_an_unrecognized_row_is_never_sent_and_its_cells_are_left_unchanged() -> None:
    line = one("prompt | row_id | task_id \n a fox | | t-77")

    assert (line.endpoint, line.foreign) == ("", True)
    assert "doctor --adopt" in line.note


def test_a_row_typed_again_after_an_unrecognized_one_says_why_it_is_not_sent() -> None:
    foreign = memory(known(A, "a fox", standing=RowKind.UNRECOGNIZED))

    line = one("prompt | take \n a fox |", remembers=foreign)

    assert (line.status, line.endpoint, line.foreign) == ("waiting", "", False)
    assert line.note.endswith("To generate it, put 2 in the take column.")
    assert cells_of(line)["row_id"] == ""


def test_an_unrecognized_row_with_a_raised_take_runs() -> None:
    foreign = memory(known(A, "a fox", standing=RowKind.UNRECOGNIZED))

    line = one(f"prompt | take | row_id \n a fox | 2 | {A}", remembers=foreign)

    assert (line.status, line.take) == ("queued", 2)


# -- edits -------------------------------------------------------------------------------------


def test_an_edited_done_row_keeps_its_pictures_and_notes_their_prompt() -> None:
    line = one(f"prompt | row_id | take \n a red fox | {A} |", job(attempt(prompt="a fox")))

    assert (line.status, line.endpoint) == ("edited", "")
    assert line.note == (
        'prompt was "a fox" when these pictures were made. To generate the new prompt, put 2 '
        "in the take column; or put the old text back."
    )


@each(
    ("sent", "text", "said"),
    [
        ({"aspect_ratio": "1:1"}, "a fox | 16:9", 'aspect_ratio was "1:1"'),
        ({"aspect_ratio": "1:1"}, "a fox |", 'aspect_ratio was "1:1"'),
        ({}, "a fox | 16:9", "aspect_ratio was empty"),
        ({"aspect_ratio": "1:1"}, "an owl | 16:9", 'prompt was "a fox"; aspect_ratio was "1:1"'),
    ],
)
def test_the_note_of_an_edited_row_names_what_changed_and_nothing_else(
    sent: dict[str, str], text: str, said: str
) -> None:
    made = job(attempt(inputs=wrote("a fox", **sent)))

    line = one(f"prompt | aspect_ratio | row_id \n {text} | {A}", made)

    assert line.status == "edited"
    new = "new prompt" if said.startswith("prompt") else "changed row"
    assert line.note.startswith(f"{said} when these pictures were made. To generate the {new}")


@each(
    "job_and_text",
    [
        (job(attempt(prompt="an owl")), "a fox"),
        (job(attempt(State.RUNNING, sent_at=NOW - timedelta(hours=2))), "a fox"),
    ],
)
def test_a_note_names_the_column_to_add_where_the_sheet_has_none(
    job_and_text: tuple[Job, str],
) -> None:
    made, text = job_and_text

    bare = one(f"prompt | row_id \n {text} | {A}", made)
    titled = one(f"prompt | TAKE | row_id \n {text} | | {A}", made)

    assert "add a column named take and put 2 in it" in bare.note
    assert "put 2 in the TAKE column" in titled.note


@each(
    ("text", "says"),
    [
        ("#REF!", "prompt shows #REF!"),
        ("#NV", "prompt shows #NV"),
        ("Loading…", "prompt holds a formula"),
        ("", "prompt is empty now"),
        ("0", 'prompt says "0" now'),
        ("nan", 'prompt says "nan" now'),
    ],
)
def test_a_done_row_whose_formula_shows_no_value_waits_and_keeps_its_pictures(
    text: str, says: str
) -> None:
    made = job(attempt(inputs=wrote("a fox", aspect_ratio="1:1")))

    line = one(f"prompt | aspect_ratio | row_id \n {text} | 1:1 | {A}", made)

    assert (line.status, line.endpoint, line.job) == ("waiting", "", made)
    assert line.note.startswith(f"Waiting: {says}")
    assert line.note.endswith('prompt was "a fox" when these pictures were made.')
    assert cells_of(line)["task_id"] == "t-1"


def test_a_running_row_whose_formula_shows_no_value_is_still_running() -> None:
    made = job(attempt(State.RUNNING, progress=40))

    line = one(f"prompt | row_id \n #REF! | {A}", made)

    assert line.status == "in progress 40%"
    assert "Correct that cell." in line.note


def test_emptying_an_optional_value_is_an_edit() -> None:
    made = job(attempt(inputs=wrote("a fox", aspect_ratio="1:1")))

    assert one(f"prompt | aspect_ratio | row_id \n a fox | | {A}", made).status == "edited"


def test_the_note_of_a_running_row_says_that_it_was_edited() -> None:
    running = job(attempt(State.RUNNING, prompt="a fox"))

    assert one(f"prompt | row_id \n a red fox | {A}", running).status == "edited"


def test_a_row_that_is_edited_back_is_as_before() -> None:
    assert one(ONE, job(attempt(prompt="a fox"))).status == "done"


def test_an_edited_failed_row_runs_again_with_the_new_prompt() -> None:
    line = one(f"prompt | row_id \n a red fox | {A}", job(attempt(State.FAILED, prompt="a fox")))

    assert (line.status, line.endpoint, line.asked) == ("queued", "imagine", 2)
    assert "a red fox" in line.memory.inputs


def test_a_failed_row_that_is_edited_and_edited_back_runs_again() -> None:
    line = one(ONE, job(attempt(State.FAILED, prompt="a fox"), asked=2))

    assert (line.status, line.endpoint) == ("queued", "imagine")


def test_an_unchanged_failed_row_stays_failed() -> None:
    line = one(ONE, job(attempt(State.FAILED, prompt="a fox", reason="banned word")))

    assert (line.status, line.endpoint) == ("failed", "")
    assert 'Apiframe refused the prompt: "banned word"' in line.note


def test_the_note_of_a_failed_task_says_that_it_may_have_cost_credits() -> None:
    line = one(ONE, job(attempt(State.FAILED, task_id="t-1", reason="banned word")))

    assert "may have cost 4 credits" in line.note


def test_a_column_added_later_does_not_make_rows_edited() -> None:
    sent = attempt(prompt="a fox", columns=("prompt",))

    line = one(f"prompt | aspect_ratio | row_id \n a fox | 1:1 | {A}", job(sent))

    assert line.status == "done"


def test_the_note_names_results_that_are_not_shown() -> None:
    many = Result(tuple(f"https://x/{n}.png" for n in range(64)), left_out=6)

    line = one(f"prompt | row_id \n a fox | {A}", job(attempt(result=many)))

    assert line.status == "done"
    assert line.note == "The API delivered 70 results; the first 64 are kept."


def test_the_note_names_both_lost_pictures_and_an_edited_prompt() -> None:
    dead = Unsaved("The link is dead: it answers 404.", 1, None, lost=True)
    made = replace(job(attempt(prompt="an owl")), unsaved={"https://x/1.png": dead})
    saving = replace(RULES, saves_files=True)

    line = one(f"prompt | row_id \n a fox | {A}", made, rules=saving)

    assert line.status == "check needed"
    assert '"an owl"' in line.note
    assert line.note.endswith(
        "The picture could not be saved. The link is dead: it answers 404. To try again, run "
        "promptsheet doctor --repair; to pay for new ones, add a column named take and put 2 in it."
    )


def test_the_note_names_a_second_success() -> None:
    first = attempt(ended_at=NOW - timedelta(minutes=3))
    second = attempt(task_id="t-2", ended_at=NOW)

    line = one(ONE, job(first, second, asked=2))

    assert line.status == "done"
    assert "t-2" in line.note


def test_a_note_says_a_price_in_the_unit_of_the_account() -> None:
    cents = replace(RULES, provider=replace(RULES.provider, unit="US cent"))
    broken = attempt(State.FAILED, task_id="t", reason="no room", price=12)
    second = attempt(task_id="t-2", ended_at=NOW + timedelta(minutes=3), price=1)

    def note(*attempts: Attempt) -> str:
        return one(ONE, job(*attempts, asked=len(attempts)), rules=cents).note

    assert "may have cost 12 US cents." in note(broken)
    assert "may have cost 12 US cents." in note(attempt(State.UNKNOWN, task_id="", price=12))
    assert "(task t-2, 1 US cent)" in note(attempt(ended_at=NOW), second)


# -- approval ----------------------------------------------------------------------------------


def approving(*steps: str) -> list[str]:
    """The statuses of one row over several readings of `approved` and `prompt`."""
    remembers = memory(known(A, "a fox"))
    said = []
    for step in steps:
        approved, _, prompt = step.rpartition("/")
        text = f"prompt | approved | row_id \n {prompt} | {approved} | {A}"
        line = one(text, remembers=remembers)
        said.append(line.status)
        remembers = memory(line.memory)
    return said


def test_an_approval_covers_the_prompt_of_the_first_reading_with_the_approval() -> None:
    assert approving("/a fox", "TRUE/a fox", "TRUE/a red fox") == [
        "needs approval",
        "queued",
        "needs approval",
    ]


def test_a_box_that_was_unticked_once_can_be_ticked_again() -> None:
    assert approving("TRUE/a fox", "TRUE/an owl", "FALSE/an owl", "TRUE/an owl")[-1] == "queued"


def test_a_new_word_in_the_approval_cell_approves_the_current_prompt() -> None:
    assert approving("yes/a fox", "yes/an owl", "ok/an owl")[-1] == "queued"


def test_a_tick_saved_in_another_language_is_no_new_approval() -> None:
    said = approving("TRUE/a fox", "WAHR/a red fox", "1/a red fox", "1.0/a red fox")

    assert said == ["queued", *["needs approval"] * 3]


def test_an_unknown_word_withdraws_an_approval() -> None:
    said = approving("yes/a fox", "rejected/a fox", "rejected/an owl", "yes/an owl")

    assert said == ["queued", "needs approval", "needs approval", "queued"]


def test_an_error_in_the_cell_neither_gives_nor_withdraws_an_approval() -> None:
    said = approving("TRUE/a fox", "#N/A/a fox", "TRUE/a fox", "#N/A/an owl", "TRUE/an owl")

    assert said == ["queued", "waiting", "queued", "waiting", "needs approval"]


def test_a_tick_that_came_with_a_copied_row_approves_only_what_it_stood_beside() -> None:
    ticked = known(A, "a fox", approved="TRUE", approved_for=f"1 {wrote('a fox')}")
    remembers = memory(ticked, known(B, "an owl"), foreign={C: wrote("a hen")})
    copies = (
        f"a fox | TRUE | {A}",
        f"a red fox | TRUE | {A}",  # copied and changed
        f"an owl | TRUE | {A}",  # the prompts were sorted alone
        f"a red owl | TRUE | {B}",  # copied and ticked
        f"a red fox | ok | {A}",  # copied and approved with another word
        f"a red hen | TRUE | {C}",  # copied from another sheet and changed
        "a cat | TRUE | ",
    )

    lines = planned("\n".join(("prompt | approved | row_id", *copies)), remembers=remembers)

    assert [line.status for line in lines] == [
        *("queued", "needs approval", "needs approval", "queued"),
        *("queued", "needs approval", "queued"),
    ]
    again = memory(*(line.memory for line in lines))
    rows = (
        f"{row.rpartition('|')[0]}| {one.seen.row_id}"
        for row, one in zip(copies, lines, strict=True)
    )
    later = planned("\n".join(("prompt | approved | row_id", *rows)), remembers=again)
    assert [line.status for line in later] == [line.status for line in lines]
    assert later[1].note.startswith("Changed after it was approved. Untick approved")


def test_an_approval_of_one_take_does_not_approve_the_next() -> None:
    first = one(f"prompt | approved | row_id \n a fox | x | {A}")
    text = f"prompt | approved | take | row_id \n a fox | x | 2 | {A}"

    line = one(text, job(attempt()), remembers=memory(first.memory))

    assert line.status == "needs approval"
    assert line.note.startswith("The approval was for another take. Untick approved")


@each(
    ("prompt", "approved", "take", "status"),
    [
        ("a fox", "", "", "queued"),
        ("a fox", "FALSE", "", "queued"),
        ("a fox", "yes", "", "queued"),
        ("a wolf", "", "", "needs approval"),
        ("a fox", "", "2", "needs approval"),
        ("a fox", "rejected", "", "needs approval"),
        ("a fox", "#REF!", "", "waiting"),
    ],
)
def test_an_approval_on_the_page_covers_only_the_prompt_shown_there(
    prompt: str, approved: str, take: str, status: str
) -> None:
    row = known(A, "a fox")
    row = replace(row, approved_on_page=covered_on_page(row, 1, NOTHING_PICKED, "FALSE"))
    text = f"prompt | approved | take | row_id \n {prompt} | {approved} | {take} | {A}"

    assert one(text, remembers=memory(row)).status == status


def test_the_configuration_can_require_approval_without_a_column() -> None:
    line = one(ONE, rules=replace(RULES, approval=True))

    assert line.status == "needs approval"
    assert "Add a column named approved" in line.note


# -- prompts that look like a mistake, columns of the team's own -------------------------------

ODD = "prompt | row_id \n a fox —ar 16:9 | r_aaaaaaaaa"


@each(
    ("made", "status"),
    [
        ((), "queued"),
        ((State.SUBMITTING,), "sending"),
        ((State.RUNNING,), "in progress"),
        ((State.SUCCEEDED,), "done"),
    ],
)
def test_a_prompt_that_looks_like_a_mistake_is_sent_and_its_note_keeps_the_warning(
    made: tuple[State, ...], status: str
) -> None:
    line = one(ODD, *(job(attempt(state, prompt="a fox —ar 16:9")) for state in made))

    assert line.status == status
    assert line.note == 'Check this: prompt has "—ar" where "--ar" is probably meant.'
    assert bool(line.warning) == (status == "queued")


def test_the_warning_is_shown_before_the_row_is_approved() -> None:
    line = one("prompt | approved \n a {{fox}} |")

    assert line.note == (
        'Waiting for approval. Write yes into "approved", or tick it, to generate this row. '
        'Check this: prompt has "{{fox}}", a placeholder that was not filled in.'
    )


def test_with_strict_prompts_a_suspicious_prompt_is_not_sent() -> None:
    strict = replace(RULES, strict_prompts=True)

    line = one(ODD, rules=strict)

    assert (line.status, line.endpoint, line.warning) == ("invalid", "", "")
    assert line.note == 'Not sent, nothing paid: prompt has "—ar" where "--ar" is probably meant.'
    assert one(ONE, rules=strict).status == "queued"
    assert one(ODD, job(attempt(prompt="a fox —ar 16:9")), rules=strict).status == "done"


@each(
    ("text", "said"),
    [
        ("prompt | Parent \n a fox | SKU-7", "imagine has no input Parent"),
        ("prompt | Endpoint \n a fox | EU", 'there is no endpoint "EU"'),
    ],
)
def test_the_teams_own_column_can_be_ignored_if_it_makes_rows_invalid(text: str, said: str) -> None:
    line = one(text)
    title = text.split()[2]

    assert line.status == "invalid"
    assert said in line.note
    assert f'set [columns] ignore = ["{title}"] if that column is your own.' in line.note


def test_an_endpoint_of_a_vendor_that_is_not_configured_names_the_vendor() -> None:
    note = one("prompt | endpoint \n a fox | leonardo/phoenix").note

    assert 'the configuration does not name "leonardo" under [providers]' in note
    assert "add that vendor" in note


# -- budget, and rejected readings -------------------------------------------------------------


def test_the_budget_covers_the_first_rows_of_the_sheet() -> None:
    lines = planned("prompt \n a fox \n an owl \n a cat")

    beyond = over_budget(lines, {"per_run": 9, "per_day": None})

    assert beyond == {lines[2].identity}


@each(("most", "is_too_dear"), [(3, True), (4, False), (5, False)])
def test_only_the_note_of_a_row_above_a_cap_says_to_raise_the_cap(
    most: int, is_too_dear: bool
) -> None:
    price = 4
    caps = {"per_run": None, "per_day": most}
    line = short_of_budget(one(ONE), "per_day", Left(caps, caps))

    says = row_notes.beyond_budget("per_day", str(most), f"{price} credits")
    assert (line.status, line.endpoint) == ("over budget", "")
    assert line.note == (says if is_too_dear else row_notes.over_budget("per_day"))


def test_the_note_of_a_row_above_a_cap_in_money_names_the_cap_as_it_was_written() -> None:
    caps, cap = {"per_run": 3}, Money(Decimal("0.03"), "EUR")
    left = Left(caps, caps, {"per_run": cap}, "0.01 EUR")

    line = short_of_budget(one(ONE), "per_run", left)

    costs = "This row costs 4 credits (0.04 EUR), and [budget] per_run allows 0.03 EUR. "
    assert line.note == f"{costs}Raise per_run to generate it."


def test_each_share_of_the_budget_covers_its_own_rows() -> None:
    spring, autumn = "campaign=spring", "campaign=autumn"
    shares = (spring, autumn, spring, autumn)
    texts = "prompt \n a fox \n an owl \n a cat \n a dog"
    lines = [
        replace(line, shares=(share,)) for line, share in zip(planned(texts), shares, strict=True)
    ]
    left = Left({spring: 4, autumn: 9, "per_day": 100}, {spring: 4, autumn: 9, "per_day": 100})

    fox, owl, cat, dog = within_budget(lines, lines, left)

    assert [bool(line.endpoint) for line in (fox, owl, cat, dog)] == [True, True, False, True]
    assert (cat.status, cat.note) == ("over budget", used_up(spring))
    assert 'the budget of campaign "spring" ([budget] per)' in cat.note


def test_a_row_waits_for_the_budget_that_lasts_longest() -> None:
    lines = planned("prompt \n a fox")
    left = {"per_run": 0, "per_day": 0, "per_month": 0}

    (fox,) = within_budget(lines, lines, Left(dict.fromkeys(left, 100), left))

    assert "This row is sent next month" in fox.note


def test_without_a_cap_nothing_is_over_budget() -> None:
    assert over_budget(planned(ONE), {"per_run": None, "per_day": None}) == set()


def test_a_rejected_reading_sends_nothing_and_marks_no_row_as_edited() -> None:
    grid = sheet(f"prompt | row_id \n other words | {A} \n more | {B}")
    remembers = memory(known(A, "a fox"), known(B, "an owl"))
    done = job(attempt(prompt="a fox"))
    seen = match_by_id_alone(list(columns_of(grid).rows(grid)), remembers)

    plan = plan_held(seen, grid, columns_of(grid), {done.key: done}, RULES, NOW)

    assert [(line.seen.row_id, line.status) for line in plan.lines] == [(A, "done")]
    assert plan.to_send == ()


def test_the_store_remembers_the_row_as_it_was_read() -> None:
    (seen,) = matched(sheet(ONE), memory(known(A, "an owl")))

    assert after(seen).since == NOW
    assert after(matched(sheet(ONE), memory(known(A, "a fox")))[0]).since == known(A, "a fox").since


# -- made again on the page --------------------------------------------------------------------


def again(times: int, **more: object) -> Memory:
    return memory(known(A, "a fox", extra_takes=times, **more))


def test_a_take_requested_on_the_page_counts_like_the_cell_and_is_noted() -> None:
    line = one(ONE, job(attempt()), remembers=again(1))

    assert (line.status, line.take, line.endpoint) == ("queued", 2, "imagine")
    assert line.note == "Take 2 was requested on the page."


def test_the_page_adds_to_the_number_in_the_take_cell() -> None:
    text = f"prompt | row_id | take \n a fox | {A} | 2"
    line = one(text, job(attempt()), job(attempt(), take=2), remembers=again(1))

    assert (line.status, line.take) == ("queued", 3)


def test_a_take_requested_on_the_page_is_not_paid_twice() -> None:
    second = job(attempt(), take=2)
    line = one(ONE, job(attempt()), second, remembers=again(1))

    assert (line.status, line.endpoint, line.job) == ("done", "", second)


def test_a_jump_in_take_is_refused_even_after_requests_on_the_page() -> None:
    line = one(ONE, job(attempt()), remembers=again(2))

    assert (line.status, line.endpoint) == ("invalid", "")
    assert line.note == (
        "Not sent: take is 1. With 2 more requested on the page, that is take 3, but the last one "
        "was 1. "
        "Write 1 to generate this row again."
    )


def test_a_note_names_the_number_for_the_cell_and_not_the_resulting_take() -> None:
    text = f"prompt | row_id | take \n an owl | {A} |"
    line = one(text, job(attempt()), job(attempt(), take=2), remembers=again(1))

    assert line.status == "edited"
    assert "put 2 in the take column;" in line.note


def test_a_copy_is_sent_once_it_is_requested_on_the_page() -> None:
    line = one(ONE, remembers=again(1, standing=RowKind.COPY))

    assert (line.status, line.take, line.endpoint) == ("queued", 2, "imagine")


def test_while_the_sheet_is_held_it_shows_the_take_requested_on_the_page() -> None:
    grid, second = sheet(ONE), job(attempt(), take=2)
    columns = columns_of(grid)
    seen = match_by_id_alone(list(columns.rows(grid)), again(1))
    jobs = {one.key: one for one in (job(attempt()), second)}

    assert [line.job for line in plan_held(seen, grid, columns, jobs, RULES, NOW).lines] == [second]
