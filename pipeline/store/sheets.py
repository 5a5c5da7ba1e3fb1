"""The sheets that a store serves: how each stands, who owns it, which process works on it."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from sqlalchemy import Connection, Row, case, delete, or_, select, update

from pipeline.core.model import Claim
from pipeline.store.schema import leases, sheets
from pipeline.store.transactions import Base, keep_value, made, upsert


@dataclass(frozen=True, slots=True)
class SheetRecord:
    """What is known of a sheet as a whole."""

    key: str
    #: Path of the config that runs it; empty while none has.
    config: str = ""
    #: What people call it, and where it lies (a path or an address).
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
    #: When the last pass ended that had more to do than a glance.
    passed_at: datetime | None = None


class SheetChanges(TypedDict, total=False):
    """What may be changed in a SheetRecord; the claim is `raise_claim`'s."""

    config: str
    title: str
    place: str
    paused: bool
    hold: str
    ours: Collection[str]
    columns: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Lease:
    """A process's right to work on a sheet until `until`; `word` tells one taking from the next."""

    sheet: str
    word: str
    holder: str
    since: datetime
    until: datetime


_FIELDS = [sheets.c[name] for name in SheetRecord.__dataclass_fields__]


class Sheets(Base):
    """How each sheet stands."""

    def sheet(self, key: str) -> SheetRecord:
        """How the sheet stands; one that was not known is known from now on."""
        with self._reading() as connection:
            found = _record(connection, key)
        if found is None:
            with self._writing() as connection:
                made(connection, key)
        return found or self.sheet(key)

    def sheets(self) -> list[SheetRecord]:
        """All sheets of this store, in the order in which it met them."""
        with self._reading() as connection:
            found = connection.execute(select(*_FIELDS).order_by(sheets.c.id)).all()
        return [_from_row(row) for row in found]

    def update_sheet(self, key: str, **changes: Unpack[SheetChanges]) -> SheetRecord:
        """Change these fields and no others. Returns the sheet as it is then."""
        if "ours" in changes:
            changes["ours"] = sorted(changes["ours"])
        with self._writing() as connection:
            number = made(connection, key)
            if changes:
                connection.execute(update(sheets).where(sheets.c.id == number).values(**changes))
            record = _record(connection, key)
        assert record is not None, "the sheet was made in this transaction"
        return record

    def note_rest(self, key: str, note: str) -> None:
        """Keep what a pass saw that left nothing to do; `sync.quick_check` compares it."""
        with self._writing() as connection:
            keep_value(connection, f"rest of {made(connection, key)}", note)

    def raise_claim(self, sheet: str, word: str, at_least: int = 0) -> Claim:
        """The next claim of this store on the sheet, noted here before it is written there."""
        ahead = case((sheets.c.counter < at_least, at_least), else_=sheets.c.counter)
        with self._writing() as connection:
            raised = (
                update(sheets)
                .where(sheets.c.id == made(connection, sheet))
                .values(counter=ahead + 1, word=word)
                .returning(sheets.c.counter)
            )
            counter = connection.execute(raised).scalar_one()
        return Claim(sheet, self.id, counter, word)

    def take_lease(self, sheet: str, holder: str, seconds: float) -> Lease | None:
        """The lease, if there is none, or it has run out, or `holder` has it; else None.

        Taking it again under the same name ends the earlier one: `renew` then says so.
        """
        now = self._now()
        lease = Lease(sheet, secrets.token_hex(8), holder, now, now + timedelta(seconds=seconds))
        new = {name: getattr(lease, name) for name in ("word", "holder", "since", "until")}
        with self._writing() as connection:
            free = or_(leases.c.until <= now, leases.c.holder == holder)
            taking = (
                upsert(connection, leases)
                .values(sheet=sheet, **new)
                .on_conflict_do_update(index_elements=["sheet"], set_=new, where=free)
            )
            taken = connection.execute(taking).rowcount == 1
        return lease if taken else None

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Whether the lease was still ours; it then lasts for so long from now."""
        until = self._now() + timedelta(seconds=seconds)
        ours = (leases.c.sheet == lease.sheet) & (leases.c.word == lease.word)
        with self._writing() as connection:
            renewed = connection.execute(update(leases).where(ours).values(until=until))
            return renewed.rowcount == 1

    def release(self, lease: Lease) -> bool:
        """Give the lease back, the pass being over: whether it was still ours."""
        ended = update(sheets).where(sheets.c.key == lease.sheet).values(passed_at=self._now())
        with self._writing() as connection:
            connection.execute(ended)
            return _break(connection, lease.sheet, lease.word)

    def break_lease(self, sheet: str, word: str) -> bool:
        """End the lease with this word: whether it was there. The caller knows its holder dead."""
        with self._writing() as connection:
            return _break(connection, sheet, word)

    def lease_of(self, sheet: str) -> Lease | None:
        """The lease on the sheet, also one that has run out."""
        with self._reading() as connection:
            found = connection.execute(select(leases).where(leases.c.sheet == sheet)).first()
        return Lease(*found) if found else None


def _break(connection: Connection, sheet: str, word: str) -> bool:
    that = (leases.c.sheet == sheet) & (leases.c.word == word)
    return connection.execute(delete(leases).where(that)).rowcount == 1


def _record(connection: Connection, key: str) -> SheetRecord | None:
    found = connection.execute(select(*_FIELDS).where(sheets.c.key == key)).first()
    return _from_row(found) if found else None


def _from_row(row: Row[*tuple[object, ...]]) -> SheetRecord:
    fields = dict(row._mapping)
    return SheetRecord(**{**fields, "ours": frozenset(fields["ours"])})
