"""What came of the last pass over each sheet, for processes that did not run it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.store.transactions import StorePart, keep_value, number_of, value_of

#: The field that a record gets here: when the pass ended.
ENDED_AT: Final = "ended_at"


class LastPasses(StorePart):
    """One record for each sheet: see `sync.last_pass`. `store.leases` writes it."""

    def get(self, sheet: str) -> dict[str, Any]:
        """The record of the last pass that kept one; empty if none did."""
        with self._database.reading() as connection:
            kept = value_of(connection, _name(connection, sheet))
        record: dict[str, Any] = json.loads(kept or "{}")
        return record


def keep_pass(
    connection: Connection, sheet: str, record: Mapping[str, object], ended_at: datetime
) -> None:
    """Keep the record of a pass that ended then, instead of the earlier one."""
    whole = {**record, ENDED_AT: ended_at.isoformat()}
    keep_value(connection, _name(connection, sheet), json.dumps(whole))


def _name(connection: Connection, sheet: str) -> str:
    return f"last pass of {number_of(connection, sheet)}"
