"""The outlets of each sheet. An outlet belongs to its sheet, however many configurations it has.

A configuration adds its outlets, and takes none away: another one may have them. Only a person
ends an outlet. The messages are in `outbox`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, delete, exists, func, select, update

from pipeline.core.outlets.outbox import LineState, MessageKind
from pipeline.store.column_types import to_number
from pipeline.store.outbox_lines import FORGOTTEN, NOT_SENT
from pipeline.store.schema import outbox, outlets
from pipeline.store.transactions import StorePart, made, number_of, upsert

#: Delivered messages are kept so long, for questions about what was sent.
KEPT: Final = timedelta(days=30)
#: No wait of ours, and none that an outlet asks for, is longer.
LONGEST_HOLD: Final = timedelta(days=2)
#: Stands for all columns of a sheet.
ALL_COLUMNS: Final = "*"


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
    #: The folded titles of the sheet's columns that its messages carry, or `ALL_COLUMNS`.
    columns: tuple[str, ...] = ()


class Outlets(StorePart):
    """The outlets of each sheet."""

    def configure(self, sheet: str, entries: Sequence[OutletEntry], config: str) -> dict[str, int]:
        """Make these outlets of a sheet as this configuration has them: name -> number.

        A new outlet gets messages about what happens from now on. Those that other configurations
        have stay as they are, and so do those that were taken out of this one: their messages wait.
        `config` is the path of the configuration. Without a change nothing is written.
        """
        now = self._database.now()
        with self._database.reading() as connection:
            known = _known(connection, number_of(connection, sheet))
        entries = [
            one._replace(settings=known[one.name].entry.settings)
            if not one.settings and one.name in known
            else one
            for one in entries
        ]
        names = {one.name for one in entries}
        gone = [name for name, one in known.items() if one.config == config and name not in names]
        if gone or any(_differs(known.get(one.name), one, config) for one in entries):
            with self._database.writing() as connection:
                number = made(connection, sheet)
                known = _known(connection, number)
                taken_out = outlets.c.sheet == number, outlets.c.config == config
                connection.execute(
                    update(outlets)
                    .where(*taken_out, outlets.c.name.not_in(names))
                    .values(config="")
                )
                for one in entries:
                    _configure(connection, number, one, known.get(one.name), config, now)
                known = _known(connection, number)
        return {name: known[name].id for name in (one.name for one in entries)}

    def columns(self, sheet: str) -> frozenset[str] | None:
        """The columns of a sheet that messages to any of its outlets carry; see `OutletEntry`.

        None if the sheet has no outlet.
        """
        with self._database.reading() as connection:
            asked = select(outlets.c.columns).where(
                outlets.c.sheet == number_of(connection, sheet), outlets.c.kinds != ()
            )
            found = connection.execute(asked).scalars().all()
        return frozenset(name for names in found for name in names) if found else None

    def forget(self, sheet: str, name: str) -> None:
        """Delete an outlet's messages, delivered or not, and tell it of nothing more.

        Its number stays: a process that runs may have the outlet, and a later configuration may
        have it again.
        """
        now = self._database.now()
        every = outbox.alias()
        with self._database.writing() as connection:
            known = _known(connection, number_of(connection, sheet)).get(name)
            if known is None:
                return
            its = outbox.c.outlet == known.id
            last = select(func.max(every.c.id)).scalar_subquery()
            connection.execute(delete(outbox).where(its, outbox.c.id < last))
            # See `tidy` for why the highest number stays.
            nothing = {"row_id": "", "job": None, "number": None, "body": "", "remote": ""}
            connection.execute(
                update(outbox)
                .where(its)
                .values(subject=FORGOTTEN, state=LineState.SENT, done_at=now, **nothing)
            )
            ended = {"kinds": (), "config": "", "settings": "", "told_since": ""}
            opened = {"closed": "", "reason": "", "failures": 0, "not_before": None}
            connection.execute(
                update(outlets)
                .where(outlets.c.id == known.id)
                .values(**ended, **opened, delivered_at=None)
            )

    def tidy(self, sheet: str) -> None:
        """Delete what is no longer needed, and end waits that only a wrong clock can explain.

        Delivered messages go after 30 days, but not one that keeps an older message of its row from
        being sent after it. Without anything to do, nothing is written.
        """
        now = self._database.now()
        with self._database.reading() as connection:
            its = outbox.c.outlet.in_(
                select(outlets.c.id).where(outlets.c.sheet == number_of(connection, sheet))
            )
            earlier, every = outbox.alias(), outbox.alias()
            overtakes = exists().where(
                outbox.c.row_id != "",
                earlier.c.outlet == outbox.c.outlet,
                earlier.c.row_id == outbox.c.row_id,
                earlier.c.id < outbox.c.id,
                earlier.c.state != LineState.SENT,
            )
            old = and_(
                its,
                outbox.c.state == LineState.SENT,
                outbox.c.remote == "",
                outbox.c.done_at < now - KEPT,
                ~overtakes,
                # A database may give the highest number again, and receivers know a message by it.
                outbox.c.id < select(func.max(every.c.id)).scalar_subquery(),
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


class _Known(NamedTuple):
    id: int
    entry: OutletEntry
    config: str
    since: datetime
    #: Kind -> since when it gets messages of that kind, in microseconds since 1970.
    told_since: dict[str, int]


def _known(connection: Connection, sheet: int) -> dict[str, _Known]:
    rows = connection.execute(select(outlets).where(outlets.c.sheet == sheet))
    return {
        row.name: _Known(
            row.id,
            OutletEntry(row.name, row.kinds, row.settings, row.file_wait, row.columns),
            row.config,
            row.since,
            told_since(row.told_since, row.kinds, row.since),
        )
        for row in rows
    }


def told_since(text: str, kinds: Iterable[str], since: datetime) -> dict[str, int]:
    """Kind -> since when an outlet gets such messages, by its columns `told_since` and `since`."""
    if text:
        return {str(kind): int(moment) for kind, moment in json.loads(text).items()}
    return dict.fromkeys(kinds, to_number(since) or 0)


def _differs(known: _Known | None, entry: OutletEntry, config: str) -> bool:
    return known is None or known.entry != entry or _is_free(known, config)


def _is_free(known: _Known, config: str) -> bool:
    """Returns whether no other configuration has an outlet: then it belongs to this one."""
    return known.config != config and not (known.config and Path(known.config).is_file())


def _configure(
    connection: Connection,
    sheet: int,
    entry: OutletEntry,
    known: _Known | None,
    config: str,
    now: datetime,
) -> None:
    before = known.told_since if known else {}
    told = {kind: before.get(kind, to_number(now)) for kind in entry.kinds}
    new: dict[str, object] = {
        "kinds": entry.kinds,
        "settings": entry.settings,
        "file_wait": entry.file_wait,
        "columns": entry.columns,
        "told_since": json.dumps(told),
    }
    if known is None:
        its = {"sheet": sheet, "name": entry.name, "since": now, "config": config}
        connection.execute(upsert(connection, outlets).values(**its, **new))
        return
    if _is_free(known, config) or known.entry.settings != entry.settings:
        new["config"] = config
    if known.entry.settings != entry.settings:
        new |= {"closed": "", "reason": "", "failures": 0, "not_before": None}
        new["delivered_at"] = None  # so that the new place is checked first
    connection.execute(update(outlets).where(outlets.c.id == known.id).values(**new))
