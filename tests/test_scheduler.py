"""When passes are due: after the moment that is asked from, by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scheduler import Schedule, problem_with

BEGAN = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
LINES = [
    "* * * * *",
    "*/5 8-18 * * MON-FRI",
    "30 2 * * *",
    "0 0 1 * *",
    "15 */6 * * *",
    "0 8 L * *",
]


def paris(schedule: Schedule, *local: int, fold: int = 0) -> str:
    """The moment due after that one, both as the clock in Paris shows them."""
    after = datetime(*local, tzinfo=PARIS, fold=fold)  # type: ignore[arg-type,misc]
    return schedule.due(after.astimezone(UTC), BEGAN).astimezone(PARIS).isoformat()


def test_spans_count_from_the_beginning_and_missed_ones_are_not_made_up_for() -> None:
    schedule = Schedule(every=timedelta(seconds=30))

    def due(seconds: float) -> float:
        return (schedule.due(BEGAN + timedelta(seconds=seconds), BEGAN) - BEGAN).total_seconds()

    assert [due(at) for at in (0, 29.9, 30, 95, 600.5)] == [30, 30, 60, 120, 630]


def test_a_clock_that_is_put_back_makes_a_pass_late_and_no_more() -> None:
    schedule = Schedule(every=timedelta(seconds=30))

    assert schedule.due(BEGAN - timedelta(hours=1), BEGAN) == BEGAN + timedelta(seconds=30)


def test_a_cron_line_is_read_by_the_clock_of_its_time_zone() -> None:
    schedule = Schedule(cron="0 8 * * MON-FRI", timezone="Europe/Paris")

    assert paris(schedule, 2026, 3, 6, 8, 0) == "2026-03-09T08:00:00+01:00"
    assert paris(schedule, 2026, 3, 27, 9, 0) == "2026-03-30T08:00:00+02:00"


def test_an_hour_that_the_clock_leaves_out_is_met_right_after_it() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Paris")

    assert paris(schedule, 2026, 3, 29, 1, 0) == "2026-03-29T03:00:00+02:00"
    assert paris(schedule, 2026, 3, 29, 3, 0) == "2026-03-30T02:30:00+02:00"


def test_an_hour_that_the_clock_shows_twice_is_met_once() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Paris")

    assert paris(schedule, 2026, 10, 25, 1, 0) == "2026-10-25T02:30:00+02:00"
    assert paris(schedule, 2026, 10, 25, 2, 30) == "2026-10-26T02:30:00+01:00"
    assert paris(schedule, 2026, 10, 25, 2, 10, fold=1) == "2026-10-26T02:30:00+01:00"


def test_every_five_minutes_stays_every_five_minutes_when_the_clock_is_put_on_or_back() -> None:
    schedule = Schedule(cron="*/5 * * * *", timezone="Europe/Paris")
    for day in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        moments = [day]
        while len(moments) < 40:
            moments.append(schedule.due(moments[-1], BEGAN))

        assert {b - a for a, b in pairwise(moments)} == {timedelta(minutes=5)}


@given(
    st.sampled_from(LINES),
    st.sampled_from(["UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 (UTC is put on it)
)
def test_what_is_due_is_always_ahead_and_never_further_than_it_says(
    cron: str, timezone: str, at: datetime
) -> None:
    after = at.replace(tzinfo=UTC)
    schedule = Schedule(cron=cron, timezone=timezone)
    due = schedule.due(after, BEGAN)

    assert after < due <= after + timedelta(days=32)
    assert schedule.due(due - timedelta(microseconds=1), BEGAN) == due


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("61 * * * *", "the minute cannot be read; write five fields"),
        ("* 25 * * *", "the hour cannot be read"),
        ("* * * * FUNDAY", "the day-of-week cannot be read"),
        ("* * * *", "write five fields"),
        ("* * * * * *", "write five fields"),
        ("@hourly", 'write five fields: minute, hour, day, month, weekday, such as "*/5'),
        ("0 0 30 2 *", "the day-of-month cannot be read"),
    ],
)
def test_a_cron_line_that_cannot_be_read_is_refused_in_words(cron: str, says: str) -> None:
    assert problem_with(cron).startswith(says)


@pytest.mark.parametrize("cron", LINES)
def test_a_cron_line_that_can_be_read_is_not_refused(cron: str) -> None:
    assert problem_with(cron) == ""
