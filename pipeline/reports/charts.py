"""Charts of a campaign, drawn with matplotlib from the tables of `figures`.

Each function takes the DataFrame of `notebook.Results.jobs()`, or some rows of it, and returns a
Figure. Its title states the finding; a chart of no jobs says that there is nothing to show. Words
and numbers are in the language of `catalogue`; statuses are as in the sheet. The colours are those
of Okabe and Ito, which people with any colour vision can tell apart. Raises ConfigError if
matplotlib is not installed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pipeline.core.credits import exact
from pipeline.core.language import (
    ENGLISH,
    Catalogue,
    Said,
    of_a_file,
    of_units,
    say,
    say_counted,
    together,
)
from pipeline.core.money.costs import CREDIT
from pipeline.core.statuses import Status
from pipeline.core.text import all_of, duration
from pipeline.reports import figures
from pipeline.reports.drawing import Chart, in_figures, in_short

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
YELLOW: Final = "#F0E442"
GREY: Final = "#9AA19D"
INK: Final = "#14201A"

#: Status -> its colour in charts, in the order of charts.
STATUSES: Final = {
    Status.DONE: GREEN,
    Status.EDITED: PURPLE,
    Status.IN_PROGRESS: BLUE,
    Status.SENDING: SKY,
    Status.QUEUED: GREY,
    Status.OVER_BUDGET: YELLOW,
    Status.NEEDS_APPROVAL: YELLOW,
    Status.WAITING: GREY,
    Status.CHECK_NEEDED: ORANGE,
    Status.FAILED: VERMILLION,
    Status.INVALID: VERMILLION,
    Status.COPY: GREY,
    Status.UNRECOGNIZED: GREY,
    Status.SKIPPED: GREY,
}
#: Bars of one chart; the others are left out, and the axis says so.
MOST: Final = 12
#: A share of fewer jobs than this is no finding.
ENOUGH: Final = 5
#: Time before the first payment of a chart, and after the last one.
_LEAST_ROOM: Final = timedelta(minutes=10)


def outcomes(jobs: DataFrame, catalogue: Catalogue = ENGLISH) -> Figure:
    """How many jobs have each status."""
    counts = jobs["status"].value_counts(sort=False)
    counts = counts[counts > 0]
    title = say_counted(
        len(jobs),
        "{done} of {number} job is done",
        "{done} of {number} jobs are done",
        done=in_figures(figures.totals(jobs)["done"]),
        number=in_figures(len(jobs)),
    )
    chart = Chart(catalogue, title if len(jobs) else say("No jobs yet"), len(counts))
    axes = chart.axes
    bars = axes.barh(counts.index, counts, color=[STATUSES[Status(word)] for word in counts.index])
    axes.bar_label(bars, fmt=chart.amount, padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    chart.name_axes(say("jobs"))
    chart.count(axes.xaxis)
    return chart.figure


def results_by_hour(jobs: DataFrame, zone: str = "UTC", catalogue: Catalogue = ENGLISH) -> Figure:
    """How many results arrive in each hour of the day, on a day with results."""
    table = figures.results_by_hour(jobs, zone)
    most = int(table["jobs"].to_numpy().argmax())
    title = say(
        "The hour with the most results is {start}:00 to {end}:00", start=most, end=most + 1
    )
    chart = Chart(catalogue, title if table["jobs"].any() else say("No results yet"))
    axes = chart.axes
    chart.name_axes(say("hour of the day ({zone})", zone=zone), say("results, mean of the days"))
    colours = [GREEN if hour == most else SKY for hour in table.index]
    axes.bar(table.index + 0.5, table["per_day"], width=0.9, color=colours)
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(chart.tick)
    return chart.figure


def waits(jobs: DataFrame, catalogue: Catalogue = ENGLISH) -> Figure:
    """How long it takes from submission to result: a histogram, with p50 and p90."""
    seconds = figures.waits(jobs)
    title = say("No results yet")
    if len(seconds):
        half, most = (float(seconds.quantile(part)) for part in (0.5, 0.9))
        title = say("Half of the results came within {time}", time=duration(half))
    chart = Chart(catalogue, title)
    axes, unit = chart.axes, chart.time_axis(seconds)
    if len(seconds):
        slowest = float(seconds.max())
        bins: Any = min(40, max(5, len(seconds)))
        if slowest > 20 * half > 0:
            # A few very slow jobs would squeeze all others into one bar.
            fastest = max(float(seconds.min()), half / 100)
            bins = [fastest / unit * float(slowest / fastest) ** (at / 40) for at in range(41)]
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(chart.tick)
        axes.hist(seconds / unit, bins=bins, color=SKY)
        lines = (
            (half, say("half within {time}", time=duration(half)), "-"),
            (most, say("nine of ten within {time}", time=duration(most)), "--"),
        )
        for at, words, line in lines:
            label = chart.text(words)
            axes.axvline(at / unit, color=INK, linewidth=1.3, linestyle=line, label=label)
        chart.legend(1)
    axes.set_ylabel(chart.text(say("jobs")))
    chart.count(axes.yaxis)
    return chart.figure


def waits_by_endpoint(jobs: DataFrame, catalogue: Catalogue = ENGLISH) -> Figure:
    """The same by endpoint: each bar goes from p50 to p90, and the slowest job is a dot."""
    table = figures.waits_by_endpoint(jobs)
    title = say("No results yet")
    if len(table):
        first, last = table.iloc[0], table.iloc[-1]
        shortest, longest = (duration(one["p50"]) for one in (first, last))
        title = say(
            "{endpoint} is the fastest ({time}), {slowest} the slowest ({longest})",
            endpoint=in_short(first.name),
            time=shortest,
            slowest=in_short(last.name),
            longest=longest,
        )
        if shortest == longest:
            title = say("Half of the results came within {time}", time=shortest)
    if len(table) == 1:
        title = say(
            "Half of the results of {endpoint} came within {time}",
            endpoint=in_short(first.name),
            time=duration(first["p50"]),
        )
    shown = table.tail(MOST)
    chart = Chart(catalogue, title, len(shown))
    axes, at = chart.axes, range(len(shown))
    unit = chart.time_axis(shown["slowest"])
    half, most, slowest = (shown[name] / unit for name in ("p50", "p90", "slowest"))
    axes.hlines(at, half, most, color=SKY, linewidth=7)
    for places, mark, size, colour, words in (
        (half, "o", 9, INK, say("half within")),
        (most, "D", 6, INK, say("nine of ten within")),
        (slowest, "x", 6, VERMILLION, say("slowest")),
    ):
        axes.plot(places, at, mark, color=colour, markersize=size, label=chart.text(words))
    chart.name_bars(shown.index, len(table))
    axes.set_xlim(left=0)
    if len(table):
        chart.legend()
    return chart.figure


def outcomes_by(jobs: DataFrame, column: str, catalogue: Catalogue = ENGLISH) -> Figure:
    """The shares of done, refused and failed jobs by the text of a column, such as `style`."""
    every = figures.outcomes_by(jobs, column)
    table = every[every["success"].notna()]
    shown = table.head(MOST)
    chart = Chart(catalogue, _most_refused(table, column), len(shown))
    axes = chart.axes
    chart.name_axes(say("% of the jobs that ended"))
    left = shown["success"] * 0
    kinds = (
        ("done", GREEN, say("done")),
        ("refused", ORANGE, say("refused")),
        ("failed", VERMILLION, say("failed")),
    )
    ended = shown[[kind for kind, *_ in kinds]].sum(axis="columns")
    for kind, colour, words in kinds:
        share = 100 * shown[kind] / ended
        label = chart.text(words)
        axes.barh(range(len(shown)), share, left=left, color=colour, label=label)
        left = left + share
    for at, number in enumerate(ended):
        axes.text(101, at, chart.text(_jobs(int(number))), va="center", fontsize=9)
    chart.name_bars(shown.index, len(table))
    axes.set_xlim(0, 100)
    if len(table):
        chart.legend(len(kinds))
    return chart.figure


def cost_per_pick(jobs: DataFrame, column: str, catalogue: Catalogue = ENGLISH) -> Figure:
    """What a picked result costs by the text of a column, at the account with the most picks."""
    table = figures.cost_per_pick_by(jobs, column)
    title, unit = say("Nothing is picked yet"), CREDIT
    if table["picked"].any():
        of_account: Any = table.groupby(["account", "unit"])["picked"].sum().idxmax()
        account, unit = of_account
        table = table.reset_index(["account", "unit"])
        are_several = table["account"].nunique() > 1
        table = table[(table["account"] == account) & (table["unit"] == unit)]
        spent, picked = table["spent"].sum(), table["picked"].sum()
        at = account if are_several else ""
        title = say("A picked result cost {amount}", amount=_at(at, _amount(spent / picked, unit)))
        table = table[table["picked"] > 0].sort_values("per_pick", kind="stable")
        costs = [_at(at, _amount(cost, unit)) for cost in table["per_pick"]]
        if costs[0] != costs[-1]:
            title = say(
                "A picked result {some} cost {least}, one {others} {most}",
                some=_with(column, table.index[0]),
                least=costs[0],
                others=_with(column, table.index[-1]),
                most=costs[-1],
            )
    else:
        table = table.iloc[:0].reset_index(drop=True)
    shown = table.tail(MOST)
    chart = Chart(catalogue, title, len(shown))
    chart.name_axes(say("{unit} per picked result", unit=_units(unit)))
    bars = chart.axes.barh(range(len(shown)), shown["per_pick"], color=SKY)
    chart.axes.bar_label(bars, fmt=chart.amount, padding=4)
    chart.axes.xaxis.set_major_formatter(chart.tick)
    chart.name_bars(shown.index, len(table))
    chart.axes.margins(x=0.1)
    return chart.figure


def spending(payments: DataFrame, zone: str = "UTC", catalogue: Catalogue = ENGLISH) -> Figure:
    """The total costs over time, from `Results.payments()`. Each account has a panel of its own,
    because a credit of one is not worth a credit of another.
    """
    table = figures.spending(payments)
    totals: dict[Any, float] = dict(table.groupby(["account", "unit"], sort=False)["total"].last())
    are_several = len(totals) > 1
    words = [
        _at(account if are_several else "", _amount(total, unit))
        for (account, unit), total in totals.items()
    ]
    title = say("{amounts} so far", amounts=all_of(words)) if words else say("Nothing is spent yet")
    chart = Chart(catalogue, title, panels=max(len(totals), 1))
    if words:
        # In UTC, because the time of a clock goes back once a year.
        its_times = table["at"].dt.tz_convert("UTC").dt.tz_localize(None)
        table = table.assign(at=its_times.astype("datetime64[us]"))
        first, last = table["at"].min(), table["at"].max()
        # So that a line can be seen, also if there is one payment only.
        room = max((last - first) / 40, _LEAST_ROOM)
        chart.name_axes(say("time of submission ({zone})", zone=zone))
        for axes, (account, unit) in zip(chart.panels, totals, strict=True):
            its = table[(table["account"] == account) & (table["unit"] == unit)]
            axes.step(
                [first - room, *its["at"], last + room],
                [0, *its["total"], its["total"].iloc[-1]],
                where="post",
                color=BLUE,
            )
            axes.set_ylabel(chart.text(_units(unit)))
            if are_several:
                axes.annotate(
                    chart.text(in_short(account)), (0.02, 0.9), xycoords="axes fraction", va="top"
                )
        chart.date_axis(first - room, last + room, ZoneInfo(zone))
    for axes in chart.panels:
        axes.yaxis.set_major_formatter(chart.tick)
        axes.set_ylim(bottom=0)
    return chart.figure


def _most_refused(table: DataFrame, column: str) -> Said:
    """What a table of outcomes says, as a sentence."""
    if not len(table):
        return say("No job has ended yet")
    lost = table["refused"] + table["failed"]
    if not lost.any():
        return say("No job was refused, and none failed")
    many = table[table["done"] + lost >= ENOUGH]
    share = (1 - many["success"]) * 100
    if len(many) < 2 or _share(share.max()) == _share(share.min()):
        ended = int((table["done"] + lost).sum())
        finding = say_counted(
            ended,
            "{lost} of {number} job was refused or failed",
            "{lost} of {number} jobs were refused or failed",
            lost=in_figures(lost.sum()),
            number=in_figures(ended),
        )
        if not figures.differ(table):
            return finding
        # The names of the bars alone do not say what is compared.
        return say("{finding}, by {column}", finding=finding, column=in_short(column))
    return say(
        "{most} of the jobs {some} were refused or failed, {least} of those {others}",
        most=_share(share.max()),
        some=_with(column, share.idxmax()),
        least=_share(share.min()),
        others=_with(column, share.idxmin()),
    )


def _share(percent: float) -> Said:
    # With a no-break space, so that no line ends before the sign.
    digits = f"{percent:.0f}" if percent >= 1 or percent == 0 else f"{percent:.1g}"
    return together([in_figures(float(digits)), "%"], "\N{NO-BREAK SPACE}")


def _jobs(number: int) -> Said:
    return say_counted(number, "{number} job", "{number} jobs", number=in_figures(number))


def _amount(number: float, unit: str) -> Said:
    return of_units(exact(round(number, 2)), unit, in_figures(number))


def _units(unit: str) -> Said:
    return say("credits") if unit == CREDIT else of_a_file(f"{unit}s")


def _at(account: str, amount: Said) -> Said:
    return say("{amount} at {api}", amount=amount, api=account) if account else amount


def _with(column: str, text: object) -> Said:
    name = in_short(column)
    if not text:
        return say("without {column}", column=name)
    return say("with {column} {text}", column=name, text=in_short(text))
