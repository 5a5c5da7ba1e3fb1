"""The state of one sheet during a pass: the sheet as a whole, its rows and their jobs.

The store is the record, and other processes write there too: webhook receivers, commands, the page.
This is a pass's copy of it, as of the last `refresh`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from pipeline.core.model import Attempt, Claim, Grid, Job, JobKey, KnownRow, State
from pipeline.core.planning.lines import Line
from pipeline.core.rows.known import Memory
from pipeline.core.sheet.header import ALWAYS, Columns, Marked
from pipeline.store import BatchResult, Fact, Store
from pipeline.sync.clock import Clock
from pipeline.sync.known_jobs import KnownJobs
from pipeline.sync.known_rows import KnownRows


class Moved(NamedTuple):
    """An attempt that another process changed."""

    key: JobKey
    attempt: Attempt
    #: True if its row may show the change; a call that only asks for a poll changes no row.
    is_shown: bool = True


class SheetState:
    """The copy for the length of a pass.

    `whole` loads all rows at once. `is_called` is whether the API sends webhooks: only then is it
    worth asking what others recorded.
    """

    def __init__(
        self, store: Store, key: str, clock: Clock, *, whole: bool = False, is_called: bool = False
    ) -> None:
        self.key = key
        self.is_called = is_called
        #: The sheet as a whole: its columns, its claim, its hold.
        self.record = store.sheets.get(key)
        self.rows = KnownRows(store, key)
        self.jobs = KnownJobs(store, key, clock)
        self._store, self._clock = store, clock
        self._moved_by_others: list[Moved] = []
        self._refreshed_at = clock.now()
        #: Ids of rows that were loaded since the last refresh.
        self._loaded_since: set[str] = set()
        if self.rows.unchanged.rows and not whole:
            self._load_changed()
        elif whole or (some := self.rows.load_unsettled()) is None:
            self._load_all()
        else:
            self.jobs.load_first(some)

    def read_record(self) -> None:
        """Take over what the store says of the sheet as a whole."""
        self.record = self._store.sheets.get(self.key)

    def refresh(self) -> None:
        """Take over what others have recorded since (a webhook, a command, another process)."""
        since, self._refreshed_at = self._refreshed_at, self._clock.now()
        before = self.jobs.version
        changed = self.jobs.changed_since(before)
        if self.jobs.version != before:
            self._take_over_approvals(before)
        if not changed:
            return
        self.rows.look_for_forgotten()
        self.mark_changed({key.row_id for key in changed})
        known = {key: self.jobs.all[key] for key in changed if key in self.jobs.all}
        now = self.jobs.reload(changed)
        if self.is_called:
            loaded = {
                key: _before(job, since)
                for key, job in now.items()
                if key.row_id in self._loaded_since
            }
            self._moved_by_others += _news(known | loaded, now)
        self._loaded_since.clear()

    def moved_by_others(self) -> list[Moved]:
        """Refresh, and return the attempts that others have moved since the last call.

        Empty unless the API sends webhooks.
        """
        self.refresh()
        moved_by_others, self._moved_by_others = self._moved_by_others, []
        return moved_by_others

    def take_over_extra_takes(self) -> None:
        """Take over for which rows a person asked for more takes on the page."""
        pressed = self._store.rows.extra_takes(self.key)
        self.mark_changed(pressed.keys() & self.rows.unchanged.rows.keys())
        feedback = self._store.rows.feedback(self.key) if pressed else {}
        self.rows.update(_asked_for(self.rows.memory.known, pressed, feedback))

    def reload_if_changed(self) -> bool:
        """Load the rows again if another process changed them. Returns whether it did."""
        with self._store.snapshot():
            return self._reload_if_changed()

    def _reload_if_changed(self) -> bool:
        self.rows.look_for_forgotten()
        if self.rows.is_complete:
            before = self.rows.memory
            self.rows.load_all()
            return self.rows.memory != before
        if not self.rows.was_changed_elsewhere():
            return False
        self._load_all()
        return True

    def _take_over_approvals(self, since: int) -> None:
        """Take over approvals that the page noted or took back after the version `since`."""
        noted = self._store.rows.approvals(self.key, since)
        self.mark_changed(noted.keys() & self.rows.unchanged.rows.keys())
        known = self.rows.memory.known
        self.rows.update(
            {
                row_id: replace(known[row_id], approved_on_page=covers)
                for row_id, covers in noted.items()
                if row_id in known and known[row_id].approved_on_page != covers
            }
        )

    # -- what this pass does ---------------------------------------------------------------------

    def note(
        self,
        lines: Sequence[Line],
        unchanged: Mapping[str, int],
        columns: tuple[str, ...],
        height: int,
    ) -> None:
        """Remember a reading, where it differs from the last.

        `unchanged` is the place of each unchanged row, `columns` are the columns that are accepted,
        `height` is the number of lines.
        """
        changed = [one.memory for one in lines if one.memory != one.seen.known]
        places = {one.seen.row_id: one.seen.place for one in lines}
        order = {**places, **unchanged} if places else unchanged  # Memory: a big sheet has many.
        if changed or order != self.rows.memory.order or columns != self.record.columns:
            self.rows.note(changed, order, columns, height)
            self.record = replace(self.record, columns=columns)

    def claimed(self, claim: Claim, config: str) -> None:
        """Remember the claim that was just raised, and for which configuration."""
        self.record = replace(self.record, counter=claim.counter, word=claim.word, config=config)

    def make_ours(self, columns: Columns) -> None:
        """Remember which columns are ours, before the first word is written into one."""
        ours = self.record.ours.union(columns.ours, ALWAYS)
        if ours != self.record.ours:
            self._store.sheets.update(self.key, ours=ours)
            self.record = replace(self.record, ours=ours)

    def note_title(self, title: str) -> None:
        """Remember the sheet's title: that of a Google Sheet is known once it was read."""
        if title != self.record.title:
            self._store.sheets.update(self.key, title=title)
            self.record = replace(self.record, title=title)

    def note_hold(self, sentence: str) -> None:
        """Remember why the sheet is held; empty if it is not."""
        if sentence != self.record.hold:
            self._store.sheets.update(self.key, hold=sentence)
            self.record = replace(self.record, hold=sentence)

    def note_sample(self, waits: int) -> None:
        """Remember how many rows wait for a person to look at the sample."""
        if waits != self.record.sample_waits:
            self._store.sheets.update(self.key, sample_waits=waits)
            self.record = replace(self.record, sample_waits=waits)

    def take_over(self, facts: Sequence[Fact], result: BatchResult) -> None:
        """Note what a transaction made of the attempts."""
        self.rows.mark_changed(fact.key.row_id for fact in facts)
        self.jobs.take_over(facts, result)

    def begun(self, key: JobKey, attempt: Attempt) -> None:
        """Note an attempt that was begun."""
        self.rows.mark_changed([key.row_id])
        self.jobs.begun(key, attempt)

    # -- loading ---------------------------------------------------------------------------------

    def memory_for(
        self, grid: Grid, columns: Columns, rows: Sequence[Marked], unchanged: Collection[str]
    ) -> Memory:
        """The known rows to match a reading with, without the ids that are `unchanged`."""
        return self.rows.memory_for(grid, columns, rows, unchanged, self.jobs.all.values())

    def recall(self, rows: Iterable[Marked]) -> None:
        """Bring back the forgotten texts that stand in these rows of a reading."""
        if recalled := self.rows.recall(rows):
            self.jobs.recall(recalled)

    def mark_changed(self, ids: Collection[str]) -> None:
        """Something happened to these rows: load them, and look at them in the next reading."""
        self.rows.mark_changed(ids)
        self.rows.add_ids(ids)
        self.load(ids)

    def load(self, ids: Iterable[str]) -> None:
        """Load these rows and their jobs if they are not loaded."""
        if missing := self.rows.load(ids):
            self.jobs.load(missing)
            self._loaded_since |= missing

    def complete(self) -> None:
        """Load all rows and jobs if they are not loaded."""
        if not self.rows.is_complete:
            self._load_all()

    def _load_changed(self) -> None:
        since = self.rows.unchanged.version
        changed = {key.row_id for key in self.jobs.changed_since(since)}
        self.jobs.load(self.rows.load_changed(changed))
        self._take_over_approvals(since)

    def _load_all(self) -> None:
        self.rows.load_all()
        self.jobs.load_all()
        self._take_over_approvals(0)  # Also what was noted since the rows were loaded.
        self.rows.add_ids(key.row_id for key in self.jobs.all)


def _asked_for(
    known: Mapping[str, KnownRow], pressed: Mapping[str, int], feedback: Mapping[str, str]
) -> dict[str, KnownRow]:
    """The rows for which the page asked for more takes than are known."""
    return {
        row_id: replace(row, extra_takes=takes, feedback_on_page=feedback.get(row_id, ""))
        for row_id, takes in pressed.items()
        if (row := known.get(row_id)) and row.extra_takes != takes
    }


def _news(before: Mapping[JobKey, Job], now: Mapping[JobKey, Job]) -> list[Moved]:
    """The attempts that others have moved."""
    found = []
    for key, job in now.items():
        known = {one.number: one for one in before[key].attempts} if key in before else {}
        for attempt in job.attempts:
            was = known.get(attempt.number)
            is_shown = was is None or _stage(was) != _stage(attempt)
            if is_shown or was is None or was.early_poll != attempt.early_poll:
                found.append(Moved(key, attempt, is_shown))
    return found


def _before(job: Job, until: datetime) -> Job:
    """The job as it was while its row was unchanged: each of its attempts had ended."""
    ended = (one for one in job.attempts if one.ended_at and one.ended_at <= until)
    return replace(job, attempts=tuple(ended))


class _Stage(NamedTuple):
    state: State
    task_id: str
    progress: int | None


def _stage(attempt: Attempt) -> _Stage:
    return _Stage(attempt.state, attempt.task_id, attempt.progress)
