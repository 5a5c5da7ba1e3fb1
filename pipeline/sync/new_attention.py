"""Which rows began to need attention, and were not reported to anyone yet.

The store keeps them, so that a row which a pass could not report is reported by a later one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.core.planning.lines import Line
from pipeline.core.statuses import NEEDS_ATTENTION
from pipeline.store import Store
from pipeline.sync.look import Look


class NewAttention:
    """The ids of these rows, for the length of a pass."""

    def __init__(self, store: Store, sheet: str) -> None:
        self._store, self._sheet = store, sheet
        self._ids = store.reports.rows(sheet)
        self._kept = frozenset(self._ids)

    def __contains__(self, row_id: str) -> bool:
        return row_id in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def compare(self, look: Look, lines: Sequence[Line]) -> None:
        """Find the lines whose status cell does not say yet that they need attention.

        They are kept before the cells say so.
        """
        for line in lines:
            if line.status not in NEEDS_ATTENTION:
                # A task that the first look found overdue may have ended since.
                self._ids.discard(line.seen.row_id)
            elif look.cell(line.seen.place, "status") != line.status:
                self._ids.add(line.seen.row_id)
        if self._ids != self._kept:
            self._store.reports.keep_rows(self._sheet, self._ids)
            self._kept = frozenset(self._ids)
