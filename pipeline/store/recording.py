"""Recording what happened: events move attempts as `states.TABLE` says, and nothing else does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from pipeline.core.errors import StoreError, StoreFull
from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.states import TABLE, Accepted, Event, Progressed, Succeeded, advance, gives_back
from pipeline.store.base import Base, locked, number_of, stirred
from pipeline.store.budget import CounterName, correct, counters_of
from pipeline.store.facts import Fact, kind_of, to_body
from pipeline.store.jobs import ATTEMPT, SOME, among, from_columns, raise_jobs, to_columns
from pipeline.store.rescue import RescueFile
from pipeline.store.tables import attempts, events, jobs, sheets

#: What an event may change of an attempt.
_CHANGING = ("state", "task_id", "progress", "result", "reason", "ended_at", "reported")

# Built once: building a statement takes longer than running it.
_FOUND = (
    select(
        *(attempts.c.job, jobs.c.sheet, sheets.c.key, jobs.c.row_id, jobs.c.take),
        *(attempts.c.api_key, attempts.c.run, attempts.c.day, attempts.c.charged),
        *ATTEMPT,
    )
    .select_from(attempts.join(jobs).join(sheets))
    .where(SOME)
)
_FIELDS: dict[str, ColumnElement[Any]] = {name: bindparam(name) for name in (*_CHANGING, "charged")}
_MOVED = (
    update(attempts)
    .where(
        attempts.c.job == bindparam("its_job"),
        attempts.c.number == bindparam("its_number"),
        attempts.c.state == bindparam("its_state"),
    )
    .values(_FIELDS)
)


class Recording(Base):
    """What answers, polls and webhooks tell."""

    def record(self, facts: Sequence[Fact]) -> list[bool]:
        """Whether each fact moved its attempt, all in one transaction; an unknown attempt does not.

        A fact may be told any number of times, in any order, by any number of processes. Prices are
        given back and corrected here. Raises StoreFull where there is no room: the facts then lie
        in the rescue file, and the next `rescued` records them.
        """
        heard = [(fact, self._now()) for fact in facts]
        try:
            return self._recorded(heard)
        except StoreFull as full:
            if self._rescue is None:
                raise
            self._rescue.write(heard)
            raise StoreFull(
                f"{full} What was heard ({len(facts)}) lies safe in {self._rescue.path}; "
                "once there is room, the next pass records it.",
                kept=True,
            ) from full

    def reserve(self) -> None:
        """Make the rescue file, with room in it: done before anything is sent.

        Raises StoreFull where there is no room for it. A store that is no file has none.
        """
        if self._rescue:
            self._rescue.reserve()

    def rescue(self, facts: Sequence[Fact]) -> bool:
        """Keep facts in the rescue file, which needs no room: whether this store has one.

        Raises StoreFull if it is full.
        """
        if self._rescue:
            self._rescue.write([(fact, self._now()) for fact in facts])
        return self._rescue is not None

    def rescued(self) -> int:
        """How many facts lay in the rescue file: they are recorded now, and the file is blank."""
        return self._rescue.emptied(self._recorded) if self._rescue else 0

    def expired(self, sheet: str) -> list[tuple[JobKey, int]]:
        """Attempts without an answer whose deadline has passed, by the store's clock."""
        over = select(jobs.c.row_id, jobs.c.take, attempts.c.number).where(
            jobs.c.id == attempts.c.job,
            attempts.c.state == State.SUBMITTING,
            attempts.c.deadline < self._now(),
        )
        with self._reading() as connection:
            here = jobs.c.sheet == number_of(connection, sheet)
            rows = connection.execute(over.where(here).order_by(jobs.c.id, attempts.c.number))
            return [(JobKey(sheet, row_id, take), number) for row_id, take, number in rows]

    @property
    def _rescue(self) -> RescueFile | None:
        return RescueFile(Path(f"{self._file}.rescue")) if self._file else None

    def _recorded(self, heard: Sequence[tuple[Fact, datetime]]) -> list[bool]:
        if not heard:
            return []
        with self._writing() as connection:
            kept = _looked_up(connection, {fact.key for fact, _ in heard})
            told = [
                one.tell(fact.event, at) if (one := kept.get((fact.key, fact.number))) else False
                for fact, at in heard
            ]
            if changed := [one for one in kept.values() if one.news]:
                _written(connection, changed)
            return told


@dataclass(slots=True)
class _Kept:
    """An attempt while it is told what happened to it."""

    job: int
    sheet: int
    #: As it was found, and as it is by now.
    before: Attempt
    attempt: Attempt
    counters: tuple[CounterName, ...]
    charged_before: int
    charged: int
    news: list[tuple[datetime, Event]] = field(default_factory=list)

    def tell(self, event: Event, at: datetime) -> bool:
        """Whether the event moved it; what teaches a task id is news as well, and moves nothing."""
        after = advance(self.attempt, event, at)
        if after == self.attempt:
            return False
        moved = type(event) in TABLE[self.attempt.state]
        if moved:
            self.charged = _charge(self.charged, self.attempt.price, event)
        self.attempt = after
        self.news.append((at, event))
        return moved


def _charge(charged: int, price: int, event: Event) -> int:
    """What the counters should hold for an attempt that the event has moved."""
    reported = getattr(event, "reported", None)
    if isinstance(reported, int):
        return reported
    if gives_back(event):
        return 0
    # It was taken after all, perhaps after its price was given back.
    return price if isinstance(event, Accepted | Progressed | Succeeded) else charged


def _looked_up(connection: Connection, keys: set[JobKey]) -> Mapping[tuple[JobKey, int], _Kept]:
    """The attempts of these jobs, held against all others until the transaction ends."""
    locked(connection, {key.sheet for key in keys})
    kept = {}
    for about in among(connection, keys):
        for job, sheet, *rest in connection.execute(_FOUND, about):
            key, (api_key, run, day, charged) = JobKey(*rest[:3]), rest[3:7]
            attempt = from_columns(rest[7:])
            # What was adopted is on no counter.
            counters = counters_of(api_key, run, day) if api_key else ()
            kept[key, attempt.number] = _Kept(
                job, sheet, attempt, attempt, counters, charged, charged
            )
    return kept


def _written(connection: Connection, changed: Sequence[_Kept]) -> None:
    moved = stirred(connection, [one.sheet for one in changed])
    _move(connection, changed)
    history = [
        {
            "job": one.job,
            "number": one.attempt.number,
            "at": at,
            "kind": kind_of(event),
            "body": to_body(event),
        }
        for one in changed
        for at, event in one.news
    ]
    connection.execute(insert(events), history)
    raise_jobs(connection, {one.job: moved[one.sheet] for one in changed})
    changes: Counter[CounterName] = Counter()
    for one in changed:
        for name in one.counters:
            changes[name] += one.charged - one.charged_before
    correct(connection, changes)


def _move(connection: Connection, changed: Sequence[_Kept]) -> None:
    """Compare and set: each only from the state that it was found in."""
    lines = []
    for one in changed:
        columns = to_columns(one.attempt)
        its = {"its_job": one.job, "its_number": one.before.number, "its_state": one.before.state}
        lines.append({name: columns[name] for name in _CHANGING} | its | {"charged": one.charged})
    if connection.execute(_MOVED, lines).rowcount != len(lines):
        raise StoreError(
            "Another program moved the same attempts; nothing was recorded, try again."
        )
