"""Many processes on one store: what may happen once happens once, and no process is blocked."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import StoreError
from pipeline.core.model import Attempt, JobKey, Result, State
from pipeline.core.states import Accepted, Failed, Succeeded
from pipeline.store import Fact, Intent, Limits, Spent, Store

KEY = JobKey("sheet", "r_000000000", 1)
LIMITS = Limits(api_key="key", run="run", day="2026-03-01")


def in_processes(count: int, work: Callable[[int], object]) -> list[Any]:
    """The results of `work` in `count` processes that start at the same moment."""
    fork = multiprocessing.get_context("fork")
    answers, ready = fork.SimpleQueue(), fork.Barrier(count)

    def child(number: int) -> None:
        ready.wait()
        try:
            answers.put(work(number))
        except Exception as error:
            answers.put(repr(error))

    children = [fork.Process(target=child, args=(number,)) for number in range(count)]
    with warnings.catch_warnings():
        # Forking a process with threads is risky; the threads of a test run hold none of our locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        for one in children:
            one.start()
    received = [answers.get() for _ in children]
    for one in children:
        one.join()
    return received


def test_a_second_store_of_a_process_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    look = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('select * from sheets')"
    with Store(f"sqlite:///{file}") as first:
        first.sheets.get("one")
        with Store(f"sqlite:///{file}"):
            pass
        # The last process that closes a store removes the side files.
        subprocess.run([sys.executable, "-c", look, file], check=True)
        assert Path(f"{file}-wal").exists()
        first.sheets.get("two")
    with Store(f"sqlite:///{file}") as store:
        assert {one.key for one in store.sheets.all()} == {"one", "two"}


def intent(key: JobKey, price: int = 8) -> Intent:
    return Intent(key, 1, "{}", (), "imagine", price, 120)


def test_eight_processes_that_create_a_store_create_one_store(url: str) -> None:
    def make(number: int) -> str:
        with Store(url) as store:
            store.sheets.get(f"sheet {number}")
            return store.id

    ids = in_processes(8, make)

    with Store(url) as store:
        assert set(ids) == {store.id}
        assert len(store.sheets.all()) == 8


def test_of_many_processes_that_start_one_job_exactly_one_succeeds(url: str) -> None:
    with Store(url) as store:
        store.jobs.add([KEY])

    def begin(number: int) -> int:
        with Store(url) as store, ThreadPoolExecutor(4) as threads:
            answers = threads.map(lambda _: store.attempts.begin([intent(KEY)], LIMITS), range(4))
            return sum(isinstance(one, Attempt) for (one,) in answers)

    begun = in_processes(8, begin)

    assert sorted(begun) == [0] * 7 + [1]
    with Store(url) as store:
        job = store.jobs.get(KEY)
        assert job
        assert len(job.attempts) == 1
        assert store.budget.spent("key", "run", "2026-03-01") == Spent(8, 8)


def test_sixteen_processes_never_overspend_a_small_budget(url: str) -> None:
    cap = 500
    keys = [JobKey(f"sheet {n % 3}", f"r_{n:09d}", 1) for n in range(16 * 12)]
    with Store(url) as store:
        store.jobs.add(keys)

    def send(number: int) -> int:
        limits = Limits("key", f"run {number}", "2026-03-01", per_day=cap)
        mine = keys[number::16]
        with Store(url) as store:
            answers = [
                answer
                for at in range(0, len(mine), 3)
                for answer in store.attempts.begin(
                    [intent(k, 3 + number % 5) for k in mine[at : at + 3]], limits
                )
            ]
        return sum(int(one.price) for one in answers if isinstance(one, Attempt))

    paid = sum(in_processes(16, send))

    print(f"cap {cap}, paid {paid}, overspent {max(0, paid - cap)}, used {paid / cap:.1%}")
    assert cap * 0.95 <= paid <= cap
    with Store(url) as store:
        assert store.budget.spent("key", "run 0", "2026-03-01").day == paid
        kept = [
            a
            for s in store.sheets.all()
            for j in store.jobs.all(s.key).values()
            for a in j.attempts
        ]
        assert sum(attempt.price for attempt in kept) == paid


def test_eight_processes_share_one_rate_limit(url: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with Store(url) as store:
        store.jobs.add([KEY])

    def ask(number: int) -> int:
        with Store(url, now=lambda: now) as store:
            return sum(store.rate_limit.permits("key", 3, 40) for _ in range(5))

    assert sum(in_processes(8, ask)) == 40


def test_of_two_recorded_final_states_the_first_is_kept(url: str) -> None:
    keys = [KEY._replace(take=take) for take in range(1, 41)]
    with Store(url) as store:
        store.jobs.add(keys)
        store.attempts.begin([intent(key) for key in keys], LIMITS)
        store.attempts.record([Fact(key, 1, Accepted(f"t{key.take}")) for key in keys])

    def end(number: int) -> list[bool]:
        event = Failed("no") if number % 2 else Failed("refused", refused=True)
        with Store(url) as store:
            return [store.attempts.record([Fact(key, 1, event)])[0] for key in keys]

    moved = in_processes(6, end)

    assert [sum(one) for one in zip(*moved, strict=True)] == [1] * 40
    with Store(url) as store:
        jobs = store.jobs.all("sheet").values()
        given_back = sum(job.attempts[0].reason == "refused" for job in jobs)
        assert store.budget.spent("key", "run", "2026-03-01").day == 8 * (40 - given_back)
        assert Counter(len(store.jobs.history(key)) for key in keys) == {3: 40}


def test_one_process_holds_a_lease_at_a_time(url: str) -> None:
    with Store(url) as store:
        store.sheets.get("sheet")

    def take(number: int) -> bool:
        with Store(url) as store:
            return store.leases.take("sheet", f"here:{number}", 60) is not None

    assert sorted(in_processes(8, take)) == [False] * 7 + [True]


def test_the_claims_of_many_processes_are_all_different(url: str) -> None:
    def claim(number: int) -> list[int]:
        with Store(url) as store:
            return [store.sheets.raise_claim("sheet", f"word {number}").counter for _ in range(5)]

    raised = [counter for counters in in_processes(6, claim) for counter in counters]

    assert sorted(raised) == list(range(1, 31))


def test_threads_share_one_store(url: str) -> None:
    keys = [KEY._replace(take=take) for take in range(1, 61)]

    def work(key: JobKey) -> State:
        store.jobs.add([key])
        store.attempts.begin([intent(key)], LIMITS)
        store.attempts.record([Fact(key, 1, Succeeded(Result(("u",))))])
        job = store.jobs.get(key)
        assert job
        return job.attempts[0].state

    with Store(url) as store, ThreadPoolExecutor(8) as threads:
        assert set(threads.map(work, keys)) == {State.SUCCEEDED}
        assert store.budget.spent("key", "run", "2026-03-01").run == 8 * 60


def test_a_long_wait_for_another_process_ends_with_a_clear_error(url: str) -> None:
    with Store(url) as store, Store(url, patience=0.05) as hasty:
        with (
            store._database.writing(),
            pytest.raises(StoreError, match="locked by another program for too long"),
        ):
            hasty.jobs.add([KEY])
        hasty.jobs.add([KEY])
        assert hasty.jobs.get(KEY)
