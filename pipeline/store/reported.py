"""The reports about each sheet: its lasting problems, and the rows still to be reported.

Both are lines of the table `promptsheet` that exist only while there is something to keep. A
trouble is kept after it was printed; a row is kept before its cell says that it needs attention. So
a report that could not be printed is not lost.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime

from pipeline.store.column_types import from_number, to_number
from pipeline.store.transactions import StorePart, digest, keep_value, number_of, value_of


class Reports(StorePart):
    """Reports of each sheet, by its place or its key."""

    def troubles(self, place: str) -> dict[str, datetime]:
        """Trouble -> when it was last reported, for the sheet at this place (see `wiring`)."""
        kept = self._kept(_troubles_of(place))
        return {trouble: from_number(at) for trouble, at in json.loads(kept or "{}").items()}

    def keep_troubles(self, place: str, reported: Mapping[str, datetime]) -> None:
        """Keep these troubles with their times, and no others."""
        times = {trouble: to_number(at) for trouble, at in reported.items()}
        self._keep(_troubles_of(place), json.dumps(times) if times else "")

    def rows(self, sheet: str) -> set[str]:
        """Ids of the rows that began to need attention and were not reported yet."""
        return set(json.loads(self._kept(self._rows_of(sheet)) or "[]"))

    def keep_rows(self, sheet: str, ids: Collection[str]) -> None:
        """Keep these ids, and no others."""
        self._keep(self._rows_of(sheet), json.dumps(sorted(ids)) if ids else "")

    def _rows_of(self, sheet: str) -> str:
        # `sync.quick_check` reads this line as well, by the number of the sheet.
        with self._database.reading() as connection:
            return f"unreported of {number_of(connection, sheet)}"

    def _kept(self, name: str) -> str:
        with self._database.reading() as connection:
            return value_of(connection, name)

    def _keep(self, name: str, value: str) -> None:
        """Keep the value, or delete it if it is empty. Without a change nothing is written."""
        if self._kept(name) == value:
            return
        with self._database.writing() as connection:
            keep_value(connection, name, value)


def _troubles_of(place: str) -> str:
    return f"reported {digest(place)[:24]}"
