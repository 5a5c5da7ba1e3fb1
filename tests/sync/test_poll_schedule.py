"""Which tasks are due to be polled, with a clock that the test sets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pipeline.core.model import Attempt, JobKey, State
from pipeline.sync.clock import Clock
from pipeline.sync.poll_schedule import NOTHING_SAID, OpenTask, PollSchedule
from pipeline.sync.ports import Pace
from tests.core.build import NOW, attempt
from tests.fakes.cases import each

ONE = JobKey("rows.csv", "r_aaaaaaaaa", 1)


class ScheduleBench:
    """A schedule and its clock."""

    def __init__(self, poll_every: timedelta | None = None, *, patient: bool = True) -> None:
        self.seconds = 0.0
        pace = Pace(poll_every=poll_every, give_up_after=timedelta(hours=1))
        self.schedule = PollSchedule(pace, Clock(self.now, lambda: self.seconds), patient=patient)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def follow(self, **more: Any) -> OpenTask:
        """Add a task that was submitted now."""
        task = replace(attempt(State.RUNNING, task_id="t-1", **more), sent_at=self.now())
        self.schedule.follow(ONE, task)
        one = self.schedule.get("t-1")
        assert one
        return one


@each("poll_every", [None, timedelta(seconds=1)])
def test_a_task_is_not_due_while_the_api_asks_to_wait(poll_every: timedelta | None) -> None:
    hands = ScheduleBench(poll_every)
    one = hands.follow()
    hands.seconds = 10
    assert hands.schedule.due(20) == ["t-1"]

    hands.schedule.answered(one, None, hands.now(), timedelta(seconds=30))

    hands.seconds = 39
    assert hands.schedule.due(20) == []
    hands.seconds = 100
    assert hands.schedule.due(20) == ["t-1"]


def test_no_task_is_due_twice_at_the_same_time() -> None:
    hands = ScheduleBench(timedelta(seconds=1))
    hands.follow()
    hands.seconds = 10
    hands.schedule.begin(["t-1"])
    assert hands.schedule.due(20) == []
    hands.schedule.end(["t-1"])
    assert hands.schedule.due(20) == ["t-1"]


def test_a_poll_without_an_answer_is_repeated_a_little_later() -> None:
    hands = ScheduleBench(timedelta(seconds=1))
    hands.follow()
    hands.seconds = 10

    hands.schedule.unanswered(["t-1"])

    assert hands.schedule.due(20) == []
    hands.seconds += NOTHING_SAID.total_seconds()
    assert hands.schedule.due(20) == ["t-1"]


def test_an_overdue_task_is_polled_once_an_hour_and_is_not_waited_for() -> None:
    hands = ScheduleBench(timedelta(seconds=1))
    one = hands.follow()
    hands.seconds = 3601
    assert hands.schedule.due(20) == ["t-1"]
    assert hands.schedule.expecting() == 0

    hands.schedule.answered(one, None, hands.now(), timedelta(0))

    hands.seconds += 3500
    assert hands.schedule.due(20) == []
    hands.seconds += 101
    assert hands.schedule.due(20) == ["t-1"]


def test_a_task_with_a_webhook_is_rarely_polled() -> None:
    hands = ScheduleBench(timedelta(seconds=5))
    hands.follow(hook="a-token")

    hands.seconds = 59
    assert hands.schedule.due(20) == []
    hands.seconds = 60
    assert hands.schedule.due(20) == ["t-1"]


def test_a_pass_without_wait_polls_only_the_tasks_of_earlier_passes() -> None:
    hands = ScheduleBench(timedelta(seconds=1), patient=False)
    hands.follow()
    earlier: Attempt = replace(attempt(State.RUNNING, task_id="t-2"), sent_at=hands.now())
    hands.schedule.follow(ONE, earlier, soon=True)

    hands.seconds = 10

    assert hands.schedule.due(20) == ["t-2"]
    assert hands.schedule.must_wait
    hands.schedule.stop_waiting_for()
    assert not hands.schedule.must_wait


def test_a_task_that_the_store_named_before_the_first_look_is_polled_in_this_pass() -> None:
    hands = ScheduleBench(patient=False)
    earlier = replace(attempt(State.RUNNING, task_id="t-1", hook="h"), sent_at=NOW)
    hands.seconds = 10
    hands.schedule.follow(ONE, earlier)
    assert (hands.schedule.due(20), hands.schedule.must_wait) == ([], False)

    hands.schedule.follow(ONE, earlier, soon=True)

    assert (hands.schedule.due(20), hands.schedule.must_wait) == (["t-1"], True)
    one = hands.schedule.get("t-1")
    assert one
    hands.schedule.begin(["t-1"])
    hands.schedule.answered(one, None, hands.now(), timedelta(0))
    hands.schedule.end(["t-1"])
    hands.schedule.stop_waiting_for(["t-1"])
    hands.schedule.follow(ONE, earlier, soon=True)
    assert (hands.schedule.due(20), hands.schedule.must_wait) == ([], False)
