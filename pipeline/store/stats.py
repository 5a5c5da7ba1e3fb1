"""Numbers about many jobs at once, for people who watch the service.

It reads only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Integer, case, func, select

from pipeline.core.credits import Credits
from pipeline.core.model import State
from pipeline.store.schema import attempts, counters, events, jobs
from pipeline.store.transactions import StorePart, number_of


def _number(*states: State) -> ColumnElement[int]:
    """How many attempts of a job are in one of these states."""
    return func.sum(case((attempts.c.state.in_(states), 1), else_=0), type_=Integer)


# Results that were set aside do not count.
_GOOD = func.sum(
    case(((attempts.c.state == State.SUCCEEDED) & (attempts.c.remade == ""), 1), else_=0),
    type_=Integer,
)


# The rule of `core.states.state_of`, for all jobs of a sheet in one question.
_BEST = (State.RUNNING, State.SUBMITTING)
_COUNTED = [state for state in State if state not in (State.RETURNED, State.PENDING)]
_STATE = case(
    (_GOOD > 0, State.SUCCEEDED.value),
    *((_number(state) > 0, state.value) for state in _BEST),
    (_number(*_COUNTED) < jobs.c.asked, State.PENDING.value),
    (_number(State.UNKNOWN) > 0, State.UNKNOWN.value),
    (_number(State.SUCCEEDED) > 0, State.SUCCEEDED.value),
    else_=State.FAILED.value,
)
_JOBS = (
    select(_STATE.label("state"), func.count(attempts.c.job).label("sent"))
    .select_from(jobs.outerjoin(attempts, attempts.c.job == jobs.c.id))
    .group_by(jobs.c.id, jobs.c.asked)
)
_ENDED = ("succeeded", "failed")


class Numbers(NamedTuple):
    """How many jobs are in each state, and how many attempts they have in all."""

    by_state: Counter[str]
    sent: int


class Stats(StorePart):
    """How many of everything."""

    def numbers(self, sheet: str) -> Numbers:
        """Numbers about the jobs of a sheet.

        Looks at every job: some tenths of a second for a hundred thousand.
        """
        with self._database.reading() as connection:
            each = _JOBS.where(jobs.c.sheet == number_of(connection, sheet)).subquery()
            asked = select(each.c.state, func.count(), func.sum(each.c.sent)).group_by(each.c.state)
            found = connection.execute(asked).all()
        by_state = Counter({state: n for state, n, _ in found})
        return Numbers(by_state, sum(sent for _, _, sent in found))

    def in_doubt(self, sheet: str, since: datetime) -> Collection[list[datetime]]:
        """When the lost submissions of a sheet since then were sent, for each account with any.

        Not those that have a key: a run sends them again, and hears what became of them.
        """
        asked = (
            select(attempts.c.api_key, attempts.c.sent_at)
            .select_from(attempts.join(jobs))
            .where(attempts.c.state == State.UNKNOWN, attempts.c.sent_at > since)
            .where(attempts.c.resend_key == "")
        )
        sent_at = defaultdict[str, list[datetime]](list)
        with self._database.reading() as connection:
            here = asked.where(jobs.c.sheet == number_of(connection, sheet))
            for api_key, at in connection.execute(here):
                sent_at[api_key].append(at)
        return sent_at.values()

    def last_event(self) -> int:
        """The number of the latest event of all sheets, for `took`."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(events.c.id))).scalar() or 0

    def took(self, sheet: str, since: int, until: int) -> list[float]:
        """Seconds from submission to end, of what ended in the events after one, up to another."""
        asked = (
            select(attempts.c.sent_at, attempts.c.ended_at)
            .join_from(events, jobs, jobs.c.id == events.c.job)
            .join(
                attempts,
                (attempts.c.job == events.c.job) & (attempts.c.number == events.c.number),
            )
            .where(events.c.id > since, events.c.id <= until, events.c.kind.in_(_ENDED))
        )
        with self._database.reading() as connection:
            here = asked.where(jobs.c.sheet == number_of(connection, sheet))
            found = connection.execute(here).all()
        return [(ended - sent).total_seconds() for sent, ended in found if ended]

    def credits(self, api_key: str, day: str) -> Credits:
        """Credits held or spent under an API key on a day."""
        asked = select(counters.c.credits).where(
            counters.c.api_key == api_key, counters.c.kind == "day", counters.c.name == day
        )
        with self._database.reading() as connection:
            return connection.execute(asked).scalar() or 0
