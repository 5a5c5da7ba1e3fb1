"""The outbox: what outlets are still to be told, and what became of each message.

A message is rendered when it is delivered. Only the holder of an outlet's lease claims its
messages; `outbox_messages` writes them.

Only these two modules and `outlets` change the tables `outlets` and `outbox`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from pipeline.core.outlets.outbox import LineState, MessageKind
from pipeline.store.outbox_lines import (
    FORGOTTEN,
    NOT_SENT,
    OPEN,
    Line,
    due_lines,
    is_of_earlier_take,
    is_open,
    is_overtaken,
    line_of,
    may_go,
    remotes,
)
from pipeline.store.outbox_messages import announce
from pipeline.store.schema import outbox, outlets
from pipeline.store.transactions import StorePart, number_of

#: After so many failed calls, one after the other, an outlet was away.
OUTAGE: Final = 2
#: What becomes of a message after which a newer one about its row was delivered.
_OVERTAKEN: Final = {"state": LineState.SENT, "reason": "a newer message came before it"}
#: Messages for which a digest does not wait.
AT_ONCE: Final = (MessageKind.STOPPED, MessageKind.BUDGET, MessageKind.SILENT)
#: Records what became of a claimed message. It runs for each one, so it is made once. If a try may
#: have arrived, that stays noted. What was delivered is not sent again, whatever another process
#: recorded meanwhile.
_ENDED: Final = (
    update(outbox)
    .where(
        outbox.c.id == bindparam("its_id"),
        or_(
            outbox.c.state == LineState.SENDING,
            and_(outbox.c.state == LineState.WAITING, bindparam("is_sent", type_=Boolean)),
        ),
    )
    .values(
        {name: bindparam(name) for name in ("state", "reason", "not_before", "remote", "done_at")}
        | {
            "tries": outbox.c.tries - bindparam("uncounted"),
            "unsure": or_(outbox.c.unsure, bindparam("may_have_arrived", type_=Boolean)),
        }
    )
)


class Delivery(NamedTuple):
    """What became of a line: its new state, and for an open one when it is tried again."""

    id: int
    state: LineState
    reason: str = ""
    not_before: datetime | None = None
    remote: str = ""
    #: True if this try may have arrived. The store keeps what it knows of earlier ones.
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
    #: How many calls of it have failed since the last one that did not.
    failures: int


class Retried(NamedTuple):
    """How many parked messages are tried again, and how many are not: a newer one was delivered."""

    again: int
    overtaken: int


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
    #: The path of a configuration that has it; empty if it was taken out of that one.
    config: str
    #: True if new messages to it are written. It was forgotten otherwise.
    is_told: bool
    #: A digest of its table and secrets (`OutletEntry`).
    settings: str


class Outbox(StorePart):
    """The messages of each outlet of each sheet."""

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
                    outlets.c.failures,
                )
                .select_from(
                    outlets.outerjoin(
                        outbox,
                        and_(outbox.c.outlet == outlets.c.id, NOT_SENT, outbox.c.state.in_(OPEN)),
                    )
                )
                .where(outlets.c.id == outlet)
                .group_by(outlets.c.id)
            ).one()
        return Waiting(row[0], row[1], row[2], bool(row[3]), *row[4:])

    def next_due(self, outlet: int) -> datetime | None:
        """When the next message may be delivered; None if none is waiting.

        A message that was being delivered when its process ended is due at once.
        """
        now = self._database.now()
        with self._database.reading() as connection:
            its = select(outlets.c.not_before).where(outlets.c.id == outlet)
            not_before = connection.execute(its).scalar_one_or_none()
            first = select(outbox.c.not_before, outbox.c.made_at).where(may_go(outlet, now))
            found = connection.execute(first.order_by(outbox.c.id).limit(1)).first()
            if found is not None:
                due: datetime | None = found.not_before or min(found.made_at, now)
            else:  # Each waits for its time, or for an earlier one of its row that does.
                latest = select(func.min(outbox.c.not_before)).where(is_open(outlet))
                due = connection.execute(latest).scalar_one()
        return max(due, not_before) if due and not_before else due

    def claim(
        self, outlet: int, most: int, *, one_take: bool = False, several: bool = False
    ) -> list[Line]:
        """The oldest messages that may be delivered now, marked as being delivered.

        No two are about the same row, unless `several`. A message waits for an earlier one about
        its row. With `one_take` it is dropped if one about a later take was delivered. The caller
        holds the outlet's lease.
        """
        now = self._database.now()
        with self._database.writing() as connection:
            found = connection.execute(due_lines(outlet, now, most if several else 2 * most)).all()
            chosen: dict[object, Any] = {}
            for row in found:
                about: object = row.id if several or not row.row_id else row.row_id
                if about not in chosen and len(chosen) < most:
                    chosen[about] = row
            # A newer message was under way when this one was tried again (`retry`).
            is_late = is_overtaken(outlet)
            late = select(outbox.c.id).where(
                outbox.c.id.in_([row.id for row in chosen.values()]),
                or_(is_late, is_of_earlier_take(outlet)) if one_take else is_late,
            )
            if overtaken := {*connection.execute(late).scalars()}:
                dropped = update(outbox).where(outbox.c.id.in_(overtaken))
                connection.execute(dropped.values({**_OVERTAKEN, "done_at": now}))
                chosen = {about: row for about, row in chosen.items() if row.id not in overtaken}
            ids = [row.id for row in chosen.values()]
            unsure = case((outbox.c.state == LineState.SENDING, True), else_=outbox.c.unsure)
            # A try whose process died says nothing of the outlet, so it is not counted.
            is_again = outbox.c.state == LineState.SENDING
            tries = case((is_again, outbox.c.tries), else_=outbox.c.tries + 1)
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_(ids))
                .values(state=LineState.SENDING, tries=tries, unsure=unsure)
            )
            noted = remotes(connection, outlet, {row.row_id for row in chosen.values()})
        return [line_of(row, noted.get(row.row_id, "")) for row in chosen.values()]

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
                "may_have_arrived": one.is_unsure,
                "is_sent": one.state is LineState.SENT,
                "uncounted": 0 if one.counts else 1,
                "done_at": now if one.state in (LineState.SENT, LineState.PARKED) else None,
            }
            for one in deliveries
        ]
        with self._database.writing() as connection:
            if delivered:
                _recover(connection, outlet)
            if ended:
                connection.execute(_ENDED, ended)
            connection.execute(update(outlets).where(outlets.c.id == outlet).values(about))

    def states(self, sheet: str) -> list[OutletState]:
        """The outlets of a sheet with the numbers of their messages, by name.

        Of forgotten ones, only those with undelivered messages.
        """

        def number(*of: str) -> ColumnElement[int]:
            return func.count(case((outbox.c.state.in_(of), 1)))

        with self._database.reading() as connection:
            oldest = func.min(case((outbox.c.state.in_(OPEN), outbox.c.made_at)))
            every = outbox.alias()
            # Counted in an index alone, because there are many.
            written = every.c.outlet == outlets.c.id, every.c.subject != FORGOTTEN
            total = select(func.count()).where(*written).scalar_subquery()
            its = and_(outbox.c.outlet == outlets.c.id, NOT_SENT)
            rows = connection.execute(
                select(
                    outlets,
                    number(*OPEN).label("waiting"),
                    number(LineState.PARKED).label("parked"),
                    (total - func.count(outbox.c.id)).label("sent"),
                    oldest.label("oldest"),
                )
                .select_from(outlets.outerjoin(outbox, its))
                .where(outlets.c.sheet == number_of(connection, sheet))
                .group_by(outlets.c.id)
                .having(or_(outlets.c.kinds != (), func.count(outbox.c.id) > 0))
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
                    config=row.config,
                    is_told=bool(row.kinds),
                    settings=row.settings,
                )
                for row in rows
            ]

    def parked(self, outlet: int) -> list[tuple[str, str]]:
        """The messages that an outlet refused: what each is about, and why."""
        with self._database.reading() as connection:
            asked = select(outbox.c.kind, outbox.c.row_id, outbox.c.reason)
            parked = and_(NOT_SENT, outbox.c.state == LineState.PARKED)
            asked = asked.where(outbox.c.outlet == outlet, parked)
            rows = connection.execute(asked.order_by(outbox.c.id))
            return [(f"{row.kind} {row.row_id}".strip(), row.reason) for row in rows]

    def retry(self, outlet: int) -> Retried:
        """Try again at once: parked messages, waiting ones, and the outlet itself.

        A parked message is not sent after a newer one about its row.
        """
        with self._database.writing() as connection:
            its = outbox.c.outlet == outlet
            is_parked = outbox.c.state == LineState.PARKED
            overtaken = connection.execute(
                update(outbox).where(its, is_parked, is_overtaken(outlet)).values(_OVERTAKEN)
            ).rowcount
            again = {"state": LineState.WAITING, "tries": 0, "not_before": None, "done_at": None}
            number = connection.execute(
                update(outbox).where(its, is_parked).values(**again)
            ).rowcount
            waiting = update(outbox).where(its, outbox.c.state == LineState.WAITING)
            connection.execute(waiting.values(not_before=None))
            opened = update(outlets).where(outlets.c.id == outlet)
            connection.execute(opened.values(closed="", reason="", failures=0, not_before=None))
            return Retried(number, overtaken)


def _recover(connection: Connection, outlet: int) -> None:
    """Let all messages be tried again at once if the outlet works again after an outage."""
    failures = select(outlets.c.failures).where(outlets.c.id == outlet)
    if connection.execute(failures).scalar_one() >= OUTAGE:
        tried = and_(outbox.c.state == LineState.WAITING, outbox.c.tries > 0)
        its = and_(outbox.c.outlet == outlet, NOT_SENT, tried)
        connection.execute(update(outbox).where(its).values(not_before=None))
