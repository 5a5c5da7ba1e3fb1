"""What `doctor` says about the rows of a sheet beside its store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from pipeline import wiring
from pipeline.cli.doctor.case import Case, Finding, numbered
from pipeline.config import Settings
from pipeline.core.model import State
from pipeline.core.planning.lines import Line
from pipeline.core.rows.named_columns import missing as missing_columns
from pipeline.core.rows.named_columns import places
from pipeline.core.sheet.header import OURS, folded
from pipeline.core.states import is_forgotten, is_open, state_of
from pipeline.core.statuses import Status
from pipeline.core.text import counted, is_or_are
from pipeline.reports import summary
from pipeline.store import ALL_COLUMNS
from pipeline.sync import row_reports
from pipeline.sync.last_pass import why_not_sent
from pipeline.sync.outlet_entries import columns_of, unknown_fields
from pipeline.sync.sheet_sync import SheetSync

#: Status -> what a person can do about such rows.
_CURES: Final = {
    Status.INVALID: "the column note says what to change",
    Status.FAILED: "change the prompt, or run promptsheet retry",
    Status.CHECK_NEEDED: (
        "the column note says what to do; where it says that no answer came, you can run "
        "promptsheet retry --unknown to pay again"
    ),
}
_ENDED: Final = (State.SUCCEEDED, State.FAILED)
_REPAIR: Final = "The next run corrects that, or promptsheet doctor --repair now."


def readable(case: Case) -> Iterator[Finding]:
    """Open the sheet and the store, and say which columns are read."""
    if case.store_trouble:
        # Without the store, the sheet would seem to belong to another store.
        return
    sync = case.open()
    rows = counted(len(sync.last.plan.lines), "row")
    yield Finding("ok", f"{sync.sheet.title} has {rows}. {_columns(sync, case.settings)}")


def hold(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Why nothing may be sent."""
    if one := sync.last.hold:
        yield Finding("unusable" if one.exit_code == 2 else "person", one.sentence)
    if stop := why_not_sent(sync.store, sync.key, case.settings):
        yield Finding("person", stop)


def claim(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Whether the sheet still says which store owns it, once it was sent from."""
    if sync.store.sheets.get(sync.key).counter and sync.sheet.read_claim() is None:
        yield Finding(
            "person",
            f"{sync.sheet.title} does not say any more which store it belongs to, so that another "
            "store would not notice this one. The next run that sends corrects that, or "
            "promptsheet doctor --repair now.",
        )


def unrecognized(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Rows with results that this store did not write."""
    if count := sync.last.plan.statuses[Status.UNRECOGNIZED]:
        yield Finding("person", summary.unrecognized(count))


def columns(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Columns that outlets, names of files or budgets use, and that are not there."""
    inputs = {
        name
        for api in sync.rules.apis
        for its in api.provider.endpoints.values()
        for name in its.fields
    }
    unknown = unknown_fields(case.settings, sync.last.columns, sorted(inputs))
    lacking = missing_columns(sync.last.columns, sync.rules)
    yield from (Finding("person", sentence) for sentence in (*unknown, *lacking))


def needing(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Rows that need attention, by their status."""
    found = Counter(row.status for row in row_reports.needing(sync))
    for status, cure in _CURES.items():
        if count := found[status]:
            yield Finding("person", f"{counted(count, 'row')} with the status {status}: {cure}.")


def endings(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Models and values that end on a known day, and that rows ask for."""
    yield from (Finding("person", sentence) for sentence in sync.endings())


def ids_twice(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Ids that several rows have."""
    look = sync.last
    marks = [look.cell(place, "row_id").strip() for place in range(1, len(look.grid))]
    often = {mark for mark, number in Counter(filter(None, marks)).items() if number > 1}
    if twice := [place for place, mark in enumerate(marks, start=2) if mark in often]:
        yield Finding("person", f"{numbered(twice)} have an id that is there twice. {_REPAIR}")


def ids_lost(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Rows that were sent, and have no id any more."""
    if lost := [one.seen.place + 1 for one in _sent(sync) if not one.seen.marked.mark]:
        have, their = ("has", "its") if len(lost) == 1 else ("have", "their")
        yield Finding("person", f"{numbered(lost)} {have} lost {their} id. {_REPAIR}")


def results_not_shown(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Rows that are finished, and whose cells differ from what the store knows."""
    ended = [
        line
        for line in _sent(sync)
        if all(one.job and state_of(one.job) in _ENDED for one in line.each)
    ]
    differs = {place for place, _ in sync.out_of_date()}
    if old := [line.seen.place + 1 for line in ended if line.seen.place in differs]:
        do = "does" if len(old) == 1 else "do"
        yield Finding("person", f"{numbered(old)} {do} not show the result in the store. {_REPAIR}")


def gone(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Results whose row is not in the sheet any more."""
    here = {line.seen.row_id for line in sync.last.plan.lines} | {*sync.last.unchanged}
    jobs = [job for key, job in sync.state.jobs.all.items() if key.row_id not in here]
    if paid := {job.key.row_id for job in jobs if job.attempts and not is_forgotten(job)}:
        open_ = sum(any(map(is_open, job.attempts)) for job in jobs)
        more = f", {counted(open_, 'task')} of them still open" if open_ else ""
        yield Finding(
            "ok",
            f"{counted(len(paid), 'row')} with results in the store {is_or_are(len(paid))} not in "
            f"the sheet{more}. Nothing is lost: undo brings a row back with its result.",
        )


def silent(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Tasks that are open, and no pass for a long time."""
    last = sync.store.sheets.get(sync.key).passed_at
    running = len(sync.state.jobs.open_attempts())
    if (
        last
        and running
        and wiring.now() - last > max(case.settings.schedule.silent_after or _DAY, _DAY)
    ):
        yield Finding(
            "person",
            f"{counted(running, 'task')} {is_or_are(running)} open, and the last run ended "
            f"{last.astimezone():%Y-%m-%d %H:%M}. See whether cron or watch is running. "
            "promptsheet doctor --repair asks about them now.",
        )


_DAY: Final = timedelta(days=1)


def _sent(sync: SheetSync) -> list[Line]:
    """The rows that were sent at least once."""
    return [
        line
        for line in sync.last.plan.lines
        if any(one.job and one.job.attempts for one in line.each)
    ]


def _columns(sync: SheetSync, settings: Settings) -> str:
    """A sentence about the columns: which are read and which are not used, by title."""
    columns = settings.header.read(sync.sheet.read())
    known = set(columns.index.values())
    named = {at for name, at in columns.index.items() if name not in OURS}
    named |= {*places(columns, sync.rules)} - known
    titles = {name for one in settings.outlets for name in columns_of(one)}
    rest = {at for at, title in enumerate(columns.header) if title and at not in known | named}
    named |= {at for at in rest if folded(columns.header[at]) in titles}
    takers = [one.name for one in settings.outlets if ALL_COLUMNS in columns_of(one)]
    others = ", ".join(columns.header[at] for at in sorted(rest - named))
    read = f"Read: {', '.join(columns.header[at] for at in sorted(named))}."
    if not others:
        return read
    if takers:
        return f"{read} For {' and '.join(takers)}, if there is such a column there: {others}."
    return f"{read} Not used: {others}."
