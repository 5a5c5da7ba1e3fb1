"""What is known of a sheet: its rows, their jobs, and which rows lay at rest.

The store is the record, and other processes write there too. This is a pass's copy of it, as of the
last `refresh`. Of a big sheet only the rows that are not at rest are loaded at first, and others
when a reading needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.core.header import ALWAYS, OURS, Columns, Marked
from pipeline.core.model import Attempt, Grid, Job, JobKey, KnownRow, State
from pipeline.core.planning import Line
from pipeline.core.row_matching import Memory, own_results
from pipeline.core.states import advance, is_open
from pipeline.core.unchanged_rows import Resting
from pipeline.store import Fact, Store, Turn


class SheetState:
    """What is known of one sheet, for the length of a pass.

    `whole` loads all rows at once, `is_called` says whether the API calls back: then there is
    something to be overheard.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        *,
        now: Callable[[], datetime],
        whole: bool = False,
        is_called: bool = False,
    ) -> None:
        self._store = store
        self.key = key
        self._now = now
        self.is_called = is_called
        self._overheard: list[tuple[JobKey, Attempt]] = []
        #: How the sheet as a whole stands.
        self.record = store.sheet(key)
        #: What is known of all rows, or of those that had to be looked at so far (`_loaded`).
        self.memory: Memory
        self.jobs: dict[JobKey, Job] = {}
        self._loaded: set[str] | None = None
        #: Where the store's changes stood when they were last taken over.
        self.cursor = 0
        #: How often known rows were changed, what lies at rest since, whose jobs moved meanwhile.
        self._noted, self.resting = store.resting(key)
        self.stirred: set[str] = set()
        #: When all was last taken over, and what was loaded since.
        self._refreshed_at = now()
        self._late: set[str] = set()
        #: Every id that the store knows anything of.
        self.ids: set[str] = set()
        if self.resting.rows and not whole:
            self._load_others()
        else:
            self._load_all()

    # -- what others have done -------------------------------------------------------------------

    def read_record(self) -> None:
        """Take over how the sheet as a whole stands by now."""
        self.record = self._store.sheet(self.key)

    def refresh(self) -> None:
        """Take over what others have recorded since (a webhook, a command, another process)."""
        since, self._refreshed_at = self._refreshed_at, self._now()
        stood = self.cursor
        self.cursor, moved = self._store.changed(self.key, stood)
        if self.cursor != stood:
            self._take_over_approvals(stood)
        if not moved:
            return
        self.stir({key.row_id for key in moved})
        now = self._store.jobs(self.key, only=moved)
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

    def heed_the_page(self) -> None:
        """Take over which rows are to be made again."""
        pressed = self._store.again(self.key)
        self.stir(pressed.keys() & self.resting.rows.keys())
        known = self.memory.known
        asked = {
            row_id: replace(known[row_id], again=again)
            for row_id, again in pressed.items()
            if row_id in known and known[row_id].again != again
        }
        if asked:
            self.memory = replace(self.memory, known={**known, **asked})

    def _take_over_approvals(self, since: int) -> None:
        """Take over approvals that the page noted or took back after the cursor was `since`."""
        noted = self._store.approvals(self.key, since)
        self.stir(noted.keys() & self.resting.rows.keys())
        known = self.memory.known
        others = {
            row_id: replace(known[row_id], approved_on_page=covers)
            for row_id, covers in noted.items()
            if row_id in known and known[row_id].approved_on_page != covers
        }
        if others:
            self.memory = replace(self.memory, known={**known, **others})

    def others_have_noted(self) -> bool:
        """Whether the rows were noted by somebody else: then what is known is loaded anew."""
        before = self.memory
        if self._loaded is None:
            self._load_memory()
            return self.memory != before
        same = self._store.memory(self.key, ()).order == before.order
        if same and self._store.noted(self.key) == self._noted:
            return False
        self._load_all()
        return True

    # -- what we do ------------------------------------------------------------------------------

    def note(
        self, lines: Sequence[Line], there: Mapping[str, int], kept: tuple[str, ...], height: int
    ) -> None:
        """Remember the reading, where it differs from the last.

        `there` are the rows at rest, `kept` the columns that are believed in, `height` all lines.
        """
        changed = [one.memory for one in lines if one.memory != one.seen.known]
        order = {one.seen.row_id: one.seen.place for one in lines}
        order.update(there)
        if not changed and order == self.memory.order and kept == self.record.columns:
            return
        places = [""] * height
        for row_id, place in order.items():
            places[place] = row_id
        self._store.note(self.key, changed, places, kept)
        self._noted += bool(changed)
        self.stirred |= {row.row_id for row in changed}
        self._remember(changed, order, kept)

    def _remember(
        self, changed: Iterable[KnownRow], order: Mapping[str, int], kept: tuple[str, ...]
    ) -> None:
        known, past = dict(self.memory.known), dict(self.memory.past)
        for row in changed:
            before = known.get(row.row_id)
            if before and before.inputs != row.inputs:
                earlier = past.get(row.row_id, ())
                past[row.row_id] = (before.inputs, *(t for t in earlier if t != before.inputs))
            known[row.row_id] = row
        self.memory = Memory(known, order, past, {}, frozenset(kept))
        self.record = replace(self.record, columns=kept)

    def make_ours(self, columns: Columns) -> None:
        """Remember which columns are ours, before the first word is written into one."""
        ours = self.record.ours | {n for n in OURS if n in columns.index} | set(ALWAYS)
        if ours != self.record.ours:
            self._store.update_sheet(self.key, ours=ours)
            self.record = replace(self.record, ours=ours)

    def note_hold(self, sentence: str) -> None:
        """Remember why the sheet is held; empty if it is not."""
        if sentence != self.record.hold:
            self._store.update_sheet(self.key, hold=sentence)
            self.record = replace(self.record, hold=sentence)

    def write_down(self, keys: Collection[JobKey]) -> None:
        """Have a job for each of these, and know of it."""
        before, after = self._store.add(keys)[self.key]
        self.jobs.update({key: Job(key, made_at=self._now()) for key in keys})
        if before == self.cursor:
            self.cursor = after

    def take_over(self, facts: Sequence[Fact], turn: Turn) -> None:
        """Know what a turn has made of the jobs.

        Where others have moved some in between, only what was told here: the rest is for `refresh`,
        so that it is overheard.
        """
        self.stirred.update(fact.key.row_id for fact in facts)
        before, after = turn.moved.get(self.key, (-1, -1))
        alone = before == self.cursor
        if alone:
            self.cursor = after
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

    def begun(self, key: JobKey, attempt: Attempt) -> None:
        """Know of an attempt that was begun."""
        self.stirred.add(key.row_id)
        job = self.jobs[key]
        self.jobs[key] = replace(job, attempts=(*job.attempts, attempt))

    def keep_resting(self, now: Resting) -> None:
        """Keep which rows need no look the next time, where that is not what was kept."""
        left = self.resting
        is_news = self.stirred or replace(now, moved=left.moved) != left
        if is_news and self._store.keep_resting(self.key, now, self._noted):
            self.resting, self.stirred = now, set()

    # -- what is asked ---------------------------------------------------------------------------

    def memory_for(
        self, grid: Grid, columns: Columns, rows: Sequence[Marked], there: Collection[str]
    ) -> Memory:
        """What says which rows of a reading these are; `there` are the ids of those at rest."""
        memory = self.memory
        if there:
            known = {one: row for one, row in memory.known.items() if one not in there}
            memory = replace(memory, known=known)
        unknown = {row.mark for row in rows if row.mark and row.mark not in memory.known}
        foreign = self._store.foreign(self.key, unknown) if unknown else {}
        before = memory.columns
        same = before is None or set(columns.inputs) <= before
        return replace(
            memory,
            foreign=foreign,
            columns=None if same else before,
            results=own_results(rows, grid, columns, self.jobs.values()),
        )

    def attempt(self, key: JobKey, number: int) -> Attempt | None:
        """The attempt as it is known here."""
        job = self.jobs.get(key)
        return next((one for one in job.attempts if one.number == number), None) if job else None

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

    def late_at(self, patience: timedelta) -> datetime | None:
        """When the next attempt becomes late, if nothing is heard of it until then.

        An answer is late at its deadline, a task when it is older than `patience`. None if nothing
        is awaited.
        """
        now = self._now()
        moments = (
            attempt.deadline if attempt.state is State.SUBMITTING else attempt.sent_at + patience
            for job in self.jobs.values()
            for attempt in job.attempts
            if attempt.state is State.SUBMITTING
            or (is_open(attempt) and now - attempt.sent_at <= patience)
        )
        return min(moments, default=None)

    def unsaved(self) -> list[tuple[JobKey, Attempt, tuple[str, ...]]]:
        """Every success with pictures that are neither saved nor given up, and their addresses."""
        return [
            (key, attempt, urls)
            for key, job in self.jobs.items()
            for attempt in job.attempts
            if (urls := job.to_save(attempt))
        ]

    # -- loading, in part or whole ---------------------------------------------------------------

    def _load_others(self) -> None:
        """Have what is known of the rows that are not at rest."""
        left = self.resting
        self.cursor, moved = self._store.changed(self.key, left.moved)
        self.stirred = {key.row_id for key in moved}
        self.ids = {*left.rows, *left.others, *self.stirred}
        self._loaded = {*left.others, *self.stirred}
        self.memory = self._store.memory(self.key, self._loaded)
        self.jobs.update(self._store.jobs_of(self.key, self._loaded))
        self._take_over_approvals(left.moved)

    def stir(self, ids: Collection[str]) -> None:
        """These rows have to be looked at: something was done about them."""
        self.stirred.update(ids)
        self.ids.update(ids)
        self.load(ids)

    def load(self, ids: Iterable[str]) -> None:
        """Have what is known of these rows, too."""
        missing = set() if self._loaded is None else {*ids} - self._loaded
        if self._loaded is not None and missing:
            found, memory = self._store.memory(self.key, missing), self.memory
            known, past = {**memory.known, **found.known}, {**memory.past, **found.past}
            self.memory = replace(memory, known=known, past=past)
            self.jobs.update(self._store.jobs_of(self.key, missing))
            self._loaded |= missing
            self._late |= missing

    def complete(self) -> None:
        """Have what is known of all rows."""
        if self._loaded is not None:
            self._load_all()

    def _load_all(self) -> None:
        self._load_memory()
        self.cursor, _ = self._store.changed(self.key, 0)
        self.jobs.update(self._store.jobs(self.key))
        self._take_over_approvals(0)  # also what was noted since the rows were loaded
        self._loaded = None
        self.ids = self.memory.known.keys() | {key.row_id for key in self.jobs}

    def _load_memory(self) -> None:
        noted = self._store.noted(self.key)
        if noted != self._noted:
            self._noted, self.resting = noted, Resting()
        self.memory = self._store.memory(self.key)


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
