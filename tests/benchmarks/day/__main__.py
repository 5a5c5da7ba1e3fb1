"""`make bench-day`: live a day of a fleet, and print what it needed and which limit comes first.

A row takes some milliseconds, so the whole day takes more than an hour. `--hours 1 --rows 22700`
has the same traffic for an hour.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.sheets.google.client import PER_MINUTE
from tests.benchmarks.day.day import HOUR, Day, Plan, Report
from tests.benchmarks.day.google import ACCOUNTS
from tests.benchmarks.day.meter import MINUTE, Meter, percentile


def main() -> None:
    """Live the day, and print the report."""
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rows", "sheets", "machines", "accounts", "pasted", "at_once", "per_minute"):
        value = getattr(usual, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--hours", type=float, default=usual.hours)
    parser.add_argument("--write-every", default=usual.write_every)
    parser.add_argument("--every", type=int, help="minutes; without it, Drive calls after a change")
    given = vars(parser.parse_args())
    every = given.pop("every")
    plan = replace(usual, **given)
    if every:
        plan = replace(plan, is_told=False, every=timedelta(minutes=every))
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as folder:
        report = Day(plan, Path(folder)).live(console.print)
    console.print(facts(report))
    console.print(limits(report))
    for title, moments in report.refused.items():
        if moments:
            first, last = min(moments) / HOUR, max(moments) / HOUR
            console.print(f"{len(moments)} refused, {title}: from {first:.2f} h to {last:.2f} h")
    for sentence, times in report.troubles.items():
        console.print(f"{times} times: {sentence}", markup=False)
    title, share = first_limit(report)
    console.print(f"The first limit: {title}, {share:.0%} used.", markup=False)


def facts(its: Report) -> Table:
    """What came of the rows."""
    plan = its.plan
    made = Table(title=f"{plan.rows:,} rows in {plan.sheets:,} sheets, {plan.machines} machines")
    made.add_column("what")
    made.add_column("", justify="right")
    for what, value in (
        ("rows done", f"{its.done:,} of {its.rows:,}"),
        ("rows paid twice, by the API's own count", f"{its.paid_twice}"),
        ("results in another row", f"{its.in_wrong_rows}"),
        ("requests over a quota", f"{its.over_quota}"),
        ("hours", f"{its.hours:.1f}"),
        ("passes, of these taken over from a machine that stood still",
         f"{its.passes:,}, {its.handed_over}"),
        ("seconds from result to cell: median, 95 %", _seconds(its.to_cell)),
        ("seconds from a pasted row to its submission: median, 95 %", _seconds(its.to_api)),
        ("requests to the API for each row", f"{its.api.total / its.rows:.2f}"),
        ("requests to Google for each row", f"{google_requests(its) / its.rows:.2f}"),
        ("CPU for each row, this simulation included", f"{its.cpu / its.rows * 1000:.1f} ms"),
        ("commits and statements of the store for each row",
         f"{its.commits / its.rows:.1f}, {its.statements / its.rows:.1f}"),
        ("the store for each row", f"{its.store_bytes / its.rows:,.0f} bytes"),
    ):  # fmt: skip
        made.add_row(what, value)
    return made


def google_requests(its: Report) -> int:
    """How many requests went to Google. The meters of the projects count each once."""
    return sum(one.total for one in its.google if "project" in one.title)


def limits(its: Report) -> Table:
    """Each limit, and how near the day came to it."""
    made = Table(title="Limits")
    made.add_column("what")
    for column in ("allowed", "mean", "most", "used"):
        made.add_column(column, justify="right")
    for title, allowed, mean, most in _uses(its):
        made.add_row(title, f"{allowed:,}", f"{mean:,.0f}", f"{most:,}", f"{mean / allowed:.0%}")
    return made


def first_limit(its: Report) -> tuple[str, float]:
    """The limit of which most is used, and the part that is used."""
    title, allowed, mean, _ = max(_uses(its), key=lambda use: use[2] / use[1])
    return title, mean / allowed


def _uses(its: Report) -> Iterator[tuple[str, int, float, int]]:
    """Title, what is allowed, the mean, and the most: in a minute, or at once.

    Of accounts, the busiest one. They keep below Google's quota by themselves.
    """
    minutes = its.hours * 60
    yield its.api.title + " in a minute", its.api.quota, its.api.total / minutes, its.api.most
    for kind in ("reads", "writes"):
        for of, most in (("account", PER_MINUTE), ("project", PER_MINUTE * ACCOUNTS)):
            each = [one for one in its.google if f"{kind} of {of}" in one.title]
            busiest: Meter = max(each, key=lambda one: one.total)
            allowed = min(most, busiest.quota)
            title = f"{busiest.title} in a minute"
            yield title, allowed, busiest.total / minutes, busiest.most
    rate = its.done / (its.hours * 60 * MINUTE)
    usual = sum(its.plan.lasts) / 2
    yield "tasks at the API at once", its.plan.at_once, rate * usual, its.most_at_once
    seconds = round(its.hours * 3600 * its.plan.machines)
    yield "CPU seconds, one core of each machine", seconds, its.cpu, round(its.cpu)


def _seconds(values: Sequence[float]) -> str:
    return f"{percentile(values, 0.5):.0f}, {percentile(values, 0.95):.0f}"


if __name__ == "__main__":
    main()
