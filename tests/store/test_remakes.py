"""The store makes a result again at most as often as the limit says, whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Thread

import pytest

from pipeline.core.model import JobKey, Result, State
from pipeline.core.states import Succeeded, state_of
from pipeline.store import Fact, Store
from tests.store.build import KEY, LIMITS, Clock, intent


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store(url, clock) as store:
        store.sheets.get("sheet")
        yield store


SECOND = KEY._replace(take=2)


def made(store: Store, key: JobKey, number: int = 1) -> None:
    """Begin an attempt, which succeeds."""
    store.jobs.add([key])
    store.attempts.begin([intent(key, number)], LIMITS)
    store.attempts.record([Fact(key, number, Succeeded(Result((f"u{number}",))))])


def state(store: Store, key: JobKey = KEY) -> State:
    job = store.jobs.get(key)
    assert job
    return state_of(job)


def test_one_of_many_that_ask_at_the_same_time_is_heard(store: Store) -> None:
    made(store, KEY)
    start, heard = Barrier(4), []

    def ask() -> None:
        start.wait(20)
        heard.append(store.jobs.make_again(KEY, 1, 2, "blank", 5))

    threads = [Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)

    job = store.jobs.get(KEY)
    assert sorted(heard) == [False, False, False, True]
    assert job
    assert (job.asked, job.attempts[0].remade, state(store)) == (2, "blank", State.PENDING)


def test_the_limit_is_for_the_row_with_all_its_takes(store: Store) -> None:
    made(store, KEY)
    made(store, SECOND)
    assert store.jobs.make_again(KEY, 1, 2, "blank", 1)
    made(store, KEY, 2)

    assert not store.jobs.make_again(KEY, 2, 3, "blank", 1)
    assert not store.jobs.make_again(SECOND, 1, 2, "blank", 1)
    assert (state(store), state(store, SECOND)) == (State.SUCCEEDED, State.SUCCEEDED)
    assert store.jobs.make_again(SECOND, 1, 2, "blank", 2)
    assert "because every picture was blank" in store.jobs.history(SECOND)[-1].text


def test_only_a_success_is_set_aside_and_only_for_the_next_attempt(store: Store) -> None:
    store.jobs.add([KEY])
    store.attempts.begin([intent()], LIMITS)
    running = store.jobs.make_again(KEY, 1, 2, "blank", 5)
    store.attempts.record([Fact(KEY, 1, Succeeded(Result(("u",))))])

    assert not running
    assert not store.jobs.make_again(KEY, 1, 3, "blank", 5)
    assert not store.jobs.make_again(KEY, 2, 2, "blank", 5)
    assert not store.jobs.make_again(SECOND, 1, 2, "blank", 5)
    assert state(store) is State.SUCCEEDED


def test_the_numbers_of_a_sheet_count_a_result_that_is_made_again_as_open(store: Store) -> None:
    made(store, KEY)
    done = store.stats.numbers("sheet").by_state
    store.jobs.make_again(KEY, 1, 2, "blank", 1)
    pending = store.stats.numbers("sheet").by_state

    assert (done["succeeded"], pending["succeeded"], pending["pending"]) == (1, 0, 1)
