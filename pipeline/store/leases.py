"""Leases: which process works on a sheet now. A lease that is not renewed ends by itself.

Only this module changes the table `leases`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, select, update

from pipeline.core.errors import StoreError
from pipeline.store.last_passes import keep_pass
from pipeline.store.schema import leases, sheets
from pipeline.store.transactions import Database, StorePart, upsert


@dataclass(frozen=True, slots=True)
class Lease:
    """A process's right to work on a sheet until `until`; `word` tells one taking from the next."""

    sheet: str
    word: str
    holder: str
    since: datetime
    until: datetime


class Leases(StorePart):
    """The leases on sheets, by the sheet's key."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        #: Sheet and word of each lease that this process no longer uses, but could not end.
        self._given_up = set[tuple[str, str]]()

    def take(self, sheet: str, holder: str, seconds: float) -> Lease | None:
        """A new lease; None if another holder has one that has not expired.

        A new lease of the same holder ends the earlier one, whose `renew` then returns False.
        """
        now = self._database.now()
        lease = Lease(sheet, secrets.token_hex(8), holder, now, now + timedelta(seconds=seconds))
        new = {name: getattr(lease, name) for name in ("word", "holder", "since", "until")}
        # A lost answer may be that to a taking that was done.
        with self._giving_up(lease), self._database.writing() as connection:
            free = or_(leases.c.until <= now, leases.c.holder == holder)
            taking = (
                upsert(connection, leases)
                .values(sheet=sheet, **new)
                .on_conflict_do_update(index_elements=["sheet"], set_=new, where=free)
                .returning(leases.c.word)
            )
            taken = connection.execute(taking).first() is not None
        return lease if taken else None

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Extend the lease to so long from now. Returns whether it was still ours."""
        until = self._database.now() + timedelta(seconds=seconds)
        ours = (leases.c.sheet == lease.sheet) & (leases.c.word == lease.word)
        with self._database.writing() as connection:
            renewed = connection.execute(update(leases).where(ours).values(until=until))
            return renewed.rowcount == 1

    def release(self, lease: Lease, record: Mapping[str, object] | None = None) -> bool:
        """End the lease after a pass, and keep its record. Returns whether it was still ours.

        If the store cannot do that now, `end_given_up` ends the lease, without the record.
        """
        now = self._database.now()
        ended = update(sheets).where(sheets.c.key == lease.sheet).values(passed_at=now)
        with self._giving_up(lease), self._database.writing() as connection:
            connection.execute(ended)
            if record:
                keep_pass(connection, lease.sheet, record, now)
            return _break(connection, lease.sheet, lease.word)

    def end(self, sheet: str, word: str) -> bool:
        """End the lease with this word, whose holder has died. Returns whether there was one."""
        with self._database.writing() as connection:
            return _break(connection, sheet, word)

    def end_given_up(self) -> None:
        """End the leases that this process gave up, or took, while the store did not answer."""
        for sheet, word in [*self._given_up]:
            self.end(sheet, word)
            self._given_up.discard((sheet, word))

    @contextmanager
    def _giving_up(self, lease: Lease) -> Iterator[None]:
        """Remember that the lease has to be ended if the store fails in the block."""
        try:
            yield
        except StoreError:
            self._given_up.add((lease.sheet, lease.word))
            raise

    def of(self, sheet: str) -> Lease | None:
        """The lease on the sheet, also one that has run out."""
        with self._database.reading() as connection:
            found = connection.execute(select(leases).where(leases.c.sheet == sheet)).first()
        return Lease(*found) if found else None

    def has_ended(self, lease: Lease) -> bool:
        """Returns whether the time of a lease is over."""
        return lease.until <= self._database.now()


def _break(connection: Connection, sheet: str, word: str) -> bool:
    that = (leases.c.sheet == sheet) & (leases.c.word == word)
    return connection.execute(delete(leases).where(that)).rowcount == 1
