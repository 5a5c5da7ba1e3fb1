"""The present sample of each sheet: which rows are in it."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from pipeline.store.transactions import StorePart, keep_value, number_of, value_of


class Samples(StorePart):
    """Row ids for each sheet whose rows are sent as samples.

    They are kept with the moment when a person looked at the sample before: once a person looks
    again, they are those of an earlier sample.
    """

    def rows(self, sheet: str, looked_at: datetime | None) -> frozenset[str]:
        """Ids of the rows of the sample after that look; empty if none is chosen yet."""
        with self._database.reading() as connection:
            kept = json.loads(value_of(connection, _name(number_of(connection, sheet))) or "{}")
        return frozenset(kept["rows"] if kept and kept["after"] == _text(looked_at) else ())

    def keep(self, sheet: str, looked_at: datetime | None, rows: Collection[str]) -> None:
        """Keep them instead of the earlier ones."""
        kept = json.dumps({"after": _text(looked_at), "rows": sorted(rows)})
        with self._database.writing() as connection:
            keep_value(connection, _name(number_of(connection, sheet)), kept)

    def forget(self, sheet: str) -> None:
        """Forget the rows of the sample, if there are any."""
        with self._database.reading() as connection:
            name = _name(number_of(connection, sheet))
            is_kept = bool(value_of(connection, name))
        if is_kept:
            with self._database.writing() as connection:
                keep_value(connection, name, "")


def _name(number: int) -> str:
    return f"sample of {number}"


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
