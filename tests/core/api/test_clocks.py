"""The clock of this machine against the header `Date` of an API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.core.api.clocks import difference, disagreement
from pipeline.core.model import Response
from tests.fakes.cases import each

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def said(date: str) -> str:
    ahead = difference(Response(200, {"date": date} if date else {}, b""), NOW)
    return disagreement("Apiframe", ahead).partition(". ")[0]


@each(
    ("date", "words"),
    [
        ("Sun, 01 Mar 2026 12:00:00 GMT", ""),
        ("Sun, 01 Mar 2026 11:59:01 GMT", ""),
        ("Sun, 01 Mar 2026 11:30:00 GMT", "30 min ahead of that of Apiframe"),
        ("Sun, 01 Mar 2026 14:00:00 GMT", "2 h behind that of Apiframe"),
        ("", ""),
        ("yesterday", ""),
    ],
)
def test_a_clock_that_is_over_a_minute_wrong_is_said(date: str, words: str) -> None:
    assert said(date) == (words and f"The clock of this machine is {words}")


def test_a_date_without_a_zone_is_in_utc() -> None:
    at = Response(200, {"date": "Sun, 01 Mar 2026 12:00:00"}, b"")

    assert difference(at, NOW) == timedelta(0)
