"""The figures of a campaign, computed from the table of its jobs.

Each function takes the DataFrame of `notebook.Results.jobs()`, or some rows of it, and returns a
small DataFrame or a Series. Nothing is read, drawn or changed. Those that take the name of a column
raise ConfigError if the table has none of that name. This module needs no import of pandas: it only
calls methods of the table.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from pipeline.core.errors import ConfigError
from pipeline.core.sheet.header import folded
from pipeline.reports.extras import as_sentence

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: What a reader needs to find a row again, and what became of it.
_NAMED: Final = ["line", "name", "take", "prompt", "endpoint", "status", "note"]
_SECONDS: Final = ["p50", "p90", "slowest"]


def totals(jobs: DataFrame) -> Series[int]:
    """The numbers of a campaign: `jobs`, `done`, `refused`, `failed`, `results` and `picked`."""
    counts = {
        "done": _has_result(jobs),
        "refused": _refused(jobs),
        "failed": _failed(jobs),
        "results": jobs["urls"].map(len),
        "picked": jobs["picked"].map(len),
    }
    table = jobs[[]].assign(jobs=1, **counts).astype("int64")
    sums: Series[int] = table.sum()
    return sums


def compare(jobs: DataFrame, by: str) -> DataFrame:
    """All that differs by the text of a column: outcomes, waits, picks and costs in one table.

    The columns of `outcomes_by`, then `p50` and `p90` in seconds, `picked`, and `spent` and
    `per_pick` in the unit of the account; these two are NaN if jobs were paid for at several.
    """
    table, texts = outcomes_by(jobs, by), _texts(jobs, by)
    grouped = waits(jobs).groupby(texts)
    table["p50"], table["p90"] = grouped.quantile(0.5), grouped.quantile(0.9)
    table["picked"] = jobs["picked"].map(len).astype("int64").groupby(texts).sum()
    accounts = jobs.loc[jobs["unit"].notna(), ["account", "unit"]].drop_duplicates()
    spent = jobs["credits"].astype("float64").groupby(texts).sum()
    # A job that was paid for at several accounts has no credits.
    is_one = len(accounts) == 1 and jobs["credits"].notna().all()
    table["spent"] = spent if is_one else float("nan")
    table["per_pick"] = table["spent"] / table["picked"].where(table["picked"] > 0)
    return table


def results_by_hour(jobs: DataFrame, zone: str = "UTC") -> DataFrame:
    """Results that arrived in each hour of the day: 24 rows, index `hour` (0 to 23, in `zone`).

    `jobs` is the number of all days, `per_day` its mean over the days with a result.
    """
    arrived = jobs.loc[_has_result(jobs), "finished_at"].dt.tz_convert(zone)
    days = arrived.dt.date.nunique()
    counts = arrived.dt.hour.value_counts().reindex(range(24), fill_value=0).astype("int64")
    table = counts.rename("jobs").rename_axis("hour").to_frame()
    with_mean: DataFrame = table.assign(per_day=table["jobs"] / max(days, 1))
    return with_mean


def waits(jobs: DataFrame) -> Series[float]:
    """Seconds from submission to result, of each job with a result."""
    durations = jobs.loc[_has_result(jobs), "duration"]
    seconds: Series[float] = durations.dt.total_seconds().astype("float64")
    return seconds


def waits_by_endpoint(jobs: DataFrame) -> DataFrame:
    """Seconds from submission to result by endpoint: `jobs`, `p50`, `p90`, `slowest`."""
    grouped = waits(jobs).groupby(jobs["endpoint"].astype(object))
    columns = [grouped.quantile(0.5), grouped.quantile(0.9), grouped.max()]
    table = grouped.size().rename("jobs").to_frame()
    table[_SECONDS] = list(zip(*columns, strict=True)) if len(table) else 0.0
    return table.sort_values("p50", kind="stable")


def outcomes_by(jobs: DataFrame, column: str) -> DataFrame:
    """What became of the jobs by the text of a column, such as `style`; the most jobs first.

    Columns: `jobs`, `done`, `refused` (the API took no task), `failed` (its task failed), and the
    shares `success` and `refusal` of those that ended (NaN if none did). Without text: "".
    """
    ends = jobs[[]].assign(
        jobs=1, done=_has_result(jobs), refused=_refused(jobs), failed=_failed(jobs)
    )
    table = ends.groupby(_texts(jobs, column)).sum().astype("int64")
    ended = table["done"] + table["refused"] + table["failed"]
    ended = ended.where(ended > 0)
    table["success"], table["refusal"] = table["done"] / ended, table["refused"] / ended
    return table.sort_values("jobs", ascending=False, kind="stable")


def differ(outcomes: DataFrame) -> bool:
    """True if the shares of a table of `outcomes_by` are not the same for all texts."""
    ended = outcomes.loc[outcomes["success"].notna(), ["success", "refusal"]]
    return len(ended.drop_duplicates()) > 1


def cost_per_pick(jobs: DataFrame) -> DataFrame:
    """What a picked result costs, by `account` and `unit`: `spent`, `picked`, `per_pick`.

    All jobs count that were paid for at one account, also those without a pick. `per_pick` is NaN
    where nothing was picked.
    """
    return _per_pick(jobs)


def cost_per_pick_by(jobs: DataFrame, column: str) -> DataFrame:
    """The same by `account`, `unit` and the text of a column, such as `style`."""
    return _per_pick(jobs, column)


def spending(payments: DataFrame) -> DataFrame:
    """The total spent at each account after each job: `at`, `account`, `unit`, `total`, by time.

    `payments` is the table of `notebook.Results.payments()`.
    """
    paid = payments[payments["submitted_at"].notna()].sort_values("submitted_at", kind="stable")
    # Amounts have at most four digits after the point; sums of them, too.
    cents = (paid["credits"].astype("float64") * 10_000).round()
    owners = [paid["account"].astype(object), paid["unit"].astype(object)]
    table = paid[["submitted_at", "account", "unit"]].rename(columns={"submitted_at": "at"})
    total = cents.groupby(owners).cumsum() / 10_000
    return table.assign(total=total).reset_index(drop=True)


def _per_pick(jobs: DataFrame, *by: str) -> DataFrame:
    paid = jobs[jobs["unit"].notna()]
    table = (
        paid[["credits"]]
        .astype("float64")
        .assign(picked=paid["picked"].map(len).astype("int64"))
        .groupby([_texts(paid, name) for name in ("account", "unit", *by)])
        .sum()
        .rename(columns={"credits": "spent"})
    )
    return table.assign(per_pick=table["spent"] / table["picked"].where(table["picked"] > 0))


def slowest(jobs: DataFrame, n: int = 10) -> DataFrame:
    """The `n` jobs that waited longest for their results, with `seconds`; the slowest first."""
    seconds = waits(jobs).sort_values(ascending=False, kind="stable").head(n)
    return jobs.loc[seconds.index, _NAMED].assign(seconds=seconds)


def failures(jobs: DataFrame) -> DataFrame:
    """The jobs that were refused or failed, in the order of the table."""
    return jobs.loc[_refused(jobs) | _failed(jobs), _NAMED]


def refused_prompts(jobs: DataFrame) -> DataFrame:
    """Prompts that the API refused: `prompt`, `endpoint`, `jobs`, and the last `note`."""
    refused = jobs.loc[_refused(jobs), ["prompt", "endpoint", "note"]].astype(object)
    grouped = refused.groupby(["prompt", "endpoint"])["note"]
    table = grouped.agg(jobs="size", note="last").reset_index()
    return table.sort_values("jobs", ascending=False, kind="stable", ignore_index=True)


def column_named(name: str, columns: Collection[str]) -> str | None:
    """The one of these columns that a person means, who may write its title in the sheet."""
    if name in columns:
        return name
    return next((one for one in columns if folded(one) == folded(name)), None)


def _texts(jobs: DataFrame, column: str) -> Series[str]:
    """The texts of a column, "" for none. Raises ConfigError."""
    if (name := column_named(column, jobs.columns)) is None:
        near = get_close_matches(column, map(str, jobs.columns), n=1)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        raise as_sentence(ConfigError(f'The table of jobs has no column "{column}".{meant}'))
    if f"{jobs.dtypes[name]}".startswith("list"):
        wrong = f'Jobs cannot be compared by "{name}", because its cells are lists.'
        raise as_sentence(ConfigError(wrong))
    texts: Series[str] = jobs[name].astype(object).where(jobs[name].notna(), "")
    return texts


def _has_result(jobs: DataFrame) -> Series[bool]:
    return _is(jobs, "succeeded")


def _refused(jobs: DataFrame) -> Series[bool]:
    # A refused submission has no task; a task that failed has.
    return _is(jobs, "failed") & _no_task(jobs)


def _failed(jobs: DataFrame) -> Series[bool]:
    return _is(jobs, "failed") & ~_no_task(jobs)


def _is(jobs: DataFrame, state: str) -> Series[bool]:
    return (jobs["state"] == state).astype("bool")


def _no_task(jobs: DataFrame) -> Series[bool]:
    return (jobs["task_id"] == "").astype("bool")
