"""State machine of an attempt: every cell of the transition table, and no other transition."""

from __future__ import annotations

import itertools
from datetime import timedelta

from pipeline.core.model import Result, State
from pipeline.core.states import (
    TABLE,
    Accepted,
    Event,
    Failed,
    Lost,
    Postponed,
    Progressed,
    Succeeded,
    advance,
    counted,
    gives_back,
    is_open,
    shown,
    state_of,
)
from tests.core.build import NOW, attempt, job
from tests.fakes.cases import each

EVENTS: tuple[Event, ...] = (
    Accepted("t-9"),
    Progressed(40, "t-9"),
    Succeeded(Result(("https://x/9.png",)), "t-9"),
    Failed("banned word", "t-9"),
    Lost("no answer"),
    Postponed("busy"),
)
ATTEMPT_STATES = [state for state in State if state is not State.PENDING]
#: The design's table, written down a second time.
MOVES = {
    "submitting": "accepted running, progressed running, succeeded succeeded, failed failed, "
    "lost unknown, postponed returned",
    "unknown": "accepted running, progressed running, succeeded succeeded, failed failed",
    "running": "progressed running, succeeded succeeded, failed failed",
    "returned": "accepted running, progressed running, succeeded succeeded",
    "failed": "succeeded succeeded",
    "succeeded": "",
}


@each(("state", "event"), [*itertools.product(ATTEMPT_STATES, EVENTS)])
def test_an_event_changes_an_attempt_only_as_the_table_says(state: State, event: Event) -> None:
    moves = dict(move.split() for move in MOVES[state].split(", ") if move)

    after = advance(attempt(state), event, NOW)

    assert after.state == moves.get(type(event).__name__.lower(), state)


def test_the_table_lists_every_state() -> None:
    assert set(TABLE) == set(ATTEMPT_STATES)


@each("event", [Lost("x"), Postponed("x"), Accepted("t-1"), Failed("no", "t-1")])
def test_no_event_changes_a_success(event: Event) -> None:
    done = attempt(State.SUCCEEDED)

    assert advance(done, event, NOW) is done


def test_a_second_success_does_not_replace_the_first() -> None:
    done = attempt(State.SUCCEEDED)

    assert advance(done, Succeeded(Result(("https://x/other.png",))), NOW) == done


def test_late_progress_does_not_lower_the_percentage() -> None:
    running = attempt(State.RUNNING, progress=80)

    assert advance(running, Progressed(20), NOW).progress == 80
    assert advance(running, Progressed(None), NOW).progress == 80


def test_a_task_id_is_kept_once_known_and_never_changed() -> None:
    returned = attempt(State.RETURNED)

    learnt = advance(returned, Failed("too late", "t-late"), NOW)

    assert (learnt.state, learnt.task_id) == (State.RETURNED, "t-late")
    assert advance(learnt, Accepted("t-other"), NOW).task_id == "t-late"


def test_an_attempt_with_a_lost_answer_can_still_succeed() -> None:
    lost = advance(attempt(State.SUBMITTING), Lost("timed out"), NOW)

    found = advance(lost, Succeeded(Result(("https://x/1.png",)), "t-1"), NOW)

    assert (lost.state, lost.reason) == (State.UNKNOWN, "timed out")
    assert (found.state, found.reason, found.ended_at) == (State.SUCCEEDED, "", NOW)


@each(
    ("event", "given_back"),
    [
        (Postponed("busy"), True),
        (Failed("bad", refused=True), True),
        (Failed("broke", "t-1"), False),
        (Lost("?"), False),
        (Accepted("t-1"), False),
    ],
)
def test_the_price_is_returned_only_if_the_api_took_nothing(event: Event, given_back: bool) -> None:
    assert gives_back(event) is given_back


@each(
    ("states", "asked", "state"),
    [
        ("", 1, "pending"),
        ("returned", 1, "pending"),
        ("returned returned", 1, "pending"),
        ("submitting", 1, "submitting"),
        ("failed", 1, "failed"),
        ("failed", 2, "pending"),
        ("failed failed", 2, "failed"),
        ("unknown", 1, "unknown"),
        ("unknown", 2, "pending"),
        ("unknown failed", 2, "unknown"),
        ("unknown submitting", 2, "submitting"),
        ("failed running", 2, "running"),
        ("failed running", 3, "running"),
        ("succeeded failed", 3, "succeeded"),
        ("unknown succeeded", 2, "succeeded"),
    ],
)
def test_a_job_has_the_state_of_its_best_attempt(states: str, asked: int, state: str) -> None:
    one = job(*(attempt(State(name)) for name in states.split()), asked=asked)

    assert state_of(one) == state


def test_a_returned_attempt_does_not_use_up_a_requested_attempt() -> None:
    assert counted(job(attempt(State.RETURNED), attempt(State.FAILED))) == 1


def test_of_two_successes_the_first_recorded_one_is_shown() -> None:
    late = attempt(State.SUCCEEDED, ended_at=NOW)
    early = attempt(State.SUCCEEDED, ended_at=NOW - timedelta(minutes=5))

    first = shown(job(late, early, asked=2))

    assert first is not None
    assert first.number == 2


def test_a_job_that_was_never_sent_shows_no_results() -> None:
    assert shown(job()) is None


@each(
    ("state", "task_id", "open_"),
    [
        (State.RUNNING, "t-1", True),
        (State.UNKNOWN, "t-1", True),
        (State.RETURNED, "t-1", True),
        (State.RUNNING, "", False),
        (State.FAILED, "t-1", False),
        (State.SUCCEEDED, "t-1", False),
    ],
)
def test_only_a_task_without_a_final_state_is_polled(
    state: State, task_id: str, open_: bool
) -> None:
    assert is_open(attempt(state, task_id=task_id)) is open_
