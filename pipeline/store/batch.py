"""One transaction that records events and begins attempts: a *batch*.

Events are applied as `states.TABLE` says, then attempts are begun. Both are on disk when the batch
is committed, before any of the requests is sent. The transaction locks the sheets, the pace and the
counters, so that decisions are still right when they are written. All the same, every change is a
conditional update, so that a wrong count here could not break a budget.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, update

from pipeline.core.credits import Credits, exact
from pipeline.core.errors import StoreError
from pipeline.core.model import Attempt, JobKey
from pipeline.core.money.currency import Money, spent
from pipeline.core.outlets.outbox import MessageKind
from pipeline.store.admission import Admission, Intent, Limits, Refusal
from pipeline.store.attempt_events import Fact, TimedFact, kind_of, to_body
from pipeline.store.budget import CounterName, at_other_prices, correct, held, hold
from pipeline.store.column_types import escaped, to_number
from pipeline.store.history import HistoryValues, history_line, write_history
from pipeline.store.job_cache import KeptAttempt, KeptJob, Left, load
from pipeline.store.jobs import raise_jobs
from pipeline.store.outbox_messages import Ended, announce, fill
from pipeline.store.prepared import Prepared
from pipeline.store.rate_limit import keep_pace, pace_of
from pipeline.store.schema import attempts
from pipeline.store.serialization import NEW_ATTEMPT, to_plain, to_shares, to_text
from pipeline.store.transactions import (
    Database,
    LockedSheet,
    StorePart,
    Versions,
    digest,
    locked,
    raise_versions,
)

#: The order in which budgets are told.
_TOLD_FIRST: Final = ("day", "run", "month", "share")
#: Characters of what a message is about.
MOST_SUBJECT: Final = 110
#: The part of a budget after whose use outlets are told of it.
NEARLY: Final = 0.8
#: What an event may change of an attempt.
_CHANGING: Final = (
    *("state", "task_id", "poll_at", "progress", "result", "reason", "ended_at", "reported"),
)
_FIELDS: dict[str, ColumnElement[Any]] = {name: bindparam(name) for name in (*_CHANGING, "charged")}
_UPDATED = Prepared(
    update(attempts)
    .where(
        attempts.c.job == bindparam("its_job"),
        attempts.c.number == bindparam("its_number"),
        attempts.c.state == bindparam("its_state"),
    )
    .values(_FIELDS),
    *_CHANGING,
    "charged",
    "its_job",
    "its_number",
    "its_state",
)


class Recorded(NamedTuple):
    """Whether a fact changed the state of its attempt, and the attempt now, if there is one."""

    has_changed: bool
    attempt: Attempt | None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a batch."""

    #: The result of each fact.
    recorded: Sequence[Recorded]
    #: For each intent: the attempt, or why it must not begin.
    answers: Sequence[Attempt | Refusal]
    #: Sheet -> its version before the batch and after it.
    versions: Mapping[str, Versions]


class Batches(StorePart):
    """Commits batches, and keeps the jobs under way in memory from one to the next."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._left: dict[str, Left] = {}

    def commit(
        self, facts: Sequence[TimedFact], intents: Sequence[Intent], limits: Limits | None
    ) -> BatchResult:
        """Record what happened, then begin what may: both are committed, or neither.

        Intents need limits. Raises StoreError or StoreFull, and nothing was recorded or begun.
        """
        keys = {fact.key for fact, _ in facts} | {intent.key for intent in intents}
        if not keys:
            return BatchResult((), (), {})
        with self._database.writing() as connection:
            left, self._left = self._left, {}
            sheets = locked(connection, {key.sheet for key in keys})
            jobs = load(connection, keys, sheets, left)
            recorded = [_record(jobs.get(fact.key), fact, at) for fact, at in facts]
            changed = _changed(jobs, keys)
            _correct(connection, [one for _, one in changed])
            batch = None
            answers: list[Attempt | Refusal] = []
            if intents and limits:
                batch = _batch(connection, sheets, jobs, intents, limits, self._database.now())
                answers = [batch.answer(intent) for intent in intents]
            versions = _written(connection, sheets, jobs, changed, batch)
        self._left = _kept(left, sheets, jobs, versions)
        return BatchResult(recorded, answers, versions)


def _record(job: KeptJob | None, fact: Fact, at: datetime) -> Recorded:
    one = job.tried.get(fact.number) if job else None
    if one is None:
        return Recorded(False, None)
    has_changed = one.tell(fact.event, at)
    return Recorded(has_changed, one.attempt)


def _changed(
    jobs: Mapping[JobKey, KeptJob], keys: Collection[JobKey]
) -> list[tuple[KeptJob, KeptAttempt]]:
    return [
        (job, one)
        for key in sorted(keys)
        if (job := jobs.get(key))
        for one in job.tried.values()
        if one.news
    ]


def _correct(connection: Connection, changed: Sequence[KeptAttempt]) -> None:
    changes: defaultdict[CounterName, Credits] = defaultdict(int)
    for one in changed:
        if one.charged != one.charged_before:
            for name in one.counters:
                changes[name] = exact(changes[name] + one.charged - one.charged_before)
    correct(connection, changes)


def _batch(
    connection: Connection,
    sheets: Mapping[str, LockedSheet],
    jobs: Mapping[JobKey, KeptJob],
    intents: Sequence[Intent],
    limits: Limits,
    at: datetime,
) -> Admission:
    """Everything that the intents depend on, locked: sheets, then pace, then counters."""
    pace = pace_of(connection, limits.api_key, at)
    names = {name for intent in intents for name in limits.counters(intent.shares)}
    now = held(connection, names)
    caps = {name: limits.credits_of(name, partial(at_other_prices, connection)) for name in names}
    return Admission(at, limits, sheets, jobs, pace, now, caps)


def _written(
    connection: Connection,
    sheets: Mapping[str, LockedSheet],
    jobs: Mapping[JobKey, KeptJob],
    changed: Sequence[tuple[KeptJob, KeptAttempt]],
    batch: Admission | None,
) -> dict[str, Versions]:
    """Write all of it: sheet -> its version before and after."""
    begun = batch.begun if batch else {}
    touched = {job.key: job for job, _ in changed} | {key: jobs[key] for key in begun}
    now = raise_versions(connection, {sheets[key.sheet].number for key in touched})
    _move(connection, changed)
    history = [
        (job.number, one.attempt.number, to_number(at), kind_of(event), to_body(event))
        for job, one in changed
        for at, event in one.news
    ]
    if batch and begun:
        history += _write_begun(connection, jobs, batch)
    write_history(connection, history)
    fill(
        connection,
        [
            Ended(
                sheets[job.key.sheet].number,
                job.number,
                job.key.generation,
                one.attempt.number,
                one.attempt.state,
                one.news[-1][0],
                has_files=bool(one.attempt.result.urls),
            )
            for job, one in changed
            if one.attempt.state is not one.before.state
        ],
    )
    raise_jobs(
        connection, {job.number: now[sheets[key.sheet].number] for key, job in touched.items()}
    )
    return {
        name: Versions(sheet.version, now.get(sheet.number, sheet.version))
        for name, sheet in sheets.items()
    }


def _move(connection: Connection, changed: Sequence[tuple[KeptJob, KeptAttempt]]) -> None:
    """Compare and set: each only from the state that it was found in."""
    lines = [
        (
            one.attempt.state.value,
            escaped(one.attempt.task_id),
            escaped(one.attempt.poll_at),
            one.attempt.progress,
            to_text(one.attempt.result),
            escaped(one.attempt.reason),
            to_number(one.attempt.ended_at),
            one.attempt.reported,
            one.charged,
            job.number,
            one.before.number,
            one.before.state.value,
        )
        for job, one in changed
    ]
    if _UPDATED.each(connection, lines) != len(lines):
        raise StoreError(
            "Another program changed the same attempts. Nothing was recorded; try again."
        )


def _write_begun(
    connection: Connection, jobs: Mapping[JobKey, KeptJob], batch: Admission
) -> list[HistoryValues]:
    limits = batch.limits
    ours = escaped(limits.run), escaped(limits.day)
    lines, history = [], []
    prices: defaultdict[CounterName, Credits] = defaultdict(int)
    for key, (intent, attempt) in batch.begun.items():
        job = jobs[key]
        body = json.dumps(intent.body)
        shares = to_shares(intent.shares)
        lines.append(
            (
                *(job.number, *to_plain(attempt), body, *ours, attempt.price),
                *(escaped(intent.labels), escaped(shares), escaped(limits.credit_price)),
            )
        )
        why = intent.because, intent.by
        history.append(history_line(job.number, attempt, batch.at, "sent", *why))
        counters = limits.counted(intent.shares)
        for name in counters:
            prices[name] = exact(prices[name] + attempt.price)
        job.tried[attempt.number] = KeptAttempt(
            attempt, attempt, counters, attempt.price, attempt.price
        )
    NEW_ATTEMPT.each(connection, lines)
    limited = {name: price for name, price in prices.items() if name in batch.held}
    hold(connection, limited, batch.caps)
    correct(connection, {name: prices[name] for name in prices.keys() - limited.keys()})
    keep_pace(connection, limits.api_key, batch.pace)
    _tell_of_budgets(connection, batch)
    return history


def _tell_of_budgets(connection: Connection, batch: Admission) -> None:
    """Tell outlets of a budget of which 80 % is used, once for each run, day, month and value.

    A budget that was raised since is told of again.
    """
    limits = batch.limits
    counters = {
        name for intent, _ in batch.begun.values() for name in limits.counters(intent.shares)
    }
    told = set[tuple[Credits, Credits]]()
    for name in sorted(counters, key=lambda one: _TOLD_FIRST.index(one.kind)):
        used, cap = batch.held[name], batch.caps[name]
        # The same numbers twice would say the same: the budget of the day is told.
        if cap and used >= NEARLY * cap and (used, cap) not in told:
            told.add((used, cap))
            about = {"budget": name.kind, "used": used, "cap": cap, "account": limits.api_key}
            most = limits.cap_of(name)
            if isinstance(most, Money):
                others = at_other_prices(connection, name, limits.credit_price)
                paid = spent(used, limits.credit_price, others)
                about |= {"used": str(paid.amount), "cap": str(most.amount)}
                about["currency"] = most.currency
            if name.kind == "share":
                about["share"] = name.name
            written = most.in_words() if isinstance(most, Money) else cap
            subject = f"{limits.api_key} {name.kind} {name.name} {written}"
            if len(subject) > MOST_SUBJECT:
                subject = f"{limits.api_key} {name.kind} {digest(name.name)} {written}"
            for sheet in {batch.sheets[key.sheet].number for key in batch.begun}:
                announce(connection, sheet, MessageKind.BUDGET, subject, about, batch.at)


def _kept(
    left: Mapping[str, Left],
    sheets: Mapping[str, LockedSheet],
    jobs: Mapping[JobKey, KeptJob],
    versions: Mapping[str, Versions],
) -> dict[str, Left]:
    """The jobs that stay in memory after this batch: those under way."""
    kept = dict(left)
    for name, sheet in sheets.items():
        before = left[name].jobs if name in left and left[name].is_true(sheet) else {}
        kept[name] = Left(sheet._replace(version=versions[name].after), before)
    for key, job in jobs.items():
        if job.is_under_way:
            kept[key.sheet].jobs[key] = job
            for one in job.tried.values():
                one.settle()
        else:
            kept[key.sheet].jobs.pop(key, None)
    return kept
