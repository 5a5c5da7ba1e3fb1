"""A sheet and its store, kept in step: what a pass looks at, and what it writes down.

Everything here is one step that either happened or did not: a crash between any two of them leaves
a difference that the next look sees. Ids are noted in the store before they are written into the
sheet, and read back from it before anything is sent; a job is begun before its request leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from pipeline.core import cells
from pipeline.core.approval import is_taken_back
from pipeline.core.cell_errors import is_value
from pipeline.core.errors import ColumnsError
from pipeline.core.header import (
    Columns,
    Header,
    becoming_ours,
    believed,
    check_header,
    parsed,
    read_header,
)
from pipeline.core.model import Attempt, Grid, Job, JobKey, Patch, Request, State, patched
from pipeline.core.near_misses import hint, near_misses
from pipeline.core.planning import (
    AT_REST,
    NEEDS_A_PERSON,
    Line,
    Plan,
    Rules,
    over_budget,
    plan,
    plan_held,
    short_of_budget,
)
from pipeline.core.protocol import submission
from pipeline.core.row_matching import made_by_us, match, match_by_id_alone, new_id
from pipeline.core.states import Lost, shown, state_of
from pipeline.core.unchanged_rows import Resting
from pipeline.core.webhook import Callback, new_token
from pipeline.sheets import Sheet
from pipeline.store import Fact, Intent, Limits, Refusal, Store
from pipeline.sync.changed_rows import ChangedRows
from pipeline.sync.ownership import Hold, Ownership
from pipeline.sync.sheet_state import SheetState

#: Only what a reading of the last minute still asks for is sent.
FRESH = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Sending:
    """An attempt that is on disk, and the request that may now leave."""

    line: Line
    attempt: Attempt
    request: Request

    @property
    def key(self) -> JobKey:
        """The job that it is an attempt of."""
        assert self.line.job is not None, "only a line with a job is begun"
        return self.line.job.key


class Book:
    """One sheet and all that is known of it, for the length of a pass.

    Not for two threads at once. `key` is the sheet's name in the store (see `wiring`), `config` the
    resolved path of the configuration, `accept_columns` believes a reading that lost a column,
    `callback` is what the API is told about calling back, `today` the day that is spent on.
    """

    def __init__(
        self,
        sheet: Sheet,
        store: Store,
        rules: Rules,
        header: Header,
        limits: Limits,
        *,
        config: str,
        now: Callable[[], datetime],
        chance: Random,
        accept_columns: bool = False,
        callback: Callback | None = None,
        today: Callable[[], str] | None = None,
    ) -> None:
        self.sheet = sheet
        self.store = store
        self.rules = rules
        self.limits = limits
        self.key = rules.sheet
        self.plan = Plan()
        self.hold: Hold | None = None
        #: Rows that began to need a person: what their status cell said was something else.
        self.newly = store.unreported_rows(self.key)
        self._kept_newly = frozenset(self.newly)
        #: A sentence for each empty column of the team that becomes ours.
        self.notices: list[str] = []
        #: Seconds from a last word to the cells that say it, of the last look.
        self.lags: list[float] = []
        self._telling: list[datetime] = []
        self._header = header
        self._now = now
        self._chance = chance
        self._callback, self._today = callback, today
        self.known = SheetState(
            store, self.key, now=now, whole=accept_columns, is_called=callback is not None
        )
        self.ownership = Ownership(
            sheet, store, self.known, config=config, accept_columns=accept_columns, chance=chance
        )
        self.changed_rows = ChangedRows(self.known, rules, header)
        #: Places of the last reading where a cell does not say the truth.
        self._untrue: set[int] = set()
        self._columns = read_header((), ())
        self._inputs: tuple[str, ...] = ()
        self._names: dict[str, str] = {}
        self._grid: Grid = ()
        #: What was to be changed in it.
        self._changing: Patch = {}
        self.looked_at: datetime | None = None

    def look(self) -> Plan:
        """Read the sheet, write into it whatever does not say the truth, and read back.

        Afterwards `plan` says where each row stands, and jobs are written down for the rows whose
        ids stand in the sheet. Raises SheetError if the sheet cannot be read or written; results
        that were to be written stay in the store, and nothing may then be sent.
        """
        self.plan = Plan()
        if self._today:
            # A pass that stays goes on into the next day, and spends on that one.
            self.limits = replace(self.limits, day=self._today())
        self.known.read_record()
        self._expire()
        self.known.refresh()
        self.known.heed_the_page()
        began = self._now()
        self._telling = []
        grid = self.sheet.write(self._patch_for)
        self.lags = [(self._now() - ended).total_seconds() for ended in self._telling]
        if grid is not self._grid and not self._is_as_written(grid):
            columns = self._take_in(grid)
            self._untrue = {at for at, _ in self._untruths(grid, columns, self.plan.lines)}
        self.looked_at = began
        self._names = {line.seen.row_id: line.name for line in self.plan.lines if line.name}
        if (self.plan.to_send or self.ownership.has_sent) and not self.hold:
            self.hold = self.ownership.own()
        if not self.hold:
            self.changed_rows.keep(self.plan.lines, self._grid, self._columns, self._untrue)
        self._write_down_jobs()
        # Whether it is paused is said by the pause itself: it ends when somebody lifts it.
        noted = self.hold if self.hold and self.hold.kind != "paused" else None
        self.known.note_hold(noted.sentence if noted else "")
        return self.plan

    def preview(self) -> Plan:
        """The plan for the sheet as it is now; nothing is written, neither there nor in the store.

        Only for a book over a scratch copy of the store.
        """
        self.known.resting = Resting()
        self.known.refresh()
        self._read(self.sheet.read())
        return self.plan

    def turn(
        self, facts: Sequence[Fact], lines: Sequence[Line]
    ) -> tuple[list[Sending], list[tuple[Line, Refusal | None]]]:
        """Record what happened and begin an attempt for each of the lines, all in one commit.

        Returns the attempts on disk, and the lines that were refused. Lines of a look that is older
        than a minute, or held, are refused without a reason: the next look decides about them.

        Where this raises nothing was done, and the facts are still to be recorded.
        """
        fresh = self.looked_at is not None and self._now() - self.looked_at <= FRESH
        refused: list[tuple[Line, Refusal | None]] = []
        if not fresh or self.hold:
            refused, lines = [(line, None) for line in lines], ()
        asked = [(line, self._intent(line, len(self._job_of(line).attempts) + 1)) for line in lines]
        turn = self.store.turn(facts, [intent for _, (intent, _) in asked], self.limits)
        self.known.take_over(facts, turn)
        begun: list[Sending] = []
        for (line, (intent, request)), answer in zip(asked, turn.answers, strict=True):
            if isinstance(answer, Attempt):
                begun.append(Sending(line, answer, request))
                self.ownership.has_sent = True
                self.known.begun(intent.key, answer)
            else:
                refused.append((line, answer))
        return begun, refused

    def record(self, facts: Sequence[Fact]) -> None:
        """Record what happened, all in one commit."""
        self.known.take_over(facts, self.store.recorded(facts))

    def is_at_rest(self, saves_files: bool) -> bool:
        """Whether nothing is left to do, and nothing comes of waiting, until somebody acts."""
        still = all(line.status in AT_REST for line in self.plan.lines)
        return still and not (
            self.hold
            or self.known.open_attempts()
            or self.is_ripening()
            or (saves_files and self.known.unsaved())
        )

    def cell(self, place: int, name: str) -> str:
        """The text of a named cell of the last reading."""
        return self._columns.cell(self._grid[place], name)

    def name_of(self, key: JobKey) -> str:
        """What the person calls the row, if it has a name in this reading."""
        place = self.changed_rows.resting.get(key.row_id)
        if place is not None:
            return self._columns.cell(self._grid[place], "name").strip()
        return self._names.get(key.row_id, "")

    def near_misses(self) -> list[tuple[str, str]]:
        """Titles of the last reading that are not used, each with the name that may be meant."""
        return near_misses(self._columns, self._header.fields, self._header.ignore)

    def is_ripening(self) -> bool:
        """Whether something changes by itself if one only waits: rows that settle, answers due."""
        now, settle = self._now(), self.rules.settle
        settling = settle and any(
            line.status == "waiting" and now - (line.memory.since or now) < settle * 2
            for line in self.plan.lines
        )
        return bool(settling) or any(
            attempt.state is State.SUBMITTING
            for job in self.known.jobs.values()
            for attempt in job.attempts
        )

    # -- reading ---------------------------------------------------------------------------------

    def _patch_for(self, grid: Grid) -> Patch:
        columns = self._take_in(grid)
        self._changing = self._patch(grid, columns)
        self._untrue = {at for at, _ in self._changing}
        return self._changing

    def _is_as_written(self, grid: Grid) -> bool:
        """Whether a reading is the last one with our changes and no others.

        Then every row is where it was and what it was, with its id in its cell: to work that out
        once more would come to the same.
        """
        columns = self._columns_of(grid)
        if columns.inputs != self._inputs or grid != patched(self._grid, self._changing):
            return False
        self._grid, self._columns, self._untrue = grid, columns, set()
        ids = columns.index.get("row_id")
        lines = tuple(
            line.with_its_id() if (line.seen.place, ids) in self._changing else line
            for line in self.plan.lines
        )
        self.plan = replace(self.plan, lines=lines)
        return True

    def _patch(self, grid: Grid, columns: Columns) -> Patch:
        lines = self.plan.lines
        if self.hold and self.hold.kind == "owner":
            lines = tuple(line for line in lines if self._is_plainly_ours(line, grid, columns))
        if not (lines or self.plan.at_rest):
            return {}  # a sheet without rows keeps its header as it is
        self.known.make_ours(columns)
        for line in lines:
            if line.status not in NEEDS_A_PERSON:
                # What the first look found overdue may have ended since.
                self.newly.discard(line.seen.row_id)
            elif columns.cell(grid[line.seen.place], "status") != line.status:
                self.newly.add(line.seen.row_id)
        if self.newly != self._kept_newly:
            # Before the cells say so: a row that could not be reported is reported by a later run.
            self.store.keep_unreported_rows(self.key, self.newly)
            self._kept_newly = frozenset(self.newly)
        changed = self._untruths(grid, columns, lines)
        self._telling = list(_last_words(lines, changed, columns))
        return changed

    def _untruths(self, grid: Grid, columns: Columns, lines: Sequence[Line]) -> Patch:
        """Every cell of the lines looked at that does not say the truth."""
        believed_in = not self.hold or self.hold.kind not in ("owner", "columns")
        jobs = self.known.jobs.values() if believed_in else None
        return cells.patch(lines, grid, columns, jobs, self.changed_rows.others)

    def _take_in(self, grid: Grid) -> Columns:
        """Read a grid and remember it; new rows get their ids, unless a hold is against it."""
        columns = self._read(grid)
        met_new = any(line.seen.known is None for line in self.plan.lines)
        if met_new and not self.ownership.has_claimed and not self.hold:
            self.hold = self.ownership.own()
            # Another pass over this store may have noted these very rows since we began.
            if self.known.others_have_noted() and not self.hold:
                columns = self._read(grid)
        if self.hold:
            met = tuple(line for line in self.plan.lines if line.seen.known is not None)
            self.plan = replace(self.plan, lines=met)
        if not self.hold or self.hold.kind not in ("owner", "config", "columns"):
            self._take_back_approvals(grid, columns)
            there, kept = self.changed_rows.resting, believed(columns)
            self.known.note(self.plan.lines, there, kept, len(grid))
        return columns

    def _take_back_approvals(self, grid: Grid, columns: Columns) -> None:
        """Forget what was approved on the page where the sheet has come to say something else.

        A "rejected" still counts after that cell was emptied again.
        """
        for line in self.plan.lines:
            if not line.memory.approved_on_page:
                continue
            cell = columns.control(grid[line.seen.place], "approved")
            if is_value(cell) and is_taken_back(line.memory, line.take, cell):
                self.store.approve(self.key, line.seen.row_id, line.memory.inputs, "")

    def _read(self, grid: Grid) -> Columns:
        """Work out where each row stands; nothing is written down."""
        columns = self._columns_of(grid)
        self.rules = replace(self.rules, delimiter=self.sheet.delimiter)
        ours = self.known.record.ours or made_by_us(columns, grid)
        try:
            check_header(columns, grid, ours, self._header.fields)
        except ColumnsError as why:
            close = hint(columns, self._header.fields, self._header.ignore)
            more = (text for text in (close, self.sheet.elsewhere) if text)
            raise ColumnsError(" ".join((str(why), *more))) from why
        self._grid, self._columns, self._inputs = grid, columns, columns.inputs
        self.notices = self.notices or becoming_ours(columns, ours)
        parting = self.changed_rows
        rows = parting.rows(columns, grid)
        self.hold = self.ownership.hold(columns, len(rows) + parting.statuses.total())
        if self.hold and parting.parted:
            rows = parting.all_rows(columns, grid)
        if self.hold and self.hold.kind == "columns":
            seen = match_by_id_alone(rows, self.known.memory)
            self.plan = plan_held(seen, grid, columns, self.known.jobs, self.rules, self._now())
            return columns
        memory = self.known.memory_for(grid, columns, rows, parting.resting)
        seen = match(rows, memory, lambda: new_id(self._chance))
        met = plan(seen, grid, columns, self.known.jobs, self.rules, self._now())
        self.plan = replace(met, at_rest=parting.statuses)
        self._mark_over_budget()
        return columns

    def _columns_of(self, grid: Grid) -> Columns:
        header = self._header
        return read_header(grid[0] if grid else (), header.fields, header.titles, header.ignore)

    def _is_plainly_ours(self, line: Line, grid: Grid, columns: Columns) -> bool:
        """Whether a row may be written although another store owns the sheet: a success of ours."""
        if line.job is None or state_of(line.job) is not State.SUCCEEDED:
            return False
        attempt = shown(line.job)
        said = columns.cell(grid[line.seen.place], "task_id").strip()
        return attempt is not None and said in ("", attempt.task_id)

    # -- jobs ------------------------------------------------------------------------------------

    def _write_down_jobs(self) -> None:
        """A job for each row that may be sent and whose id stands in the sheet."""
        if self.hold:
            return
        ready = [line for line in self.plan.to_send if line.confirmed and line.take]
        new = [self._key_of(line) for line in ready if line.job is None]
        if new:
            self.known.write_down(new)
        for line in ready:
            if line.job is not None and line.asked > line.job.asked:
                self.store.ask(line.job.key, line.asked)
                if job := self.store.job(line.job.key):
                    self.known.jobs[job.key] = job
        lines = tuple(self._with_job(line) for line in self.plan.lines)
        self.plan = replace(self.plan, lines=lines)

    def _with_job(self, line: Line) -> Line:
        if not line.endpoint or not line.confirmed:
            return line
        return replace(line, job=self.known.jobs.get(self._key_of(line)))

    def _job_of(self, line: Line) -> Job:
        return self.known.jobs[self._key_of(line)]

    def _key_of(self, line: Line) -> JobKey:
        assert line.take is not None, "a row without a usable take is never sent"
        return JobKey(self.key, line.seen.row_id, line.take)

    def _intent(self, line: Line, number: int) -> tuple[Intent, Request]:
        endpoint = self.rules.provider.endpoints[line.endpoint]
        inputs = line.memory.inputs
        request = submission(endpoint, parsed(inputs), self.rules.defaults)
        hook = ""
        if self._callback and endpoint.webhook:
            hook = new_token(self._chance)
            request = replace(request, hidden=self._callback.fields(hook))
        intent = Intent(
            key=self._key_of(line),
            number=number,
            inputs=inputs,
            columns=self._inputs,
            endpoint=line.endpoint,
            price=endpoint.credits or 0,
            deadline=endpoint.deadline,
            body=dict(request.body or {}),
            hook=hook,
        )
        return intent, request

    def _mark_over_budget(self) -> None:
        left = self.budget_left()
        beyond = over_budget(self.plan.to_send, left, self.rules)
        if beyond:
            cap = min((n for n in left if left[n] is not None), key=lambda n: left[n] or 0)
            allowed = {"per_run": self.limits.per_run, "per_day": self.limits.per_day}
            lines = tuple(
                short_of_budget(line, cap, allowed, self.rules)
                if line.endpoint and line.seen.row_id in beyond
                else line
                for line in self.plan.lines
            )
            self.plan = replace(self.plan, lines=lines)

    def budget_left(self) -> dict[str, int | None]:
        """Credits that may still be spent, by the name of the cap; None where there is no cap."""
        limits = self.limits
        spent = self.store.spent(limits.api_key, limits.run, limits.day)
        return {
            "per_run": None if limits.per_run is None else max(limits.per_run - spent.run, 0),
            "per_day": None if limits.per_day is None else max(limits.per_day - spent.day, 0),
        }

    def _expire(self) -> None:
        """Attempts whose answer can no longer come are lost: whoever sent them is gone."""
        late = self.store.expired(self.key)
        if late:
            self.store.record([Fact(k, n, Lost("the program stopped")) for k, n in late])


def _last_words(lines: Sequence[Line], changed: Patch, columns: Columns) -> Iterator[datetime]:
    """When those jobs ended whose end is written into their cells now."""
    at = columns.index.get("status")
    if not changed or at is None:
        return
    for line in lines:
        if line.status in ("done", "failed") and (line.seen.place, at) in changed and line.job:
            attempt = shown(line.job)
            if attempt and attempt.ended_at:
                yield attempt.ended_at
