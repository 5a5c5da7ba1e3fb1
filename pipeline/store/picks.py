"""The pictures that people picked on the page, of one generation and take each.

A tick does not touch a cell. Where the row's cell `pick` is filled, that counts instead
(`core.pictures.picks`). Only this module changes the column `picked` of the jobs.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select, update

from pipeline.core.model import JobKey
from pipeline.store.history import picked_line, write_history
from pipeline.store.jobs import is_job, numbers_in, raised
from pipeline.store.schema import attempts, jobs
from pipeline.store.transactions import StorePart, number_of


class Picks(StorePart):
    """The picked pictures: numbers of a job's results, counted from 1."""

    def set(
        self, key: JobKey, numbers: Collection[int], before: Collection[int], by: str = ""
    ) -> bool:
        """Pick these pictures of a job and no others, if those of `before` were picked until now.

        Returns whether it did: two people who press at once, or one who presses twice, pick once.
        `by` is who did it, for the history. The next pass looks at the row.
        """
        if set(numbers) == set(before):
            return False
        with self._database.writing() as connection:
            version = raised(connection, key)
            same = is_job(connection, key), jobs.c.picked == _text(before)
            putting = update(jobs).where(*same).values(picked=_text(numbers), version=version)
            job = connection.execute(putting.returning(jobs.c.id)).scalar()
            if job is None:
                return False
            last = select(func.max(attempts.c.number)).where(attempts.c.job == job)
            attempt = connection.execute(last).scalar() or 0
            line = picked_line(job, attempt, self._database.now(), by, sorted({*numbers}))
            write_history(connection, [line])
            return True

    def of(self, sheet: str) -> dict[JobKey, tuple[int, ...]]:
        """The picked pictures of each job that has any, in rising order."""
        named = jobs.c.row_id, jobs.c.take, jobs.c.part, jobs.c.picked
        with self._database.reading() as connection:
            here = jobs.c.sheet == number_of(connection, sheet), jobs.c.picked != ""
            return {
                JobKey(sheet, row_id, take, part): numbers_in(picked)
                for row_id, take, part, picked in connection.execute(select(*named).where(*here))
            }


def _text(numbers: Collection[int]) -> str:
    return ",".join(map(str, sorted({*numbers})))
