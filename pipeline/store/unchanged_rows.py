"""The unchanged rows of each sheet, as one value, so that a hundred thousand load fast.

The value is valid as long as the known rows do not change: `disturb` deletes it in the transaction
that changes them, and counts that. A pass that did not see the change cannot write its own value.

Only this module changes the table `resting`.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from pipeline.core.cells.row_digests import DIGEST, cut
from pipeline.core.cells.unchanged_rows import Unchanged
from pipeline.store.schema import resting, sheets
from pipeline.store.transactions import StorePart, made, upsert

_HERE = sheets.c.key == bindparam("key")
_ASKED = select(resting).join(sheets, sheets.c.id == resting.c.sheet).where(_HERE)
_ROWS_VERSION = (
    select(resting.c.rows_version).join(sheets, sheets.c.id == resting.c.sheet).where(_HERE)
)
_NOTHING: dict[str, object] = {
    "under": "",
    "version": 0,
    "ids": "",
    "digests": b"",
    "others": (),
    "lines": b"",
}


class KeptUnchanged(NamedTuple):
    """Rows that need no look, and the version of the sheet's known rows then."""

    rows_version: int
    resting: Unchanged


class UnchangedRows(StorePart):
    """The unchanged rows of each sheet."""

    def get(self, sheet: str) -> KeptUnchanged:
        """The rows that need no look, as they were kept last; none if they were not."""
        with self._database.reading() as connection:
            found = connection.execute(_ASKED, {"key": sheet}).first()
        if found is None:
            return KeptUnchanged(0, Unchanged())
        # All ids have the same length. It follows from the number of digests.
        count = len(found.digests) // DIGEST
        ids = cut(found.ids, len(found.ids) // (count or 1))
        rows = dict(zip(ids, cut(found.digests, DIGEST), strict=True))
        lines = frozenset(cut(found.lines, DIGEST))
        resting = Unchanged(found.under, found.version, rows, frozenset(found.others), lines)
        return KeptUnchanged(found.rows_version, resting)

    def rows_version(self, sheet: str) -> int:
        """The version of the known rows: how often they were changed."""
        with self._database.reading() as connection:
            return connection.execute(_ROWS_VERSION, {"key": sheet}).scalar() or 0

    def keep(self, sheet: str, left: Unchanged, rows_version: int) -> bool:
        """Keep these rows if the known rows still have this version. Returns whether it did."""
        kept = {
            "under": left.under,
            "version": left.version,
            "ids": "".join(left.rows),
            "digests": b"".join(left.rows.values()),
            "others": sorted(left.others),
            "lines": b"".join(sorted(left.lines)),
        }
        with self._database.writing() as connection:
            number = made(connection, sheet)
            new = (
                upsert(connection, resting)
                .values(sheet=number, rows_version=0)
                .on_conflict_do_nothing()
            )
            connection.execute(new)
            same = (resting.c.sheet == number) & (resting.c.rows_version == rows_version)
            return connection.execute(update(resting).where(same).values(kept)).rowcount == 1

    def forget(self, sheet: str) -> None:
        """Let the next pass look at all rows of the sheet."""
        with self._database.writing() as connection:
            disturb(connection, made(connection, sheet))


def disturb(connection: Connection, number: int) -> None:
    """Forget the unchanged rows of the sheet with this number, and count that."""
    new = upsert(connection, resting).values(sheet=number, rows_version=1, **_NOTHING)
    raised = {**_NOTHING, "rows_version": resting.c.rows_version + 1}
    connection.execute(new.on_conflict_do_update(index_elements=["sheet"], set_=raised))
