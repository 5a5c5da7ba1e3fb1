"""Rows that follow rows of another vendor or account: addresses are for all, tasks are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.core.api.accounts import Api
from pipeline.core.api.fields import Parent
from pipeline.core.model import Attempt
from pipeline.core.planning.lines import Line
from pipeline.core.rows.following import parent_of
from pipeline.core.rows.rules import Rules
from tests.core.build import NOW, job
from tests.core.rows.test_chains import CHAINED, DONE, FOUR, TITLES, A, B, lines
from tests.fakes.cases import each

LUMA = replace(CHAINED.provider, name="luma", title="Luma", links=timedelta(minutes=10))
BOTH = replace(
    CHAINED, base_url="https://own", account="o", others=(Api(LUMA, account="l", prefix="luma/"),)
)
AT_LUMA = replace(DONE, endpoint="luma/imagine", provider="luma", account="l")


def across(endpoint: str, made: Attempt = AT_LUMA, rules: Rules = BOTH, **cells: str) -> Line:
    """The line of a row of the sheet's own API that follows a row of another one."""
    text = f"{TITLES} | image \n a fox | {made.endpoint} | fox | | | | {A} | \n"
    image = cells.get("image", "")
    return lines(f"{text} | {endpoint} | | fox | | | {B} | {image}", job(made), rules=rules)[-1]


def test_a_row_that_takes_a_picture_may_follow_a_row_of_another_api() -> None:
    line = across("edit")

    assert (line.status, line.endpoint, line.parent) == ("queued", "edit", job(AT_LUMA).key)


def test_of_a_parent_at_another_api_a_child_gets_no_task_and_no_id() -> None:
    made = replace(AT_LUMA, result=replace(FOUR, ids=("1", "2")))

    assert parent_of(made, BOTH.others[0], BOTH) == Parent("t-1", FOUR.urls, ("1", "2"))
    assert parent_of(made, BOTH.api, BOTH) == Parent("", FOUR.urls)


@each("endpoint", ["upscale", "sing"])
def test_a_row_that_needs_a_task_or_an_id_does_not_follow_one_of_another_api(endpoint: str) -> None:
    made = replace(AT_LUMA, result=replace(FOUR, ids=("1", "2")))
    line = across(endpoint, made)

    assert (line.status, line.endpoint) == ("invalid", "")
    assert f"{endpoint} needs a task of Apiframe: name a row of Apiframe" in line.note


def test_a_parent_at_another_api_must_give_what_the_child_takes() -> None:
    line = across("edit", replace(AT_LUMA, endpoint="luma/describe"))

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'the row "fox" is for luma/describe, which gives no picture' in line.note


def test_the_addresses_of_a_parent_live_as_long_as_its_own_api_keeps_them() -> None:
    old = replace(AT_LUMA, ended_at=NOW - timedelta(minutes=10))

    assert 'results of the row "fox" worked for 10 min only: raise take' in across("edit", old).note
    assert across("edit", old, image="https://x/own.png").status == "queued"


def test_after_a_change_of_the_account_a_parent_gives_its_pictures_and_no_task() -> None:
    former = Api(CHAINED.provider, "https://own", account="before", sends=False)
    rules = replace(BOTH, others=(former,))
    made = replace(DONE, base_url="https://own", account="before")

    assert across("edit", made, rules).status == "queued"
    line = across("upscale", made, rules)
    assert (line.status, line.endpoint) == ("invalid", "")
    assert "made with another account of Apiframe" in line.note
    assert "raise take in that row" in line.note


def test_an_account_that_is_configured_twice_has_the_same_tasks() -> None:
    twice = Api(CHAINED.provider, "https://own", account="o", prefix="again/")
    made = replace(DONE, endpoint="again/imagine", base_url="https://own", account="o")

    assert across("upscale", made, replace(BOTH, others=(twice,))).status == "queued"
