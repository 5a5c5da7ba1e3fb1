"""The sheets of a store: their holds and claims, and how to find them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, Unpack

from sqlalchemy import Connection, Row, bindparam, case, select, update

from pipeline.core.model import Claim
from pipeline.store.schema import sheets
from pipeline.store.transactions import StorePart, keep_value, made, number_of


@dataclass(frozen=True, slots=True)
class SheetRecord:
    """The state of a sheet as a whole."""

    key: str
    #: Path of the config that runs it; empty while none has.
    config: str = ""
    #: Its title and its place (a path or an address).
    title: str = ""
    place: str = ""
    paused: bool = False
    #: The sentence of the hold that the last pass found; empty for none.
    hold: str = ""
    #: Names of the columns that are ours.
    ours: frozenset[str] = frozenset()
    #: Input and load-bearing columns of the last accepted reading; None before the first.
    columns: tuple[str, ...] | None = None
    #: The claim that this store raised last.
    counter: int = 0
    word: str = ""
    #: When the last pass ended, except passes that ended after a quick check.
    passed_at: datetime | None = None
    #: When a person last looked at the sample, and how many rows wait for that now.
    sample_seen: datetime | None = None
    sample_waits: int = 0


class SheetChanges(TypedDict, total=False):
    """The fields of a SheetRecord that may be changed; only `raise_claim` changes the claim."""

    config: str
    title: str
    place: str
    paused: bool
    hold: str
    ours: Collection[str]
    columns: tuple[str, ...] | None
    sample_seen: datetime
    sample_waits: int


_FIELDS = [sheets.c[name] for name in SheetRecord.__dataclass_fields__]
# Built once: building a statement takes longer than running it.
_ITS = select(*_FIELDS).where(sheets.c.key == bindparam("its_key"))


class Sheets(StorePart):
    """The sheets of the store, by key."""

    def get(self, key: str) -> SheetRecord:
        """The record of the sheet; a new sheet is added."""
        with self._database.reading() as connection:
            found = _record(connection, key)
        if found is None:
            self.add(key)
        return found or self.get(key)

    def add(self, key: str) -> None:
        """Add the sheet if it is new."""
        with self._database.reading() as connection:
            is_known = number_of(connection, key) > 0
        if not is_known:
            with self._database.writing() as connection:
                made(connection, key)

    def all(self) -> list[SheetRecord]:
        """All sheets of this store, in the order in which it met them."""
        with self._database.reading() as connection:
            found = connection.execute(select(*_FIELDS).order_by(sheets.c.id)).all()
        return [_from_row(row) for row in found]

    def update(self, key: str, **changes: Unpack[SheetChanges]) -> SheetRecord:
        """Change these fields and no others. Returns the sheet as it is then."""
        if "ours" in changes:
            changes["ours"] = sorted(changes["ours"])
        with self._database.writing() as connection:
            number = made(connection, key)
            if changes:
                connection.execute(update(sheets).where(sheets.c.id == number).values(**changes))
            record = _record(connection, key)
        assert record is not None, "the sheet was made in this transaction"
        return record

    def note_up_to_date(self, key: str, note: str) -> None:
        """Keep the state after a pass that left nothing to do, for `sync.quick_check`."""
        with self._database.writing() as connection:
            keep_value(connection, f"rest of {made(connection, key)}", note)

    def raise_claim(self, sheet: str, word: str, at_least: int = 0, *, config: str = "") -> Claim:
        """The next claim of this store on the sheet. It is stored before the sheet gets it.

        `config` is the configuration that the sheet is run by from now on; empty: as before.
        """
        by = {"config": config} if config else {}
        ahead = case((sheets.c.counter < at_least, at_least), else_=sheets.c.counter)
        with self._database.writing() as connection:
            raised = (
                update(sheets)
                .where(sheets.c.id == made(connection, sheet))
                .values(counter=ahead + 1, word=word, **by)
                .returning(sheets.c.counter)
            )
            counter = connection.execute(raised).scalar_one()
        return Claim(sheet, self._database.id, counter, word)


def _record(connection: Connection, key: str) -> SheetRecord | None:
    found = connection.execute(_ITS, {"its_key": key}).first()
    return _from_row(found) if found else None


def _from_row(row: Row[*tuple[object, ...]]) -> SheetRecord:
    fields = dict(row._mapping)
    return SheetRecord(**{**fields, "ours": frozenset(fields["ours"])})
