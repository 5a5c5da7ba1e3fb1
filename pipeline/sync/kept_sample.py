"""The present sample of a sheet, as the store keeps it. Raises StoreError.

Which rows are in a sample is kept before the first of them is sent, so that no edit, crash or later
start makes it larger. `KeptSample` owns it during a pass.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.core.language import NOTHING, Said
from pipeline.core.messages.row_notes import settling
from pipeline.core.planning.lines import Plan
from pipeline.core.planning.samples import (
    Sample,
    held_rows,
    rows_made,
    rows_sent,
    sample_done,
    sample_waits,
)
from pipeline.core.statuses import ON_THE_WAY
from pipeline.store import Store


class KeptSample:
    """The samples of a sheet. `size` is `[rules] sample`; with 0 there are none.

    Rows settle for `settle`.
    """

    def __init__(
        self, store: Store, sheet: str, size: int, settle: timedelta = timedelta(0)
    ) -> None:
        self._size, self._settle = size, settle
        self._store, self._sheet = store, sheet
        self._is_forgotten = False

    def read(self) -> Sample:
        """The sample as it is now: other processes may have noted that a person looked."""
        looked_at = self._store.sheets.get(self._sheet).sample_seen
        rows = self._store.samples.rows(self._sheet, looked_at)
        sent = rows_sent(self._store.jobs.of_rows(self._sheet, rows).values())
        note = settling(self._settle) if self._settle else ""
        return Sample(self._size, looked_at, rows, sent, note)

    def keep(self, sample: Sample | None, rows: frozenset[str]) -> None:
        """Keep which rows are in the sample that was read. Without a sample, forget earlier ones.

        So rows that were sent while there was no sample take no places in a later one.
        """
        if sample is None:
            if not self._is_forgotten:
                self._store.samples.forget(self._sheet)
                self._is_forgotten = True
        elif rows != sample.chosen:
            self._store.samples.keep(self._sheet, sample.looked_at, rows)

    def results(self) -> tuple[int, int]:
        """How many rows of the sample were sent, and how many of them have results."""
        rows = self._store.samples.rows(self._sheet, self._looked_at())
        jobs = self._store.jobs.of_rows(self._sheet, rows).values()
        return len(rows_sent(jobs)), len(rows_made(jobs))

    def sentence(self, plan: Plan) -> Said:
        """What people should know while rows of the plan wait for a look; empty if none does."""
        waiting = held_rows(plan.lines)
        if not waiting:
            return NOTHING
        sent, succeeded = self.results()
        if sent and not any(plan.statuses[status] for status in ON_THE_WAY):
            return sample_done(waiting, sent, succeeded)
        return sample_waits(waiting)

    def _looked_at(self) -> datetime | None:
        return self._store.sheets.get(self._sheet).sample_seen
