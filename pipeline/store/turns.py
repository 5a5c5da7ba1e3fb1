"""Whose turn it is: when each sheet was last looked at, and what asks for the next pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, select

from pipeline.core.sheet.resting import rest_after
from pipeline.store.leases import Lease
from pipeline.store.schema import leases, sheets, turns
from pipeline.store.transactions import (
    StorePart,
    keep_value,
    made,
    number_of,
    upsert,
    value_of,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is known about the passes over one sheet."""

    #: The version of its jobs now, and the version that the last pass knew.
    version: int = 0
    seen: int = 0
    #: When the last look of the last pass began; None before the first.
    looked_at: datetime | None = None
    #: When a person, or a program, last asked for a pass, and who or what did, in words.
    asked_at: datetime | None = None
    asked_by: str = ""
    #: How many passes in a row have failed, and why the last one did.
    failures: int = 0
    trouble: str = ""
    #: When the next pass is due after such a failure; None without one.
    retry_at: datetime | None = None
    #: The machine of a fleet that ran the last pass; empty if none did.
    machine: str = ""
    #: A digest of the configuration under which a rule stopped the sending; empty if none did.
    stopped: str = ""
    #: Who works on the sheet now, `host:pid`; empty if no one does.
    holder: str = ""


_coalesce = func.coalesce
_EVERY: Final = (
    select(
        sheets.c.key,
        sheets.c.version,
        _coalesce(turns.c.seen, 0),
        turns.c.looked_at,
        turns.c.asked_at,
        _coalesce(turns.c.asked_by, ""),
        _coalesce(turns.c.failures, 0),
        _coalesce(turns.c.trouble, ""),
        turns.c.retry_at,
        _coalesce(turns.c.machine, ""),
        _coalesce(turns.c.stopped, ""),
        _coalesce(leases.c.holder, ""),
    )
    .select_from(sheets)
    .outerjoin(turns, turns.c.sheet == sheets.c.id)
)
#: How far the clocks of two machines may be apart.
_AHEAD: Final = timedelta(minutes=1)
#: What the name of a machine's lease begins with.
_MACHINE: Final = "watch "


class Turns(StorePart):
    """The turns of the sheets, by the sheet's key."""

    def all(self) -> dict[str, Turn]:
        """Every sheet of the store with its turn, as of one moment. It is one statement."""
        return self._found(_EVERY)

    def of(self, sheet: str) -> Turn:
        """The turn of one sheet."""
        return self._found(_EVERY.where(sheets.c.key == sheet)).get(sheet, Turn())

    def _found(self, asked: Select[Any]) -> dict[str, Turn]:
        now = self._database.now()
        at_work = and_(leases.c.sheet == sheets.c.key, leases.c.until > now)
        with self._database.reading() as connection:
            found = connection.execute(asked.outerjoin(leases, at_work)).all()
        turns = {key: Turn(*rest) for key, *rest in found}
        return {
            # A look in the future was noted before the clock was set back.
            key: replace(its, looked_at=None)
            if its.looked_at and its.looked_at > now + _AHEAD
            else its
            for key, its in turns.items()
        }

    def looked(self, sheet: str, at: datetime, seen: int, machine: str = "") -> None:
        """A pass of this machine has ended whose last look began then.

        Failures before it do not count any more.
        """
        ended: dict[str, object] = {"failures": 0, "trouble": "", "retry_at": None}
        self._keep(sheet, looked_at=at, seen=seen, machine=machine, **ended)

    def failed(self, sheet: str, trouble: str) -> datetime:
        """A pass has failed. Returns when the sheet has rested, and the next one is due."""
        before = self.of(sheet).failures
        retry_at = self._database.now() + rest_after(before + 1)
        self._keep(sheet, failures=before + 1, trouble=trouble, retry_at=retry_at, asked_at=None)
        return retry_at

    def ask(self, sheet: str, by: str = "") -> None:
        """Ask for a pass: one begins soon, or the running one looks again."""
        self._keep(sheet, asked_at=self._database.now(), asked_by=by)

    def stop(self, sheet: str, configuration: str, why: str) -> None:
        """A rule stopped the sending under a configuration, for the reason in this sentence."""
        self._keep(sheet, stopped=configuration)
        self._keep_why(sheet, why)

    def why_stopped(self, sheet: str) -> str:
        """The sentence of the rule that stopped the sending; empty if it is not known."""
        with self._database.reading() as connection:
            return value_of(connection, _why(connection, sheet))

    def go_on(self, sheet: str) -> None:
        """Forget such a stop. Nothing is written if there is none."""
        if self.of(sheet).stopped:
            self._keep(sheet, stopped="")
            self._keep_why(sheet, "")

    def machines(self) -> list[Lease]:
        """The leases of the machines that take part, also those that have run out."""
        ours = select(leases).where(leases.c.sheet.startswith(_MACHINE))
        with self._database.reading() as connection:
            return [Lease(*row) for row in connection.execute(ours)]

    @staticmethod
    def name_of_machine(name: str) -> str:
        """The name of the lease that says that a machine is alive."""
        return f"{_MACHINE}{name}"

    def _keep_why(self, sheet: str, why: str) -> None:
        with self._database.writing() as connection:
            keep_value(connection, _why(connection, sheet), why)

    def _keep(self, sheet: str, **values: object) -> None:
        with self._database.writing() as connection:
            line = upsert(connection, turns).values(sheet=made(connection, sheet), **values)
            connection.execute(line.on_conflict_do_update(index_elements=["sheet"], set_=values))


def _why(connection: Connection, sheet: str) -> str:
    return f"why stopped of {number_of(connection, sheet)}"
