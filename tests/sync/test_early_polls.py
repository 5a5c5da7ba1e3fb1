"""Calls that prove nothing and arrive during or between passes, in simulated time.

The receiver notes such a call in the store; here the test does that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.core.api.webhook import early_poll
from pipeline.store import Store
from pipeline.sync.look import Look
from pipeline.sync.outcome import Asked
from pipeline.sync.ports import Pace
from tests.fakes.program import ROOT
from tests.sync.bench import Bench, reply

EXTRA = """
[webhook]
public_url = "https://hooks.example.com"
secret = "env:HOOKS"
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One row, at an API that proves nothing."""
    text = (ROOT / "configs/providers/apiframe-v1.toml").read_text()
    proved = 'secret_field = "webhook_secret" # returned word for word in the header\n'
    unproved = text.replace(proved, 'proof = "none"\n').replace('header = "x-webhook-secret"\n', "")
    assert unproved.count("webhook_secret") == 0
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers/apiframe-v1.toml").write_text(unproved)
    environ = {"APIFRAME_API_KEY": "key", "HOOKS": "s" * 32}
    bench = Bench(tmp_path, ["a fox"], EXTRA, environ=environ)
    yield bench
    bench.close()


def call(bench: Bench, store: Store) -> None:
    """Note an unproved call about each task that the receiver would note one for."""
    (sheet,) = store.sheets.all()
    moments = {}
    for job in store.jobs.all(sheet.key).values():
        attempt = job.attempts[-1]
        if at := early_poll(attempt.early_poll, bench.now()):
            moments[attempt.hook] = at
    if moments:
        store.callbacks.poll_early(moments)


def test_a_pass_polls_the_task_of_a_call_at_once_and_writes_what_the_api_says(bench: Bench) -> None:
    bench.api.lasts = 20

    async def at_its_end(bench: Bench, store: Store) -> None:
        await asyncio.sleep(21)
        call(bench, store)

    outcome = bench.run(during=at_its_end, called=True)

    assert outcome.counts.done == 1
    assert bench.rows()[0]["status"] == "done"
    assert [round(at) for at in bench.api.polled] == [21]


@pytest.mark.parametrize("calls", [0, 400])
def test_a_flood_of_calls_raises_neither_polls_nor_looks(bench: Bench, calls: int) -> None:
    bench.api.lasts = 110
    looks = 0

    async def flood(bench: Bench, store: Store) -> None:
        look = bench.runner._sync.look

        def counted() -> Look:
            nonlocal looks
            looks += 1
            return look()

        bench.runner._sync.look = counted  # type: ignore[method-assign]
        await asyncio.sleep(5)
        for _ in range(calls):
            await asyncio.sleep(0.1)
            call(bench, store)

    bench.run(during=flood, called=True)

    in_flood = [at for at in bench.api.polled if 5 <= at < 45]
    assert len(in_flood) <= 2 + calls / 50
    assert looks <= 7  # Without any call there are four.
    assert bench.rows()[0]["status"] == "done"


def test_a_call_while_the_api_asks_to_wait_does_not_shorten_the_wait(bench: Bench) -> None:
    bench.api.lasts = 3
    bench.api.poll_replies = [reply({"error": "slow down"}, 429, retry_after="30")]

    async def twice(bench: Bench, store: Store) -> None:
        await asyncio.sleep(4)
        call(bench, store)
        await asyncio.sleep(8)
        call(bench, store)

    bench.run(during=twice, called=True)

    first, *others = bench.api.polled
    assert round(first) == 4
    assert min(others) >= first + 30
    assert bench.rows()[0]["status"] == "done"


def test_the_next_run_polls_an_overdue_task_of_which_a_call_spoke(bench: Bench) -> None:
    pace = Pace(give_up_after=timedelta(seconds=30))
    bench.api.lasts = 100
    polls = []

    def run() -> None:
        """A plain run, as cron starts it."""
        bench.run(Asked(), pace, called=True)
        polls.append(len(bench.api.polled))

    run()  # It is sent.
    bench.sleep(60)
    run()  # It is overdue, and polled once.
    bench.sleep(60)
    run()  # It has ended, but an overdue task is polled only every hour.
    before = bench.rows()[0]["status"]
    with bench.store() as store:
        call(bench, store)
    run()

    assert (before, bench.rows()[0]["status"]) == ("in progress", "done")
    assert polls == [0, 1, 1, 2]


def test_a_call_during_a_submission_is_followed_by_a_poll(bench: Bench) -> None:
    bench.api.answers_in = 3
    bench.api.lasts = 0

    async def early(bench: Bench, store: Store) -> None:
        await asyncio.sleep(1)
        call(bench, store)

    bench.run(during=early, called=True)

    assert bench.rows()[0]["status"] == "done"
    assert bench.api.polled[0] < 5
