"""Which attempt the API calls back about, by the token that it was given."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import select, text

from pipeline.core.model import JobKey
from pipeline.store.column_types import unescaped
from pipeline.store.schema import attempts, jobs, sheets
from pipeline.store.transactions import Part, Prepared, listed, one_of

# Built once: building a statement takes longer than running it.
_HOOKED = Prepared(
    select(
        attempts.c.hook,
        sheets.c.key,
        jobs.c.row_id,
        jobs.c.take,
        attempts.c.number,
        attempts.c.endpoint,
        attempts.c.task_id,
        attempts.c.provider,
    )
    .select_from(attempts.join(jobs).join(sheets))
    # Said in the words of the index, which is only then used.
    .where(attempts.c.hook.in_(one_of("its_hooks")), text("hook <> ''")),
    "its_hooks",
)


class Hooked(NamedTuple):
    """An attempt that the API calls back about."""

    key: JobKey
    number: int
    endpoint: str
    #: Empty while the answer to its submission is not there.
    task_id: str
    #: The provider file of the API that has it; empty where that is not known.
    provider: str = ""


class Callbacks(Part):
    """Which attempts webhooks are about."""

    def by_hook(self, hooks: Collection[str]) -> dict[str, Hooked]:
        """Hook token -> the attempt that was sent with it; without unknown ones."""
        with self._database.reading() as connection:
            rows = _HOOKED.rows(connection, listed(hooks))
        return {
            hook: Hooked(
                JobKey(unescaped(sheet), unescaped(row_id), take),
                number,
                unescaped(endpoint),
                unescaped(task_id),
                unescaped(provider),
            )
            for hook, sheet, row_id, take, number, endpoint, task_id, provider in rows
        }
