"""What people did to each row, on the page or in the sheet: who, what and when.

Lines are added and never changed. Only this module changes the table `row_events`. What happened to
a job afterwards is in the job's own history (`history`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from pipeline.store.column_types import escaped, to_number
from pipeline.store.prepared import Prepared
from pipeline.store.schema import row_events
from pipeline.store.transactions import StorePart, number_of

_ADDED = Prepared(insert(row_events).inline(), "sheet", "row_id", "at", "kind", "take", "person")


class RowEventKind(StrEnum):
    """What a person did."""

    APPROVED = "approved"
    UNAPPROVED = "unapproved"
    #: One more take was requested on the page.
    REQUESTED = "requested"
    #: A row that follows this one was requested on the page.
    FOLLOWED = "followed"
    #: Such a request was withdrawn before the row was added.
    WITHDRAWN = "withdrawn"
    #: A tick in the sheet, or its end, was seen for the first time.
    TICKED = "ticked"
    UNTICKED = "unticked"


class NewRowEvent(NamedTuple):
    """A line to add."""

    row_id: str
    kind: RowEventKind
    #: 0 if it is about no take in particular.
    take: int = 0
    #: The name that the person signed in with; empty if it is not known.
    person: str = ""


@dataclass(frozen=True, slots=True)
class RowEvent:
    """One thing that a person did to a row."""

    at: datetime
    kind: RowEventKind
    take: int
    person: str


class RowEvents(StorePart):
    """What people did to the rows of each sheet."""

    def of(self, sheet: str, row_id: str) -> list[RowEvent]:
        """Everything that was done to the row, the oldest first."""
        columns = row_events.c.at, row_events.c.kind, row_events.c.take, row_events.c.person
        with self._database.reading() as connection:
            here = row_events.c.sheet == number_of(connection, sheet)
            wanted = select(*columns).where(here, row_events.c.row_id == row_id)
            return [
                RowEvent(at, RowEventKind(kind), take, person)
                for at, kind, take, person in connection.execute(wanted.order_by(row_events.c.id))
            ]


def write_row_events(
    connection: Connection, sheet: int, at: datetime, lines: Iterable[NewRowEvent]
) -> None:
    """Add lines to the history of rows of the sheet with this number inside the store."""
    moment = to_number(at)
    _ADDED.each(
        connection,
        [
            (sheet, escaped(row_id), moment, str(kind), take, escaped(person))
            for row_id, kind, take, person in lines
        ],
    )
