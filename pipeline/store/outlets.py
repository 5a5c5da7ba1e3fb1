"""The outlets of each sheet, as its configuration has them, and what is left of earlier ones.

The messages are in `outbox`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from pipeline.core.outbox import LineState, MessageKind
from pipeline.store.outbox_lines import NOT_SENT
from pipeline.store.schema import outbox, outlets
from pipeline.store.transactions import StorePart, made, number_of, upsert

#: Delivered messages are kept so long, for questions about what was sent.
KEPT: Final = timedelta(days=30)
#: No wait of ours, and none that an outlet asks for, is longer.
LONGEST_HOLD: Final = timedelta(days=2)


class OutletEntry(NamedTuple):
    """An outlet of a configuration.

    `settings` is a digest of its table and secrets; empty if a secret is missing here, so that
    a change of them cannot be seen.
    """

    name: str
    kinds: tuple[MessageKind, ...]
    settings: str
    #: The most seconds that a message about a result waits until its files are saved.
    file_wait: int = 0


class Outlets(StorePart):
    """The outlets of each sheet."""

    def configure(self, sheet: str, entries: Sequence[OutletEntry]) -> dict[str, int]:
        """Make the outlets of a sheet those of its configuration: name -> number.

        A new outlet is told of what happens from now on. One that is gone is told of nothing new;
        its messages stay until it is back. Without a change nothing is written.
        """
        now = self._database.now()
        with self._database.reading() as connection:
            known = _known(connection, number_of(connection, sheet))
        entries = [
            one._replace(settings=known[one.name].settings)
            if not one.settings and one.name in known
            else one
            for one in entries
        ]
        wanted = {one.name: (one.kinds, one.settings, one.file_wait) for one in entries}
        if {name: tuple(one[1:]) for name, one in known.items() if one.kinds} != wanted:
            with self._database.writing() as connection:
                number = made(connection, sheet)
                known = _known(connection, number)
                names = {one.name for one in entries}
                gone = [one.id for name, one in known.items() if name not in names]
                connection.execute(update(outlets).where(outlets.c.id.in_(gone)).values(kinds=()))
                for one in entries:
                    _configure(connection, number, one, known.get(one.name), now)
                known = _known(connection, number)
        return {name: one.id for name, one in known.items() if one.kinds}

    def tidy(self, sheet: str) -> None:
        """Delete what is no longer needed, and end waits that only a wrong clock can explain.

        Delivered messages go after 30 days, and so do those to outlets that are not configured any
        more. Without anything to do, nothing is written.
        """
        now = self._database.now()
        with self._database.reading() as connection:
            its = outbox.c.outlet.in_(
                select(outlets.c.id).where(outlets.c.sheet == number_of(connection, sheet))
            )
            gone = select(outlets.c.id).where(outlets.c.kinds == ())
            old = and_(
                its,
                or_(
                    and_(
                        outbox.c.state == LineState.SENT,
                        outbox.c.remote == "",
                        outbox.c.done_at < now - KEPT,
                    ),
                    and_(NOT_SENT, outbox.c.outlet.in_(gone), outbox.c.made_at < now - KEPT),
                ),
            )
            early = and_(its, NOT_SENT, outbox.c.not_before > now + LONGEST_HOLD)
            has_work = [
                connection.execute(select(outbox.c.id).where(one).limit(1)).first() is not None
                for one in (old, early)
            ]
        if any(has_work):
            with self._database.writing() as connection:
                connection.execute(delete(outbox).where(old))
                connection.execute(update(outbox).where(early).values(not_before=None))

    def left_behind(self, sheet: str) -> dict[str, int]:
        """Name -> undelivered messages, for outlets that are not configured any more."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(outlets.c.name, func.count(outbox.c.id))
                .join_from(outlets, outbox, and_(outbox.c.outlet == outlets.c.id, NOT_SENT))
                .where(outlets.c.sheet == number_of(connection, sheet), outlets.c.kinds == ())
                .group_by(outlets.c.id)
                .order_by(outlets.c.name)
            )
            return {row[0]: row[1] for row in rows}


class _Known(NamedTuple):
    id: int
    kinds: tuple[str, ...]
    settings: str
    file_wait: int


def _known(connection: Connection, sheet: int) -> dict[str, _Known]:
    asked = select(
        outlets.c.name, outlets.c.id, outlets.c.kinds, outlets.c.settings, outlets.c.file_wait
    )
    rows = connection.execute(asked.where(outlets.c.sheet == sheet))
    return {row.name: _Known(*row[1:]) for row in rows}


def _configure(
    connection: Connection, sheet: int, entry: OutletEntry, known: _Known | None, now: datetime
) -> None:
    new: dict[str, object] = {
        "kinds": entry.kinds,
        "settings": entry.settings,
        "file_wait": entry.file_wait,
    }
    if known is None:
        its = {"sheet": sheet, "name": entry.name, "since": now}
        connection.execute(upsert(connection, outlets).values(**its, **new))
        return
    if known.settings != entry.settings:
        new |= {"closed": "", "reason": "", "failures": 0, "not_before": None}
        new["delivered_at"] = None  # so that the new place is checked first
    connection.execute(update(outlets).where(outlets.c.id == known.id).values(**new))
