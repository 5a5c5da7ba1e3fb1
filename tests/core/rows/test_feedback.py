"""Picks and feedback in the core: how they are read, and what a take is made with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.inputs import canonical
from pipeline.core.model import Job, JobKey, KnownRow, Result, State
from pipeline.core.pictures.picks import NOTHING_PICKED, Picked, numbers_in, pictures_of
from pipeline.core.planning.lines import Line
from pipeline.core.prompts.revisions import problem_with_template, revision_in, with_feedback
from pipeline.core.rows.approval import asked_for
from pipeline.core.rows.feedback import Revised, revision_of, wrote_before
from tests.core.build import (
    NOW,
    PROVIDER,
    RULES,
    attempt,
    columns_of,
    job,
    known,
    memory,
    planned,
    sheet,
    wrote,
)
from tests.fakes.cases import each

ROW = "r_aaaaaaaaa"
#: An endpoint that takes one picture and a prompt.
ONE_PICTURE = next(
    name
    for name, one in PROVIDER.endpoints.items()
    if "prompt" in one.fields
    and any(f.type == "address" and f.parent for f in one.fields.values())
    and (one.image or "image" in one.fields)
)
COLUMNS = columns_of(sheet("prompt | pick | feedback"))


@each(
    ("prompt", "sent"),
    [
        ("a fox", "a fox. warmer"),
        ("a fox. ", "a fox. warmer"),
        ("a fox!", "a fox! warmer"),
        ("a fox --ar 3:2 --v 7", "a fox. warmer --ar 3:2 --v 7"),
        ("a fox\n--ar 3:2", "a fox. warmer\n--ar 3:2"),
        ("a fox -- and an owl", "a fox -- and an owl. warmer"),
        ("a half--baked cake", "a half--baked cake. warmer"),
        ("--ar 3:2", "warmer --ar 3:2"),
        ("", "warmer"),
        ("{prompt} {feedback}", "{prompt} {feedback}. warmer"),
    ],
)
def test_feedback_comes_after_the_words_and_before_the_parameters(prompt: str, sent: str) -> None:
    assert with_feedback(prompt, "warmer") == sent


@each("how", ["", "{prompt}", "{feedback}", "{prompt}{feedback}{prompt}"])
def test_a_template_for_feedback_has_both_places_once(how: str) -> None:
    assert problem_with_template(how)
    assert not problem_with_template("{feedback}: {prompt}")


@each(
    ("cell", "numbers"),
    [
        ("2", (2,)),
        (" 2.0 ", (2,)),
        ("1, 3", (1, 3)),
        ("3;1 #2", (3, 1, 2)),
        ("1,1", (1,)),
        ("", ()),
        ("two", ()),
        ("2 or 3", ()),
        ("-1", ()),
        ("1.5", ()),
        ("٢", ()),
    ],
)
def test_a_pick_is_a_list_of_numbers_or_nothing(cell: str, numbers: tuple[int, ...]) -> None:
    assert numbers_in(cell) == numbers


def revised(
    row: KnownRow, *numbers: int, age: timedelta = timedelta(0), **rules: object
) -> Revised:
    """What take 2 is made with after these pictures of take 1 were picked."""
    done = attempt(result=Result(("https://x/1.png", "https://x/2.png")), ended_at=NOW - age)
    pictures = pictures_of([replace(job(done), key=JobKey(RULES.sheet, ROW, 1))])
    picked = Picked(tuple(pictures[number - 1] for number in numbers))
    its = replace(RULES, **rules)  # type: ignore[arg-type]
    return revision_of(row, row.inputs, 2, "", picked, its, COLUMNS, NOW)


def test_too_many_pictures_and_a_missing_prompt_are_problems() -> None:
    row = known(ROW, "a fox", feedback="warmer")
    one_picture = revised(row, 1, 2, endpoint=ONE_PICTURE)
    upscale = revised(replace(row, inputs=wrote("", endpoint="upscale-1x")))
    words_alone = revised(row, 1)

    assert [*map(str, one_picture.problems)] == [
        f"2 pictures are picked, and {ONE_PICTURE} can start from one: pick one of them"
    ]
    assert "upscale-1x has no prompt to add the feedback to" in upscale.problems[0]
    assert revision_in(words_alone.inputs)[1:] == ("warmer", "")


def test_a_link_that_has_expired_is_no_picture_to_start_from() -> None:
    row = known(ROW, "a fox", feedback="warmer")
    short = replace(PROVIDER, links=timedelta(hours=1))

    fresh = revised(row, 2, provider=short, endpoint=ONE_PICTURE)
    late = revised(row, 2, provider=short, endpoint=ONE_PICTURE, age=timedelta(hours=2))
    assert revision_in(fresh.inputs)[1:] == ("warmer", "https://x/2.png")
    assert "worked for 60 min only" in late.problems[0]


def made(take: int, *, is_done: bool = True, picked: tuple[int, ...] = ()) -> Job:
    """A take of the row, with two pictures once it is done."""
    urls = tuple(f"https://x/{take}-{number}.png" for number in (1, 2))
    state = State.SUCCEEDED if is_done else State.RUNNING
    one = attempt(state, result=Result(urls if is_done else ()), ended_at=NOW)
    return replace(job(one, take=take), picked=picked)


def take_3(row: KnownRow, approved: str, *jobs: Job) -> Line:
    """The line of a row that asks for its third take with feedback."""
    text = (
        "prompt | take | pick | feedback | approved | row_id\n"
        f"a fox | 3 | {row.pick} | warmer | {approved} | {ROW}"
    )
    (line,) = planned(text, *jobs, remembers=memory(row), rules=ONE_OF_THEM)
    return line


ONE_OF_THEM = replace(RULES, endpoint="luma-imagine")
WORDS = ("", "yes", "ok")
ACTS = ("tick 1", "tick 2", "tick 0", "cell 1", "cell 2", "cell ", *map("word {}".format, WORDS))


@given(st.lists(st.sampled_from((*ACTS, "done", "run", "run", "run")), max_size=20))
def test_a_take_is_sent_only_from_the_picture_that_its_approval_in_the_sheet_was_seen_with(
    acts: list[str],
) -> None:
    row = known(ROW, "a fox", feedback="warmer")
    ticks, is_done, cell, word, seen_word = {1: 0, 2: 0}, False, "", "", ""
    covers: str | None = None
    for act in (*acts, "run", "word ", "run", "word yes", "run"):
        what, _, to = act.partition(" ")
        if what == "tick":
            ticks[2 if is_done else 1] = int(to)
        elif what == "cell":
            cell = to
        elif what == "word":
            word = to
        elif what == "done":
            is_done = True
        else:
            jobs = [
                made(take, is_done=take == 1 or is_done, picked=(tick,) if tick else ())
                for take, tick in ticks.items()
            ]
            line = take_3(replace(row, pick=cell), word, *jobs)
            row = line.memory
            newest = 2 if is_done else 1
            number = int(cell) if cell else ticks[newest]
            wanted = f"https://x/{newest}-{number}.png" if number else ""
            if word != seen_word:
                covers = wanted if word else None
            seen_word = word
            may = covers == wanted
            assert (line.status == "queued", line.status == "needs approval") == (may, not may)
            if may:
                assert revision_in(line.inputs)[1:] == ("warmer", wanted)
    assert line.status == "queued"


def test_a_note_says_that_another_picture_was_picked_after_the_approval() -> None:
    row = take_3(known(ROW, "a fox", feedback="warmer"), "yes", made(2, picked=(1,))).memory
    line = take_3(row, "yes", made(2, picked=(2,)))
    newer = take_3(replace(row, approved_for=row.approved_for.replace("3", "2", 1)), "yes", made(2))

    assert line.note.startswith(
        "The picked pictures are not those that were approved. Untick approved"
    )
    assert newer.note.startswith("The approval was for another take.")


@each("pick", ["", "1"])
def test_an_approval_of_an_earlier_version_stays_valid_until_another_picture_is_picked(
    pick: str,
) -> None:
    row = known(ROW, "a fox", feedback="warmer", pick=pick, approved="yes")
    row = replace(row, approved_for=f"3 {wrote_before(row, 3)}")
    line = take_3(row, "yes", made(2, picked=(1,)))
    other = take_3(replace(line.memory, pick="2" if pick else ""), "yes", made(2, picked=(2,)))
    on_page = replace(row, approved="", approved_for="", approved_on_page=row.approved_for)

    assert [line.status, other.status] == ["queued", "needs approval"]
    assert take_3(on_page, "", made(2, picked=(1,))).status == "queued"
    plain = known(ROW, "a fox")
    assert asked_for(plain, 1, NOTHING_PICKED) == f"1 {canonical({'prompt': 'a fox'})}"
