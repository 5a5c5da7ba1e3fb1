"""A waiting pass ends by itself even without its sheet or its store; the maximum age of a sync."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.core.errors import StoreFull
from pipeline.store import Store
from pipeline.sync.look import Look
from tests.sync.bench import START, Bench, reply


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, ["a fox", "an owl"])
    yield bench
    bench.close()


def test_a_waiting_pass_ends_although_its_sheet_is_gone(bench: Bench) -> None:
    async def delete(bench: Bench, store: Store) -> None:
        await asyncio.sleep(1)
        bench.file.unlink()

    outcome = bench.run(during=delete)

    assert outcome.code == 3
    # The events of the meantime are in the store.
    assert outcome.counts.done == 2
    assert bench.loop.time() < 300


def test_a_batch_goes_on_after_a_pass_whose_last_look_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ["a fox", "an owl"], "[pace]\nin_flight = 1\n")
    bench.api.lasts = 30.0
    kept = tmp_path / "kept"

    async def take_away(bench: Bench, store: Store) -> None:
        await asyncio.sleep(1)
        bench.file.rename(kept)

    broken = bench.run(during=take_away)
    kept.rename(bench.file)
    whole = bench.run()

    bench.close()
    assert (broken.code, broken.counts.new, broken.quote) == (3, 1, "")
    assert (whole.code, whole.counts.new, whole.quote) == (0, 1, "")


@pytest.mark.parametrize("commits", [0, 1])
def test_a_waiting_pass_ends_although_its_store_is_full(bench: Bench, commits: int) -> None:
    def fill(store: Store) -> None:
        commit_batch, done = store.attempts.commit_batch, iter(range(commits))

        def full(*args: object) -> object:
            if next(done, None) is None:
                raise StoreFull("No space is left.")
            return commit_batch(*args)  # type: ignore[arg-type]

        store.attempts.commit_batch = full  # type: ignore[method-assign,assignment]

    bench.api.answers_in = 0.5
    if commits:
        # The second row is ready only after the first is sent.
        bench.settings = replace(
            bench.settings, pace=bench.settings.pace.model_copy(update={"in_flight": 1})
        )

    outcome = bench.run(before=fill)

    assert outcome.code == 3
    assert any("No space is left" in said for said in outcome.sentences)
    assert len(bench.api.received) == commits
    assert bench.loop.time() < 300


def test_a_pass_tells_at_once_that_lost_answers_take_all_places_and_goes_on_when_they_end(
    tmp_path: Path,
) -> None:
    prompts = ["a fox", "an owl", "a hen", "a cat"]
    # An hour in which nothing is polled takes less time with a fixed interval.
    pace = '[pace]\nin_flight = 2\npoll_every = "10s"\n'
    bench = Bench(tmp_path, prompts, pace)
    bench.api.replies = dict.fromkeys(prompts[:2], reply({}, 500))
    told: list[tuple[str, float]] = []

    outcome = bench.run(tell=lambda its: told.append((its.full, bench.loop.time())))

    bench.close()
    first = dict(reversed(told))
    (sentence,) = first.keys() - {""}
    assert first[sentence] < 60
    until = (START + timedelta(hours=1)).astimezone()
    assert f"only 2 may be at once: nothing more is sent until {until:%Y-%m-%d %H:%M}" in sentence
    assert outcome.statuses == {"done": 2, "check needed": 2}
    assert bench.api.prompts == dict.fromkeys(prompts, 1)
    assert min(moment for moment, prompt in bench.api.received if prompt == "a hen") >= 3600


def test_a_row_may_be_sent_for_a_minute_after_its_sheet_was_read() -> None:
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)
    read = began + timedelta(seconds=90)
    look = Look(began_at=began, read_at=read)

    fresh = [look.is_fresh(read + timedelta(seconds=s)) for s in (0, 59, 61)]

    assert fresh == [True, True, False]
    assert not Look(read_at=read).is_fresh(read)
