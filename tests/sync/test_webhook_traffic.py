"""How many requests rows take with webhooks, in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.model import Result, State
from pipeline.core.states import Succeeded
from pipeline.store import Fact, Store
from tests.sync.bench import ApiV2, Bench

ROWS = 200
#: Requests for each row at most, its submission included; a poll every 2 s makes it 2.0 or more.
MOST = 1.2
EXTRA = """
[pace]
in_flight = 50
per_minute = 0
[webhook]
public_url = "https://hooks.example.com"
secret = "env:HOOKS"
[budget]
per_run = 1000000
per_day = 1000000
"""
ENVIRON = {"APIFRAME_API_KEY": "afk_key", "HOOKS": "s" * 32}


def delivered(
    bench: Bench, is_lost: Callable[[int], bool]
) -> Callable[[Bench, Store], Coroutine[Any, Any, None]]:
    """Record each end as the receiver does, a moment after it; lost calls are not recorded."""
    api = bench.api

    async def calls(bench: Bench, store: Store) -> None:
        sheet = ""
        told: set[str] = set()
        while len(told) < ROWS:
            await asyncio.sleep(0.1)
            sheet = sheet or (store.sheets.all()[0].key if store.sheets.all() else "")
            now = bench.loop.time()
            ended = {task for task, at in api._tasks.items() if at + 0.05 <= now} - told
            if not ended:
                continue
            facts = [
                Fact(key, one.number, Succeeded(Result(("https://x/1.png",)), one.task_id))
                for key, job in store.jobs.all(sheet).items()
                for one in job.attempts
                if one.task_id in ended and one.state is State.RUNNING
            ]
            store.attempts.record([f for n, f in enumerate(facts) if not is_lost(n)])
            told |= ended

    return calls


@pytest.mark.parametrize("lasts", [2.0, 20.0])
def test_with_webhooks_a_row_takes_little_more_than_its_submission(
    lasts: float, tmp_path: Path
) -> None:
    prompts = [f"a heron, {n}" for n in range(ROWS)]
    bench = Bench(tmp_path, prompts, EXTRA, environ=ENVIRON, kind=ApiV2)
    bench.api.lasts = lasts

    outcome = bench.run(during=delivered(bench, lambda n: False), called=True)
    requests = len(bench.api.received) + len(bench.api.polled)
    bench.close()

    assert outcome.counts.done == ROWS
    assert bench.api.prompts == dict.fromkeys(prompts, 1)
    assert requests <= MOST * ROWS


def test_if_a_third_of_the_webhooks_is_lost_polls_find_the_other_ends(tmp_path: Path) -> None:
    prompts = [f"a heron, {n}" for n in range(ROWS)]
    bench = Bench(tmp_path, prompts, EXTRA, environ=ENVIRON, kind=ApiV2)

    outcome = bench.run(during=delivered(bench, lambda n: n % 3 == 0), called=True)
    polls = len(bench.api.polled)
    bench.close()

    assert outcome.counts.done == ROWS
    assert bench.api.prompts == dict.fromkeys(prompts, 1)
    # A page of the list of jobs tells of many ends at once.
    assert 1 <= polls <= ROWS / 10
