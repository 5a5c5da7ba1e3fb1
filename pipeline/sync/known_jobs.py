"""The jobs of a sheet, as the store had them when they were last taken over.

The store is the record, and other processes write there too. This is a pass's copy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from pipeline.core.model import Attempt, Job, JobKey, State
from pipeline.core.pictures.remakes import RemakeRule
from pipeline.core.rows.forgetting import Recalled
from pipeline.core.states import advance, is_open, shown
from pipeline.store import BatchResult, Fact, Store
from pipeline.sync.clock import Clock


class OpenAttempt(NamedTuple):
    """An attempt whose task can be polled, and its job."""

    key: JobKey
    attempt: Attempt


class KnownJobs:
    """Jobs by their key. Only this class changes them; others read `all`."""

    def __init__(self, store: Store, sheet: str, clock: Clock) -> None:
        #: Forgotten texts that stand in the sheet.
        self._recalled = Recalled()
        self.all: dict[JobKey, Job] = {}
        #: The store's change counter when its changes were last taken over.
        self.version = 0
        self._store, self._sheet, self._clock = store, sheet, clock

    # -- what is known ---------------------------------------------------------------------------

    def attempt(self, key: JobKey, number: int) -> Attempt | None:
        """One attempt; None if it is not known."""
        job = self.all.get(key)
        return next((one for one in job.attempts if one.number == number), None) if job else None

    def open_attempts(self) -> list[OpenAttempt]:
        """Every attempt whose task can be polled."""
        return [
            OpenAttempt(key, one)
            for key, job in self.all.items()
            for one in job.attempts
            if is_open(one)
        ]

    def at_work(self) -> dict[tuple[JobKey, int], Attempt]:
        """The attempts that an API may still be working on."""
        return {
            (key, attempt.number): attempt
            for key, job in self.all.items()
            for attempt in job.attempts
            if attempt.state in (State.SUBMITTING, State.RUNNING, State.UNKNOWN)
        }

    def late_at(self, patience: timedelta) -> datetime | None:
        """When the next attempt becomes late, if nothing more is recorded until then.

        An answer is late at its deadline, a task when it is older than `patience`. None if nothing
        is awaited.
        """
        now = self._clock.now()
        moments = (
            attempt.deadline if attempt.state is State.SUBMITTING else attempt.sent_at + patience
            for job in self.all.values()
            for attempt in job.attempts
            if attempt.state is State.SUBMITTING
            or (is_open(attempt) and now - attempt.sent_at <= patience)
        )
        return min(moments, default=None)

    @property
    def awaits_answers(self) -> bool:
        """True if an attempt is on disk as sent and its answer is not recorded."""
        return any(
            attempt.state is State.SUBMITTING
            for job in self.all.values()
            for attempt in job.attempts
        )

    def unsaved(self) -> dict[JobKey, list[str]]:
        """Job -> the addresses of its pictures that are neither saved nor given up."""
        found = {
            key: [url for attempt in job.attempts for url in job.to_save(attempt)]
            for key, job in self.all.items()
        }
        return {key: urls for key, urls in found.items() if urls}

    # -- what changes them -----------------------------------------------------------------------

    def load(self, row_ids: Collection[str]) -> None:
        """Load the jobs of these rows."""
        self._add(self._store.jobs.of_rows(self._sheet, row_ids))

    def load_all(self) -> None:
        """Load all jobs of the sheet."""
        self.version = self._store.jobs.version(self._sheet)
        self._add(self._store.jobs.all(self._sheet))

    def load_first(self, row_ids: Collection[str]) -> None:
        """Load the jobs of these rows; the others have not changed up to now."""
        self.version = self._store.jobs.version(self._sheet)
        self.load(row_ids)

    def changed_since(self, version: int) -> Collection[JobKey]:
        """The jobs that were changed after this version."""
        self.version, changed = self._store.jobs.changed(self._sheet, version)
        return changed

    def reload(self, keys: Collection[JobKey]) -> dict[JobKey, Job]:
        """Load these jobs again, and return them."""
        return self._add(self._store.jobs.all(self._sheet, only=keys))

    def recall(self, recalled: Recalled) -> None:
        """Take over forgotten texts that stand in the sheet."""
        self._recalled = recalled
        self._add(self.all)

    def _add(self, jobs: Mapping[JobKey, Job]) -> dict[JobKey, Job]:
        found = self._recalled.jobs(jobs)
        self.all.update(found)
        return found

    def write_down(self, keys: Collection[JobKey]) -> None:
        """Make a job for each of these keys, in the store and here."""
        before, after = self._store.jobs.add(keys)[self._sheet]
        self.all.update({key: Job(key, made_at=self._clock.now()) for key in keys})
        if before == self.version:
            self.version = after

    def ask_for(self, job: Job, attempts: int, remake: str, rule: RemakeRule | None) -> None:
        """Allow the job this number of attempts in all, because a person requested them.

        With `remake`, its result is set aside for this reason, unless the rule's limit is reached.
        """
        key, attempt = job.key, shown(job)
        if remake and rule and attempt:
            self._store.jobs.make_again(key, attempt.number, attempts, remake, rule.limit)
        else:
            self._store.jobs.ask(key, attempts)
        if now := self._store.jobs.get(key):
            self._add({key: now})

    def begun(self, key: JobKey, attempt: Attempt) -> None:
        """Note an attempt that was begun."""
        job = self.all[key]
        self.all[key] = replace(job, attempts=(*job.attempts, attempt))

    def take_over(self, facts: Sequence[Fact], result: BatchResult) -> None:
        """Note what a transaction made of the attempts.

        If others changed jobs in between, only these facts are applied: `SheetState.refresh` takes
        over the rest, so that it is noticed as news.
        """
        before, after = result.versions.get(self._sheet, (-1, -1))
        is_alone = before == self.version
        if is_alone:
            self.version = after
        for fact, (_, now) in zip(facts, result.recorded, strict=True):
            job = self.all.get(fact.key)
            if now is None or job is None:
                continue
            attempts = tuple(
                one
                if one.number != fact.number
                else now
                if is_alone
                else advance(one, fact.event, self._clock.now())
                for one in job.attempts
            )
            self.all[fact.key] = replace(job, attempts=attempts)
