"""Picks and feedback in the core: how they are read, and what a take is made with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.core.feedback import Revised, revision_of
from pipeline.core.model import JobKey, KnownRow, Result
from pipeline.core.picks import Picked, numbers_in, pictures_of
from pipeline.core.revisions import problem_with_template, revision_in, with_feedback
from tests.core.build import NOW, PROVIDER, RULES, attempt, columns_of, job, known, sheet, wrote

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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("how", ["", "{prompt}", "{feedback}", "{prompt}{feedback}{prompt}"])
def test_a_template_for_feedback_has_both_places_once(how: str) -> None:
    assert problem_with_template(how)
    assert not problem_with_template("{feedback}: {prompt}")


@pytest.mark.parametrize(
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
