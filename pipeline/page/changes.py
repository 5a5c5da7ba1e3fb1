"""Finds which rows of a campaign have changed: in the store, in the sheet, or because time passed.

`ChangeFinder` owns how far the changes were read. Raises StoreError.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipeline import wiring
from pipeline.page.cards import CardSummary
from pipeline.page.sheet_reader import Reading
from pipeline.store import places_in
from pipeline.sync.configured_sheet import Campaign

#: Seconds between two checks for rows that change by time alone.
STALE: Final = 60.0


class ChangeFinder:
    """The changes of one campaign since they were last read. Not for two threads at once."""

    def __init__(self, campaign: Campaign, reading: Reading) -> None:
        self._store, self._key = campaign.store, campaign.key
        self._reading = reading
        # Up to where changes of jobs, of known rows and of their order have been read.
        self._version = 0
        self._rows_version = -1
        self._marks: dict[str, int] = {}
        self._written_order = ""
        self._checked_until = 0.0
        #: Id -> place of its row in the sheet, from 0. A new object after each change.
        self.order: Mapping[str, int] = {}
        #: Dismissed rows without a job -> what they said when they were dismissed.
        self.dismissed: Mapping[str, str] = {}

    def find(self, shown: Sequence[CardSummary]) -> list[str]:
        """Ids of the rows that have changed since the last call; the first time, of all rows.

        `shown` are the takes on the page: of these, some change because time passes.
        """
        if self._version:
            version, changed = self._store.jobs.changed(self._key, self._version)
            ids = [job.row_id for job in changed]
        else:
            version = self._store.jobs.version(self._key)
            ids = [job.row_id for job in self._store.jobs.newest(self._key)]
        ids += self._newly_noted()
        ids += self.read_order()
        dismissed = self._store.rows.dismissed(self._key)
        ids += [one for one, _ in dismissed.items() ^ self.dismissed.items()]
        self.dismissed = dismissed
        ids += self._reading.refresh()
        ids += self._out_of_date(shown)
        self._version = version
        return ids

    def read_order(self) -> Iterable[str]:
        """Read the order of the rows. Returns the ids that were added or removed."""
        written = self._store.rows.written_order(self._key)
        if written == self._written_order:
            return ()
        before, self.order = self.order, places_in(written)
        self._written_order = written
        return before.keys() ^ self.order.keys()

    def _newly_noted(self) -> Iterable[str]:
        if (version := self._store.unchanged.rows_version(self._key)) == self._rows_version:
            return ()
        marks = self._store.rows.marks(self._key)
        changed = [one for one, mark in marks.items() if self._marks.get(one) != mark]
        self._rows_version, self._marks = version, marks
        return changed

    def _out_of_date(self, shown: Sequence[CardSummary]) -> Iterable[str]:
        """The rows whose status or note may have changed because time has passed."""
        if time.monotonic() < self._checked_until:
            return ()
        self._checked_until, now = time.monotonic() + STALE, wiring.now()
        return [one.row_id for one in shown if one.stale_until and one.stale_until > now]
