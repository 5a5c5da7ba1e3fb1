"""Version 2 has a list of jobs: one request polls all tasks of a page. In simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.core.model import Response
from pipeline.sync.outcome import Asked
from pipeline.sync.ports import Pace
from tests.sync.bench import ApiV2, Bench, reply

KEYS = {"APIFRAME_API_KEY": "afk_test"}
BUDGET = "[budget]\nper_run = 100_000\nper_day = 100_000\n"
WIDE = Pace(concurrency=50, in_flight=10_000)
Make = Callable[..., tuple[Bench, ApiV2]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes benches with so many rows at version 2, and closes them."""
    benches: list[Bench] = []

    def made(rows: int, extra: str = "", **switches: object) -> tuple[Bench, ApiV2]:
        prompts = [f"a fox, {number}" for number in range(rows)]
        bench = Bench(tmp_path, prompts, BUDGET + extra, environ=KEYS, kind=ApiV2)
        benches.append(bench)
        assert isinstance(bench.api, ApiV2)
        for name, value in switches.items():
            setattr(bench.api, name, value)
        return bench, bench.api

    yield made
    for bench in benches:
        bench.close()


def all_done(bench: Bench, api: ApiV2) -> bool:
    """True if each row is done with its own result, and was paid once."""
    rows = bench.rows()
    tasks = {row["task_id"] for row in rows}
    is_paid_once = set(api.charged.values()) == {1} and len(api.charged) == len(rows)
    return {row["status"] for row in rows} == {"done"} and len(tasks) == len(rows) and is_paid_once


def singles(api: ApiV2) -> list[str]:
    """The polls about one task."""
    return [path for path in api.asked if path.startswith("/jobs/")]


def test_many_tasks_are_polled_with_few_requests(make: Make) -> None:
    bench, api = make(200, lasts=30.0)

    bench.run(pace=WIDE)

    assert all_done(bench, api)
    assert len(api.asked) < 0.2 * 200
    assert len(singles(api)) < 0.05 * 200


def test_the_tasks_of_an_earlier_run_are_polled_with_one_request(make: Make) -> None:
    bench, api = make(60, lasts=30.0)
    bench.run(Asked(wait=False), WIDE)
    bench.sleep(60)

    bench.run(Asked(wait=False), WIDE)

    assert all_done(bench, api)
    assert api.asked == ["/jobs?limit=100"]


def test_jobs_of_other_programs_in_the_list_change_nothing(make: Make) -> None:
    bench, api = make(60, lasts=30.0, others=250)

    bench.run(pace=WIDE)

    assert all_done(bench, api)
    assert {row["image_urls"] for row in bench.rows()} == {"https://cdn.example/1.png"}


@pytest.mark.parametrize(
    "switches",
    [
        {"unlisted": {f"job-{n}" for n in range(1, 41, 3)}},
        {"unlisted": {f"job-{n}" for n in range(1, 41)}},
        {"lists_results": False},
        {"page": None},
        {"page": 5, "knows_cursors": False},
        {"page": 3},
        {"others": 5000},
    ],
    ids=["some are not in it", "all", "no results", "refused", "no cursors", "small", "full"],
)
@pytest.mark.parametrize("wait", [True, False])
def test_a_task_that_the_list_says_nothing_clear_about_is_polled_alone(
    make: Make, switches: dict[str, object], wait: bool
) -> None:
    bench, api = make(40, lasts=30.0, **switches)

    bench.run(Asked(wait=wait), WIDE)
    if not wait:
        bench.sleep(60)
        bench.run(Asked(wait=False), WIDE)

    assert all_done(bench, api)
    assert len(api.asked) < 4 * 40


def test_a_refused_list_is_not_asked_for_again(make: Make) -> None:
    bench, api = make(40, lasts=30.0, page=None)

    bench.run(pace=WIDE)

    assert sum(path.startswith("/jobs?") for path in api.asked) == 1


def test_failed_jobs_are_found_in_the_list(make: Make) -> None:
    bench, api = make(60, lasts=30.0, failing={f"job-{n}" for n in range(1, 11)})

    bench.run(pace=WIDE)

    said = [row["status"] for row in bench.rows()]
    assert (said.count("failed"), said.count("done")) == (10, 50)
    assert any("it did not work" in row["note"] for row in bench.rows())
    assert set(api.charged.values()) == {1}


def test_a_task_that_is_alone_is_polled_by_its_id(make: Make) -> None:
    bench, api = make(1, lasts=30.0)

    bench.run(pace=WIDE)

    assert all_done(bench, api)
    assert set(api.asked) == {"/jobs/job-1"}


def test_a_slow_task_does_not_cost_pages_for_ever(make: Make) -> None:
    bench, api = make(100, page=50, lasts=20.0, lasting={"a fox, 0": 400.0, "a fox, 1": 500.0})

    bench.run(pace=WIDE)

    assert all_done(bench, api)
    assert len(api.asked) < 0.3 * 100


@pytest.mark.parametrize(
    "answer",
    [
        reply({"error": "slow down"}, 429, retry_after="7"),
        reply({"error": "broken"}, 500),
        Response(200, {}, b"<html>"),
        reply({"jobs": None}),
        reply({"jobs": [None, 5, {"id": None}], "nextCursor": 5}),
    ],
)
def test_an_answer_that_is_no_list_loses_nothing(make: Make, answer: Response) -> None:
    bench, api = make(60, lasts=30.0)
    api.poll_replies = [answer]

    bench.run(pace=WIDE)

    assert all_done(bench, api)


def test_pages_count_as_requests_of_the_pace(make: Make) -> None:
    bench, api = make(60, "[pace]\nper_minute = 30\nin_flight = 1000\n", lasts=5.0, page=10)

    bench.run()

    at = sorted([*api.polled, *(when for when, _ in api.received)])
    assert all_done(bench, api)
    assert (
        max(sum(0 <= other - one < 60 for other in at) for one in at) <= 30 + 1
    )  # `/me` is not counted
