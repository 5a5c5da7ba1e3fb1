"""Lasting problems: which of them are reported again, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.core.messages.repeats import is_news, trouble_of
from tests.fakes.cases import each

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@each(
    ("ago", "again"),
    [
        (timedelta(0), False),
        (timedelta(minutes=5), False),
        (timedelta(hours=23, minutes=59), False),
        (timedelta(days=1), True),
        (timedelta(days=-2), True),  # the clock was set back meanwhile
    ],
)
def test_a_lasting_problem_is_reported_again_after_a_day(ago: timedelta, again: bool) -> None:
    assert is_news({"paused"}, {"paused": NOW - ago}, NOW) is again


def test_a_new_problem_is_reported_at_once_and_no_problem_is_not() -> None:
    assert is_news({"paused", "gone"}, {"paused": NOW}, NOW)
    assert not is_news(set(), {"paused": NOW}, NOW)


@each(
    ("one", "other", "same"),
    [
        ("3 pictures were not saved. Full.", "12 pictures were not saved. Full.", True),
        ("The API asked to wait 75 s.", "The API asked to wait 90 s.", True),
        ("6 of 20 rows failed.", "7 of 21 rows failed.", True),
        ("Waiting: 1 message.", "Waiting: 12,345 messages.", True),
        ("row 2 may not be edited", "row 5 may not be edited", False),
        ("a.csv is paused.", "b.csv is paused.", False),
        ("HTTP 502", "HTTP 503", False),
    ],
)
def test_a_problem_with_another_amount_is_the_same_problem(
    one: str, other: str, same: bool
) -> None:
    assert (trouble_of(one) == trouble_of(other)) is same
