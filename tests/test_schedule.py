"""When passes are due: after a given moment, in local time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from pipeline.schedule import Schedule, problem_with
from tests.fakes.cases import each

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
    """The moment due after the given one, both in local time of Paris."""
    after = datetime(*local, tzinfo=PARIS, fold=fold)  # type: ignore[arg-type,misc]
    return schedule.due(after.astimezone(UTC), BEGAN).astimezone(PARIS).isoformat()


def test_intervals_count_from_the_start_and_missed_passes_are_skipped() -> None:
    schedule = Schedule(every=timedelta(seconds=30))

    def due(seconds: float) -> float:
        return (schedule.due(BEGAN + timedelta(seconds=seconds), BEGAN) - BEGAN).total_seconds()

    assert [due(at) for at in (0, 29.9, 30, 95, 600.5)] == [30, 30, 60, 120, 630]


def test_a_clock_set_back_delays_a_pass_by_one_interval_at_most() -> None:
    schedule, after = Schedule(every=timedelta(seconds=30)), BEGAN - timedelta(hours=1)

    assert schedule.due(after, BEGAN) == after + timedelta(seconds=30)


def test_a_cron_line_uses_its_time_zone() -> None:
    schedule = Schedule(cron="0 8 * * MON-FRI", timezone="Europe/Paris")

    assert paris(schedule, 2026, 3, 6, 8, 0) == "2026-03-09T08:00:00+01:00"
    assert paris(schedule, 2026, 3, 27, 9, 0) == "2026-03-30T08:00:00+02:00"


def test_a_time_in_a_skipped_hour_is_due_right_after_it() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Paris")

    assert paris(schedule, 2026, 3, 29, 1, 0) == "2026-03-29T03:00:00+02:00"
    assert paris(schedule, 2026, 3, 29, 3, 0) == "2026-03-30T02:30:00+02:00"


def test_a_time_in_a_repeated_hour_is_due_once() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Paris")

    assert paris(schedule, 2026, 10, 25, 1, 0) == "2026-10-25T02:30:00+02:00"
    assert paris(schedule, 2026, 10, 25, 2, 30) == "2026-10-26T02:30:00+01:00"
    assert paris(schedule, 2026, 10, 25, 2, 10, fold=1) == "2026-10-26T02:30:00+01:00"


def test_every_five_minutes_is_unaffected_by_daylight_saving_time() -> None:
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
def test_the_next_pass_is_in_the_future_and_at_most_one_interval_away(
    cron: str, timezone: str, at: datetime
) -> None:
    after = at.replace(tzinfo=UTC)
    schedule = Schedule(cron=cron, timezone=timezone)
    due = schedule.due(after, BEGAN)

    assert after < due <= after + timedelta(days=32)
    assert schedule.due(due - timedelta(microseconds=1), BEGAN) == due


@each(
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
def test_an_invalid_cron_line_is_refused_with_a_clear_sentence(cron: str, says: str) -> None:
    assert problem_with(cron).startswith(says)


@each("cron", LINES)
def test_a_valid_cron_line_is_not_refused(cron: str) -> None:
    assert problem_with(cron) == ""
