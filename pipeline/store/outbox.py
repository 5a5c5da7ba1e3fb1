"""The outbox: what outlets are still to be told, and what became of each message.

A message is rendered when it is delivered. Only the holder of an outlet's lease claims its
messages; `outbox_messages` writes them.

Only these two modules change the tables `outlets` and `outbox`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from pipeline.core.model import JobKey
from pipeline.core.outbox import LineState, MessageKind
from pipeline.store.outbox_messages import announce
from pipeline.store.schema import attempts, jobs, outbox, outlets, sheets
from pipeline.store.transactions import StorePart, made, number_of, upsert

#: Delivered messages are kept so long, for questions about what was sent.
KEPT: Final = timedelta(days=30)
#: Messages for which a digest does not wait.
AT_ONCE: Final = (MessageKind.STOPPED, MessageKind.BUDGET, MessageKind.SILENT)
_OPEN: Final = (LineState.WAITING, LineState.SENDING)
#: True for open lines, and a few others. With a literal in it, the partial index is used, so that
#: the many lines that were sent are not read.
_UNSENT: Final = outbox.c.state != literal_column(f"'{LineState.SENT}'")
#: Records what became of a claimed message. It runs for each one, so it is made once.
_ENDED: Final = (
    update(outbox)
    .where(outbox.c.id == bindparam("its_id"), outbox.c.state == LineState.SENDING)
    .values(
        {
            name: bindparam(name)
            for name in ("state", "reason", "not_before", "remote", "unsure", "done_at")
        }
        | {"tries": outbox.c.tries - bindparam("uncounted")}
    )
)


class OutletEntry(NamedTuple):
    """An outlet of a configuration.

    `settings` is a digest of its table and secrets; empty if a secret is missing here, so that
    a change of them cannot be seen.
    """

    name: str
    kinds: tuple[MessageKind, ...]
    settings: str


@dataclass(frozen=True, slots=True)
class Line:
    """A message that was claimed for delivery."""

    id: int
    kind: MessageKind
    made_at: datetime
    #: How often it was tried, with the try that now begins.
    tries: int
    #: True if an earlier try may have arrived.
    is_unsure: bool
    #: The job and the number of the attempt; None for messages about the sheet.
    key: JobKey | None
    number: int | None
    #: The row's labels, as they were when the attempt began.
    labels: Mapping[str, str]
    #: What the outlet remembers of the row.
    remote: str
    body: Mapping[str, Any]


class Delivery(NamedTuple):
    """What became of a line: its new state, and for an open one when it is tried again."""

    id: int
    state: LineState
    reason: str = ""
    not_before: datetime | None = None
    remote: str = ""
    is_unsure: bool = False
    #: False: the try does not count.
    counts: bool = True


class Waiting(NamedTuple):
    """The waiting messages of an outlet: number, when the oldest and the newest was made."""

    number: int
    oldest: datetime | None
    newest: datetime | None
    #: True if one of them does not wait for a digest.
    is_urgent: bool
    #: When the outlet last got a message; None: never, or not since its table was changed.
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class OutletState:
    """An outlet and its messages."""

    id: int
    name: str
    waiting: int
    parked: int
    sent: int
    #: When the oldest waiting message was made.
    oldest: datetime | None
    closed: str
    failures: int
    reason: str
    not_before: datetime | None
    delivered_at: datetime | None


class Outbox(StorePart):
    """The messages of each outlet of each sheet."""

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
        if {name: (one.kinds, one.settings) for name, one in known.items() if one.kinds} != {
            one.name: (one.kinds, one.settings) for one in entries
        }:
            with self._database.writing() as connection:
                number = made(connection, sheet)
                known = _known(connection, number)
                names = {one.name for one in entries}
                gone = [one.id for name, one in known.items() if name not in names]
                connection.execute(update(outlets).where(outlets.c.id.in_(gone)).values(kinds=()))
                for one in entries:
                    _configure(connection, number, one, known.get(one.name), now)
                known = _known(connection, number)
                old = and_(outbox.c.state == LineState.SENT, outbox.c.remote == "")
                connection.execute(delete(outbox).where(old, outbox.c.done_at < now - KEPT))
        return {name: one.id for name, one in known.items() if one.kinds}

    def announce(
        self,
        sheet: str,
        kind: MessageKind,
        subject: str,
        body: Mapping[str, Any],
        row_id: str = "",
    ) -> None:
        """Tell the outlets of a sheet of something besides its jobs, once for each subject."""
        with self._database.writing() as connection:
            if number := number_of(connection, sheet):
                announce(connection, number, kind, subject, body, self._database.now(), row_id)

    def waiting(self, outlet: int) -> Waiting:
        """The messages that wait, in figures."""
        is_urgent = func.max(case((outbox.c.kind.in_(AT_ONCE), 1), else_=0))
        with self._database.reading() as connection:
            row = connection.execute(
                select(
                    func.count(outbox.c.id),
                    func.min(outbox.c.made_at),
                    func.max(outbox.c.made_at),
                    is_urgent,
                    outlets.c.delivered_at,
                )
                .select_from(
                    outlets.outerjoin(
                        outbox,
                        and_(outbox.c.outlet == outlets.c.id, _UNSENT, outbox.c.state.in_(_OPEN)),
                    )
                )
                .where(outlets.c.id == outlet)
                .group_by(outlets.c.id)
            ).one()
        return Waiting(row[0], row[1], row[2], bool(row[3]), row[4])

    def next_due(self, outlet: int) -> datetime | None:
        """When the next message may be delivered; None if none is waiting.

        A message that was being delivered when its process ended is due at once.
        """
        with self._database.reading() as connection:
            found = connection.execute(
                select(
                    func.min(func.coalesce(outbox.c.not_before, outbox.c.made_at)),
                    outlets.c.not_before,
                )
                .select_from(outbox.join(outlets))
                .where(outbox.c.outlet == outlet, _UNSENT, outbox.c.state.in_(_OPEN))
                .group_by(outlets.c.not_before)
            ).first()
        if found is None:
            return None
        due: datetime = found[0]
        return max(due, found[1]) if found[1] else due

    def claim(
        self, outlet: int, most: int, *, newest_only: bool = False, several: bool = False
    ) -> list[Line]:
        """The oldest messages that may be delivered now, marked as being delivered.

        No two are about the same row, unless `several`. A message waits for an earlier one about
        its row. With `newest_only` an earlier one counts as delivered, because the newest tells
        everything. The caller holds the outlet's lease.
        """
        now = self._database.now()
        with self._database.writing() as connection:
            found = connection.execute(_due(outlet, now, most if several else 2 * most)).all()
            chosen: dict[object, Any] = {}
            replaced = []
            for row in found:
                about: object = row.id if several or not row.row_id else row.row_id
                if about not in chosen:
                    if len(chosen) < most:
                        chosen[about] = row
                elif newest_only:
                    replaced.append(chosen[about].id)
                    chosen[about] = row
            ids = [row.id for row in chosen.values()]
            unsure = case((outbox.c.state == LineState.SENDING, True), else_=outbox.c.unsure)
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_(ids))
                .values(state=LineState.SENDING, tries=outbox.c.tries + 1, unsure=unsure)
            )
            if replaced:
                connection.execute(
                    update(outbox)
                    .where(outbox.c.id.in_(replaced))
                    .values(state=LineState.SENT, done_at=now, reason="a newer message replaced it")
                )
            remotes = _remotes(connection, outlet, {row.row_id for row in chosen.values()})
        return [_line(row, remotes.get(row.row_id, "")) for row in chosen.values()]

    def record(
        self,
        outlet: int,
        deliveries: Iterable[Delivery],
        *,
        delivered: bool = False,
        failed: str = "",
        closed: str = "",
        not_before: datetime | None = None,
    ) -> None:
        """Record what became of claimed messages, and how the outlet itself is.

        `delivered`: it took some of them. `failed` is why the call failed as a whole, `closed` why
        the outlet accepts nothing before a person acts. `not_before` is when it may be called
        again.
        """
        now = self._database.now()
        about: dict[str, object] = {"not_before": not_before}
        if delivered:
            about |= {"failures": 0, "reason": "", "closed": "", "delivered_at": now}
        if failed or closed:
            about |= {"failures": outlets.c.failures + 1, "reason": failed, "closed": closed}
        ended = [
            {
                "its_id": one.id,
                "state": one.state,
                "reason": one.reason,
                "not_before": one.not_before,
                "remote": one.remote,
                "unsure": one.is_unsure,
                "uncounted": 0 if one.counts else 1,
                "done_at": now if one.state in (LineState.SENT, LineState.PARKED) else None,
            }
            for one in deliveries
        ]
        with self._database.writing() as connection:
            if ended:
                connection.execute(_ENDED, ended)
            connection.execute(update(outlets).where(outlets.c.id == outlet).values(about))

    def states(self, sheet: str) -> list[OutletState]:
        """The outlets of a sheet with the numbers of their messages, by name."""

        def number(*of: str) -> ColumnElement[int]:
            return func.count(case((outbox.c.state.in_(of), 1)))

        with self._database.reading() as connection:
            oldest = func.min(case((outbox.c.state.in_(_OPEN), outbox.c.made_at)))
            rows = connection.execute(
                select(
                    outlets,
                    number(*_OPEN).label("waiting"),
                    number(LineState.PARKED).label("parked"),
                    number(LineState.SENT).label("sent"),
                    oldest.label("oldest"),
                )
                .select_from(outlets.outerjoin(outbox))
                .where(outlets.c.sheet == number_of(connection, sheet), outlets.c.kinds != ())
                .group_by(outlets.c.id)
                .order_by(outlets.c.name)
            )
            return [
                OutletState(
                    id=row.id,
                    name=row.name,
                    waiting=row.waiting,
                    parked=row.parked,
                    sent=row.sent,
                    oldest=row.oldest,
                    closed=row.closed,
                    failures=row.failures,
                    reason=row.reason,
                    not_before=row.not_before,
                    delivered_at=row.delivered_at,
                )
                for row in rows
            ]

    def parked(self, outlet: int) -> list[tuple[str, str]]:
        """The messages that an outlet refused: what each is about, and why."""
        with self._database.reading() as connection:
            asked = select(outbox.c.kind, outbox.c.row_id, outbox.c.reason)
            asked = asked.where(outbox.c.outlet == outlet, outbox.c.state == LineState.PARKED)
            rows = connection.execute(asked.order_by(outbox.c.id))
            return [(f"{row.kind} {row.row_id}".strip(), row.reason) for row in rows]

    def retry(self, outlet: int) -> int:
        """Try again at once: parked messages, waiting ones, and the outlet itself.

        Returns how many messages were parked.
        """
        with self._database.writing() as connection:
            its = outbox.c.outlet == outlet
            again = {"state": LineState.WAITING, "tries": 0, "not_before": None, "done_at": None}
            number = connection.execute(
                update(outbox).where(its, outbox.c.state == LineState.PARKED).values(**again)
            ).rowcount
            waiting = update(outbox).where(its, outbox.c.state == LineState.WAITING)
            connection.execute(waiting.values(not_before=None))
            opened = update(outlets).where(outlets.c.id == outlet)
            connection.execute(opened.values(closed="", reason="", failures=0, not_before=None))
            return number


class _Known(NamedTuple):
    id: int
    kinds: tuple[str, ...]
    settings: str


def _known(connection: Connection, sheet: int) -> dict[str, _Known]:
    asked = select(outlets.c.name, outlets.c.id, outlets.c.kinds, outlets.c.settings)
    rows = connection.execute(asked.where(outlets.c.sheet == sheet))
    return {row.name: _Known(row.id, row.kinds, row.settings) for row in rows}


def _configure(
    connection: Connection, sheet: int, entry: OutletEntry, known: _Known | None, now: datetime
) -> None:
    new: dict[str, object] = {"kinds": entry.kinds, "settings": entry.settings}
    if known is None:
        its = {"sheet": sheet, "name": entry.name, "since": now}
        connection.execute(upsert(connection, outlets).values(**its, **new))
        return
    if known.settings != entry.settings:
        new |= {"closed": "", "reason": "", "failures": 0, "not_before": None}
        new["delivered_at"] = None  # so that the new place is checked first
    connection.execute(update(outlets).where(outlets.c.id == known.id).values(**new))


def _due(outlet: int, now: datetime, most: int) -> Any:
    """The lines that may be delivered now, the oldest first, with their rows."""
    earlier = outbox.alias()
    is_blocked = exists().where(
        outbox.c.row_id != "",
        earlier.c.outlet == outlet,
        earlier.c.row_id == outbox.c.row_id,
        earlier.c.id < outbox.c.id,
        earlier.c.state.in_(_OPEN),
        earlier.c.not_before > now,
    )
    return (
        select(outbox, sheets.c.key, jobs.c.take, attempts.c.labels)
        .select_from(
            outbox.outerjoin(jobs, jobs.c.id == outbox.c.job)
            .outerjoin(sheets, sheets.c.id == jobs.c.sheet)
            .outerjoin(
                attempts,
                and_(attempts.c.job == outbox.c.job, attempts.c.number == outbox.c.number),
            )
        )
        .where(
            outbox.c.outlet == outlet,
            _UNSENT,
            outbox.c.state.in_(_OPEN),
            or_(outbox.c.not_before.is_(None), outbox.c.not_before <= now),
            ~is_blocked,
        )
        .order_by(outbox.c.id)
        .limit(most)
    )


def _remotes(connection: Connection, outlet: int, row_ids: set[str]) -> dict[str, str]:
    """What the outlet last noted of these rows."""
    asked = select(outbox.c.row_id, outbox.c.remote).where(
        outbox.c.outlet == outlet, outbox.c.row_id.in_(row_ids - {""}), outbox.c.remote != ""
    )
    return {row.row_id: row.remote for row in connection.execute(asked.order_by(outbox.c.id))}


def _line(row: Any, remote: str) -> Line:
    return Line(
        id=row.id,
        kind=MessageKind(row.kind),
        made_at=row.made_at,
        tries=row.tries + 1,
        is_unsure=row.unsure or row.state == LineState.SENDING,
        key=JobKey(row.key, row.row_id, row.take) if row.job is not None else None,
        number=row.number,
        labels=json.loads(row.labels) if row.labels else {},
        remote=remote,
        body=json.loads(row.body) if row.body else {},
    )
