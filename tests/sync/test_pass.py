"""Whole passes in simulated time: delays, stops, and the end of a pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, event

from pipeline.core.api.accounts import Api
from pipeline.core.model import Grid, JobKey, Patch, State
from pipeline.core.planning.lines import Line
from pipeline.core.states import Failed
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Fact, Store
from pipeline.sync.outcome import Asked
from pipeline.sync.ports import Pace
from pipeline.sync.submissions import Batch, Submissions
from tests.sync.bench import Bench, reply

Made = Callable[..., Bench]
NO_WAIT = Asked()
WAIT = Asked(wait=True)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Make a bench with these prompts, and these lines of configuration."""
    benches: list[Bench] = []

    def make(prompts: list[str], extra: str = "") -> Bench:
        benches.append(Bench(tmp_path, prompts, extra))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


def prompts(many: int) -> list[str]:
    return [f"a heron, {number}" for number in range(many)]


def test_every_row_is_done_and_paid_once(made: Made) -> None:
    bench = made(prompts(100))

    outcome = bench.run(pace=Pace(concurrency=10, in_flight=25))

    assert bench.api.prompts == dict.fromkeys(prompts(100), 1)
    assert bench.api.most == 10
    assert (outcome.counts.new, outcome.counts.done, outcome.code) == (100, 100, 0)
    assert {row["status"] for row in bench.rows()} == {"done"}


def test_rows_delayed_by_the_rate_limit_are_sent_later_in_sheet_order(
    made: Made,
) -> None:
    bench = made(prompts(25), "[pace]\nper_minute = 10\n")

    outcome = bench.run(pace=Pace(concurrency=5))

    assert [prompt for _, prompt in bench.api.received] == prompts(25)
    assert (outcome.counts.done, outcome.code) == (25, 0)
    for start, _ in bench.api.received:
        within = [at for at, _ in bench.api.received if start <= at < start + 60]
        assert len(within) <= 10


def test_a_pass_without_wait_also_sends_rows_delayed_by_the_rate_limit(made: Made) -> None:
    # No sync adds these rows again: the pass ends as soon as no row waits to be sent.
    bench = made(prompts(25), "[pace]\nper_minute = 10\n")

    outcome = bench.run(NO_WAIT)

    assert [prompt for _, prompt in bench.api.received] == prompts(25)
    assert outcome.counts.new == 25
    assert bench.api.received[-1][0] < 130


def test_failures_reported_by_webhooks_stop_sending(made: Made) -> None:
    bench = made(prompts(60))
    bench.api.lasts = 10_000

    async def call(bench: Bench, store: Store) -> None:
        ended: set[JobKey] = set()
        for _ in range(40):
            await asyncio.sleep(0.5)
            (sheet,) = store.sheets.all()
            for key, job in store.jobs.all(sheet.key).items():
                if key not in ended and job.attempts and job.attempts[-1].state is State.RUNNING:
                    store.attempts.record([Fact(key, 1, Failed("no"))])
                    ended.add(key)

    outcome = bench.run(
        pace=Pace(in_flight=20, poll_every=timedelta(hours=2)), during=call, called=True
    )

    assert len(bench.api.received) < 60
    assert outcome.stopped
    assert any("rows failed, so nothing more was sent" in said for said in outcome.sentences)


def test_an_end_reported_twice_counts_once_for_the_stop_rule(made: Made) -> None:
    # 5 of 24 failed: below the rule's 30 %. Counted twice, they are above it.
    bench = made(prompts(24))
    bench.api.failing = set(prompts(24)[19:])
    bench.api.lasting = {"a heron, 0": 60}

    async def report_again(bench: Bench, store: Store) -> None:
        await asyncio.sleep(10)
        assert bench.runner.outcome.counts.failed == 5
        (sheet,) = store.sheets.all()
        for key, job in store.jobs.all(sheet.key).items():
            attempt = job.attempts[-1]
            if attempt.state is State.FAILED:
                bench.runner._lanes.reported(key, attempt.number, Failed(attempt.reason))

    outcome = bench.run(during=report_again)

    assert (outcome.counts.done, outcome.counts.failed) == (19, 5)
    assert bench.loop.time() > 60
    assert not outcome.stopped


def test_a_poll_waits_when_the_api_asks_it_to(made: Made) -> None:
    bench = made(prompts(1))
    bench.api.poll_replies = [reply({}, 429, Retry_After="30")]

    outcome = bench.run()

    first, second, *_ = bench.api.polled
    assert second - first >= 30
    assert outcome.counts.done == 1


def test_a_pause_requested_in_answer_to_a_poll_also_delays_sending(made: Made) -> None:
    bench = made(prompts(20), '[pace]\nconcurrency = 1\npoll_every = "1s"\n')
    bench.api.answers_in, bench.api.lasts = 2.0, 100.0
    bench.api.poll_replies = [reply({}, 429, Retry_After="30")]

    outcome = bench.run()

    asked = bench.api.polled[0] + bench.api.answers_in
    later = [at for at, _ in bench.api.received if at > asked]
    assert asked < 10
    assert len(later) > 10
    assert min(later) > asked + 29.9
    assert outcome.counts.done == 20


def test_a_pass_without_its_lease_stops_sending_and_still_polls_its_tasks(made: Made) -> None:
    bench = made(prompts(100))

    outcome = bench.run(
        pace=Pace(concurrency=1, in_flight=1), keep_lease=lambda: bench.loop.time() < 15
    )

    assert 0 < len(bench.api.received) < 20
    assert bench.api.received[-1][0] <= 20
    assert outcome.sentences == ["Another pass took over rows.csv."]
    assert outcome.counts.done == len(bench.api.received)


def test_a_pass_that_sends_for_a_long_time_rereads_the_sheet_in_time(made: Made) -> None:
    # Sending takes two minutes: no row is sent from a sync older than a minute, and all are sent.
    bench = made(prompts(60))
    bench.api.answers_in, bench.api.lasts = 2.0, 0.1

    outcome = bench.run(NO_WAIT, Pace(concurrency=1, in_flight=1000))

    assert bench.api.received[-1][0] > 110
    assert outcome.counts.new == 60
    gaps = [b - a for (a, _), (b, _) in pairwise(bench.api.received)]
    assert max(gaps) < 4


@pytest.mark.parametrize("asked", [NO_WAIT, WAIT])
def test_rows_are_sent_although_the_sheet_waits_for_minutes_before_it_is_read(
    made: Made, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = made(prompts(5))
    write = CsvSheet.write

    def write_late(sheet: CsvSheet, patch_for: Callable[[Grid], Patch]) -> Grid:
        bench.sleep(150)  # as a Google Sheet may, while others use up what the account may read
        return write(sheet, patch_for)

    monkeypatch.setattr(CsvSheet, "write", write_late)
    outcome = bench.run(asked)

    assert bench.api.prompts == dict.fromkeys(prompts(5), 1)
    assert outcome.counts.new == 5


def test_a_row_edited_during_a_long_pass_is_sent_with_its_new_prompt(
    made: Made,
) -> None:
    bench = made(prompts(100))
    bench.api.answers_in = 2.0

    async def edit(bench: Bench, store: Store) -> None:
        await asyncio.sleep(5)
        text = bench.file.read_text("utf-8")
        bench.file.write_text(text.replace('"a heron, 99"', '"a crane, 99"'), "utf-8")

    bench.run(NO_WAIT, Pace(concurrency=1, in_flight=1000), during=edit)

    assert bench.api.prompts["a crane, 99"] == 1
    assert bench.api.prompts["a heron, 99"] == 0
    assert len(bench.api.received) == 100


def test_a_waiting_pass_ends_although_a_task_never_ends(made: Made) -> None:
    bench = made(prompts(2), '[pace]\ngive_up_after = "5m"\n')
    bench.api.lasts = 10_000_000

    outcome = bench.run()

    assert 300 <= bench.loop.time() < 400
    assert (outcome.counts.new, outcome.counts.done) == (2, 0)
    for row in bench.rows():
        assert (row["status"], bool(row["note"])) == ("check needed", True)


def test_a_waiting_pass_ends_although_no_poll_is_answered(made: Made) -> None:
    bench = made(prompts(2))
    bench.api.poll_replies = [reply({}, 500) for _ in range(10_000)]

    outcome = bench.run()

    assert outcome.code == 3
    assert any("has trouble (HTTP 500)" in said for said in outcome.sentences)
    assert bench.loop.time() < 600


def test_a_waiting_pass_ends_although_rows_wait_for_the_budget(made: Made) -> None:
    bench = made(prompts(3), "[budget]\nper_day = 8\n")

    outcome = bench.run()

    assert (outcome.counts.done, len(bench.api.received)) == (2, 2)
    assert bench.loop.time() < 60


def test_a_pass_without_wait_ends_at_a_long_pause_and_the_next_run_goes_on(made: Made) -> None:
    bench = made(prompts(3))
    bench.api.replies = {"a heron, 0": reply({}, 429, Retry_After="300")}

    outcome = bench.run(NO_WAIT, Pace(concurrency=1))

    assert bench.loop.time() < 60
    assert [prompt for _, prompt in bench.api.received] == ["a heron, 0"]
    assert any("asked to wait 300 s" in said for said in outcome.sentences)


def test_the_sheet_is_written_no_more_often_than_configured(made: Made) -> None:
    bench = made(prompts(40))
    looks: list[float] = []

    async def watch(bench: Bench, store: Store) -> None:
        before = b""
        for _ in range(200):
            await asyncio.sleep(0.1)
            if (now := bench.file.read_bytes()) != before:
                looks.append(bench.loop.time())
                before = now

    bench.run(pace=Pace(in_flight=4, write_every=timedelta(seconds=5)), during=watch)

    gaps = [later - earlier for earlier, later in pairwise(looks[1:])]
    assert gaps
    assert min(gaps) >= 4.9


def test_one_new_row_needs_few_store_transactions(made: Made) -> None:
    bench = made(prompts(1))
    begun: list[Connection] = []

    def count(connection: Connection) -> None:
        if bench.rows()[0].get("status") != "done":
            begun.append(connection)

    outcome = bench.run(before=lambda store: event.listen(store._database.engine, "begin", count))

    assert outcome.counts.done == 1
    assert bench.rows()[0]["status"] == "done"
    print(f"{len(begun)} transactions from the first look to the written cell")
    assert len(begun) <= 20


def test_answers_are_recorded_although_the_pass_ends_with_an_unexpected_error(made: Made) -> None:
    bench = made(prompts(3))
    commit, calls = Submissions.commit_batch, []

    def breaks(self: Submissions, facts: Sequence[Fact], lines: Sequence[Line], api: Api) -> Batch:
        calls.append(len(facts))
        if facts:
            raise RuntimeError("planted")
        return commit(self, facts, lines, api)

    with patch.object(Submissions, "commit_batch", breaks), pytest.raises(RuntimeError):
        bench.run(pace=Pace(concurrency=1))

    assert bench.run().counts.done == 3
    assert bench.api.prompts == dict.fromkeys(prompts(3), 1)
    assert {row["status"] for row in bench.rows()} == {"done"}
