"""The limit of attempts in flight, with a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.core.model import JobKey
from pipeline.sync.in_flight import InFlight

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def place(number: int) -> tuple[JobKey, int]:
    return JobKey("sheet", f"r_{number}", 1), 1


def test_an_attempt_occupies_a_place_until_it_ends() -> None:
    some = InFlight(2, HOUR, lambda: NOW)

    some.begin(place(1), NOW)
    some.begin(place(2), NOW)
    assert some.room == 0
    some.end(place(1))
    some.end(place(1))

    assert some.room == 1


def test_an_overdue_task_occupies_no_place() -> None:
    clock = [NOW]
    some = InFlight(2, HOUR, lambda: clock[0])
    some.begin(place(1), NOW)

    clock[0] += HOUR

    assert some.room == 2


def test_the_result_of_a_sync_replaces_the_earlier_state() -> None:
    some = InFlight(2, HOUR, lambda: NOW)
    some.begin(place(1), NOW)

    some.replace({place(2): NOW, place(3): NOW, place(4): NOW})

    assert some.room == -1


def test_lost_submissions_are_told_once_they_take_all_places_and_until_one_is_free() -> None:
    clock = [NOW]
    some = InFlight(2, HOUR, lambda: clock[0])
    some.replace({place(1): NOW, place(2): NOW}, {place(1)})
    one_lost = some.full
    sent = {place(n): NOW + n * timedelta(minutes=1) for n in range(3)}
    some.replace(sent, {*sent})
    clock[0] += timedelta(minutes=30)
    three_lost = some.full
    some.end(place(1))
    clock[0] += timedelta(minutes=31)

    assert one_lost == ""
    until = NOW + timedelta(minutes=61)
    assert f"until {until.astimezone():%Y-%m-%d %H:%M}. " in three_lost, "two places are free then"
    assert (some.room, some.full) == (1, "")


def test_the_apis_of_one_account_share_its_places() -> None:
    freed: list[str] = []
    one = InFlight(3, HOUR, lambda: NOW, lambda: freed.append("one"))
    other = InFlight(5, HOUR, lambda: NOW, lambda: freed.append("other"))
    third = InFlight(9, HOUR, lambda: NOW)
    one.share(other)

    one.begin(place(1), NOW)
    other.expect(2)
    assert (one.room, other.room, third.room) == (0, 2, 9)

    other.expect(0)
    other.begin(place(2), NOW)
    one.end(place(1))
    assert (one.room, other.room, freed) == (2, 4, ["one", "other"])

    one.cap(2)
    assert (one.room, other.room, third.room) == (1, 1, 9)
