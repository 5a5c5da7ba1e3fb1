"""The rows of each sheet as they were last read: a new reading is matched with them.

Only this module changes the tables `known_rows`, `past` and `orders`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    text,
    type_coerce,
    update,
)

from pipeline.core.inputs import parsed
from pipeline.core.model import KnownRow, RowKind
from pipeline.core.rows.forgetting import Recalled
from pipeline.core.rows.known import Memory
from pipeline.core.traces import has_traces
from pipeline.store.row_events import NewRowEvent, RowEventKind, write_row_events
from pipeline.store.schema import known_rows, orders, past, sheets
from pipeline.store.traces import tracer_of
from pipeline.store.transactions import (
    StorePart,
    chunks,
    digest,
    made,
    number_of,
    raise_versions,
    upsert,
)
from pipeline.store.unchanged_rows import disturb

_FIELDS = tuple(KnownRow.__dataclass_fields__)
_STANDINGS = {str(standing): standing for standing in RowKind}


class Rows(StorePart):
    """The rows of each sheet, as the last accepted reading left them."""

    def memory(self, sheet: str, only: Collection[str] | None = None) -> Memory:
        """The known rows of a sheet; `foreign` is left empty.

        `only` these ids where some are given; `order` has all ids nevertheless.
        """
        with self._database.reading() as connection:
            number = number_of(connection, sheet)
            columns = connection.execute(_COLUMNS, {"sheet": number}).scalar()
            return Memory(
                known=_known(connection, number, only),
                order=_order(connection, number),
                past=_past(connection, number, only),
                foreign={},
                columns=None if columns is None else frozenset(columns),
            )

    def some(self, sheet: str, row_ids: Collection[str]) -> Memory:
        """These known rows of a sheet, and nothing about the others."""
        with self._database.reading() as connection:
            its = number_of(connection, sheet), row_ids
            return Memory(_known(connection, *its), {}, _past(connection, *its), {})

    def marks(self, sheet: str) -> dict[str, int]:
        """Id -> a number that changes when what is known of the row changes.

        It can only be compared with an earlier one of the same process.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_MARKS, {"sheet": number_of(connection, sheet)})
            return {row_id: hash((*rest,)) for row_id, *rest in rows}

    def numbers(self, sheet: str) -> dict[str, int]:
        """Id -> the row's number at the last reading, as spreadsheets show it."""
        with self._database.reading() as connection:
            places = _order(connection, number_of(connection, sheet))
        return {row_id: place + 1 for row_id, place in places.items()}

    def written_order(self, sheet: str) -> str:
        """The ids of the last accepted reading, as one text: another text, another order."""
        here = orders.c.sheet == sheets.c.id, sheets.c.key == sheet
        with self._database.reading() as connection:
            return connection.execute(select(_IDS).where(*here)).scalar() or ""

    def foreign(self, sheet: str, ids: Iterable[str]) -> dict[str, str]:
        """Id -> inputs, for those of the ids that belong to other sheets of this store."""
        row_id, inputs = known_rows.c.row_id, known_rows.c.inputs
        with self._database.reading() as connection:
            elsewhere = known_rows.c.sheet != number_of(connection, sheet)
            return {
                one: words
                for chunk in chunks(sorted(set(ids)))
                for one, words in connection.execute(
                    select(row_id, inputs).where(elsewhere, row_id.in_(chunk))
                )
            }

    def extra_takes(self, sheet: str) -> dict[str, int]:
        """Id -> how often the page asked for the row once more, if it did."""
        with self._database.reading() as connection:
            found = connection.execute(_EXTRA_TAKES, {"sheet": number_of(connection, sheet)})
            return {row.row_id: row.extra_takes for row in found}

    def feedback(self, sheet: str) -> dict[str, str]:
        """Id -> the last feedback of the page (`core.rows.feedback.on_page`), if there is any."""
        with self._database.reading() as connection:
            found = connection.execute(_FEEDBACK, {"sheet": number_of(connection, sheet)})
            return {row.row_id: row.feedback_on_page for row in found}

    def ask_again(
        self,
        sheet: str,
        row_id: str,
        extra_takes: int,
        feedback: str = "",
        take: int = 0,
        person: str = "",
    ) -> bool:
        """Request one more take than `extra_takes`. Returns False if the present number differs.

        So two people who press at once, or one who presses twice, request one take. `feedback` is
        what the take is made with, as `core.rows.feedback.on_page` gives it; empty: what the cell
        says. `take` is the one that the row asks for then, and `person` who requested it, for the
        history.
        """
        one = (known_rows.c.row_id == row_id) & (known_rows.c.extra_takes == extra_takes)
        with self._database.writing() as connection:
            number = number_of(connection, sheet)
            raising = update(known_rows).where(known_rows.c.sheet == number, one)
            now = {"extra_takes": extra_takes + 1, "feedback_on_page": feedback}
            if connection.execute(raising.values(now)).rowcount != 1:
                return False
            event = NewRowEvent(row_id, RowEventKind.REQUESTED, take, person)
            write_row_events(connection, number, self._database.now(), [event])
            # There is something to do, which a quick check must not miss.
            raise_versions(connection, [number])
            return True

    def approve(
        self,
        sheet: str,
        row_id: str,
        inputs: str,
        covers: str,
        take: int = 0,
        person: str = "",
        *,
        by_sheet: bool = False,
    ) -> bool:
        """Note what was approved on the page; empty `covers` takes the approval back.

        False where nothing changes: the row has other inputs now, or this was noted before. So
        two people who press at once, or one who presses twice, approve once. `take` and `person`
        are for the history; `by_sheet` says that a cell took it back, and nobody on the page.
        """
        news = known_rows.c.approved_on_page != covers
        with self._database.writing() as connection:
            number = number_of(connection, sheet)
            row = known_rows.c.sheet == number, known_rows.c.row_id == row_id
            kept = connection.execute(select(known_rows.c.inputs).where(*row, news)).scalar()
            if kept is None or not _is_same(connection, kept, inputs):
                return False
            # There is something to do, which a quick check must not miss.
            version = raise_versions(connection, [number])[number]
            noting = update(known_rows).where(*row)
            connection.execute(noting.values(approved_on_page=covers, approval_version=version))
            taken_back = RowEventKind.UNTICKED if by_sheet else RowEventKind.UNAPPROVED
            kind = RowEventKind.APPROVED if covers else taken_back
            event = NewRowEvent(row_id, kind, take, person)
            write_row_events(connection, number, self._database.now(), [event])
            return True

    def approvals(self, sheet: str, since: int) -> dict[str, str]:
        """Id -> what it covers, of the approvals noted or taken back after that version."""
        with self._database.reading() as connection:
            about = {"sheet": number_of(connection, sheet), "since": since}
            found = connection.execute(_APPROVED, about)
            return {row.row_id: row.approved_on_page for row in found}

    def dismissed(self, sheet: str) -> dict[str, str]:
        """Id -> the text that the row had when it was dismissed (`core.rows.attention.said_by`)."""
        with self._database.reading() as connection:
            found = connection.execute(_DISMISSED, {"sheet": number_of(connection, sheet)})
            return {row.row_id: row.dismissed for row in found}

    def dismiss(self, sheet: str, row_id: str, said: str) -> bool:
        """Dismiss a row with this text on the page; an empty text takes that back.

        Returns whether the row is known. The version does not change, because a pass has nothing to
        do.
        """
        with self._database.writing() as connection:
            here = known_rows.c.sheet == number_of(connection, sheet)
            putting = update(known_rows).where(here, known_rows.c.row_id == row_id)
            return connection.execute(putting.values(dismissed=said)).rowcount == 1

    def note(
        self,
        sheet: str,
        rows: Iterable[KnownRow],
        order: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        """Remember these rows as they are now. All other rows stay unchanged.

        Earlier inputs of a row are kept as its past, and a new approval in the sheet becomes a line
        of its history. The unchanged rows are forgotten, unless only
        order and columns are noted. `order[place]` is the id of the row at that place of the grid,
        empty for a line that is no row (such as 0, the header). None leaves order or columns
        unchanged.
        """
        noted = {row.row_id: row for row in rows}
        with self._database.writing() as connection:
            number = made(connection, sheet)
            if noted:
                disturb(connection, number)
            before = _before(connection, number, list(noted))
            noted = _without_forgotten(connection, noted, before)
            _keep_past(connection, number, noted, before)
            write_row_events(connection, number, self._database.now(), _ticks(noted, before))
            _keep_rows(connection, number, noted.values())
            if order is not None:
                ids = upsert(connection, orders).values(sheet=number, ids=order)
                connection.execute(
                    ids.on_conflict_do_update(
                        index_elements=["sheet"], set_={"ids": ids.excluded.ids}
                    )
                )
            if columns is not None:
                connection.execute(
                    update(sheets).where(sheets.c.id == number).values(columns=columns)
                )


def _known(
    connection: Connection, number: int, only: Collection[str] | None
) -> dict[str, KnownRow]:
    return {
        row[0]: KnownRow(row[0], row[1], row[2], _STANDINGS[row[3]], *row[4:])
        for wanted in _about(_KNOWN, known_rows.c.row_id, only)
        for row in connection.execute(wanted, {"sheet": number})
    }


def _about(
    asked: Select[Any], row_id: ColumnElement[str], only: Collection[str] | None
) -> Iterator[Select[Any]]:
    """The question, for all rows or for some."""
    if only is None:
        yield asked
    else:
        yield from (asked.where(row_id.in_(chunk)) for chunk in chunks(sorted(only)))


_KNOWN = (
    select(*(known_rows.c[name] for name in _FIELDS))
    .where(known_rows.c.sheet == bindparam("sheet"))
    .order_by(known_rows.c.row_id)
)
_MARKED = (
    *("inputs", "first_take", "since", "extra_takes", "approved_on_page", "feedback_on_page"),
)
# As they are kept: what is only compared need not be unescaped.
_MARKS = select(
    known_rows.c.row_id,
    *(type_coerce(known_rows.c[name], Text) for name in _MARKED),
).where(known_rows.c.sheet == bindparam("sheet"))
_IDS = type_coerce(orders.c.ids, Text)
_ORDER = select(_IDS).where(orders.c.sheet == bindparam("sheet"))
_COLUMNS = select(sheets.c.columns).where(sheets.c.id == bindparam("sheet"))


# Each text is word for word what an index of few rows is for. SQLite would take the primary key
# instead, and look at all rows of the sheet: the plus keeps it from that.
_FEW_HERE = literal_column("+known_rows.sheet") == bindparam("sheet")
_EXTRA_TAKES = select(known_rows.c.row_id, known_rows.c.extra_takes).where(
    _FEW_HERE, text("again > 0")
)
_FEEDBACK = select(known_rows.c.row_id, known_rows.c.feedback_on_page).where(
    _FEW_HERE, text("again > 0")
)
_APPROVED = select(known_rows.c.row_id, known_rows.c.approved_on_page).where(
    known_rows.c.sheet == bindparam("sheet"),
    known_rows.c.approval_version > bindparam("since"),
    text("approval_moved > 0"),
)
_DISMISSED = select(known_rows.c.row_id, known_rows.c.dismissed).where(
    _FEW_HERE, text("dismissed <> ''")
)
_PAST = (
    select(past.c.row_id, past.c.inputs)
    .where(past.c.sheet == bindparam("sheet"))
    .order_by(past.c.id.desc())
)


def _order(connection: Connection, number: int) -> dict[str, int]:
    return places_in(connection.execute(_ORDER, {"sheet": number}).scalar())


def places_in(order: str | None) -> dict[str, int]:
    """Id -> its place, in an order as `written_order` gives it."""
    return {row_id: place for place, row_id in enumerate(json.loads(order or "[]")) if row_id}


def _past(
    connection: Connection, number: int, only: Collection[str] | None
) -> dict[str, list[str]]:
    """Id -> what it had before, the latest first."""
    found = defaultdict(list)
    for wanted in _about(_PAST, past.c.row_id, only):
        for row_id, inputs in connection.execute(wanted, {"sheet": number}):
            found[row_id].append(inputs)
    return dict(found)


class _Before(NamedTuple):
    """What a row had until now."""

    inputs: str
    approved: str
    approved_for: str
    pick: str
    feedback: str
    old_feedback: str | None


def _before(connection: Connection, number: int, row_ids: list[str]) -> dict[str, _Before]:
    wanted = select(*(known_rows.c[name] for name in ("row_id", *_Before._fields)))
    here = wanted.where(known_rows.c.sheet == number)
    return {
        row_id: _Before(*rest)
        for chunk in chunks(row_ids)
        for row_id, *rest in connection.execute(here.where(known_rows.c.row_id.in_(chunk)))
    }


def _is_same(connection: Connection, kept: str, inputs: str) -> bool:
    """True if a row that is kept with these inputs has those now, also if they were forgotten."""
    if kept == inputs or not has_traces(kept):
        return kept == inputs
    tracer = tracer_of(connection)
    return tracer is not None and tracer.is_same(kept, inputs)


def _without_forgotten(
    connection: Connection, noted: dict[str, KnownRow], before: Mapping[str, _Before]
) -> dict[str, KnownRow]:
    """The rows to note; texts that were forgotten, and have not changed since, stay forgotten."""
    traced = {one for one, was in before.items() if any(has_traces(t or "") for t in was)}
    if not traced or not (tracer := tracer_of(connection)):
        return noted
    same = {}
    for row_id in traced:
        row, was = noted[row_id], before[row_id]
        recalled = Recalled(tracer).with_texts(
            {*parsed(row.inputs).values(), row.pick, row.feedback, row.old_feedback or ""}
        )
        kept = {
            name: text
            for name, text in was._asdict().items()
            if text and text != (now := getattr(row, name)) and now == recalled.inputs(text)
        }
        kept |= {
            name: text
            for name in ("pick", "feedback", "old_feedback")
            if (text := getattr(was, name)) and recalled.text(text) == getattr(row, name)
        }
        same[row_id] = replace(row, **kept)
    return noted | same


def _ticks(noted: dict[str, KnownRow], before: Mapping[str, _Before]) -> Iterator[NewRowEvent]:
    """The approvals in the sheet that are new, or gone."""
    for row_id, row in noted.items():
        was = before.get(row_id)
        if row.approved_for and (was is None or was.approved != row.approved):
            yield NewRowEvent(row_id, RowEventKind.TICKED, _take_in(row.approved_for))
        elif was and was.approved_for and not row.approved:
            yield NewRowEvent(row_id, RowEventKind.UNTICKED, _take_in(was.approved_for))


def _take_in(approved_for: str) -> int:
    """The take that an approval covers (`core.rows.approval.asked_for`); 0 if it names none."""
    take = approved_for.partition(" ")[0]
    return int(take) if take.isdecimal() else 0


def _keep_past(
    connection: Connection,
    number: int,
    noted: Mapping[str, KnownRow],
    before: Mapping[str, _Before],
) -> None:
    gone = [
        {"sheet": number, "row_id": one, "digest": digest(was.inputs), "inputs": was.inputs}
        for one, was in before.items()
        if was.inputs != noted[one].inputs
    ]
    if gone:
        # Deleted and written again, so that the latest ones come first.
        same = past.c.row_id == bindparam("row"), past.c.digest == bindparam("what")
        connection.execute(
            delete(past).where(past.c.sheet == number, *same),
            [{"row": line["row_id"], "what": line["digest"]} for line in gone],
        )
        connection.execute(insert(past), gone)


def _keep_rows(connection: Connection, number: int, rows: Iterable[KnownRow]) -> None:
    lines = [
        {
            "sheet": number,
            "row_id": row.row_id,
            "inputs": row.inputs,
            "first_take": row.first_take,
            "standing": row.standing,
            "since": row.since,
            "approved": row.approved,
            "approved_for": row.approved_for,
            "others": row.others,
            "pick": row.pick,
            "feedback": row.feedback,
            "old_feedback": row.old_feedback,
        }
        for row in rows
    ]
    if lines:
        new = upsert(connection, known_rows)
        # What the page noted is its own: a reading from before must not undo it.
        others = ("row_id", "extra_takes", "approved_on_page", "feedback_on_page")
        kept = {name: new.excluded[name] for name in _FIELDS if name not in others}
        connection.execute(
            new.on_conflict_do_update(index_elements=["sheet", "row_id"], set_=kept), lines
        )
