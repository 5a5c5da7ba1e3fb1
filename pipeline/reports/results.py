"""The results as people see them: every job as one record, in the order of the sheet.

Read-only: the store is read through a temporary copy, and the sheet is not changed. No API key is
needed. Raises StoreError before the first run; a sheet that cannot be read is no error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.credits import Credits
from pipeline.core.errors import SheetError, StoreError
from pipeline.core.inputs import parsed
from pipeline.core.messages import row_notes
from pipeline.core.model import Attempt, Grid, Job, JobKey, KnownRow, State
from pipeline.core.money.costs import Cost, costs_of
from pipeline.core.pictures.cell_links import is_web
from pipeline.core.planning.choosing import picked_now
from pipeline.core.planning.job_status import job_status
from pipeline.core.prompts.revisions import revised, revision_in, unrevised
from pipeline.core.rows.attention import is_dismissed, said_by
from pipeline.core.rows.chains import as_written, link_in
from pipeline.core.rows.feedback import feedback_for
from pipeline.core.rows.forgetting import Recalled
from pipeline.core.rows.generations import as_sent, has_several, label, several
from pipeline.core.rows.known import Memory
from pipeline.core.rows.rules import Rules
from pipeline.core.rows.takes import take_of
from pipeline.core.sheet.header import Columns
from pipeline.core.states import cost_of, counted, is_forgotten, shown, state_of
from pipeline.core.statuses import NEEDS_ATTENTION, NOT_SENT, Status
from pipeline.core.text import joined
from pipeline.core.traces import prompt_sent, readable
from pipeline.open_pictures import is_elsewhere
from pipeline.open_sheet import open_sheet
from pipeline.plain_files import is_plain
from pipeline.sheets import Sheet
from pipeline.store import Store
from pipeline.terminal import print_error

#: What a person has to decide or repair. Of a take that has no job yet, only the cells say it.
_NEXT_TAKE: Final = frozenset({Status.INVALID, Status.OVER_BUDGET, Status.NEEDS_APPROVAL})
_NEEDS: Final = NEEDS_ATTENTION | _NEXT_TAKE | {Status.UNRECOGNIZED}


@dataclass(frozen=True, slots=True)
class Shown:
    """One job as people see it, or a row without a job (then `state` is None)."""

    row_id: str
    #: Its row number at the last reading, as spreadsheets count; None if it is no longer there.
    line: int | None
    #: Its present name in the sheet; empty without a name, or if the sheet cannot be read.
    name: str
    take: int
    prompt: str
    #: The inputs that were sent; if nothing was sent yet, those of the row.
    inputs: Mapping[str, str]
    endpoint: str
    #: Status and note as in the sheet, in its language.
    status: str
    note: str
    state: State | None = None
    #: Which generation of the row it is, where it asks for several (see `core.rows.generations`).
    part: str = ""
    task_id: str = ""
    urls: tuple[str, ...] = ()
    grid_url: str = ""
    #: Those of the addresses that a person picked.
    picked: tuple[str, ...] = ()
    #: The feedback that it was made with.
    feedback: str = ""
    #: The result, if it is text.
    text: str = ""
    #: URL -> saved file on this machine, in the order of the URLs; only existing files.
    files: Mapping[str, Path] = field(default_factory=dict)
    #: URL -> address of a saved file on another machine, in the order of the URLs.
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    #: URL -> web address of a saved file, which lasts; only of places that have such addresses.
    links: Mapping[str, str] = field(default_factory=dict)
    #: Cost of all attempts of the job: as reported by the API, else as listed.
    credits: Credits = 0
    #: The same at each account, with its unit.
    costs: tuple[Cost, ...] = ()
    attempts: int = 0
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    #: Title -> text, of the team's own columns in its row now that are not empty.
    own: Mapping[str, str] = field(default_factory=dict)
    #: What its row needs of a person: status and note. None if nothing, or if it was dismissed.
    needs: tuple[str, str] | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds from submission to result; None without a result."""
        if self.submitted_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.submitted_at) / timedelta(seconds=1)

    @property
    def generation(self) -> str:
        """What names it in addresses, with its take: the row id, with the part if there is one."""
        return f"{self.row_id}-{self.part}" if self.part else self.row_id

    @property
    def label(self) -> str:
        """Its part for people; empty if its row asked for one only."""
        return label(self.part) if self.part else ""

    @property
    def in_sheet(self) -> bool:
        """True if its row was in the sheet at the last reading."""
        return self.line is not None


def results(settings: Settings) -> list[Shown]:
    """Every job of the sheet, earlier takes included: by row, then by take.

    Rows come in the order of the last reading. Jobs whose rows are gone come last, in the order of
    their creation. Raises StoreError before the first run.
    """
    return [one for one in results_and_waiting_rows(settings) if one.state is not None]


def results_and_waiting_rows(settings: Settings) -> list[Shown]:
    """The same as `results`, with the rows without a job in their places."""
    if not settings.has_store:
        raise StoreError(
            f"Nothing has been run yet: there is no store {settings.store_file}. "
            f"Run promptsheet run {settings.path.name} first."
        )
    with wiring.scratch_store(settings) as store:
        sheet = open_sheet(settings, store)
        grid = grid_now(sheet)
        columns = settings.header.read(grid)
        recalled = recalled_by(grid, columns, store)
        memory = recalled.memory(store.rows.memory(sheet.key))
        jobs = recalled.jobs(store.jobs.all(sheet.key))
        rules = wiring.rules(settings, sheet.key, store)
        view = View(memory, row_cells(grid, columns, memory), rules, settings.media, wiring.now())
        view = replace(view, dismissed=store.rows.dismissed(sheet.key))
        return list(_in_order(jobs.values(), view))


def results_of(
    rows: Collection[str],
    grid: Grid,
    columns: Columns,
    store: Store,
    rules: Rules,
    media: Path | None,
) -> list[tuple[Shown, datetime | None]]:
    """The jobs of some rows, each with when it was made.

    `grid` has these rows as they are in the sheet now, and others that may hold forgotten texts.
    """
    recalled = recalled_by(grid, columns, store)
    memory = recalled.memory(store.rows.memory(rules.sheet, rows))
    order = {row_id: memory.order[row_id] for row_id in rows if row_id in memory.order}
    memory = replace(memory, order=order)
    view = View(memory, row_cells(grid, columns, memory), rules, media, wiring.now())
    jobs = recalled.jobs(store.jobs.of_rows(rules.sheet, rows))
    return [
        (one, jobs[JobKey(rules.sheet, one.row_id, one.take, one.part)].made_at)
        for one in _in_order(jobs.values(), view)
        if one.state is not None
    ]


@dataclass(frozen=True, slots=True)
class RowCells:
    """The present cells of a row."""

    name: str
    status: str
    note: str
    take: str
    #: Title of the column `take`, and whether the sheet has it.
    take_column: str = "take"
    has_take: bool = True
    #: The text of its cell `approved`.
    approved: str = ""
    #: Title -> text, of the team's own columns that are not empty.
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """The data that is needed besides a job to show its state."""

    memory: Memory
    cells: Mapping[str, RowCells]
    rules: Rules
    media: Path | None
    now: datetime
    #: Rows without a job that were dismissed -> what they said then
    #: (`core.rows.attention.said_by`).
    dismissed: Mapping[str, str] = field(default_factory=dict)

    def line(self, row_id: str) -> int | None:
        """The row number that spreadsheets show; None if the row is gone."""
        place = self.memory.order.get(row_id)
        return None if place is None else place + 1


def _in_order(jobs: Collection[Job], view: View) -> Iterator[Shown]:
    takes: dict[str, list[Job]] = defaultdict(list)
    for job in sorted(jobs, key=lambda job: (job.made_at or view.now, job.key)):
        takes[job.key.row_id].append(job)
    in_sheet = sorted(view.memory.order, key=lambda row_id: view.memory.order[row_id])
    for row_id in in_sheet:
        known = view.memory.known.get(row_id)
        if its := takes.pop(row_id, None):
            yield from of_row(its, known, view)
        elif known:
            one = without_job(known, view)
            said = said_by(known.since, one.status, one.note)
            yield replace(one, needs=_needs(one, is_away=view.dismissed.get(row_id) == said))
    for its in takes.values():
        yield from of_row(its, None, view)


def of_row(jobs: Iterable[Job], known: KnownRow | None, view: View) -> Iterator[Shown]:
    """The takes of one row. `known` is what the row contains; None if it is gone."""
    by_take = sorted(jobs, key=lambda job: job.key)
    last, extra = by_take[-1].key.take, known.extra_takes if known else 0
    said = view.cells.get(by_take[-1].key.row_id)
    asked = (take_of(said.take, extra) if said else None) or last
    chosen = picked_now(known, by_take, asked) if known else ()
    for job in by_take:
        # The present inputs belong to the last take, so an earlier take is not "edited".
        is_last = job.key.take == last
        its = _known_of(job, known) if is_last else None
        column = said.take_column if said else "take"
        redo = row_notes.write_take(
            max(last + 1 - extra, 1), column, is_there=not said or said.has_take
        )
        picked = tuple(one.url for one in chosen if one.job.key == job.key)
        one = replace(_of_job(job, its, redo, view), part=job.key.part, picked=picked)
        if is_last and extra and asked == last and one.status not in NOT_SENT:
            one = replace(one, note=joined(one.note, row_notes.asked_on_the_page(last)))
        own = said.own if said else {}
        one = replace(one, note=view.rules.catalogue.text(one.note), own=own)
        if is_last and known:
            is_next = asked != last or (said and take_of(said.take, extra) is None)
            one = replace(
                one, needs=_needs(one, said if is_next else None, is_away=is_dismissed(job))
            )
        yield one


def _needs(
    one: Shown, next_take: RowCells | None = None, *, is_away: bool = False
) -> tuple[str, str] | None:
    """What a row needs of a person. `next_take` are its cells if they ask for another take."""
    if next_take and next_take.status in _NEXT_TAKE:
        return next_take.status, next_take.note
    is_needed = Status.of(one.status) in _NEEDS and not is_away
    return (Status.of(one.status).value, one.note) if is_needed else None


def _known_of(job: Job, known: KnownRow | None) -> KnownRow | None:
    """What is known of the row, with the inputs of this one of its generations."""
    if known is None or not (job.key.part or has_several(known.inputs)):
        return known
    asked = {one.part: one.inputs for one in several(known.inputs).generations}
    if (inputs := asked.get(job.key.part)) is None:
        sent = as_sent(known.inputs, job) if counted(job) else None
        inputs = sent.inputs if sent else known.inputs
    return replace(known, inputs=inputs)


def _of_job(job: Job, known: KnownRow | None, redo: str, view: View) -> Shown:
    attempt = shown(job)
    if attempt is None or attempt.state is State.RETURNED:
        return _queued(job, known, view)
    row_id, state = job.key.row_id, state_of(job)
    if state is State.FAILED and known and known.inputs != as_written(attempt.inputs):
        status, note = _unsent(row_id, view)
        if status != Status.QUEUED:  # The row was changed, and is not sent again for this reason.
            again = _written(row_id, known.inputs, job.key.take, status, note, view, job)
            return replace(again, credits=cost_of(job), costs=costs_of(view.rules, job))
    wrote = known.inputs if known else attempt.inputs
    said = view.cells.get(row_id)
    is_edited = said is not None and said.status == Status.EDITED
    # Only the sheet says which row its parent is now, and if that was made again. Otherwise it is
    # the parent that was followed, perhaps under another name.
    link = link_in(attempt.inputs) if known and said and not is_edited else None
    status, note = (
        _unsent(row_id, view)
        if state is State.PENDING
        else job_status(job, wrote, view.rules, view.now, redo, link)
    )
    if known and said and is_edited and link_in(attempt.inputs):
        status, note = (said.status, said.note) if status == Status.DONE else (status, note)
    note = joined(note, row_notes.forgotten(job)) if is_forgotten(job) else note
    ended = attempt.state in (State.SUCCEEDED, State.FAILED)
    return Shown(
        row_id=row_id,
        line=view.line(row_id),
        name=_name(row_id, view),
        take=job.key.take,
        prompt=prompt_sent(attempt),
        inputs=_shown_inputs(as_written(attempt.inputs)),
        feedback=readable(revision_in(attempt.inputs).feedback),
        endpoint=attempt.endpoint,
        status=status,
        note=note,
        state=state,
        task_id=attempt.task_id,
        urls=attempt.result.urls,
        grid_url=attempt.result.grid_url,
        text=attempt.result.text,
        files=_files(job, attempt, view.media),
        elsewhere=_elsewhere(job, attempt),
        links={url: link for url, link in job.links.items() if is_web(link)},
        credits=cost_of(job),
        costs=costs_of(view.rules, job),
        attempts=len(job.attempts),
        submitted_at=attempt.sent_at,
        finished_at=attempt.ended_at if ended else None,
    )


def _queued(job: Job, known: KnownRow | None, view: View) -> Shown:
    """A job that has nothing at the API and never had."""
    row_id = job.key.row_id
    inputs = known.inputs if known else job.attempts[-1].inputs if job.attempts else "{}"
    if known and (feedback := feedback_for(known, job.key.take)):
        inputs = revised(inputs, feedback)
    status, note = _unsent(row_id, view)
    return _written(row_id, inputs, job.key.take, status, note, view, job)


def without_job(known: KnownRow, view: View) -> Shown:
    """A row without a job: it is new, or it is not sent for some reason."""
    status, note = _unsent(known.row_id, view, Status.WAITING)
    return _written(known.row_id, known.inputs, known.first_take or 1, status, note, view)


def _written(
    row_id: str,
    inputs: str,
    take: int,
    status: str,
    note: str,
    view: View,
    job: Job | None = None,
) -> Shown:
    feedback = revision_in(inputs).feedback
    return Shown(
        row_id=row_id,
        line=view.line(row_id),
        name=_name(row_id, view),
        take=take,
        prompt=readable(view.rules.given(inputs, take).get("prompt", "")),
        feedback=readable(feedback),
        inputs=_shown_inputs(unrevised(inputs)),
        endpoint=view.rules.endpoint_name(inputs),
        status=status,
        note=note,
        state=state_of(job) if job else None,
        attempts=len(job.attempts) if job else 0,
    )


def _shown_inputs(inputs: str) -> dict[str, str]:
    return {name: readable(text) for name, text in parsed(inputs).items()}


def _unsent(row_id: str, view: View, otherwise: Status = Status.QUEUED) -> tuple[str, str]:
    # Why a row is not sent depends on cells that are only in the sheet (skip, approved, a formula).
    # The last pass wrote the reason into the row.
    said = view.cells.get(row_id)
    return (said.status, said.note) if said and said.status in NOT_SENT else (otherwise, "")


def _name(row_id: str, view: View) -> str:
    said = view.cells.get(row_id)
    return said.name if said else ""


def grid_now(sheet: Sheet) -> Grid:
    """The sheet; empty if it cannot be read, and standard error says so."""
    try:
        return sheet.read()
    except SheetError as error:
        print_error(f"{error} What only the sheet says, such as names of rows, is left out here.")
        return ()


def recalled_by(
    grid: Grid, columns: Columns, store: Store, among: Iterable[int] | None = None
) -> Recalled:
    """The forgotten texts of the store that stand in a reading; with `among`, at these places."""
    recalled = Recalled(store.forgetting.tracer())
    if recalled.tracer is None:
        return recalled
    return recalled.reading(columns.rows(grid, among))


def row_cells(
    grid: Grid, columns: Columns, memory: Memory, among: Iterable[int] | None = None
) -> dict[str, RowCells]:
    """The cells of the rows in a reading, by id; with `among`, only at these places."""
    return dict(_confirmed(grid, columns, memory, among))


def _confirmed(
    grid: Grid, columns: Columns, memory: Memory, among: Iterable[int] | None
) -> Iterator[tuple[str, RowCells]]:
    title, has_take = columns.title("take"), "take" in columns.index
    theirs = [(at, title) for at, title in enumerate(columns.header) if title.strip()]
    own = [(at, title) for at, title in theirs if at not in columns.index.values()]
    # People may sort or copy ids without their rows, so an id counts only beside its inputs.
    for row in columns.rows(grid, among):
        known = memory.known.get(row.mark)
        if known and known.inputs == row.inputs:
            cells = grid[row.place]
            named = ("name", "status", "note", "take")
            name, status, note, take = (columns.cell(cells, name).strip() for name in named)
            filled = {t: text for at, t in own if at < len(cells) and (text := cells[at].strip())}
            said = columns.control(cells, "approved")
            yield row.mark, RowCells(name, status, note, take, title, has_take, said, filled)


def _elsewhere(job: Job, attempt: Attempt) -> dict[str, str]:
    saved = ((url, job.files.get(url, "")) for url in attempt.result.urls)
    return {url: path for url, path in saved if is_elsewhere(path)}


def _files(job: Job, attempt: Attempt, media: Path | None) -> dict[str, Path]:
    if media is None:
        return {}
    saved = {url: media / job.files[url] for url in attempt.result.urls if url in job.files}
    return {url: path for url, path in saved.items() if is_plain(path)}
