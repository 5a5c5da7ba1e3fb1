"""What was reported of each sheet: its lasting troubles, and rows that were not reported yet.

Both are kept as lines of the table `promptsheet`, which are there only while there is something to
keep. A trouble is kept once it has been printed, a row before its cell says that it needs
attention: so a report that could not be printed is not lost.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, select

from pipeline.store.base import Base, digest, number_of, upsert
from pipeline.store.tables import from_number, meta, to_number


class Reported(Base):
    """Reports of each sheet, by its place or its key."""

    def reported(self, place: str) -> dict[str, datetime]:
        """Trouble -> when it was reported last, of the sheet at this place."""
        kept = self._kept(_troubles_of(place))
        return {trouble: from_number(at) for trouble, at in json.loads(kept or "{}").items()}

    def keep_reported(self, place: str, reported: Mapping[str, datetime]) -> None:
        """Keep these troubles with their times, and no others."""
        times = {trouble: to_number(at) for trouble, at in reported.items()}
        self._keep(_troubles_of(place), json.dumps(times) if times else "")

    def unreported_rows(self, sheet: str) -> set[str]:
        """Ids of the rows that began to need attention, which nobody has been told yet."""
        return set(json.loads(self._kept(self._rows_of(sheet)) or "[]"))

    def keep_unreported_rows(self, sheet: str, ids: Collection[str]) -> None:
        """Keep these ids, and no others."""
        self._keep(self._rows_of(sheet), json.dumps(sorted(ids)) if ids else "")

    def _rows_of(self, sheet: str) -> str:
        # Also asked by `glance`, which knows the number and not how a name is made of a key.
        with self._reading() as connection:
            return f"unreported of {number_of(connection, sheet)}"

    def _kept(self, name: str) -> str:
        with self._reading() as connection:
            return _value(connection, name)

    def _keep(self, name: str, value: str) -> None:
        """Keep the value, or delete it if it is empty; nothing is written without a change."""
        if self._kept(name) == value:
            return
        with self._writing() as connection:
            if value:
                keeping = upsert(connection, meta).values(name=name, value=value)
                connection.execute(
                    keeping.on_conflict_do_update(index_elements=["name"], set_={"value": value})
                )
            else:
                connection.execute(delete(meta).where(meta.c.name == name))


def _value(connection: Connection, name: str) -> str:
    return connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar() or ""


def _troubles_of(place: str) -> str:
    return f"reported {digest(place)[:24]}"
