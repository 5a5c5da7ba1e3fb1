"""The command `report`: the figures, charts and picked pictures of a sheet as one HTML file.

Raises ConfigError if the notebook extra is not installed, a date or a column is wrong, or the file
cannot be written, and StoreError before the first run.
"""

from __future__ import annotations

import webbrowser
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Console

from pipeline import wiring
from pipeline.cli.dates import moment
from pipeline.config import Settings
from pipeline.core.errors import ConfigError
from pipeline.core.language import NOTHING, Said, say
from pipeline.core.messages.dates import month_of
from pipeline.core.text import one_line
from pipeline.notebook.tables import COLUMNS, INPUT, column_of, jobs_table, of_shown, payments_table
from pipeline.open_pictures import Pictures
from pipeline.reports import figures, summary
from pipeline.reports.extras import needed
from pipeline.reports.output_files import check_output, write_output
from pipeline.reports.picked import gallery
from pipeline.reports.report import Contents, compared, page
from pipeline.reports.results import Shown, results_and_waiting_rows


class Wanted(NamedTuple):
    """The options of the command."""

    out: Path
    since: str = ""
    until: str = ""
    by: tuple[str, ...] = ()
    title: str = ""
    open_it: bool = False


class Period(NamedTuple):
    """The time in which jobs were sent; an end that is None is open. `end` itself is outside."""

    start: datetime | None
    end: datetime | None

    def has(self, one: Shown) -> bool:
        """True if the job was sent in it."""
        if self == (None, None):
            return True
        at = one.submitted_at
        return (
            at is not None
            and (not self.start or at >= self.start)
            and (not self.end or at < self.end)
        )


def print_report(settings: Settings, console: Console, wanted: Wanted) -> int:
    """Write the report of the sheet, and open it in a browser if requested."""
    for module in ("pandas", "pyarrow", "matplotlib"):
        needed(module)
    target = write_report(settings, wanted, wiring.now())
    console.print(f"Report: {summary.here(target)}", markup=False)
    if wanted.open_it and not webbrowser.open(target.as_uri()):
        console.print("No browser could be opened. Open the file yourself.")
    return 0


def write_report(settings: Settings, wanted: Wanted, now: datetime) -> Path:
    """Write the report, and return the path of the file.

    An existing file of that name is replaced in one step, or stays unchanged.
    """
    period = _period(settings, wanted)
    check_output(wanted.out, settings)
    rows = results_and_waiting_rows(settings)
    shown = [one for one in rows if one.state is not None and period.has(one)]
    with Pictures(settings) as pictures:
        made = of_shown(shown)
        jobs = jobs_table(made)
        columns = _columns(jobs.columns)
        by = [_named(name, columns) for name in wanted.by]
        names = _for_people(by or compared(jobs, columns), jobs.columns, shown)
        contents = Contents(
            title=wanted.title or settings.source.name,
            period=_in_words(period if wanted.since or wanted.until else _all_of(shown), settings),
            shown=shown,
            jobs=jobs.rename(columns=names),
            payments=payments_table(made),
            now=rows,
            gallery=gallery(shown, pictures),
            columns=[*names.values()],
        )
    html = page(settings, contents, now).encode("utf-8", "replace")
    return write_output(wanted.out, html, settings)


def _columns(all_of_them: Iterable[str]) -> list[str]:
    """The columns by which jobs can be compared."""
    inputs = [name for name in all_of_them if name not in COLUMNS]
    return [*(name for name in inputs if not name.startswith(INPUT)), "endpoint"]


def _named(name: str, columns: Sequence[str]) -> str:
    """The column of this name. Raises ConfigError if there is none."""
    if (found := figures.column_named(name, columns)) is None:
        raise ConfigError(f'Jobs cannot be compared by "{name}". Use one of {", ".join(columns)}.')
    return found


def _for_people(
    columns: Iterable[str], taken: Iterable[str], shown: Sequence[Shown]
) -> dict[str, str]:
    """Column of the table -> its name in the report: as in the sheet, where it is known."""
    titles = {column_of(title): one_line(title) for one in shown for title in one.own}
    names = {name: titles.get(name) or name.replace("_", " ") for name in columns}
    return {name: name if title in taken else title for name, title in names.items()}


def _period(settings: Settings, wanted: Wanted) -> Period:
    start = moment("--since", wanted.since, settings) if wanted.since else None
    end = moment("--until", wanted.until, settings) if wanted.until else None
    # A day without a time includes the whole day.
    if end and len(wanted.until) == len("2026-11-30"):
        end += timedelta(days=1)
    if start and end and start >= end:
        raise ConfigError(f"--until {wanted.until} is before --since {wanted.since}.")
    return Period(start, end)


def _all_of(shown: Sequence[Shown]) -> Period:
    """The time from the first to the last of these jobs."""
    sent = [one.submitted_at for one in shown if one.submitted_at]
    return Period(min(sent), max(sent) + timedelta(microseconds=1)) if sent else Period(None, None)


def _in_words(period: Period, settings: Settings) -> Said:
    """The days of a period; empty if it has no end."""
    start = _day(period.start, settings)
    end = _day(period.end and period.end - timedelta(microseconds=1), settings)
    if start and start == end:
        return say("sent on {day}", day=start)
    if start and end:
        return say("sent from {start} to {end}", start=start, end=end)
    if start:
        return say("sent since {start}", start=start)
    return say("sent until {end}", end=end) if end else NOTHING


def _day(at: datetime | None, settings: Settings) -> Said:
    if at is None:
        return NOTHING
    there = at.astimezone(ZoneInfo(settings.timezone))
    return say("{day} {month} {year}", day=there.day, month=month_of(there), year=there.year)
