"""Jobs while a batch works on them, and in memory between two batches.

Every change of a job raises the version of its sheet. So the jobs in memory are up to date
as long as the version has the value that our own last batch gave it. A pass that is alone with its
store loads each job once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection, bindparam, select

from pipeline.core.credits import Credits
from pipeline.core.model import Attempt, Job, JobKey, State
from pipeline.core.states import TABLE, Accepted, Event, Progressed, Succeeded, advance, gives_back
from pipeline.store.budget import CounterName, at_price, counters_of
from pipeline.store.column_types import escaped, unescaped
from pipeline.store.prepared import Prepared
from pipeline.store.schema import attempts, jobs
from pipeline.store.serialization import ATTEMPT, from_plain, from_shares
from pipeline.store.transactions import LockedSheet

#: States after which nothing more is expected to happen.
_ENDED = (State.SUCCEEDED, State.FAILED)

# Built once: building a statement takes longer than running it.
_FOUND = Prepared(
    select(
        jobs.c.id,
        jobs.c.row_id,
        jobs.c.take,
        jobs.c.part,
        jobs.c.asked,
        attempts.c.charged,
        attempts.c.api_key,
        attempts.c.run,
        attempts.c.day,
        attempts.c.shares,
        attempts.c.credit_price,
        *ATTEMPT,
    )
    .select_from(jobs.outerjoin(attempts))
    .where(jobs.c.sheet == bindparam("its_sheet"), jobs.c.row_id == bindparam("its_row"))
    .order_by(jobs.c.id, attempts.c.number),
    "its_sheet",
    "its_row",
)


@dataclass(slots=True)
class KeptAttempt:
    """An attempt to which events are being applied."""

    #: As it is in the store, and as it is now.
    before: Attempt
    attempt: Attempt
    counters: tuple[CounterName, ...]
    charged_before: Credits
    charged: Credits
    news: list[tuple[datetime, Event]] = field(default_factory=list)

    def tell(self, event: Event, at: datetime) -> bool:
        """Apply an event. Returns whether it changed the state; a new task id alone does not."""
        after = advance(self.attempt, event, at)
        if after == self.attempt:
            return False
        has_changed = type(event) in TABLE[self.attempt.state]
        if has_changed:
            self.charged = _charge(self.charged, self.attempt, event)
        elif after.reported is not None and after.reported != self.attempt.reported:
            self.charged = after.reported
        self.attempt = after
        self.news.append((at, event))
        return has_changed

    def settle(self) -> None:
        """Call this when its changes are in the store."""
        self.before, self.charged_before = self.attempt, self.charged
        self.news = []


@dataclass(slots=True)
class KeptJob:
    """A job: its number inside the store, and its attempts by their numbers."""

    key: JobKey
    number: int
    asked: int
    tried: dict[int, KeptAttempt] = field(default_factory=dict)

    def as_job(self) -> Job:
        """The job, for the rules to judge; without its files."""
        return Job(self.key, self.asked, tuple(one.attempt for one in self.tried.values()))

    @property
    def is_under_way(self) -> bool:
        """True if something is still expected to happen to it."""
        return any(one.attempt.state not in _ENDED for one in self.tried.values())


@dataclass(slots=True)
class Left:
    """The jobs of one sheet that a batch left in memory."""

    sheet: LockedSheet
    jobs: dict[JobKey, KeptJob]

    def is_true(self, sheet: LockedSheet) -> bool:
        """Returns whether no job of the sheet has changed since."""
        return (sheet.number, sheet.version) == (self.sheet.number, self.sheet.version)


def load(
    connection: Connection,
    keys: Collection[JobKey],
    sheets: Mapping[str, LockedSheet],
    left: Mapping[str, Left],
) -> dict[JobKey, KeptJob]:
    """The jobs of these keys that exist. The sheets must be locked."""
    found: dict[JobKey, KeptJob] = {}
    for name, sheet in sheets.items():
        if name in left and left[name].is_true(sheet):
            known = left[name].jobs
            found |= {key: known[key] for key in keys if key in known}
    for name, sheet in sheets.items():
        if missing := {key for key in keys if key.sheet == name and key not in found}:
            jobs = _loaded(connection, name, sheet, {key.row_id for key in missing})
            found |= {job.key: job for job in jobs if job.key in missing}
    return found


def _loaded(
    connection: Connection, name: str, sheet: LockedSheet, row_ids: Collection[str]
) -> Collection[KeptJob]:
    """All jobs of these rows."""
    found: dict[int, KeptJob] = {}
    lines = [(sheet.number, escaped(row_id)) for row_id in sorted(row_ids)]
    rows = chain.from_iterable(_FOUND.rows_of_each(connection, lines))
    for number, row_id, take, part, asked, charged, *its in rows:
        account, fields = its[:5], its[5:]
        if not (job := found.get(number)):
            key = JobKey(name, unescaped(row_id), take, part)
            job = found[number] = KeptJob(key, number, asked)
        if fields[0] is not None:
            attempt = from_plain(fields)
            # What was adopted is on no counter.
            api_key, run, day, shares, price = map(unescaped, account)
            counters = counters_of(api_key, run, day, from_shares(shares)) if api_key else ()
            counters = at_price(counters, price)
            job.tried[attempt.number] = KeptAttempt(attempt, attempt, counters, charged, charged)
    return found.values()


def _charge(charged: Credits, attempt: Attempt, event: Event) -> Credits:
    """The values of the counters for an attempt that the event has moved."""
    reported = getattr(event, "reported", None)
    if isinstance(reported, int | float):
        return reported
    if gives_back(event):
        return 0
    if isinstance(event, Accepted | Progressed | Succeeded):
        # It was taken after all, perhaps after its price was given back.
        return attempt.price if attempt.reported is None else attempt.reported
    return charged
