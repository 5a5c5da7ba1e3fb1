"""Charts of a campaign, drawn with matplotlib from the tables of `figures`.

Each function takes the DataFrame of `notebook.Results.jobs()`, or some rows of it, and returns a
Figure. Its title states the finding; a chart of no jobs says that there is nothing to show. The
colours are those of Okabe and Ito, which people with any colour vision can tell apart. Raises
ConfigError if matplotlib is not installed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.credits import exact
from pipeline.core.statuses import Status
from pipeline.core.text import counted, duration
from pipeline.reports import figures
from pipeline.reports.extras import needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
_ENOUGH: Final = 5


def outcomes(jobs: DataFrame) -> Figure:
    """How many jobs have each status."""
    counts = jobs["status"].value_counts(sort=False)
    counts = counts[counts > 0]
    done = int(counts.get(Status.DONE.value, 0))
    title = f"{done:,} of {counted(len(jobs), 'job', ',')} are done" if len(jobs) else "No jobs yet"
    figure, axes = _chart(title, "jobs", "", len(counts))
    bars = axes.barh(counts.index, counts, color=[STATUSES[Status(word)] for word in counts.index])
    axes.bar_label(bars, fmt="{:,.0f}", padding=4)
    axes.invert_yaxis()
    _count(axes.xaxis, axes)
    return figure


def results_by_hour(jobs: DataFrame, zone: str = "UTC") -> Figure:
    """How many results arrive in each hour of the day, on a day with results."""
    table = figures.results_by_hour(jobs, zone)
    most = int(table["jobs"].to_numpy().argmax())
    title = f"Most results came between {most}:00 and {most + 1}:00"
    figure, axes = _chart(
        title if table["jobs"].any() else "No results yet", f"hour of the day ({zone})", ""
    )
    axes.set_ylabel("results in this hour, mean of the days")
    colours = [GREEN if hour == most else SKY for hour in table.index]
    axes.bar(table.index + 0.5, table["per_day"], width=0.9, color=colours)
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3))
    axes.set_ylim(bottom=0)
    return figure


def waits(jobs: DataFrame) -> Figure:
    """How long it takes from submission to result: a histogram, with p50 and p90."""
    seconds = figures.waits(jobs)
    half, most = (float(seconds.quantile(q)) for q in (0.5, 0.9))
    title = f"Half of the results came within {duration(half)}" if len(seconds) else "No results"
    figure, axes = _chart(title, "seconds from submission to result", "jobs")
    if len(seconds):
        slowest = float(seconds.max())
        bins: Any = min(40, max(5, len(seconds)))
        if slowest > 20 * half > 0:
            # A few very slow jobs would squeeze all others into one bar.
            fastest = max(float(seconds.min()), half / 100)
            bins = [fastest * float(slowest / fastest) ** (at / 40) for at in range(41)]
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        axes.hist(seconds, bins=bins, color=SKY)
        for at, name, line in ((half, "p50", "-"), (most, "p90", "--")):
            label = f"{name}: {duration(at)}"
            axes.axvline(at, color=INK, linewidth=1.3, linestyle=line, label=label)
        axes.legend(frameon=False)
    _count(axes.yaxis)
    return figure


def waits_by_endpoint(jobs: DataFrame) -> Figure:
    """The same by endpoint: each bar goes from p50 to p90, and the slowest job is a dot."""
    table = figures.waits_by_endpoint(jobs)
    title = "No results"
    if len(table) == 1:
        title = (
            f"Half of the results of {table.index[0]} came within {duration(table['p50'].iloc[0])}"
        )
    elif len(table):
        first, last = table.iloc[0], table.iloc[-1]
        title = (
            f"{_short(first.name)} is the fastest ({duration(first['p50'])}), "
            f"{_short(last.name)} the slowest ({duration(last['p50'])})"
        )
    shown = table.tail(MOST)
    figure, axes = _chart(title, "seconds from submission to result", "", len(shown))
    at = range(len(shown))
    axes.hlines(at, shown["p50"], shown["p90"], color=SKY, linewidth=7, label="p50 to p90")
    axes.plot(shown["p50"], at, "o", color=BLUE, markersize=9, label="p50 (half)")
    axes.plot(shown["p90"], at, "D", color=BLUE, markersize=6, label="p90 (nine of ten)")
    axes.plot(shown["slowest"], at, "x", color=VERMILLION, label="slowest")
    _names(axes, shown.index, len(table))
    axes.set_xlim(left=0)
    if len(table):
        figure.legend(frameon=False, ncols=4, loc="outside lower left")
    return figure


def outcomes_by(jobs: DataFrame, column: str) -> Figure:
    """The shares of done, refused and failed jobs by the text of a column, such as `style`."""
    every = figures.outcomes_by(jobs, column)
    table = every[every["success"].notna()]
    shown = table.head(MOST)
    figure, axes = _chart(_most_refused(table, column), "% of the jobs that ended", "", len(shown))
    left = shown["success"] * 0
    kinds = {"done": GREEN, "refused": ORANGE, "failed": VERMILLION}
    ended = shown[list(kinds)].sum(axis="columns")
    for kind, colour in kinds.items():
        share = 100 * shown[kind] / ended
        axes.barh(range(len(shown)), share, left=left, color=colour, label=kind)
        left = left + share
    for at, number in enumerate(ended):
        axes.text(101, at, counted(int(number), "job", ","), va="center", fontsize=9)
    _names(axes, shown.index, len(table))
    axes.set_xlim(0, 100)
    if len(table):
        figure.legend(frameon=False, ncols=3, loc="outside lower left")
    return figure


def cost_per_pick(jobs: DataFrame, column: str) -> Figure:
    """What a picked picture costs by the text of a column, at the account with the most picks."""
    table = figures.cost_per_pick_by(jobs, column)
    title, unit = "Nothing is picked yet", "credit"
    if table["picked"].any():
        of_account: Any = table.groupby(["account", "unit"])["picked"].sum().idxmax()
        account, unit = of_account
        table = table.reset_index(["account", "unit"])
        table = table[(table["account"] == account) & (table["unit"] == unit)]
        spent, picked = table["spent"].sum(), table["picked"].sum()
        title = f"A picked picture cost {_amount(spent / picked, unit)}"
        table = table[table["picked"] > 0].sort_values("per_pick", kind="stable")
        if len(table) > 1:
            best, worst = table.index[0], table.index[-1]
            title += f": least {_with(column, best)}, most {_with(column, worst)}"
    else:
        table = table.iloc[:0].reset_index(drop=True)
    shown = table.tail(MOST)
    figure, axes = _chart(title, f"{unit}s per picked picture", "", len(shown))
    bars = axes.barh(range(len(shown)), shown["per_pick"], color=SKY)
    axes.bar_label(bars, fmt="{:.3g}", padding=4)
    _names(axes, shown.index, len(table))
    axes.margins(x=0.1)
    return figure


def spending(payments: DataFrame) -> Figure:
    """The total costs over time, with a line for each account, from `Results.payments()`."""
    table = figures.spending(payments)
    totals: dict[Any, float] = dict(table.groupby(["account", "unit"], sort=False)["total"].last())
    words = [
        _amount(total, unit) + (f" at {account}" if len(totals) > 1 and account else "")
        for (account, unit), total in totals.items()
    ]
    title = f"{' and '.join(words)} so far" if words else "Nothing is spent yet"
    units = list(dict.fromkeys(f"{unit}s" for _, unit in totals))
    figure, axes = _chart(title, "", ", ".join(units) or "credits")
    if words:
        dates = needed("matplotlib.dates")
        lines = zip(totals, cycle((BLUE, GREEN, VERMILLION)), cycle(("-", "--", ":")))
        for (account, unit), colour, line in lines:
            its = table[(table["account"] == account) & (table["unit"] == unit)]
            label = f"{unit}s at {account}" if account else f"{unit}s"
            moments = its["at"].to_numpy("datetime64[us]")
            axes.step(moments, its["total"], line, where="post", color=colour, label=label)
        if len(totals) > 1:
            axes.legend(frameon=False)
        locator = dates.AutoDateLocator(minticks=2, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        axes.set_xlabel("time of submission (UTC)")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_ylim(bottom=0)
    return figure


def _most_refused(table: DataFrame, column: str) -> str:
    """What a table of outcomes says, as a sentence."""
    if not len(table):
        return "No job has ended yet"
    lost = table["refused"] + table["failed"]
    if not lost.any():
        return "No job was refused, and none failed"
    many = table[table["done"] + lost >= _ENOUGH]
    share = (1 - many["success"]) * 100
    if len(many) < 2 or share.max() == share.min():
        ended = int((table["done"] + lost).sum())
        return f"{lost.sum():,} of {counted(ended, 'job', ',')} were refused or failed"
    worst = share.idxmax()
    return (
        f"{_share(share.max())} of the jobs {_with(column, worst)} were refused or failed, "
        f"{_share(share.min())} of those {_with(column, share.idxmin())}"
    )


def _share(percent: float) -> str:
    # With a no-break space, so that no line ends before the sign.
    digits = f"{percent:.0f}" if percent >= 1 or percent == 0 else f"{percent:.1g}"
    return f"{digits}\N{NO-BREAK SPACE}%"


def _amount(number: float, unit: str) -> str:
    rounded = exact(round(number, 2))
    return f"{rounded:,} {unit}" + ("" if rounded == 1 else "s")


def _with(column: str, text: object) -> str:
    return f"with {_short(column)} {_short(text)}" if text else f"without {_short(column)}"


def _short(text: object) -> str:
    """A text for one line of a chart. matplotlib would read text between dollar signs as maths."""
    words = textwrap.shorten(str(text), 28, placeholder=" …").replace("$", r"\$")
    return words or "(empty)"


def _names(axes: Axes, names: Iterable[object], all_of_them: int) -> None:
    """Name the bars, the first one at the top, and say how many others there are."""
    words = [_short(name) for name in names]
    axes.set_yticks(range(len(words)), words)
    axes.set_ylim(len(words) - 0.4, -0.6)
    if all_of_them > len(words):
        axes.set_ylabel(f"{len(words)} of {all_of_them:,}")


def _count(axis: Any, axes: Axes | None = None) -> None:
    axis.set_major_locator(needed("matplotlib.ticker").MaxNLocator(nbins="auto", integer=True))
    axis.set_major_formatter("{x:,.0f}")
    if axes is not None:
        axes.margins(x=0.1)


def _chart(title: str, across: str, up: str, bars: int = 0) -> tuple[Figure, Axes]:
    """An empty chart, closed in pyplot so that a notebook shows it only once."""
    plt = needed("matplotlib.pyplot")
    height = max(2.2, 1.3 + 0.36 * bars) if bars else 3.6
    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    axes.set_title(textwrap.fill(title, 66), loc="left", fontweight="bold")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure, axes
