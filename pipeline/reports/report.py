"""The report of a sheet: its figures, charts and picked pictures as one HTML page.

The figures are those of `figures`, and the charts those of `charts`. The page loads nothing from
the network and has no script; text from a sheet or from the API is escaped. Its words are in the
language of the sheet. Raises ConfigError if the notebook extra is
not installed, or if the table of jobs has no column of a given name.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from pipeline.config import Settings
from pipeline.core.language import NOTHING, Said, say
from pipeline.core.messages.dates import moment
from pipeline.core.money.costs import Cost, summed
from pipeline.core.money.currency import in_currency
from pipeline.core.text import all_of, duration
from pipeline.reports import charts, figures
from pipeline.reports.drawing import in_figures
from pipeline.reports.gallery import TEMPLATES, environment
from pipeline.reports.inline_charts import Chart, finding_of, inline, page_style
from pipeline.reports.picked import Gallery
from pipeline.reports.report_tables import (
    Table,
    comparison,
    endpoints,
    failures,
    named,
    refused_prompts,
    slowest,
    to_do,
)
from pipeline.reports.results import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

#: A chart of hours shows at least so many hours, one of costs over time more than this time.
_HOURS: Final = 3
_HOUR: Final = timedelta(hours=1)
#: Columns by which jobs are compared, if none were named, and texts that such a column may have.
MOST_COLUMNS: Final = 3
MOST_TEXTS: Final = 12
#: Columns that are compared before others.
_FIRST: Final = ("campaign", "style", "aspect_ratio")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report is made from."""

    title: str
    #: The period that it is about; empty if nothing was sent.
    period: Said
    #: The jobs of the period, and the same as tables of the notebook.
    shown: Sequence[Shown]
    jobs: DataFrame
    payments: DataFrame
    #: Every row of the sheet as it is now, with all its takes.
    now: Sequence[Shown]
    gallery: Gallery
    #: The columns of `jobs` by which they are compared.
    columns: Sequence[str]


def compared(jobs: DataFrame, candidates: Iterable[str]) -> list[str]:
    """Of these columns, those that are worth a comparison: a few texts, each of several jobs."""
    names = sorted(candidates, key=lambda name: _FIRST.index(name) if name in _FIRST else 99)
    filled = {name: jobs.loc[jobs[name] != "", name] for name in names}
    texts = {name: its.nunique() for name, its in filled.items()}
    few = {name: min(MOST_TEXTS, its.count() / 2) for name, its in filled.items()}
    return [name for name in names if 2 <= texts[name] <= few[name]][:MOST_COLUMNS]


def page(settings: Settings, contents: Contents, now: datetime) -> str:
    """The report as HTML."""
    from markupsafe import Markup

    jobs, zone = contents.jobs, ZoneInfo(settings.timezone)
    with page_style():
        sections = _sections(contents, settings) if len(jobs) else ()
    style = "".join((TEMPLATES / name).read_text("utf-8") for name in ("base.css", "report.css"))
    # Our own style sheet and charts are not escaped: matplotlib escapes the texts in a chart.
    return (
        environment(TEMPLATES, settings.catalogue)
        .get_template("report.html.j2")
        .render(
            title=contents.title,
            sheet=settings.source.name if contents.title != settings.source.name else "",
            period=contents.period,
            made_with=_made_with(settings, contents.shown),
            when=moment(now, zone, "%H:%M"),
            facts=_facts(contents),
            to_do=to_do(contents.now),
            sections=sections,
            gallery=contents.gallery,
            named=named,
            jobs=len(jobs),
            safe=Markup,
            style=Markup(style),  # noqa: S704
            digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _made_with(settings: Settings, shown: Sequence[Shown]) -> Said:
    """The APIs that made the results, or that would."""
    own = settings.provider.full_title
    others = (cost.account.name for cost in _costs(shown) if not cost.account.is_own)
    return all_of(list(dict.fromkeys([own, *others])))


def _facts(contents: Contents) -> list[tuple[Said, Said | str]]:
    """The numbers at the top: what each is, and the number."""
    totals = figures.totals(contents.jobs)
    waits = figures.waits(contents.jobs)
    costs = _costs(contents.shown)
    facts: list[tuple[Said, Said | str]] = [
        (say("jobs"), in_figures(totals["jobs"])),
        (say("done"), in_figures(totals["done"])),
        (say("refused or failed"), in_figures(totals["refused"] + totals["failed"])),
        (say("results"), in_figures(totals["results"])),
        (say("picked"), in_figures(totals["picked"])),
    ]
    facts += [(cost.label, in_figures(cost.amount)) for cost in costs]
    if all(cost.account.credit_price for cost in costs):
        facts += [(say("spent"), money.in_words()) for money in in_currency(costs)]
    for key, row in figures.cost_per_pick(contents.jobs).iterrows():
        if not isnan(row["per_pick"]):
            unit = next((cost.label for cost in costs if cost.account[:2] == key), say("credits"))
            per_pick = in_figures(row["per_pick"])
            facts.append((say("{unit} per picked result", unit=unit), per_pick))
    if len(waits):
        facts.append((say("typical wait"), duration(float(waits.quantile(0.5)))))
    return facts


def _costs(shown: Sequence[Shown]) -> Sequence[Cost]:
    return summed((cost.account, cost.amount) for one in shown for cost in one.costs)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: its id, its heading, and what it shows."""

    word: str
    heading: Said
    findings: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    #: What there is to say if there is nothing to show.
    sentence: Said = NOTHING

    @property
    def charts(self) -> list[Chart]:
        """Its charts."""
        return [one for one in self.findings if one.svg]

    @property
    def sentences(self) -> list[str]:
        """What there is to say without a chart."""
        found = (one.title for one in self.findings if not one.svg)
        return [*dict.fromkeys(found), *filter(None, [self.sentence])]


def _sections(contents: Contents, settings: Settings) -> list[Section]:
    jobs, columns, zone = contents.jobs, contents.columns, settings.timezone
    words, totals = settings.catalogue, figures.totals(jobs)
    lost = totals["refused"] + totals["failed"]
    made = [_chart(charts.outcomes(jobs, words), "outcomes")]
    cost, time, failed = [], [], []
    if (figures.results_by_hour(jobs, zone)["jobs"] > 0).sum() >= _HOURS:
        made.append(inline(charts.results_by_hour(jobs, zone, words), "hours"))
    if totals["done"]:
        time.append(_chart(charts.waits(jobs, words), "waits", totals["done"] >= charts.ENOUGH))
    if jobs.loc[jobs["state"] == "succeeded", "endpoint"].nunique() > 1:
        time.append(_chart(charts.waits_by_endpoint(jobs, words), "endpoints"))
    if len(contents.payments):
        sent = contents.payments["submitted_at"]
        its = charts.spending(contents.payments, zone, words)
        cost.append(_chart(its, "spending", sent.max() - sent.min() > _HOUR))
    for number, column in enumerate(columns):
        if totals["picked"]:
            cost.append(_chart(charts.cost_per_pick(jobs, column, words), f"cost-{number}"))
        if lost:
            its = charts.outcomes_by(jobs, column, words)
            shows_more = figures.differ(figures.outcomes_by(jobs, column))
            failed.append(_chart(its, f"failed-{number}", shows_more))
    return [
        Section("made", say("What was made"), made),
        Section(
            "cost",
            say("What it cost"),
            cost,
            [comparison(jobs, name) for name in columns],
            NOTHING if cost else say("Nothing is spent yet."),
        ),
        Section(
            "time",
            say("How long it took"),
            time,
            [endpoints(jobs), slowest(jobs)],
            NOTHING if time else say("There are no results yet."),
        ),
        Section(
            "failed",
            say("What failed and why"),
            failed,
            [refused_prompts(jobs), failures(jobs)],
            NOTHING if lost else say("No job was refused, and none failed."),
        ),
    ]


def _chart(figure: Figure, name: str, shows_more: bool | None = None) -> Chart:
    """The chart; only its finding if it shows no more than that, such as a single bar."""
    if shows_more is None:
        shows_more = len(figure.axes[0].get_yticks()) > 1
    return inline(figure, name) if shows_more else Chart(finding_of(figure), "")
