"""When each sheet was last looked at, and what asks for the next pass."""

from __future__ import annotations

from datetime import timedelta

from pipeline.store import Store, Turn
from pipeline.store.clock import StoreClock, utc_now
from tests.store.build import NOON, Clock

MINUTE = timedelta(minutes=1)


def test_a_turn_tells_what_was_seen_who_works_and_who_asked(url: str, clock: Clock) -> None:
    with Store(url, clock) as store:
        store.sheets.get("a")
        store.sheets.get("b")
        assert store.turns.all() == {"a": Turn(), "b": Turn()}

        store.turns.looked("a", NOON, 3, "m1")
        store.turns.ask("b", "a person")
        lease = store.leases.take("a", "here:1", 45)
        assert lease

        assert store.turns.all() == {
            "a": Turn(seen=3, looked_at=NOON, machine="m1", holder="here:1"),
            "b": Turn(asked_at=clock(), asked_by="a person"),
        }
        store.leases.release(lease)
        assert store.turns.of("a") == Turn(seen=3, looked_at=NOON, machine="m1")
        assert store.turns.of("unknown") == Turn()


def test_a_sheet_rests_longer_after_each_failure_and_a_look_ends_that(
    url: str, clock: Clock
) -> None:
    with Store(url, clock) as store:
        store.turns.ask("a")
        rests = [store.turns.failed("a", f"reason {n}") - clock() for n in range(1, 7)]

        assert rests == [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE, 15 * MINUTE, 15 * MINUTE]
        resting = Turn(failures=6, trouble="reason 6", retry_at=clock() + 15 * MINUTE)
        assert store.turns.of("a") == resting

        store.turns.looked("a", NOON, 0)
        assert store.turns.of("a") == Turn(looked_at=NOON)


def test_a_look_that_the_clock_was_set_back_behind_does_not_count(url: str, clock: Clock) -> None:
    with Store(url, clock) as store:
        for seconds in (1, 3600):
            store.turns.looked("a", clock() + timedelta(seconds=seconds), 0)
            assert (store.turns.of("a").looked_at is None) == (seconds == 3600)


def test_a_stop_lasts_until_the_sheet_goes_on(url: str, clock: Clock) -> None:
    with Store(url, clock) as store:
        store.turns.stop("a", "a configuration", "")
        store.turns.looked("a", NOON, 0)
        assert store.turns.of("a").stopped == "a configuration"

        store.turns.go_on("a")
        assert store.turns.of("a") == Turn(looked_at=NOON)


def test_machines_are_told_apart_from_sheets(url: str, clock: Clock) -> None:
    with Store(url, clock) as store:
        store.leases.take("a", "here:1", 45)
        its = store.leases.take(store.turns.name_of_machine("m1"), "here:2", 45)

        assert store.turns.machines() == [its]


def test_a_machine_whose_clock_is_wrong_takes_the_time_of_the_server() -> None:
    clock = StoreClock(lambda: NOON)

    clock.heard(utc_now() + timedelta(milliseconds=600))
    assert clock.now() == NOON

    clock.heard(utc_now() + timedelta(seconds=90))
    assert abs(clock.now() - NOON - timedelta(seconds=90)) < timedelta(seconds=1)

    clock.heard(utc_now())
    assert clock.now() == NOON
