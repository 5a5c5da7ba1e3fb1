"""A sheet and its store, kept in step: what a pass looks at, and what it writes down.

Everything here is one step that either happened or did not: a crash between any two of them leaves
a difference that the next look sees. Ids are noted in the store before they are written into the
sheet, and read back from it before anything is sent; a job is begun before its request leaves.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Literal

from pipeline import __version__
from pipeline.core import cells
from pipeline.core.columns import (
    ALWAYS,
    OURS,
    Columns,
    Marked,
    believed,
    check_header,
    loss,
    parsed,
    read_header,
)
from pipeline.core.endpoint import submission
from pipeline.core.identity import Memory, made_by_us, match, match_by_id_alone, new_id, own_results
from pipeline.core.model import (
    Attempt,
    Claim,
    Grid,
    Job,
    JobKey,
    KnownRow,
    Patch,
    Request,
    State,
)
from pipeline.core.plan import (
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
from pipeline.core.resting import (
    Parted,
    Resting,
    depends,
    is_usual,
    left_at_rest,
    may_stray,
    parted,
    stray_lines,
    wander,
)
from pipeline.core.states import Lost, advance, is_open, shown, state_of
from pipeline.core.webhook import Callback, new_token
from pipeline.sheets import Sheet
from pipeline.store import Fact, Intent, Limits, Refusal, Store, Turn

#: Only what a reading of the last minute still asks for is sent.
FRESH = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why no ids are made and nothing is sent: one sentence with its one cure."""

    kind: Literal["owner", "config", "columns", "paused"]
    sentence: str


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


@dataclass(frozen=True, slots=True)
class Header:
    """What the configuration says about columns."""

    titles: Mapping[str, str]
    ignore: Sequence[str]
    fields: frozenset[str]


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
        self.newly: set[str] = set()
        #: Seconds from a last word to the cells that say it, of the last look.
        self.lags: list[float] = []
        self._telling: list[datetime] = []
        self._header = header
        self._config = config
        self._now = now
        self._chance = chance
        self._accept_columns = accept_columns
        self._callback, self._today = callback, today
        self._overheard: list[tuple[JobKey, Attempt]] = []
        self._record = store.sheet(self.key)
        #: What is known of all rows, or of those that had to be looked at so far (`_loaded`).
        self._memory: Memory
        self.jobs: dict[JobKey, Job] = {}
        self._loaded: set[str] | None = None
        self._cursor = 0
        #: How often known rows were changed, what lies at rest since, whose jobs moved meanwhile.
        self._noted, self._resting = store.resting(self.key)
        self._stirred: set[str] = set()
        #: When all was last taken over, and what was loaded since.
        self._refreshed_at = now()
        self._late: set[str] = set()
        #: Every id that the store knows anything of.
        self._ids: set[str] = set()
        #: The reading in rows at rest and others, None where all had to be looked at; and where a
        #: cell of it does not say the truth.
        self._parted: Parted | None = None
        self._seen_at_rest: tuple[Grid, Parted] | None = None
        self._untrue: set[int] = set()
        if self._resting.rows and not accept_columns:
            self._load_others()
        else:
            self._load_all()
        #: What we wrote, and what lay with the sheet when it was last judged.
        self._claim: Claim | None = None
        self._lying: Claim | None = None
        self._sent_since_claim = False
        self._columns = read_header((), ())
        self._inputs: tuple[str, ...] = ()
        self._names: dict[str, str] = {}
        self._grid: Grid = ()
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
        self._record = self.store.sheet(self.key)
        self._expire()
        self.refresh()
        self._heed_the_page()
        began = self._now()
        self._telling = []
        grid = self.sheet.write(self._patch_for)
        self.lags = [(self._now() - ended).total_seconds() for ended in self._telling]
        if grid is not self._grid:
            columns = self._take_in(grid)
            self._untrue = {at for at, _ in self._untruths(grid, columns, self.plan.lines)}
        self.looked_at = began
        self._names = {line.seen.row_id: line.name for line in self.plan.lines if line.name}
        if (self.plan.to_send or self._sent_since_claim) and not self.hold:
            self._own()
        self._keep_resting()
        self._write_down_jobs()
        self._note_hold(self.hold.sentence if self.hold else "")
        return self.plan

    def preview(self) -> Plan:
        """The plan for the sheet as it is now; nothing is written, neither there nor in the store.

        Only for a book over a scratch copy of the store.
        """
        self._resting = Resting()
        self.refresh()
        self._read(self.sheet.read())
        return self.plan

    def refresh(self) -> None:
        """Take over what others have recorded since (a webhook, a command, another process)."""
        since, self._refreshed_at = self._refreshed_at, self._now()
        self._cursor, moved = self.store.changed(self.key, self._cursor)
        if not moved:
            return
        self._stir({key.row_id for key in moved})
        now = self.store.jobs(self.key, only=moved)
        if self.is_called:
            before = {key: self.jobs[key] for key in moved if key in self.jobs}
            rested = {
                key: _as_it_rested(job, since)
                for key, job in now.items()
                if key.row_id in self._late
            }
            self._overheard += _news(before | rested, now)
        self._late.clear()
        self.jobs.update(now)

    def overheard(self) -> list[tuple[JobKey, Attempt]]:
        """Refresh: the attempts that others have moved since this was last asked.

        Empty unless the API calls back.
        """
        self.refresh()
        overheard, self._overheard = self._overheard, []
        return overheard

    @property
    def is_called(self) -> bool:
        """Whether the API calls back: then there is something to be overheard."""
        return self._callback is not None

    def attempt(self, key: JobKey, number: int) -> Attempt | None:
        """The attempt as this book knows it."""
        job = self.jobs.get(key)
        return next((one for one in job.attempts if one.number == number), None) if job else None

    def begin(
        self, lines: Sequence[Line]
    ) -> tuple[list[Sending], list[tuple[Line, Refusal | None]]]:
        """Begin an attempt for each of the lines, all in one commit: those on disk, and the others.

        Lines of a look that is older than a minute, or held, are refused without a reason: the next
        look says what is to become of them.
        """
        return self.turn((), lines)

    def turn(
        self, facts: Sequence[Fact], lines: Sequence[Line]
    ) -> tuple[list[Sending], list[tuple[Line, Refusal | None]]]:
        """Record what happened and `begin`, all in one commit.

        Where this raises nothing was done, and the facts are still to be recorded.
        """
        fresh = self.looked_at is not None and self._now() - self.looked_at <= FRESH
        refused: list[tuple[Line, Refusal | None]] = []
        if not fresh or self.hold:
            refused, lines = [(line, None) for line in lines], ()
        asked = [(line, self._intent(line, len(self._job_of(line).attempts) + 1)) for line in lines]
        turn = self.store.turn(facts, [intent for _, (intent, _) in asked], self.limits)
        self._take_over(facts, turn)
        begun: list[Sending] = []
        for (line, (intent, request)), answer in zip(asked, turn.answers, strict=True):
            if isinstance(answer, Attempt):
                begun.append(Sending(line, answer, request))
                self._sent_since_claim = True
                self._stirred.add(intent.key.row_id)
                job = self._job_of(line)
                self.jobs[intent.key] = replace(job, attempts=(*job.attempts, answer))
            else:
                refused.append((line, answer))
        return begun, refused

    def record(self, facts: Sequence[Fact]) -> None:
        """Record what happened, all in one commit."""
        self._take_over(facts, self.store.recorded(facts))

    def _take_over(self, facts: Sequence[Fact], turn: Turn) -> None:
        """Know what a turn has made of the jobs.

        Where others have moved some in between, only what was told here: the rest is for `refresh`,
        so that it is overheard.
        """
        self._stirred.update(fact.key.row_id for fact in facts)
        before, after = turn.moved.get(self.key, (-1, -1))
        alone = before == self._cursor
        if alone:
            self._cursor = after
        for fact, (_, now) in zip(facts, turn.told, strict=True):
            job = self.jobs.get(fact.key)
            if now is None or job is None:
                continue
            attempts = tuple(
                one
                if one.number != fact.number
                else now
                if alone
                else advance(one, fact.event, self._now())
                for one in job.attempts
            )
            self.jobs[fact.key] = replace(job, attempts=attempts)

    def open_attempts(self) -> list[tuple[JobKey, Attempt]]:
        """Every attempt whose task the API can still be asked after."""
        return [(k, a) for k, job in self.jobs.items() for a in job.attempts if is_open(a)]

    def at_work(self) -> dict[tuple[JobKey, int], datetime]:
        """When the attempts were sent that the API may still be working on."""
        return {
            (key, attempt.number): attempt.sent_at
            for key, job in self.jobs.items()
            for attempt in job.attempts
            if attempt.state in (State.SUBMITTING, State.RUNNING, State.UNKNOWN)
        }

    def unsaved(self) -> list[tuple[JobKey, Attempt, tuple[str, ...]]]:
        """Every success with pictures that are not saved, and their addresses."""
        return [
            (key, attempt, urls)
            for key, job in self.jobs.items()
            for attempt in job.attempts
            if (urls := tuple(url for url in attempt.result.urls if url not in job.files))
        ]

    def is_at_rest(self, saves_files: bool) -> bool:
        """Whether nothing is left to do, and nothing comes of waiting, until somebody acts."""
        still = all(line.status in AT_REST for line in self.plan.lines)
        return still and not (
            self.hold
            or self.open_attempts()
            or self.is_ripening()
            or (saves_files and self.unsaved())
        )

    @property
    def cursor(self) -> int:
        """Where the store's changes stood when they were last taken over."""
        return self._cursor

    @property
    def counter(self) -> int:
        """The claim that the store raised last."""
        return self._record.counter

    def name_of(self, key: JobKey) -> str:
        """What the person calls the row, if it has a name in this reading."""
        place = self._parted.resting.get(key.row_id) if self._parted else None
        if place is not None:
            return self._columns.cell(self._grid[place], "name").strip()
        return self._names.get(key.row_id, "")

    def is_ripening(self) -> bool:
        """Whether something changes by itself if one only waits: rows that settle, answers due."""
        now, settle = self._now(), self.rules.settle
        settling = settle and any(
            line.status == "waiting" and now - (line.memory.since or now) < settle * 2
            for line in self.plan.lines
        )
        return bool(settling) or any(
            attempt.state is State.SUBMITTING
            for job in self.jobs.values()
            for attempt in job.attempts
        )

    # -- reading ---------------------------------------------------------------------------------

    def _note_hold(self, sentence: str) -> None:
        if sentence != self._record.hold:
            self.store.update_sheet(self.key, hold=sentence)
            self._record = replace(self._record, hold=sentence)

    def _patch_for(self, grid: Grid) -> Patch:
        columns = self._take_in(grid)
        patch = self._patch(grid, columns)
        self._untrue = {at for at, _ in patch}
        return patch

    def _patch(self, grid: Grid, columns: Columns) -> Patch:
        lines = self.plan.lines
        if self.hold and self.hold.kind == "owner":
            lines = tuple(line for line in lines if self._is_plainly_ours(line, grid, columns))
        if not (lines or self.plan.at_rest):
            return {}  # a sheet without rows keeps its header as it is
        self._make_ours(columns)
        self.newly |= {
            line.seen.row_id
            for line in lines
            if line.status in NEEDS_A_PERSON
            and columns.cell(grid[line.seen.place], "status") != line.status
        }
        changed = self._untruths(grid, columns, lines)
        self._telling = list(_last_words(lines, changed, columns))
        return changed

    def _untruths(self, grid: Grid, columns: Columns, lines: Sequence[Line]) -> Patch:
        """Every cell of the lines looked at that does not say the truth."""
        believed_in = not self.hold or self.hold.kind not in ("owner", "columns")
        jobs = self.jobs.values() if believed_in else None
        among = self._parted.others if self._parted else None
        return cells.patch(lines, grid, columns, jobs, among)

    def _take_in(self, grid: Grid) -> Columns:
        """Read a grid and remember it; new rows get their ids, unless a hold is against it."""
        columns = self._read(grid)
        met_new = any(line.seen.known is None for line in self.plan.lines)
        if met_new and self._claim is None and not self.hold:
            self._own()
            # Another pass over this store may have noted these very rows since we began.
            if self._others_have_noted() and not self.hold:
                columns = self._read(grid)
        if self.hold:
            met = tuple(line for line in self.plan.lines if line.seen.known is not None)
            self.plan = replace(self.plan, lines=met)
        if not self.hold or self.hold.kind not in ("owner", "config", "columns"):
            self._note(columns, len(grid))
        return columns

    def _read(self, grid: Grid) -> Columns:
        """Work out where each row stands; nothing is written down."""
        header = self._header
        columns = read_header(grid[0] if grid else (), header.fields, header.titles, header.ignore)
        ours = self._record.ours or made_by_us(columns, grid)
        check_header(columns, grid, ours, header.fields)
        self._grid, self._columns, self._inputs = grid, columns, columns.inputs
        rows = self._part(columns, grid)
        resting = self._parted.statuses if self._parted else Counter[str]()
        self.hold = self._hold(columns, len(rows) + resting.total())
        if self.hold and self._parted:
            rows = self._all_rows(columns, grid)
            resting = Counter()
        if self.hold and self.hold.kind == "columns":
            seen = match_by_id_alone(rows, self._memory)
            self.plan = plan_held(seen, grid, columns, self.jobs, self.rules, self._now())
            return columns
        memory = self._memory_for(grid, columns, rows)
        seen = match(rows, memory, lambda: new_id(self._chance))
        met = plan(seen, grid, columns, self.jobs, self.rules, self._now())
        self.plan = replace(met, at_rest=resting)
        self._mark_over_budget()
        return columns

    def _part(self, columns: Columns, grid: Grid) -> list[Marked]:
        """The rows that have to be looked at, with all that is known of them loaded."""
        left = self._resting
        usual = left.rows and is_usual(columns, self._record.ours)
        if not usual or left.under != self._under(columns):
            return self._all_rows(columns, grid)
        parts = parted(grid, columns, left, self._stirred, self._seen_at_rest)
        self._parted, self._seen_at_rest = parts, (grid, parts)
        rows = list(columns.rows(grid, parts.others))
        self._load(self._ids - parts.resting.keys())
        if may_stray(grid, columns, parts, rows, left) or wander(rows, self._memory.known):
            return self._all_rows(columns, grid)
        return rows

    def _all_rows(self, columns: Columns, grid: Grid) -> list[Marked]:
        if self._loaded is not None:
            self._load_all()
        self._parted = None
        return list(columns.rows(grid))

    def _under(self, columns: Columns) -> str:
        """A digest of what decides about every row alike."""
        header, record = self._header, self._record
        return depends(
            *(
                __version__,
                time.tzname,
                self.rules,
                columns.header,
                record.ours and sorted(record.ours),
            ),
            *(
                record.columns,
                sorted(header.titles.items()),
                list(header.ignore),
                sorted(header.fields),
            ),
        )

    def _load_others(self) -> None:
        """Have what is known of the rows that are not at rest."""
        left = self._resting
        self._cursor, moved = self.store.changed(self.key, left.moved)
        self._stirred = {key.row_id for key in moved}
        self._ids = {*left.rows, *left.others, *self._stirred}
        self._loaded = {*left.others, *self._stirred}
        self._memory = self.store.memory(self.key, self._loaded)
        self.jobs.update(self.store.jobs_of(self.key, self._loaded))

    def _stir(self, ids: Collection[str]) -> None:
        """These rows have to be looked at: something was done about them."""
        self._stirred.update(ids)
        self._ids.update(ids)
        self._load(ids)

    def _load(self, ids: Iterable[str]) -> None:
        """Have what is known of these rows, too."""
        missing = set() if self._loaded is None else {*ids} - self._loaded
        if self._loaded is not None and missing:
            found, memory = self.store.memory(self.key, missing), self._memory
            known, past = {**memory.known, **found.known}, {**memory.past, **found.past}
            self._memory = replace(memory, known=known, past=past)
            self.jobs.update(self.store.jobs_of(self.key, missing))
            self._loaded |= missing
            self._late |= missing

    def _load_all(self) -> None:
        """Have what is known of all rows."""
        self._load_memory()
        self._cursor, _ = self.store.changed(self.key, 0)
        self.jobs.update(self.store.jobs(self.key))
        self._loaded = None
        self._ids = self._memory.known.keys() | {key.row_id for key in self.jobs}

    def _load_memory(self) -> None:
        noted = self.store.noted(self.key)
        if noted != self._noted:
            self._noted, self._resting = noted, Resting()
        self._memory = self.store.memory(self.key)

    def _others_have_noted(self) -> bool:
        """Whether the rows were noted by somebody else: then what is known is loaded anew."""
        before = self._memory
        if self._loaded is None:
            self._load_memory()
            return self._memory != before
        same = self.store.memory(self.key, ()).order == before.order
        if same and self.store.noted(self.key) == self._noted:
            return False
        self._load_all()
        return True

    def _keep_resting(self) -> None:
        """Keep which rows need no look the next time, where that is not what was kept."""
        columns, left, lines = self._columns, self._resting, self.plan.lines
        if self.hold or not is_usual(columns, self._record.ours):
            return
        jobs = defaultdict(list)
        for key, job in self.jobs.items():
            jobs[key.row_id].append(job)
        rows = left_at_rest(lines, self._grid, jobs, self._untrue, self.rules.saves_files)
        there = self._parted.resting if self._parted else ()
        rows |= {row_id: left.rows[row_id] for row_id in there}
        self._ids |= {line.seen.row_id for line in lines}
        now = Resting(
            self._under(columns),
            self._cursor,
            rows,
            frozenset(self._ids - rows.keys()),
            stray_lines(self._grid, columns, lines, self._parted, self._untrue),
        )
        is_news = self._stirred or replace(now, moved=left.moved) != left
        if is_news and self.store.keep_resting(self.key, now, self._noted):
            self._resting, self._stirred = now, set()

    def _heed_the_page(self) -> None:
        """Take over which rows are to be made again."""
        pressed = self.store.again(self.key)
        self._stir(pressed.keys() & self._resting.rows.keys())
        known = self._memory.known
        asked = {
            row_id: replace(known[row_id], again=again)
            for row_id, again in pressed.items()
            if row_id in known and known[row_id].again != again
        }
        if asked:
            self._memory = replace(self._memory, known={**known, **asked})

    def _memory_for(self, grid: Grid, columns: Columns, rows: Sequence[Marked]) -> Memory:
        memory = self._memory
        if self._parted:
            there = self._parted.resting
            known = {one: row for one, row in memory.known.items() if one not in there}
            memory = replace(memory, known=known)
        unknown = {row.mark for row in rows if row.mark and row.mark not in memory.known}
        foreign = self.store.foreign(self.key, unknown) if unknown else {}
        before = memory.columns
        same = before is None or set(columns.inputs) <= before
        return replace(
            memory,
            foreign=foreign,
            columns=None if same else before,
            results=own_results(rows, grid, columns, self.jobs.values()),
        )

    def _note(self, columns: Columns, height: int) -> None:
        """Remember the reading, where it differs from the last."""
        changed = [one.memory for one in self.plan.lines if one.memory != one.seen.known]
        order = {one.seen.row_id: one.seen.place for one in self.plan.lines}
        if self._parted:
            order.update(self._parted.resting)
        kept = believed(columns)
        if not changed and order == self._memory.order and kept == self._record.columns:
            return
        places = [""] * height
        for row_id, place in order.items():
            places[place] = row_id
        self.store.note(self.key, changed, places, kept)
        self._noted += bool(changed)
        self._stirred |= {row.row_id for row in changed}
        self._remember(changed, order, kept)

    def _remember(
        self, changed: Iterable[KnownRow], order: Mapping[str, int], kept: tuple[str, ...]
    ) -> None:
        known, past = dict(self._memory.known), dict(self._memory.past)
        for row in changed:
            before = known.get(row.row_id)
            if before and before.inputs != row.inputs:
                earlier = past.get(row.row_id, ())
                past[row.row_id] = (before.inputs, *(t for t in earlier if t != before.inputs))
            known[row.row_id] = row
        self._memory = Memory(known, order, past, {}, frozenset(kept))
        self._record = replace(self._record, columns=kept)

    def _make_ours(self, columns: Columns) -> None:
        """Remember which columns are ours, before the first word is written into one."""
        ours = self._record.ours | {n for n in OURS if n in columns.index} | set(ALWAYS)
        if ours != self._record.ours:
            self.store.update_sheet(self.key, ours=ours)
            self._record = replace(self._record, ours=ours)

    def _is_plainly_ours(self, line: Line, grid: Grid, columns: Columns) -> bool:
        """Whether a row may be written although another store owns the sheet: a success of ours."""
        if line.job is None or state_of(line.job) is not State.SUCCEEDED:
            return False
        attempt = shown(line.job)
        said = columns.cell(grid[line.seen.place], "task_id").strip()
        return attempt is not None and said in ("", attempt.task_id)

    # -- holds -----------------------------------------------------------------------------------

    def _hold(self, columns: Columns, rows: int) -> Hold | None:
        if sentence := self._not_the_owner():
            return Hold("owner", sentence)
        other = self._record.config
        if other and other != self._config and Path(other).exists():
            return Hold(
                "config",
                f"{self.sheet.title} is run by another configuration, {other}. Use that one; its "
                f"rows can name an endpoint in a column of that name.{self._one_tab()}",
            )
        accepted = None if self._accept_columns else self._record.columns
        if sentence := loss(columns, accepted, rows, len(self._memory.order)):
            return Hold("columns", sentence)
        if self.store.sheet(self.key).paused:
            return Hold("paused", f"{self.sheet.title} is paused. Run resume to go on.")
        return None

    def _not_the_owner(self) -> str:
        """Why this store does not own the sheet, as a sentence; empty if nothing is against it."""
        lying = self._lying = self.sheet.read_claim()
        if lying is None or (self._claim is not None and lying == self._claim):
            return ""
        cure = "If this is the right place to run it from, run doctor --adopt here."
        if lying.store != self.store.id:
            told = f"{self.sheet.title} belongs to another store of Promptsheet. {cure}"
            return told + self._one_tab()
        record = self.store.sheet(self.key)
        if lying.sheet != self.key:
            return self._under_another_name(lying.sheet, record.place)
        ahead = lying.counter > record.counter
        twin = lying.counter == record.counter and lying.word != record.word
        if self._claim is not None and not (ahead or twin):
            return f"Another pass over this store has taken {self.sheet.title} over."
        if ahead or twin:
            return (
                f"{self.sheet.title} has been run from another copy of this store: this one is an "
                f"old or a second copy. {cure}"
            )
        return ""

    def _one_tab(self) -> str:
        """Said where it may be another tab of one file that somebody means."""
        file, _, _ = self.sheet.title.casefold().partition(", ")
        if not file.endswith((".xlsx", ".xlsm")):
            return ""
        return (
            " Of a workbook one tab is a sheet: for a second one, save it as a workbook of its own."
        )

    def _under_another_name(self, key: str, place: str) -> str:
        """Why a claim of our own store is for another sheet, where that is a trouble.

        Copied along with a file it is none: this sheet has not been claimed yet.
        """
        if place and any(one.key == key and one.place == place for one in self.store.sheets()):
            return (
                f"{self.sheet.title} is known to this store by another name. Set [sheet] id to "
                f'"{key}" again, or take it out if there was none.'
            )
        return ""

    def _own(self) -> None:
        """Raise the claim, in the store first, then beside the sheet; hold if somebody else did.

        Raised by each pass before its first request, and at each look after it has sent: so a
        backup of the store made in between is behind the sheet, and is known for what it is.
        """
        if self._claim is not None and not self._sent_since_claim:
            return
        word = f"{self._chance.getrandbits(64):016x}"
        self.store.update_sheet(self.key, config=self._config)
        mine = self.store.raise_claim(self.key, word)
        # Instead of what was judged, not of what lies there by now: that may be another store's.
        if self.sheet.write_claim(mine, self._lying) and self.sheet.read_claim() == mine:
            self._claim = self._lying = mine
            self._sent_since_claim = False
            self._record = replace(self.store.sheet(self.key), columns=self._record.columns)
        else:
            self.hold = Hold("owner", f"Another Promptsheet took {self.sheet.title} just now.")

    # -- jobs ------------------------------------------------------------------------------------

    def _write_down_jobs(self) -> None:
        """A job for each row that may be sent and whose id stands in the sheet."""
        if self.hold:
            return
        ready = [line for line in self.plan.to_send if line.confirmed and line.take]
        new = [self._key_of(line) for line in ready if line.job is None]
        if new:
            self.store.add(new)
            self.jobs.update({key: Job(key, made_at=self._now()) for key in new})
        for line in ready:
            if line.job is not None and line.asked > line.job.asked:
                self.store.ask(line.job.key, line.asked)
                if job := self.store.job(line.job.key):
                    self.jobs[job.key] = job
        lines = tuple(self._with_job(line) for line in self.plan.lines)
        self.plan = replace(self.plan, lines=lines)

    def _with_job(self, line: Line) -> Line:
        if not line.endpoint or not line.confirmed:
            return line
        return replace(line, job=self.jobs.get(self._key_of(line)))

    def _job_of(self, line: Line) -> Job:
        return self.jobs[self._key_of(line)]

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


def _news(before: Mapping[JobKey, Job], now: Mapping[JobKey, Job]) -> list[tuple[JobKey, Attempt]]:
    """The attempts that are elsewhere now, by all that others may have moved."""
    return [
        (key, attempt)
        for key, job in now.items()
        for known in [{_where(one) for one in before[key].attempts} if key in before else set()]
        for attempt in job.attempts
        if _where(attempt) not in known
    ]


def _as_it_rested(job: Job, until: datetime) -> Job:
    """The job as it was when its row lay at rest: then each of its attempts had ended."""
    ended = (one for one in job.attempts if one.ended_at and one.ended_at <= until)
    return replace(job, attempts=tuple(ended))


def _where(attempt: Attempt) -> tuple[int, State, str, int | None]:
    return attempt.number, attempt.state, attempt.task_id, attempt.progress
