"""Starting attempts: rate limits and budgets, and the events that correct the amounts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from pipeline.core.credits import Credits
from pipeline.core.model import Attempt, JobKey, Result, State
from pipeline.core.money.currency import Money
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
)
from pipeline.store import Fact, Intent, Refusal, Spent, Store
from tests.store.build import KEY, LIMITS, NOON, Clock, intent

KEYS = [JobKey("sheet", f"r_{number:09d}", 1) for number in range(60)]


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store(url, now=clock) as opened:
        opened.jobs.add(KEYS)
        yield opened


def spent(store: Store) -> Spent:
    return store.budget.spent(LIMITS.api_key, LIMITS.run, LIMITS.day)


def attempt(store: Store, key: JobKey = KEY) -> Attempt:
    job = store.jobs.get(key)
    assert job
    return job.attempts[-1]


def test_an_attempt_starts_as_requested_and_is_charged(store: Store) -> None:
    begun = store.attempts.begin([intent()], LIMITS)

    expected = Attempt(
        number=1,
        state=State.SUBMITTING,
        inputs='{"prompt":"a cat"}',
        columns=("prompt",),
        endpoint="imagine",
        price=8,
        sent_at=NOON,
        deadline=NOON + timedelta(seconds=120),
        account=LIMITS.api_key,
    )
    assert begun == [expected]
    assert attempt(store) == expected
    assert spent(store) == Spent(run=8, day=8)


def test_only_a_pending_job_starts_and_only_with_its_next_number(store: Store) -> None:
    unknown = JobKey("sheet", "r_unheard0f", 1)
    store.attempts.begin([intent()], LIMITS)
    asked = [intent(), intent(KEY, 2), intent(KEYS[1], 2), intent(unknown), intent(KEYS[2])]

    answers = store.attempts.begin([*asked, intent(KEYS[2])], LIMITS)

    assert [isinstance(one, Attempt) for one in answers] == [False] * 4 + [True, False]
    assert {one for one in answers if not isinstance(one, Attempt)} == {Refusal.NOT_PENDING}
    assert spent(store) == Spent(run=16, day=16)


def test_a_job_of_an_unknown_sheet_is_not_pending(store: Store) -> None:
    unknown = JobKey("unheard of", "r_000000001", 1)

    assert store.attempts.begin([intent(unknown)], LIMITS) == [Refusal.NOT_PENDING]
    assert store.attempts.begin([], LIMITS) == []


def test_no_attempt_starts_on_a_paused_sheet(store: Store) -> None:
    store.sheets.update("sheet", paused=True)
    assert store.attempts.begin([intent()], LIMITS) == [Refusal.PAUSED]
    store.sheets.update("sheet", paused=False)
    assert store.attempts.begin([intent()], LIMITS) == [attempt(store)]


def test_a_cheap_attempt_still_fits_the_budget_when_an_expensive_one_does_not(store: Store) -> None:
    limits = replace(LIMITS, per_run=20, per_day=14)
    asked = zip(KEYS, (8, 13, 8, 6, 1), strict=False)

    answers = store.attempts.begin([intent(key, price=price) for key, price in asked], limits)

    assert [one if isinstance(one, Refusal) else one.price for one in answers] == [
        *(8, Refusal.RUN_BUDGET, Refusal.DAY_BUDGET),
        *(6, Refusal.DAY_BUDGET),
    ]
    assert spent(store) == Spent(run=14, day=14)


def test_with_a_cap_of_zero_only_free_attempts_start(store: Store) -> None:
    limits = replace(LIMITS, per_run=0)

    answers = store.attempts.begin([intent(price=1), intent(KEYS[1], price=0)], limits)

    assert [str(one) for one in answers][:1] == ["run budget"]
    assert isinstance(answers[1], Attempt)


def test_each_run_each_day_and_each_key_has_its_own_counter(store: Store) -> None:
    others = [
        LIMITS,
        replace(LIMITS, run="later"),
        replace(LIMITS, day="2026-03-02"),
        replace(LIMITS, api_key="another"),
    ]
    for key, limits in zip(KEYS, others, strict=False):
        store.attempts.begin([intent(key)], limits)

    assert spent(store) == Spent(run=16, day=16)
    assert store.budget.spent("key", "later", "2026-03-02") == Spent(run=8, day=8)
    assert store.budget.spent("another", "run", "2026-03-01") == Spent(run=8, day=8)


@pytest.mark.parametrize(
    ("events", "charged"),
    [
        ([Accepted("t")], 8),
        ([Accepted("t"), Failed("no")], 8),
        ([Failed("no", refused=True)], 0),
        ([Postponed("429")], 0),
        ([Lost("time-out")], 8),
        ([Succeeded(Result(("u",)), reported=5)], 5),
        ([Succeeded(Result(("u",)), reported=50)], 50),
        # What the answer to the submission says counts until more is known.
        ([Accepted("t", reported=4.5)], 4.5),
        ([Accepted("t", reported=4.5), Succeeded(Result(("u",)))], 4.5),
        ([Accepted("t", reported=4.5), Failed("no")], 4.5),
        ([Accepted("t", reported=4.5), Succeeded(Result(("u",)), reported=6)], 6),
        ([Lost("time-out"), Accepted("t", reported=0.15)], 0.15),
        ([Postponed("429"), Accepted("t", reported=2), Progressed(5)], 2),
        ([Succeeded(Result(("u",)), "t"), Accepted("t", reported=3)], 3),
        ([Succeeded(Result(("u",)), "t", 5), Accepted("t", reported=3)], 5),
        ([Failed("no", refused=True, reported=2)], 2),
        # The API took it after all: the returned price is charged again.
        ([Postponed("429"), Accepted("t")], 8),
        ([Failed("no", refused=True), Succeeded(Result(("u",)))], 8),
        # Not in the table, so nothing is given back.
        ([Accepted("t"), Postponed("429")], 8),
        ([Postponed("429"), Postponed("429")], 0),
        # A late event that only adds the task id is not in the table either.
        ([Succeeded(Result(("u",))), Failed("late", "t9", refused=True)], 8),
        ([Succeeded(Result(("u",))), Failed("late", "t9", reported=2)], 8),
        ([Failed("no"), Failed("late", "t9", refused=True, reported=50)], 8),
        ([Postponed("429"), Failed("late", "t9", reported=50)], 0),
    ],
)
def test_the_counters_add_the_cost_of_an_attempt(
    store: Store, events: list[Event], charged: Credits
) -> None:
    store.attempts.begin([intent()], LIMITS)
    for one in events:
        store.attempts.record([Fact(KEY, 1, one)])

    assert spent(store) == Spent(run=charged, day=charged)


def test_a_reported_cost_above_the_cap_stops_later_attempts(store: Store) -> None:
    limits = replace(LIMITS, per_day=20)
    store.attempts.begin([intent()], limits)
    store.attempts.record([Fact(KEY, 1, Succeeded(Result(("u",)), reported=25))])

    assert store.attempts.begin([intent(KEYS[1], price=0)], limits) == [Refusal.DAY_BUDGET]


def test_fractions_of_credits_add_up_to_what_they_are(store: Store) -> None:
    limits = replace(LIMITS, per_run=None, per_day=1)
    keys = [JobKey("sheet", f"r_{number:09d}", 1) for number in range(11)]
    store.jobs.add(keys)

    for key in keys[:10]:
        assert isinstance(store.attempts.begin([intent(key, price=0.1)], limits)[0], Attempt)

    assert spent(store) == Spent(run=1, day=1)
    assert store.attempts.begin([intent(keys[10], price=0.1)], limits) == [Refusal.DAY_BUDGET]
    store.attempts.record([Fact(keys[0], 1, Accepted("t", reported=0.05))])
    assert spent(store).day == 0.95
    assert attempt(store, keys[0]).reported == 0.05


def test_a_returned_attempt_is_sent_again_as_the_next_attempt(store: Store) -> None:
    store.attempts.begin([intent()], LIMITS)
    store.attempts.record([Fact(KEY, 1, Postponed("429"))])

    assert isinstance(store.attempts.begin([intent(number=2)], LIMITS)[0], Attempt)
    assert spent(store) == Spent(run=8, day=8)


def test_submissions_and_polls_together_keep_to_the_rate_limit(store: Store, clock: Clock) -> None:
    limits = replace(LIMITS, per_minute=10)
    assert store.rate_limit.permits("key", 4, 10) == 4
    begun = store.attempts.begin([intent(key) for key in KEYS[:8]], limits)
    assert [one for one in begun if not isinstance(one, Attempt)] == [Refusal.PACE] * 2
    assert store.rate_limit.permits("key", 3, 10) == 0
    assert store.rate_limit.permits("another", 3, 10) == 3

    assert store.rate_limit.ready_in("key", 10) == 63
    clock.forward(63)
    assert store.rate_limit.ready_in("key", 10) == 0
    assert store.rate_limit.permits("key", 30, 10) == 10


def test_no_request_is_permitted_while_the_api_asks_to_wait(store: Store, clock: Clock) -> None:
    store.rate_limit.slow_down("key", NOON + timedelta(seconds=20))
    store.rate_limit.slow_down("key", NOON + timedelta(seconds=10))

    assert store.attempts.begin([intent()], LIMITS) == [Refusal.SLOW]
    assert store.rate_limit.permits("key", 3, None) == 0
    assert store.rate_limit.ready_in("key", None) == 20
    clock.forward(20)
    assert store.rate_limit.permits("key", 3, None) == 3


def test_a_clock_set_back_neither_blocks_requests_nor_lifts_the_limit(
    store: Store, clock: Clock
) -> None:
    store.rate_limit.permits("key", 10, 10)
    clock.forward(-3600)
    assert store.rate_limit.permits("key", 10, 10) == 0
    clock.forward(63)
    assert store.rate_limit.permits("key", 10, 10) == 10


def test_no_window_of_sixty_seconds_exceeds_the_rate_limit(store: Store, clock: Clock) -> None:
    minute = timedelta(seconds=60)
    api_keys = (f"key {number}" for number in itertools.count())

    @settings(max_examples=60, deadline=None)
    @given(
        st.integers(1, 7),
        st.lists(st.tuples(st.floats(0, 70), st.integers(0, 9)), min_size=1, max_size=25),
    )
    def keeps_to_it(per_minute: int, asked: list[tuple[float, int]]) -> None:
        key = next(api_keys)
        left: list[datetime] = []
        for pause, wanted in asked:
            clock.forward(pause)
            left += [clock()] * store.rate_limit.permits(key, wanted, per_minute)
        assert all(sum(a <= b < a + minute for b in left) <= per_minute for a in left)
        clock.forward(store.rate_limit.ready_in(key, per_minute))
        assert store.rate_limit.permits(key, 1, per_minute) == 1

    keeps_to_it()


EVENTS: list[Event] = [
    *(Accepted("t1"), Progressed(40, "t2"), Succeeded(Result(("u",)), "t3")),
    *(Failed("no", "t4"), Lost("time-out"), Postponed("429")),
]


def test_an_attempt_changes_state_only_as_the_table_says(store: Store) -> None:
    takes = itertools.count(2)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.lists(st.sampled_from(EVENTS), min_size=1, max_size=4), max_size=4))
    def moves_so(batches: list[list[Event]]) -> None:
        key = KEY._replace(take=next(takes))
        store.jobs.add([key])
        store.attempts.begin([intent(key)], LIMITS)
        expected = attempt(store, key)
        for events in batches:
            may_move = []
            for one in events:
                after = advance(expected, one, NOON)
                may_move.append(after != expected and type(one) in TABLE[expected.state])
                expected = after
            assert store.attempts.record([Fact(key, 1, one) for one in events]) == may_move
        assert attempt(store, key) == expected

    moves_so()


def test_a_task_id_from_a_late_event_is_kept_and_returned(store: Store) -> None:
    store.attempts.begin([intent()], LIMITS)
    store.attempts.record([Fact(KEY, 1, Failed("no"))])

    assert store.attempts.record([Fact(KEY, 1, Accepted("t1"))]) == [False]
    assert (attempt(store).state, attempt(store).task_id) == (State.FAILED, "t1")
    assert [line.kind for line in store.jobs.history(KEY)] == ["sent", "failed", "accepted"]


def test_facts_about_attempts_that_were_never_started_change_nothing(store: Store) -> None:
    unknown = [JobKey("sheet", "r_unheard0f", 1), JobKey("unheard of", "r_000000001", 1)]
    facts = [Fact(KEY, 1, Accepted("t")), *(Fact(key, 1, Accepted("t")) for key in unknown)]

    assert store.attempts.record(facts) == [False] * 3
    assert store.attempts.record([]) == []
    assert [sheet.key for sheet in store.sheets.all()] == ["sheet"]


def test_changes_by_another_process_are_seen_in_the_next_transaction(
    store: Store, url: str
) -> None:
    first, second = KEYS[:2]
    store.attempts.begin([intent(first), intent(second)], LIMITS)
    with Store(url) as other:
        other.attempts.record([Fact(first, 1, Accepted("t1")), Fact(second, 1, Postponed("429"))])
        other.attempts.begin([intent(second, 2)], LIMITS)

    assert store.attempts.record([Fact(first, 1, Succeeded(Result(("u",))))]) == [True]
    assert store.attempts.begin([intent(second, 2)], LIMITS) == [Refusal.NOT_PENDING]
    assert (attempt(store, first).state, attempt(store, first).task_id) == (State.SUCCEEDED, "t1")
    assert attempt(store, second).number == 2
    assert spent(store) == Spent(run=16, day=16)


def test_a_batch_is_one_commit_and_a_repeat_writes_nothing(store: Store, url: str) -> None:
    commits: list[object] = []
    event.listen(store._database.engine, "commit", commits.append)
    log = Path(f"{url.removeprefix('sqlite:///')}-wal")

    store.attempts.begin([intent(key) for key in KEYS[:50]], LIMITS)
    assert len(commits) == 1

    store.attempts.record([Fact(key, 1, Progressed(40, "t")) for key in KEYS[:50]])
    assert len(commits) == 2

    if not log.exists():  # PostgreSQL
        return
    before = log.stat()
    store.attempts.record([Fact(key, 1, Progressed(40, "t")) for key in KEYS[:50]])
    store.attempts.begin([intent(key) for key in KEYS[:50]], LIMITS)
    assert (log.stat().st_size, log.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_attempts_with_odd_names_are_found_by_hook_and_updated(url: str) -> None:
    keys = [JobKey('my "sheet"\0', f"r_'\ud800\x1a{{}}{number}", 1) for number in range(600)]
    hooks = {f'"{number}"': key for number, key in enumerate(keys)}
    odd = '{"a": "\ud800"}', ("b\0",), "x\0y"
    with Store(url) as store:
        store.jobs.add(keys)
        asked = [Intent(key, 1, *odd, 1, 120, hook=hook) for hook, key in hooks.items()]
        begun = store.attempts.begin(asked, LIMITS)
    with Store(url) as another:
        hooked = another.callbacks.by_hook([*hooks, "nobody's"])
        result = another.attempts.recorded([Fact(key, 1, Progressed(3, "t\0")) for key in keys])
        kept = another.jobs.all(keys[0].sheet)

    assert {hook: (one.key, one.endpoint) for hook, one in hooked.items()} == {
        hook: (key, "x\0y") for hook, key in hooks.items()
    }
    moved = [
        replace(one, state=State.RUNNING, progress=3, task_id="t\0")
        for one in begun
        if isinstance(one, Attempt)
    ]
    assert [attempt for _, attempt in result.recorded] == moved
    assert [kept[key].attempts[0] for key in keys] == moved


def shared(price: Credits, number: int, *shares: str) -> Intent:
    return replace(intent(KEYS[number], price=price), shares=shares)


def test_a_month_and_each_share_has_a_budget_of_its_own(store: Store) -> None:
    limits = replace(LIMITS, per_month=40, per={"campaign": 20})
    spring, autumn = "campaign=spring", "campaign=autumn"

    asked = [shared(8, n, spring) for n in range(3)] + [shared(8, n, autumn) for n in (3, 4, 5)]
    answers = store.attempts.begin(asked, limits)

    begun = [isinstance(one, Attempt) for one in answers]
    assert begun == [True, True, False, True, True, False]
    assert answers[2] is answers[5] is Refusal.SHARE_BUDGET
    tomorrow = replace(limits, run="later", day="2026-03-31")
    late = store.attempts.begin([shared(8, 6), shared(8, 7)], tomorrow)
    assert (isinstance(late[0], Attempt), late[1]) == (True, Refusal.MONTH_BUDGET)
    april = replace(limits, run="later", day="2026-04-01")
    assert isinstance(store.attempts.begin([shared(8, 7)], april)[0], Attempt)
    names = limits.counters((spring, autumn))
    assert store.budget.held(names[2:]) == [40, 16, 16]


def test_a_refund_and_a_reported_charge_correct_every_counter(
    store: Store, url: str, clock: Clock
) -> None:
    limits = replace(LIMITS, per={"campaign": 20})
    store.attempts.begin([shared(8, 0, "campaign=spring"), shared(8, 1, "campaign=spring")], limits)
    store.attempts.record([Fact(KEYS[0], 1, Postponed("busy")), Fact(KEYS[1], 1, Accepted("t"))])

    assert store.budget.held(limits.counters(["campaign=spring"])) == [8, 8, 8, 8]
    with Store(url, now=clock) as other:  # which has nothing in memory
        other.attempts.record([Fact(KEYS[1], 1, Succeeded(Result(("u",)), reported=19))])
    assert store.budget.held(limits.counters(["campaign=spring"])) == [19, 19, 19, 19]
    (refused,) = store.attempts.begin([shared(8, 2, "campaign=spring")], limits)
    assert refused is Refusal.SHARE_BUDGET


def test_a_credit_counts_in_a_budget_in_money_at_the_price_that_it_was_sent_at(
    store: Store, url: str, clock: Clock
) -> None:
    dollar = Money(Decimal(1), "USD")
    limits = replace(LIMITS, per_day=dollar, per={"campaign": dollar}, credit_price="0.05 USD")
    dearer = replace(limits, run="later", credit_price="0.10 USD")
    spring = "campaign=spring"

    answers = store.attempts.begin([shared(8, n, spring) for n in range(3)], limits)

    assert [isinstance(one, Attempt) for one in answers] == [True, True, False]
    assert limits.spent_today(store.budget) == Money(Decimal("0.80"), "USD")
    # In two credits for 0.10 there are 0.20 USD; those of before cost what they did.
    answers = store.attempts.begin([shared(3, 3), shared(2, 4), shared(1, 5)], dearer)
    refused = Refusal.DAY_BUDGET
    assert [one if one is refused else "sent" for one in answers] == [refused, "sent", refused]
    with Store(url, now=clock) as other:  # which has nothing in memory
        other.attempts.record([Fact(KEYS[0], 1, Succeeded(Result(("u",)), reported=4))])
    assert dearer.spent_today(store.budget) == Money(Decimal("0.80"), "USD")
    answers = store.attempts.begin([shared(3, 6), shared(2, 7)], dearer)
    assert (answers[0], isinstance(answers[1], Attempt)) == (refused, True)
    assert store.budget.held(dearer.counters([spring])[1:]) == [16, 16, 12]
    assert dearer.credits_of(dearer.counters([spring])[3], store.budget.at_other_prices) == 16


def test_what_was_sent_before_a_price_of_a_credit_was_known_counts_at_the_present_one(
    store: Store,
) -> None:
    limits = replace(LIMITS, per_day=Money(Decimal("0.10"), "USD"), credit_price="0.01 USD")
    store.attempts.begin([intent()], LIMITS)

    answers = store.attempts.begin([intent(KEYS[1], price=3), intent(KEYS[2], price=2)], limits)

    assert (answers[0], isinstance(answers[1], Attempt)) == (Refusal.DAY_BUDGET, True)
    assert limits.spent_today(store.budget) == Money(Decimal("0.10"), "USD")
