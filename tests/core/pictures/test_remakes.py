"""Which results are made again, and what people see meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pipeline.core.model import Attempt, Job, JobKey, Result, State
from pipeline.core.picture_findings import Findings
from pipeline.core.pictures.remakes import CHECKED_WITHIN, RemakeRule, cause, is_awaited
from pipeline.core.states import shown, state_of, with_results
from tests.core.build import NOW, attempt
from tests.fakes.cases import each

KEY = JobKey("sheet", "r_000000001", 1)
RULE = RemakeRule(("blank", "damaged"), 1)
URLS = ("https://x/1.png", "https://x/2.png")


def done(number: int = 1, remade: str = "") -> Attempt:
    """An attempt with two pictures."""
    return attempt(State.SUCCEEDED, number=number, result=Result(URLS), ended_at=NOW, remade=remade)


def job(*looks: str, attempts: Sequence[Attempt] = (), asked: int = 1) -> Job:
    """A job whose pictures look so; the attempts are by default one success."""
    findings = {url: Findings(look) for url, look in zip(URLS, looks, strict=False) if look}  # type: ignore[arg-type]
    files = {url: "fox.png" for url, _ in zip(URLS, looks, strict=False)}
    return Job(KEY, asked, tuple(attempts) or (done(),), files=files, findings=findings)


@each(
    ("looks", "why"),
    [
        (("blank", "blank"), "blank"),
        (("damaged", "blank"), "blank or damaged"),
        (("blank", ""), ""),
        (("", ""), ""),
        (("blank",), ""),  # the other one is not checked yet
    ],
)
def test_a_result_is_made_again_only_if_no_picture_of_it_is_of_use(
    looks: tuple[str, ...], why: str
) -> None:
    assert cause(job(*looks), 0, RULE) == why
    assert cause(job(*looks), 0, None) == ""
    assert cause(job(*looks), 1, RULE) == ""
    assert cause(job(*looks), 1, RemakeRule(RULE.looks, 2)) == why


def test_only_the_looks_that_a_person_named_are_made_again() -> None:
    assert cause(job("blank", "blank"), 0, RemakeRule(("damaged",), 1)) == ""


@each("state", [State.RUNNING, State.SUBMITTING, State.UNKNOWN, State.SUCCEEDED])
def test_nothing_is_made_again_while_another_attempt_may_bring_a_picture(state: State) -> None:
    other = attempt(state, number=2, ended_at=NOW + timedelta(seconds=1))

    assert cause(job("blank", "blank", attempts=(done(), other), asked=2), 0, RULE) == ""


def test_a_job_that_is_made_again_is_pending_then_running_and_then_as_good_as_its_new_result() -> (
    None
):
    first = done(remade="blank")
    pending = job("blank", "blank", attempts=(first,), asked=2)
    running = attempt(State.RUNNING, number=2)
    good = attempt(State.SUCCEEDED, number=2, result=Result(("https://x/3.png",)), ended_at=NOW)

    def seen(*more: Attempt) -> tuple[State, int, int]:
        its = job("blank", "blank", attempts=(first, *more), asked=2)
        one = shown(its)
        assert one
        return state_of(its), one.number, with_results(its, one).number

    assert state_of(pending) is State.PENDING
    assert shown(pending) == first
    assert seen(running) == (State.RUNNING, 2, 1)
    assert seen(good) == (State.SUCCEEDED, 2, 2)
    # What was set aside is better than nothing.
    assert seen(attempt(State.FAILED, number=2)) == (State.SUCCEEDED, 1, 1)
    assert seen(attempt(State.UNKNOWN, number=2)) == (State.UNKNOWN, 2, 1)


def test_the_new_result_is_made_again_only_within_the_limit() -> None:
    second = done(2)
    its = job("blank", "blank", attempts=(done(remade="blank"), second), asked=2)

    assert cause(its, 0, RULE) == ""
    assert cause(its, 0, RemakeRule(("blank",), 2)) == "blank"
    assert cause(its, 1, RemakeRule(("blank",), 2)) == ""


def test_a_row_that_follows_waits_for_the_check_but_not_for_ever() -> None:
    unchecked, later = Job(KEY, attempts=(done(),)), NOW + CHECKED_WITHIN

    assert is_awaited(unchecked, 0, RULE, NOW)
    assert not is_awaited(unchecked, 0, RULE, later)
    assert not is_awaited(unchecked, 0, None, NOW)
    assert not is_awaited(unchecked, 1, RULE, NOW)
    assert is_awaited(job("blank", "blank"), 0, RULE, later)
    assert not is_awaited(job("blank", ""), 0, RULE, NOW)
