"""Rows that people asked for on the page, which a pass adds to the sheet.

Each has the row id that is reserved for it. A pass adds the row with this id; a pass that finds the
id in the sheet knows that the row was added, also if an earlier one was killed before it could note
that. A request can be withdrawn until a pass begins to add its row. Only this module changes the
table `wanted_rows`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, TextClause, delete, func, insert, select, text, update

from pipeline.store.row_events import NewRowEvent, RowEventKind, write_row_events
from pipeline.store.schema import wanted_rows
from pipeline.store.transactions import StorePart, chunks, number_of, raise_versions


@dataclass(frozen=True, slots=True)
class WantedRow:
    """A row that a person asked for."""

    row_id: str
    #: The id of the row that it follows.
    parent: str
    #: Our name for a column -> the text of its cell.
    cells: Mapping[str, str]
    person: str
    at: datetime
    #: When a pass began to add it; None if it is certainly not in the sheet.
    adding_at: datetime | None
    #: When it was seen in the sheet; None if it was not yet.
    added_at: datetime | None
    #: Why it could not be added, as a sentence; empty if that was not tried, or has ended.
    reason: str


class WantedRows(StorePart):
    """The rows that people asked for."""

    def ask(
        self,
        sheet: str,
        row_id: str,
        parent: str,
        cells: Mapping[str, str],
        before: int,
        person: str = "",
    ) -> bool:
        """Ask for a row, if `before` rows were asked for until now that follow the same parent.

        Returns whether it did: two people who press at once, or one who presses twice, ask for one.
        `person` is for the history. The next pass has something to do.
        """
        with self._database.writing() as connection:
            number = number_of(connection, sheet)
            raise_versions(connection, [number])  # this locks the sheet
            its = wanted_rows.c.sheet == number, wanted_rows.c.parent == parent
            count = select(func.count()).select_from(wanted_rows).where(*its)
            if not number or connection.execute(count).scalar_one() != before:
                return False
            now = self._database.now()
            line = {"sheet": number, "row_id": row_id, "parent": parent, "person": person}
            more = {"cells": json.dumps(dict(cells)), "at": now, "reason": ""}
            connection.execute(insert(wanted_rows).values(line | more))
            events = (
                NewRowEvent(parent, RowEventKind.FOLLOWED, 0, person),
                NewRowEvent(row_id, RowEventKind.REQUESTED, 1, person),
            )
            write_row_events(connection, number, now, events)
            return True

    def withdraw(self, sheet: str, row_id: str, person: str = "") -> bool:
        """Withdraw a request, unless a pass has begun to add the row. Returns whether it did.

        `person` is for the history. Two people who press at once withdraw it once.
        """
        with self._database.writing() as connection:
            number = number_of(connection, sheet)
            raise_versions(connection, [number])  # this locks the sheet
            its = wanted_rows.c.sheet == number, wanted_rows.c.row_id == row_id
            is_free = wanted_rows.c.adding_at.is_(None), wanted_rows.c.added_at.is_(None)
            gone = delete(wanted_rows).where(*its, *is_free).returning(wanted_rows.c.parent)
            parent = connection.execute(gone).scalar()
            if parent is None:
                return False
            event = NewRowEvent(parent, RowEventKind.WITHDRAWN, 0, person)
            write_row_events(connection, number, self._database.now(), [event])
            return True

    def begin_adding(self, sheet: str, row_ids: Collection[str]) -> set[str]:
        """Note that a pass adds these rows now. Returns those that were not withdrawn."""
        begun: set[str] = set()
        with self._database.writing() as connection:
            number = number_of(connection, sheet)
            raise_versions(connection, [number])  # this locks the sheet
            now = {"adding_at": self._database.now()}
            for chunk in chunks(sorted(row_ids)):
                its = wanted_rows.c.sheet == number, wanted_rows.c.row_id.in_(chunk)
                taking = update(wanted_rows).where(*its, wanted_rows.c.added_at.is_(None))
                found = connection.execute(taking.values(now).returning(wanted_rows.c.row_id))
                begun.update(found.scalars())
        return begun

    def open(self, sheet: str) -> list[WantedRow]:
        """The rows that were not seen in the sheet yet, the oldest first."""
        # Word for word what the index is for.
        return self._found(sheet, text("added_at IS NULL"))

    def of_parent(self, sheet: str, parent: str) -> list[WantedRow]:
        """All rows that follow this one and were asked for, the oldest first."""
        return self._found(sheet, wanted_rows.c.parent == parent)

    def note_added(self, sheet: str, row_ids: Collection[str]) -> None:
        """Note that these rows were seen in the sheet: they are never added again."""
        with self._database.writing() as connection:
            here = wanted_rows.c.sheet == number_of(connection, sheet)
            now = {"added_at": self._database.now(), "reason": ""}
            for chunk in chunks(sorted(row_ids)):
                its = here, wanted_rows.c.row_id.in_(chunk), wanted_rows.c.added_at.is_(None)
                connection.execute(update(wanted_rows).where(*its).values(now))

    def note_reason(
        self, sheet: str, row_id: str, reason: str, *, may_be_there: bool = False
    ) -> None:
        """Note why the row was not added, as a sentence, or may be in the sheet all the same."""
        with self._database.writing() as connection:
            here = wanted_rows.c.sheet == number_of(connection, sheet)
            its = here, wanted_rows.c.row_id == row_id
            noted = {"reason": reason} if may_be_there else {"reason": reason, "adding_at": None}
            connection.execute(update(wanted_rows).where(*its).values(noted))

    def _found(self, sheet: str, *where: ColumnElement[bool] | TextClause) -> list[WantedRow]:
        names = WantedRow.__dataclass_fields__
        with self._database.reading() as connection:
            here = wanted_rows.c.sheet == number_of(connection, sheet)
            wanted = select(*(wanted_rows.c[name] for name in names)).where(here, *where)
            return [
                WantedRow(row_id, parent, json.loads(cells), *rest)
                for row_id, parent, cells, *rest in connection.execute(
                    wanted.order_by(wanted_rows.c.id)
                )
            ]
