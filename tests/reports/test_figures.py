"""The figures of a campaign: each is the number that one would count by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from pipeline import notebook
from pipeline.core.errors import ConfigError
from pipeline.core.model import State
from pipeline.core.money.costs import Account, Cost
from pipeline.notebook.tables import of_shown
from pipeline.reports import figures
from pipeline.reports.results import Shown

if TYPE_CHECKING:
    from pandas import DataFrame

EXTRA = ("pandas", "pyarrow")
pytestmark = pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the notebook extra")

MIDNIGHT = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
ACCOUNT = Account("Apiframe", "credit")


def job(
    row: int,
    state: State = State.SUCCEEDED,
    *,
    seconds: float = 10,
    style: str = "photo",
    endpoint: str = "imagine",
    task: str = "t",
    picks: int = 0,
    credits: int = 4,  # noqa: A002 (its name in the table)
    after: timedelta = timedelta(),
) -> Shown:
    """A job that was sent at 23:00 UTC, or this much later."""
    ended = state in (State.SUCCEEDED, State.FAILED)
    urls = ("https://x.example/1", "https://x.example/2") if state is State.SUCCEEDED else ()
    return Shown(
        row_id=f"r{row}",
        line=row,
        name="",
        take=1,
        prompt=f"prompt {style}",
        inputs={"prompt": f"prompt {style}", **({"style": style} if style else {})},
        endpoint=endpoint,
        status="done" if state is State.SUCCEEDED else "failed" if ended else "queued",
        note="No." if state is State.FAILED else "",
        state=state,
        task_id=task,
        urls=urls,
        picked=urls[:picks],
        credits=credits,
        costs=(Cost(credits, ACCOUNT),) if credits else (),
        attempts=1,
        submitted_at=MIDNIGHT + after,
        finished_at=MIDNIGHT + after + timedelta(seconds=seconds) if ended else None,
    )


def table(*jobs: Shown) -> DataFrame:
    return notebook.Results("prompts.csv", of_shown(jobs)).jobs()


REFUSED = job(4, State.FAILED, task="", credits=0, style="toy")
FAILED = job(5, State.FAILED, credits=0, style="toy")


def test_results_are_counted_by_the_hour_of_the_readers_clock() -> None:
    day = timedelta(days=1)
    jobs = table(job(1), job(2, after=day), job(3, after=day, seconds=3600), REFUSED)

    utc = figures.results_by_hour(jobs)
    assert (len(utc), utc["jobs"].sum()) == (24, 3)
    assert (utc["jobs"][23], utc["jobs"][0]) == (2, 1)
    berlin = figures.results_by_hour(jobs, "Europe/Berlin")
    assert (berlin["jobs"][0], berlin["jobs"][1]) == (2, 1)
    # 1 March in UTC is 2 March in Berlin: results on two days there, on three in UTC.
    assert berlin["per_day"][0] == 1
    assert utc["per_day"][23] == pytest.approx(2 / 3)


def test_waits_are_grouped_by_endpoint_the_fastest_first() -> None:
    slow = [job(n, seconds=n, endpoint="video") for n in range(10, 21)]
    waits = figures.waits_by_endpoint(table(*slow, job(1, seconds=2), FAILED))

    assert waits.index.tolist() == ["imagine", "video"]
    assert waits.loc["video"].to_dict() == {"jobs": 11, "p50": 15, "p90": 19, "slowest": 20}
    assert waits.loc["imagine"].to_dict() == {"jobs": 1, "p50": 2, "p90": 2, "slowest": 2}


def test_a_refusal_is_not_a_failed_task_and_an_open_job_has_not_ended() -> None:
    waiting = job(6, State.RUNNING)
    jobs = table(job(1), job(2), waiting, REFUSED, FAILED, job(7, style=""))
    outcomes = figures.outcomes_by(jobs, "style")

    counts = ["jobs", "done", "refused", "failed"]
    assert outcomes.index.tolist() == ["photo", "toy", ""]
    assert outcomes[counts].to_numpy().tolist() == [[3, 2, 0, 0], [2, 0, 1, 1], [1, 1, 0, 0]]
    assert outcomes["success"].tolist() == [1, 0, 1]
    assert outcomes["refusal"].tolist() == [0, 0.5, 0]
    assert figures.outcomes_by(table(waiting), "style")["success"].isna().all()


def test_a_pick_costs_what_all_pictures_cost_together() -> None:
    costs = figures.cost_per_pick(table(job(1, picks=2), job(2, picks=1), job(3), REFUSED))

    assert costs.reset_index().iloc[0].to_dict() == {
        "account": "Apiframe",
        "unit": "credit",
        "spent": 12,
        "picked": 3,
        "per_pick": 4,
    }
    assert figures.cost_per_pick(table(job(1)))["per_pick"].isna().all()


def test_costs_at_several_accounts_are_not_compared_also_if_one_job_was_paid_for_at_both() -> None:
    luma = Account("Luma", "US cent")
    both = replace(job(2), costs=(Cost(4, ACCOUNT), Cost(30, luma)))

    assert figures.compare(table(job(1), job(3)), "style")["spent"].tolist() == [8]
    assert figures.compare(table(job(1), REFUSED), "style")["spent"].tolist() == [4, 0]
    assert figures.compare(table(job(1), both), "style")["spent"].isna().all()


def test_the_slowest_and_the_failed_rows_can_be_found_again() -> None:
    jobs = table(job(1, seconds=3), job(2, seconds=9), job(3, seconds=5), REFUSED, FAILED)

    slowest = figures.slowest(jobs, 2)
    assert (slowest["line"].tolist(), slowest["seconds"].tolist()) == ([2, 3], [9, 5])
    assert figures.failures(jobs)["line"].tolist() == [4, 5]


def test_refused_prompts_are_counted() -> None:
    again = job(9, State.FAILED, task="", credits=0, style="toy")
    refused = figures.refused_prompts(table(job(1), REFUSED, FAILED, again))

    assert refused.to_dict("records") == [
        {"prompt": "prompt toy", "endpoint": "imagine", "jobs": 2, "note": "No."}
    ]


def test_jobs_can_be_compared_by_the_title_of_a_column_and_by_times() -> None:
    jobs = table(job(1, style="photo"), REFUSED, job(2, State.RUNNING))

    assert figures.outcomes_by(jobs, "Style").equals(figures.outcomes_by(jobs, "style"))
    assert figures.outcomes_by(jobs, "finished_at")["jobs"].sum() == 3
    assert figures.outcomes_by(jobs, "duration").index.isin([""]).sum() == 1
    with pytest.raises(ConfigError, match='by "urls", because its cells are lists'):
        figures.compare(jobs, "urls")


def test_each_figure_of_no_jobs_is_empty() -> None:
    none = table()

    assert figures.results_by_hour(none)["jobs"].sum() == 0
    for figure in ("waits", "waits_by_endpoint", "cost_per_pick", "slowest", "failures"):
        assert len(getattr(figures, figure)(none)) == 0
    assert len(figures.refused_prompts(none)) == len(figures.outcomes_by(none, "endpoint")) == 0
