"""Attempts: beginning them, and recording events, which change them as `states.TABLE` says.

Raises StoreFull if no space is left; what was reported is then in the rescue file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from pipeline.core.errors import StoreFull
from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.text import counted, is_or_are
from pipeline.store.admission import Intent, Limits, Refusal
from pipeline.store.attempt_events import Fact, TimedFact
from pipeline.store.batch import Batches, BatchResult
from pipeline.store.rescue_file import RescueFile
from pipeline.store.schema import attempts, jobs
from pipeline.store.transactions import Database, StorePart, number_of

# Built once: building a statement takes longer than running it.
_EXPIRED = (
    select(jobs.c.row_id, jobs.c.take, jobs.c.part, attempts.c.number)
    .where(
        jobs.c.id == attempts.c.job,
        jobs.c.sheet == bindparam("sheet"),
        attempts.c.state == State.SUBMITTING,
        attempts.c.deadline < bindparam("now"),
    )
    .order_by(jobs.c.id, attempts.c.number)
)


class Expired(NamedTuple):
    """An attempt that can no longer be answered: its job, and its number within the job."""

    key: JobKey
    number: int


class Attempts(StorePart):
    """Attempts: beginning them, and recording what answers, polls and webhooks report of them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._batches = Batches(database)

    def commit_batch(
        self, facts: Sequence[Fact], intents: Sequence[Intent], limits: Limits
    ) -> BatchResult:
        """Record what happened, then begin what may: both committed to disk, or neither.

        See `record` and `begin`. An intent may use the credits that a fact of the same call gives
        back. If this raises, nothing was begun, and the facts are still to be recorded.
        """
        return self._batches.commit(self._timed(facts), intents, limits)

    def begin(self, intents: Sequence[Intent], limits: Limits) -> list[Attempt | Refusal]:
        """The attempts, committed to disk, or why not: one answer for each intent, in order.

        Each is charged to the budget and the pace at once. If one does not fit into the budget, a
        later, cheaper one still may. Raises StoreFull, and nothing was begun.
        """
        return list(self._batches.commit((), intents, limits).answers)

    def record(self, facts: Sequence[Fact]) -> list[bool]:
        """Record these facts in one transaction. Returns whether each changed its attempt's state.

        A fact may be reported any number of times, in any order, by any number of processes. Prices
        are given back and corrected here. Raises StoreFull if no space is left: the facts are then
        in the rescue file, and the next `rescued` records them.
        """
        return [one.has_changed for one in self.recorded(facts).recorded]

    def recorded(self, facts: Sequence[Fact]) -> BatchResult:
        """The same, with the attempts as they are now."""
        timed = self._timed(facts)
        try:
            return self._batches.commit(timed, (), None)
        except StoreFull as full:
            if self._rescue is None:
                raise
            self._rescue.write(timed)
            raise StoreFull(
                f"{full} {counted(len(facts), 'event')} {is_or_are(len(facts))} saved in "
                f"{self._rescue.path}. The next pass records them, once there is space.",
                kept=True,
            ) from full

    def reserve(self) -> None:
        """Make the rescue file, with its space on disk, before anything is sent.

        Raises StoreFull if there is no space.
        """
        if self._rescue:
            self._rescue.reserve()

    def rescue(self, facts: Sequence[Fact]) -> bool:
        """Write facts to the rescue file, which needs no new space. Returns whether there is one.

        Raises StoreFull if it is full.
        """
        if self._rescue:
            self._rescue.write(self._timed(facts))
        return self._rescue is not None

    def rescued(self) -> int:
        """Record the facts of the rescue file, then empty it. Returns how many there were."""
        return (
            self._rescue.emptied(lambda timed: self._batches.commit(timed, (), None))
            if self._rescue
            else 0
        )

    def body(self, key: JobKey, number: int) -> Mapping[str, object]:
        """What was sent with an attempt, without secrets; empty if that is not kept."""
        its = select(attempts.c.body).where(
            jobs.c.id == attempts.c.job,
            jobs.c.row_id == key.row_id,
            jobs.c.take == key.take,
            jobs.c.part == key.part,
            attempts.c.number == number,
        )
        with self._database.reading() as connection:
            here = jobs.c.sheet == number_of(connection, key.sheet)
            text = connection.execute(its.where(here)).scalar_one_or_none()
        body: Mapping[str, object] | None = json.loads(text or "null")
        return body or {}

    def keep_body(self, key: JobKey, number: int, body: Mapping[str, object]) -> None:
        """Keep this as what is sent with an attempt, instead of what was known when it began."""
        self._set(key, number, body=json.dumps(body))

    def forget_key(self, key: JobKey, number: int) -> None:
        """Forget the resend key of an attempt."""
        self._set(key, number, resend_key="")

    def _set(self, key: JobKey, number: int, **fields: str) -> None:
        with self._database.writing() as connection:
            job = select(jobs.c.id).where(
                jobs.c.sheet == number_of(connection, key.sheet),
                jobs.c.row_id == key.row_id,
                jobs.c.take == key.take,
                jobs.c.part == key.part,
            )
            its = (attempts.c.job == job.scalar_subquery()) & (attempts.c.number == number)
            connection.execute(update(attempts).where(its).values(**fields))

    def expired(self, sheet: str) -> list[Expired]:
        """Attempts without an answer whose deadline has passed, by the store's clock."""
        with self._database.reading() as connection:
            about = {"sheet": number_of(connection, sheet), "now": self._database.now()}
            rows = connection.execute(_EXPIRED, about)
            return [Expired(JobKey(sheet, *key), number) for *key, number in rows]

    @property
    def _rescue(self) -> RescueFile | None:
        path = self._database.rescue
        return RescueFile(path) if path else None

    def _timed(self, facts: Sequence[Fact]) -> list[TimedFact]:
        return [TimedFact(fact, self._database.now()) for fact in facts]
