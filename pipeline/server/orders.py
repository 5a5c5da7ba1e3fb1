"""The passes that a fleet of machines orders from its engine, and when. Pure.

Every machine decides alone, from what the store says about a sheet. They come to the same order
with the same name, and the engine carries out one of each name. A plain order is out of date once
the sheet was looked at after the order: however many wait in the queue, one pass answers them all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from pipeline.core.planning.causes import ON_SCHEDULE
from pipeline.schedule import Schedule
from pipeline.server.pass_requests import PassRequest
from pipeline.store import Turn


@dataclass(frozen=True, slots=True)
class Order:
    """A pass over a sheet, and when it was ordered. `name` is the same on every machine."""

    name: str
    at: datetime
    request: PassRequest = field(default_factory=PassRequest)

    def is_out_of_date(self, turn: Turn) -> bool:
        """Returns whether a pass has done what the order was for."""
        return self.request.is_plain and turn.looked_at is not None and turn.looked_at >= self.at

    def to_text(self) -> str:
        """The order as the engine keeps it."""
        its = self.request
        about = {"limit": its.limit, "row": its.row, "by": its.by}
        return json.dumps({"name": self.name, "at": self.at.isoformat(), **about})


def order_of(text: str) -> Order:
    """The order in a text of `to_text`."""
    its = json.loads(text)
    request = PassRequest(its["limit"], its["row"], its["by"])
    return Order(its["name"], datetime.fromisoformat(its["at"]), request)


def order_due(
    turn: Turn, schedule: Schedule, now: datetime, *, is_watched: bool = True
) -> Order | None:
    """The pass that is due over a sheet; None if none is.

    If the machine is gone that watched for edits (not `is_watched`), a pass is due: it finds what
    was edited since, and the machine that runs it watches from then on.

    During a pass none is: it looks again by itself. After a failure, a pass is due when the sheet
    has rested, or when it is asked for.
    """
    looked = turn.looked_at
    if turn.holder:
        return None
    if turn.asked_at and (looked is None or turn.asked_at > looked):
        request = PassRequest(by=turn.asked_by or ON_SCHEDULE)
        return Order(f"asked {turn.asked_at.isoformat()}", turn.asked_at, request)
    if turn.retry_at:
        retry = Order(f"again {turn.retry_at.isoformat()}", turn.retry_at)
        return retry if turn.retry_at <= now else None
    if looked is None:
        # A name for each minute: a pass that is interrupted before its first look is ordered again.
        return Order(f"first {now:%Y-%m-%dT%H:%M}", now)
    if turn.version > turn.seen:
        return Order(f"version {turn.version}", now)
    if not is_watched:
        return Order(f"after {turn.machine} {looked.isoformat()}", now)
    due = _due(schedule, looked)
    return Order(f"due {due.isoformat()}", due, PassRequest(by=ON_SCHEDULE)) if due <= now else None


# Asked once a second for every sheet, and a cron line takes a tenth of a millisecond.
@lru_cache(maxsize=16_384)
def _due(schedule: Schedule, looked: datetime) -> datetime:
    return schedule.due(looked, looked)
