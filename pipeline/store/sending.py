"""Beginning attempts: what is noted here, and committed, before any request leaves.

One transaction begins a whole batch. It holds the sheets, the pace and the counters against all
other processes, so what is decided from them is still true when it is written; the counters are
moved by conditional updates all the same, which no miscounting gets past.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, insert

from pipeline.core.model import Attempt, Job, JobKey, State
from pipeline.core.states import state_of
from pipeline.store.base import Base, LockedSheet, locked, stirred
from pipeline.store.budget import counters_of, held, hold
from pipeline.store.jobs import found, history_line, raise_jobs, to_columns
from pipeline.store.pace import Pace, keep_pace, pace_of
from pipeline.store.tables import attempts, events


class Refusal(StrEnum):
    """Why an attempt may not begin now."""

    PAUSED = "paused"
    NOT_PENDING = "not pending"
    #: The API asked for a pause.
    SLOW = "slow"
    PACE = "pace"
    RUN_BUDGET = "run budget"
    DAY_BUDGET = "day budget"


@dataclass(frozen=True, slots=True)
class Intent:
    """One attempt that somebody means to begin."""

    key: JobKey
    #: The number that it will have: one more than the last. Another means that the job moved on.
    number: int
    inputs: str
    columns: tuple[str, ...]
    endpoint: str
    price: int
    #: Seconds until others may record the answer as lost.
    deadline: float
    #: What will be asked, without secrets.
    body: Mapping[str, object] | None = None
    #: The hook token; empty if the API is not asked to call back.
    hook: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch must keep to. A cap of 0 lets nothing be spent; None is no cap."""

    #: A name for the API key (a digest), never the key.
    api_key: str
    #: This start of the program, and the date in the budget's timezone.
    run: str
    day: str
    per_run: int | None = None
    per_day: int | None = None
    per_minute: int | None = None


class Sending(Base):
    """Beginning attempts."""

    def begin(self, intents: Sequence[Intent], limits: Limits) -> list[Attempt | Refusal]:
        """The attempts, committed to disk, or why not: one answer for each intent, in order.

        Each is charged to the budget and the pace at once. An intent that does not fit does not
        keep a later, cheaper one from fitting. Raises StoreFull, and nothing was begun.
        """
        if not intents:
            return []
        with self._writing() as connection:
            batch = _looked_up(connection, intents, limits, self._now())
            answers = [batch.answer(intent) for intent in intents]
            if batch.begun:
                _written(connection, batch, limits)
            return answers


@dataclass(slots=True)
class _Batch:
    """What there is room for, less and less as the batch is gone through."""

    at: datetime
    limits: Limits
    sheets: Mapping[str, LockedSheet]
    jobs: Mapping[JobKey, tuple[int, Job]]
    pace: Pace
    run: int
    day: int
    begun: dict[JobKey, tuple[Intent, Attempt]] = field(default_factory=dict)

    def answer(self, intent: Intent) -> Attempt | Refusal:
        """The attempt, counted; or why it may not begin."""
        if refusal := self._refusal(intent):
            return refusal
        attempt = Attempt(
            number=intent.number,
            state=State.SUBMITTING,
            inputs=intent.inputs,
            columns=intent.columns,
            endpoint=intent.endpoint,
            price=intent.price,
            sent_at=self.at,
            deadline=self.at + timedelta(seconds=intent.deadline),
            hook=intent.hook,
        )
        self.begun[intent.key] = intent, attempt
        self.pace = self.pace.after(1)
        self.run += intent.price
        self.day += intent.price
        return attempt

    def _refusal(self, intent: Intent) -> Refusal | None:
        sheet = self.sheets.get(intent.key.sheet)
        if sheet and sheet.paused:
            return Refusal.PAUSED
        if not self._may_begin(intent):
            return Refusal.NOT_PENDING
        if self.pace.is_slowed:
            return Refusal.SLOW
        if not self.pace.room(1, self.limits.per_minute):
            return Refusal.PACE
        if not _fits(self.run, intent.price, self.limits.per_run):
            return Refusal.RUN_BUDGET
        if not _fits(self.day, intent.price, self.limits.per_day):
            return Refusal.DAY_BUDGET
        return None

    def _may_begin(self, intent: Intent) -> bool:
        if intent.key not in self.jobs or intent.key in self.begun:
            return False
        _, job = self.jobs[intent.key]
        last = max((one.number for one in job.attempts), default=0)
        return state_of(job) is State.PENDING and intent.number == last + 1


def _fits(held: int, price: int, cap: int | None) -> bool:
    return cap is None or held + price <= cap


def _looked_up(
    connection: Connection, intents: Sequence[Intent], limits: Limits, at: datetime
) -> _Batch:
    """Everything that the batch depends on, locked: sheets, then pace, then counters."""
    sheets = locked(connection, {intent.key.sheet for intent in intents})
    pace = pace_of(connection, limits.api_key, at)
    run, day = held(connection, counters_of(limits.api_key, limits.run, limits.day))
    return _Batch(
        at=at,
        limits=limits,
        sheets=sheets,
        jobs={j.key: (n, j) for n, j in found(connection, [i.key for i in intents]).items()},
        pace=pace,
        run=run,
        day=day,
    )


def _written(connection: Connection, batch: _Batch, limits: Limits) -> None:
    moved = stirred(connection, [batch.sheets[key.sheet].number for key in batch.begun])
    lines, history, changed = [], [], {}
    for key, (intent, attempt) in batch.begun.items():
        number, _ = batch.jobs[key]
        lines.append(
            {
                **to_columns(attempt),
                "job": number,
                "body": json.dumps(intent.body),
                "api_key": limits.api_key,
                "run": limits.run,
                "day": limits.day,
                "charged": attempt.price,
            }
        )
        history.append(history_line(number, attempt, batch.at, "sent"))
        changed[number] = moved[batch.sheets[key.sheet].number]
    connection.execute(insert(attempts), lines)
    connection.execute(insert(events), history)
    raise_jobs(connection, changed)
    price = sum(attempt.price for _, attempt in batch.begun.values())
    run, day = counters_of(limits.api_key, limits.run, limits.day)
    hold(connection, day, price, limits.per_day)
    hold(connection, run, price, limits.per_run)
    keep_pace(connection, limits.api_key, batch.pace)
