"""When a fleet of machines orders a pass: each machine decides alone, and all decide the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from pipeline.schedule import Schedule
from pipeline.server.orders import Order, order_due, order_of
from pipeline.server.pass_requests import PassRequest
from pipeline.store import Turn
from tests.fakes.cases import each

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOURLY = Schedule(every=timedelta(hours=1))
AT_NIGHT = Schedule(cron="30 2 * * *", timezone="Europe/Paris")
PARIS = ZoneInfo("Europe/Paris")


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


class Machines:
    """Machines that read the store in turn, each with its own clock, and one engine."""

    def __init__(self, schedule: Schedule, clocks: list[timedelta], looked_at: datetime) -> None:
        self.schedule, self.clocks = schedule, clocks
        self.turn = Turn(looked_at=looked_at)
        #: The names that the engine knows, and the orders that wait in it.
        self.known: set[str] = set()
        self.waiting: list[Order] = []
        self.passes: list[datetime] = []

    def round(self, now: datetime) -> None:
        for ahead in self.clocks:
            order = order_due(self.turn, self.schedule, now + ahead)
            if order and order.name not in self.known:
                self.known.add(order.name)
                self.waiting.append(order)

    def carry_out(self, now: datetime) -> None:
        """Carry out what waits, a second apart, as the queue of a sheet does."""
        for number, order in enumerate(self.waiting):
            if not order.is_out_of_date(self.turn):
                self.passes.append(now)
                at = now + timedelta(seconds=number)
                self.turn = replace(self.turn, looked_at=at, seen=self.turn.version)
        self.waiting = []


@each("day", [(2026, 3, 29), (2026, 10, 25)])
def test_a_pass_at_half_past_two_runs_once_on_the_days_when_the_clocks_change(
    day: tuple[int, int, int],
) -> None:
    midnight = datetime(*day, tzinfo=PARIS).astimezone(UTC)
    machines = Machines(AT_NIGHT, [timedelta(0)] * 3, midnight - timedelta(hours=20))

    for second in range(0, 24 * 3600, 20):
        machines.round(midnight + timedelta(seconds=second))
        machines.carry_out(midnight + timedelta(seconds=second))

    (moment,) = machines.passes
    assert f"{moment.astimezone(PARIS):%H:%M}" in ("02:30", "03:00")


def test_passes_that_were_missed_are_made_up_by_one() -> None:
    machines = Machines(HOURLY, [timedelta(0)] * 3, NOON)

    machines.round(after(60 * 24 * 3))
    machines.carry_out(after(60 * 24 * 3))
    machines.round(after(60 * 24 * 3 + 1))
    machines.carry_out(after(60 * 24 * 3 + 1))

    assert machines.passes == [after(60 * 24 * 3)]


def test_orders_that_pile_up_behind_a_long_pass_are_answered_by_one_pass() -> None:
    machines = Machines(Schedule(every=timedelta(minutes=1)), [timedelta(0)], NOON)
    for minute in range(1, 60):
        machines.turn = replace(machines.turn, version=minute)
        machines.round(after(minute))
    assert len(machines.waiting) > 50

    machines.carry_out(after(60))

    assert machines.passes == [after(60)]


@given(st.lists(st.integers(0, 900), min_size=2, max_size=4))
def test_machines_whose_readings_are_apart_order_each_tick_once(seconds: list[int]) -> None:
    behind = [-timedelta(milliseconds=one) for one in seconds]
    machines = Machines(HOURLY, behind, NOON)

    for second in range(3 * 3600 + 10):
        if second % 3600 < 9 or second % 600 == 0:
            machines.round(NOON + timedelta(seconds=second))
            machines.carry_out(NOON + timedelta(seconds=second, milliseconds=950))

    assert [round((one - NOON).total_seconds() / 3600) for one in machines.passes] == [1, 2, 3]


def test_a_pass_is_ordered_when_something_has_changed_since_the_last_look() -> None:
    known = Turn(version=7, seen=7, looked_at=NOON)

    assert order_due(known, HOURLY, after(1)) is None
    changed = order_due(replace(known, version=8), HOURLY, after(1))
    asked = order_due(replace(known, asked_at=after(1)), HOURLY, after(2))
    never = order_due(Turn(), HOURLY, NOON)

    assert changed == Order("version 8", after(1))
    assert asked == Order(f"asked {after(1).isoformat()}", after(1))
    assert never
    assert never.name == "first 2026-03-01T12:00"


def test_a_sheet_that_a_run_works_on_gets_no_further_pass() -> None:
    turn = Turn(version=8, seen=7, looked_at=NOON, asked_at=after(1), holder="a:1")

    assert order_due(turn, HOURLY, after(90)) is None


def test_a_sheet_in_trouble_rests_until_its_time_or_until_a_person_asks() -> None:
    turn = Turn(version=8, seen=7, looked_at=NOON, failures=3, retry_at=after(94))

    assert order_due(turn, HOURLY, after(93)) is None
    assert order_due(turn, HOURLY, after(94)) == Order(f"again {after(94).isoformat()}", after(94))
    asked = order_due(replace(turn, asked_at=after(92)), HOURLY, after(93))
    assert asked
    assert asked.at == after(92)


def test_an_order_with_a_limit_is_carried_out_although_the_sheet_was_looked_at_since() -> None:
    seen = Turn(looked_at=after(5))

    assert Order("due", NOON).is_out_of_date(seen)
    assert not Order("asked", NOON, PassRequest(limit=3)).is_out_of_date(seen)
    assert not Order("asked", NOON, PassRequest(row="r_1")).is_out_of_date(seen)


@given(st.text(), st.none() | st.integers(0, 9), st.text(), st.text(), st.datetimes())
def test_the_engine_keeps_every_part_of_an_order(
    name: str, limit: int | None, row: str, by: str, at: datetime
) -> None:
    order = Order(name, at.replace(tzinfo=UTC), PassRequest(limit, row, by))

    kept = order_of(order.to_text())

    assert kept == order
    assert kept.request.by == by
