"""Which attempt the API calls back about, by the token that it was given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, text, update

from pipeline.core.api.webhook import early_poll
from pipeline.core.model import JobKey, State
from pipeline.store.column_types import escaped, from_number, to_number, unescaped
from pipeline.store.jobs import raise_jobs
from pipeline.store.prepared import Prepared
from pipeline.store.schema import attempts, jobs, sheets
from pipeline.store.transactions import StorePart, raise_versions

# Written exactly as in the index: SQLite uses it only then.
_HAS_HOOK = text("hook <> ''")
# Built once: building a statement takes longer than running it.
_HOOKED = Prepared(
    select(
        attempts.c.hook,
        sheets.c.key,
        jobs.c.row_id,
        jobs.c.take,
        jobs.c.part,
        attempts.c.number,
        attempts.c.endpoint,
        attempts.c.task_id,
        attempts.c.provider,
        attempts.c.base_url,
        attempts.c.api_key,
        attempts.c.state,
        attempts.c.early_poll,
    )
    .select_from(attempts.join(jobs).join(sheets))
    .where(attempts.c.hook == bindparam("its_hook"), _HAS_HOOK),
    "its_hook",
)
_OWNERS = Prepared(
    select(attempts.c.api_key, attempts.c.task_id, attempts.c.hook).where(
        attempts.c.task_id == bindparam("its_task")
    ),
    "its_task",
)
_JOBS = Prepared(
    select(attempts.c.hook, jobs.c.id, jobs.c.sheet)
    .select_from(attempts.join(jobs))
    .where(attempts.c.hook == bindparam("its_hook"), _HAS_HOOK),
    "its_hook",
)
_EARLY = Prepared(
    update(attempts)
    .where(attempts.c.hook == bindparam("its_hook"), _HAS_HOOK)
    .values(early_poll=bindparam("early_poll")),
    "early_poll",
    "its_hook",
)
#: States in which a task is polled, or soon will be.
_POLLED = (State.SUBMITTING, State.RUNNING)


class Hooked(NamedTuple):
    """An attempt that the API calls back about."""

    key: JobKey
    number: int
    endpoint: str
    #: Empty while the answer to its submission is not there.
    task_id: str
    #: The API that has it: its provider file (empty where that is not known), its address, and a
    #: digest of the account.
    provider: str = ""
    base_url: str = ""
    account: str = ""
    #: When to poll its task if an unproved call came now; None if nothing is to be noted.
    early_poll: datetime | None = None


class Callbacks(StorePart):
    """Which attempts webhooks are about."""

    def by_hook(self, hooks: Collection[str]) -> dict[str, Hooked]:
        """Hook token -> the attempt that was sent with it; without unknown ones."""
        with self._database.reading() as connection:
            rows = _found(_HOOKED, connection, hooks)
        now = self._database.now()
        return {
            hook: Hooked(
                JobKey(unescaped(sheet), unescaped(row_id), take, part),
                number,
                unescaped(endpoint),
                unescaped(task_id),
                unescaped(provider),
                unescaped(base_url),
                unescaped(account),
                early_poll(from_number(early), now) if state in _POLLED else None,
            )
            for hook, sheet, row_id, take, part, number, *its in rows
            for endpoint, task_id, provider, base_url, account, state, early in [its]
        }

    def owners(self, task_ids: Collection[str]) -> dict[tuple[str, str], str]:
        """(Account, task) -> the hook token of the attempt that has it, for those that exist."""
        with self._database.reading() as connection:
            rows = _found(_OWNERS, connection, task_ids)
        return {(unescaped(account), unescaped(task)): hook or "" for account, task, hook in rows}

    def poll_early(self, moments: Mapping[str, datetime]) -> None:
        """Note when to poll these tasks because of unproved calls: hook token -> moment.

        Their jobs count as changed, so that a pass in any process takes notice.
        """
        with self._database.writing() as connection:
            found = _found(_JOBS, connection, moments)
            now = raise_versions(connection, {sheet for _, _, sheet in found})
            _EARLY.each(connection, [(to_number(moments[hook]), hook) for hook, _, _ in found])
            raise_jobs(connection, {job: now[sheet] for _, job, sheet in found})


def _found(asked: Prepared, connection: Connection, texts: Iterable[str]) -> list[Sequence[Any]]:
    """All rows that a statement finds for these texts."""
    lines = [(escaped(one),) for one in sorted(set(texts))]
    return list(chain.from_iterable(asked.rows_of_each(connection, lines)))
