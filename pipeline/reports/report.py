"""The report of a sheet: its figures, charts and picked pictures as one HTML page.

The figures are those of `figures`, and the charts those of `charts`. The page loads nothing from
the network and has no script; text from a sheet or from the API is escaped. Its words are in the
language of the sheet, those inside charts are English. Raises ConfigError if the notebook extra is
not installed, or if the table of jobs has no column of a given name.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pipeline.config import Settings
from pipeline.core.costs import Cost, summed
from pipeline.core.credits import exact
from pipeline.core.dates import moment
from pipeline.core.language import NOTHING, Said, say, say_counted, together
from pipeline.core.language import figures as in_figures
from pipeline.core.statuses import NEEDS_ATTENTION, Status
from pipeline.core.text import duration, shortened
from pipeline.reports import charts, figures
from pipeline.reports.gallery import TEMPLATES, environment
from pipeline.reports.inline_charts import Chart, inline
from pipeline.reports.picked import Gallery
from pipeline.reports.results import Shown

if TYPE_CHECKING:
    from pandas import DataFrame

#: Rows of a table; the report says how many others there are.
MOST_ROWS: Final = 12
#: Columns by which jobs are compared, if none were named, and texts that such a column may have.
MOST_COLUMNS: Final = 3
MOST_TEXTS: Final = 12
#: Columns that are compared before others.
_FIRST: Final = ("campaign", "style", "aspect_ratio")
#: What a person has to decide or repair.
_TO_DO: Final = NEEDS_ATTENTION | {
    Status.UNRECOGNIZED,
    Status.OVER_BUDGET,
    Status.NEEDS_APPROVAL,
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report is made from."""

    title: str
    #: The period that it is about; empty for all of the time.
    period: Said
    #: The jobs of the period, and the same as tables of the notebook.
    shown: Sequence[Shown]
    jobs: DataFrame
    payments: DataFrame
    #: Every row of the sheet as it is now, with all its takes.
    now: Sequence[Shown]
    gallery: Gallery
    #: The columns by which jobs are compared.
    columns: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first column names the rows."""

    title: Said
    heads: Sequence[Said | str]
    rows: Sequence[Sequence[Said | str]]
    #: Which columns hold numbers.
    numbers: frozenset[int] = frozenset()
    #: A sentence about what it does not show.
    left_out: Said = NOTHING


def compared(jobs: DataFrame, candidates: Iterable[str]) -> list[str]:
    """Of these columns, those that are worth a comparison: a few texts, each of several jobs."""
    names = sorted(candidates, key=lambda name: _FIRST.index(name) if name in _FIRST else 99)
    texts = {name: jobs[name].nunique() for name in names}
    return [name for name in names if 2 <= texts[name] <= min(MOST_TEXTS, len(jobs) / 2)][
        :MOST_COLUMNS
    ]


def page(settings: Settings, contents: Contents, now: datetime) -> str:
    """The report as HTML."""
    from markupsafe import Markup

    jobs, zone = contents.jobs, ZoneInfo(settings.timezone)
    style = "".join((TEMPLATES / name).read_text("utf-8") for name in ("base.css", "report.css"))
    # Our own style sheet and charts are not escaped: matplotlib escapes the texts in a chart.
    return (
        environment(TEMPLATES, settings.catalogue)
        .get_template("report.html.j2")
        .render(
            title=contents.title,
            sheet=settings.source.name,
            period=contents.period,
            made_with=settings.provider.full_title,
            when=moment(now, zone, "%H:%M"),
            facts=_facts(contents),
            to_do=_to_do(contents.now),
            sections=_sections(contents, settings.timezone) if len(jobs) else (),
            gallery=contents.gallery,
            jobs=len(jobs),
            safe=Markup,
            style=Markup(style),  # noqa: S704
            digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _facts(contents: Contents) -> list[tuple[Said, Said | str]]:
    """The numbers at the top: what each is, and the number."""
    totals = figures.totals(contents.jobs)
    waits = figures.waits(contents.jobs)
    facts: list[tuple[Said, Said | str]] = [
        (say("jobs"), _number(totals["jobs"])),
        (say("done"), _number(totals["done"])),
        (say("refused or failed"), _number(totals["refused"] + totals["failed"])),
        (say("results"), _number(totals["results"])),
        (say("picked"), _number(totals["picked"])),
    ]
    facts += [(cost.label, _number(cost.amount)) for cost in _costs(contents.shown)]
    for key, row in figures.cost_per_pick(contents.jobs).iterrows():
        if not isnan(row["per_pick"]):
            at = _unit(contents.shown, key)
            facts.append((say("{unit} per picked picture", unit=at), _number(row["per_pick"])))
    if len(waits):
        facts.append((say("typical wait"), duration(float(waits.quantile(0.5)))))
    return facts


def _costs(shown: Sequence[Shown]) -> Sequence[Cost]:
    return summed((cost.account, cost.amount) for one in shown for cost in one.costs)


def _unit(shown: Sequence[Shown], account_and_unit: object) -> Said | str:
    """The name of what is paid at an account, such as credits."""
    costs = (cost for cost in _costs(shown) if cost.account[:2] == account_and_unit)
    return next((cost.label for cost in costs), say("credits"))


def _to_do(rows: Sequence[Shown]) -> Table:
    """What people have to do now: each status and note, and how many rows have it."""
    # The last take of a row counts: an earlier one was made again.
    last = {(one.row_id, one.part): one for one in rows if one.in_sheet}
    wait = [one for one in last.values() if Status.of(one.status) in _TO_DO]
    found = Counter((Status.of(one.status).value, one.note) for one in wait)
    names = {(Status.of(one.status).value, one.note): one for one in reversed(wait)}
    most = found.most_common()
    return Table(
        say("What to do"),
        (say("rows"), say("status"), say("what to do"), say("for example")),
        [
            (_number(count), status, shortened(note, 300), _named(names[status, note]))
            for (status, note), count in most[:MOST_ROWS]
        ],
        frozenset({0}),
        _others(len(most)),
    )


def _named(one: Shown) -> Said | str:
    row = say("Row {number}", number=one.line) if one.line else one.row_id
    return together([row, shortened(one.name or one.prompt, 60)], " · ")


def _sections(contents: Contents, zone: str) -> list[tuple[str, Said, list[Chart], list[Table]]]:
    """The parts of the report: the word of each, its heading, charts and tables."""
    jobs, columns = contents.jobs, contents.columns
    return [
        (
            "made",
            say("What was made"),
            [
                inline(lambda: charts.outcomes(jobs), "outcomes"),
                inline(lambda: charts.results_by_hour(jobs, zone), "hours"),
            ],
            [],
        ),
        (
            "cost",
            say("What it cost"),
            [
                inline(lambda: charts.spending(contents.payments), "spending"),
                *_by(charts.cost_per_pick, jobs, columns, "cost"),
            ],
            [_compared(jobs, name) for name in columns],
        ),
        (
            "time",
            say("How long it took"),
            [
                inline(lambda: charts.waits(jobs), "waits"),
                inline(lambda: charts.waits_by_endpoint(jobs), "endpoints"),
            ],
            [_endpoints(jobs), _slowest(jobs)],
        ),
        (
            "failed",
            say("What failed and why"),
            _by(charts.outcomes_by, jobs, columns, "failed"),
            [_refused(jobs), _failures(jobs)],
        ),
    ]


def _by(chart: Any, jobs: DataFrame, columns: Sequence[str], word: str) -> list[Chart]:
    """The chart for each of these columns."""
    return [
        inline(partial(chart, jobs, name), f"{word}-{number}")
        for number, name in enumerate(columns)
    ]


def _compared(jobs: DataFrame, column: str) -> Table:
    every = figures.compare(jobs, column)
    rows = [
        (
            shortened(str(text), 80) or "–",
            *(_number(row[name]) for name in ("jobs", "done", "refused", "failed")),
            _seconds(row["p50"]),
            *(_number(row[name]) for name in ("picked", "spent", "per_pick")),
        )
        for text, row in every.head(MOST_ROWS).iterrows()
    ]
    heads = (
        *(column, say("jobs"), say("done"), say("refused"), say("failed"), say("typical wait")),
        *(say("picked"), say("spent"), say("per picked picture")),
    )
    title = say("By {column}", column=column)
    return Table(title, heads, rows, frozenset(range(1, 9)), _others(len(every)))


def _endpoints(jobs: DataFrame) -> Table:
    every = figures.waits_by_endpoint(jobs)
    rows = [
        (
            str(name),
            _number(row["jobs"]),
            *(_seconds(row[word]) for word in ("p50", "p90", "slowest")),
        )
        for name, row in every.tail(MOST_ROWS).iterrows()
    ]
    heads = (say("endpoint"), say("results"), say("half within"), say("nine of ten within"))
    title, numbers = say("From submission to result"), frozenset(range(1, 5))
    return Table(title, (*heads, say("slowest")), rows, numbers, _others(len(every)))


def _slowest(jobs: DataFrame) -> Table:
    heads = (say("row"), say("prompt"), say("endpoint"), say("took"))
    rows = [
        (_row(row), _prompt(row), row["endpoint"], _seconds(row["seconds"]))
        for _, row in figures.slowest(jobs, 5).iterrows()
    ]
    return Table(say("The slowest jobs"), heads, rows, frozenset({3}))


def _failures(jobs: DataFrame) -> Table:
    every = figures.failures(jobs)
    heads = (say("row"), say("prompt"), say("why, and what to do"))
    rows = [
        (_row(row), _prompt(row), shortened(row["note"] or "", 300))
        for _, row in every.tail(MOST_ROWS).iterrows()
    ]
    title = say("The last jobs that were refused or failed")
    return Table(title, heads, rows, left_out=_others(len(every)))


def _refused(jobs: DataFrame) -> Table:
    every = figures.refused_prompts(jobs)
    heads = (say("prompt"), say("endpoint"), say("jobs"), say("why, and what to do"))
    rows = [
        (_prompt(row), row["endpoint"], _number(row["jobs"]), shortened(row["note"] or "", 300))
        for _, row in every.head(MOST_ROWS).iterrows()
    ]
    title = say("The prompts that were refused")
    return Table(title, heads, rows, frozenset({2}), _others(len(every)))


def _row(row: Any) -> str:
    # A row that is gone has no number: the table shows it as missing.
    name = shortened(row["name"] or "", 40)
    number = "" if row["line"] is None or row["line"] != row["line"] else f"{int(row['line'])}"
    return " · ".join(filter(None, (number, name))) or "–"


def _prompt(row: Any) -> str:
    return shortened(row["prompt"] or "", 140) or "–"


def _number(number: float) -> Said | str:
    """A number as people write it, with at most two digits after the point."""
    return "–" if isnan(number) else in_figures(f"{exact(round(float(number), 2)):,}")


def _seconds(seconds: float) -> Said | str:
    return "–" if isnan(seconds) else duration(float(seconds))


def _others(every: int) -> Said:
    """That a table of so many rows is cut."""
    more = every - MOST_ROWS
    if more <= 0:
        return NOTHING
    return say_counted(
        more,
        "{number} more is not shown.",
        "{number} more are not shown.",
        number=in_figures(f"{more:,}"),
    )
