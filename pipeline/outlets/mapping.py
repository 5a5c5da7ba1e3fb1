"""Which of our fields goes into which of their columns, for the outlets that are tables.

Pure functions. An outlet describes the columns of its table as `Column`s. `FieldMap` says what is
wrong with them, and makes a `Line` of each message. Names match as the titles of a sheet do:
without regard to case, spaces, hyphens and underscores.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from pipeline.core.outlets.outbox import (
    PICKED,
    Message,
    MessageKind,
    Result,
    RowMessage,
    Trouble,
    Undelivered,
    Value,
)
from pipeline.core.sheet.header import folded
from pipeline.core.statuses import Status
from pipeline.core.text import quoted


class Kind(StrEnum):
    """What a column of theirs takes, in words for people."""

    TEXT = "text"
    NUMBER = "numbers"
    WHOLE = "whole numbers"
    FLAG = "yes or no"
    MOMENT = "a date and time"
    DAY = "a date"
    LIST = "a list of texts"
    JSON = "JSON"
    #: Files: the pictures themselves, or their addresses.
    PICTURES = "files"
    #: It is computed, or of a type that we do not write.
    OTHER = "nothing from outside"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of their table."""

    name: str
    kind: Kind
    #: Its type in the words of the service.
    type: str = ""
    #: What the service calls it in requests, if that is not the name.
    ref: str = ""
    #: Most characters; None if there is no limit to care about.
    longest: int | None = None
    #: The only texts that it takes; None if it takes any.
    choices: frozenset[str] | None = None
    #: True if it cannot be empty.
    required: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What is written for one message."""

    message: RowMessage
    #: The values of the key columns, in the order of `key`.
    key: tuple[object, ...]
    #: Each column that is written, with its value; key columns included.
    cells: Mapping[Column, object]


class Unfit(Exception):
    """A value cannot be written into its column; the message is a sentence for people."""


#: What the fields that every message has can be written into.
_FITS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "take": (Kind.TEXT, Kind.NUMBER, Kind.WHOLE, Kind.JSON),
    "credits": (Kind.TEXT, Kind.NUMBER, Kind.WHOLE, Kind.JSON),
    "submitted_at": (Kind.TEXT, Kind.MOMENT, Kind.DAY, Kind.JSON),
    "finished_at": (Kind.TEXT, Kind.MOMENT, Kind.DAY, Kind.JSON),
    "image_urls": (Kind.TEXT, Kind.LIST, Kind.JSON, Kind.PICTURES),
    "files": (Kind.TEXT, Kind.LIST, Kind.JSON, Kind.PICTURES),
    "picked": (Kind.TEXT, Kind.LIST, Kind.JSON, Kind.PICTURES),
} | dict.fromkeys(
    ("row_id", "sheet", "prompt", "endpoint", "status", "note", "task_id", "text"),
    (Kind.TEXT, Kind.LIST, Kind.JSON),
)
#: Kinds of column that can identify a row.
_KEYS: Final = (Kind.TEXT, Kind.NUMBER, Kind.WHOLE)
#: Fields that are the pictures of the row.
_PICTURES: Final = ("imageurls", "files", PICKED)
_YES: Final = ("yes", "true", "1", "x", "on", "✓", "☑")
_NO: Final = ("", "no", "false", "0", "off", "☐")
#: What no database stores in a text: NUL, and halves of a character.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
#: The statuses of the messages about rows.
_STATUSES: Final = (Status.DONE, Status.FAILED, Status.CHECK_NEEDED)

NOT_A_ROW: Final = Undelivered(
    Trouble.REFUSED,
    'A table holds rows, and this message is about a whole sheet. Leave only "done", "failed" and '
    '"check needed" in when.',
)


def _of_its_name(column: Column) -> str | None:
    """What fills a column if the configuration names no fields; None: nothing."""
    return None if folded(column.name) == PICKED else column.name


def has_one_take(key: Sequence[str], fields: Mapping[str, str]) -> bool:
    """True if a table with these keys has one line for a row, and not one for each of its takes."""
    sources = {folded(column): source for column, source in fields.items()}
    return all(folded(sources.get(folded(column), column)) != "take" for column in key)


class FieldMap:
    """The keys `key` and `fields` of an outlet's table.

    `fields` is their column -> our field or column of the sheet. If it is empty, each column of
    theirs is filled whose name is that of a field or column of ours.
    """

    def __init__(self, key: Sequence[str], fields: Mapping[str, str], noun: str = "column") -> None:
        self._key = tuple(key)
        self._fields = dict(fields)
        self._noun = noun

    def problems(self, columns: Sequence[Column]) -> list[str]:
        """What is wrong with the columns: a sentence each that says what to do."""
        return [*self._missing(columns), *self._unfit(columns)]

    def _missing(self, columns: Sequence[Column]) -> Iterator[str]:
        names = [one.name for one in columns]
        for name in self._key:
            if _find(columns, name) is None:
                yield (
                    f"There is no {self._noun} {quoted(name)} to identify rows by"
                    f"{_near(name, names)} Add it as text, or name another {self._noun} in key."
                )
        for name in self._fields:
            if name not in self._key and _find(columns, name) is None:
                yield (
                    f"There is no {self._noun} {quoted(name)}{_near(name, names)} "
                    "Add it, or correct fields."
                )

    def _unfit(self, columns: Sequence[Column]) -> Iterator[str]:
        named = {one.name for name in self._fields if (one := _find(columns, name))}
        for column, source, is_key in self.assigned(columns, with_unwritable=True):
            what = f"The {self._noun} {quoted(column.name)} ({column.type or column.kind})"
            if is_key and column.kind not in _KEYS:
                yield f"{what} cannot identify rows. Make it text, or name another in key."
            elif column.kind is Kind.OTHER:
                if column.name in named:
                    yield f"{what} cannot be written. Name another {self._noun} in fields."
            elif column.kind not in _fits(source):
                yield (
                    f"{what} takes {column.kind}, and {source} is something else. Make it "
                    f"{_fits(source)[0]}, or say in fields what goes where."
                )
            elif folded(source) == "status" and (missing := _not_among(column.choices)):
                yield f"{what} lacks {', '.join(missing)}. Add these choices, or make it text."

    def assigned(
        self, columns: Sequence[Column], *, with_unwritable: bool = False
    ) -> Iterator[tuple[Column, str, bool]]:
        """Each column that can be filled, what it is filled with, and whether it is of the key.

        Where the configuration names no fields, a column is also given if no row has a value of
        its name. Keys come first, in their order.
        """
        keys = [one for name in self._key if (one := _find(columns, name))]
        sources = {
            one.name: of for name, of in self._fields.items() if (one := _find(columns, name))
        }
        for column in keys:
            yield column, sources.get(column.name) or self._key_source(column.name), True
        for column in columns:
            source = sources.get(column.name) if self._fields else _of_its_name(column)
            if column in keys or source is None:
                continue
            if with_unwritable or column.kind is not Kind.OTHER:
                yield column, source, False

    def _key_source(self, name: str) -> str:
        """A key column with a name of its own holds the row_id, if it is the only one."""
        return name if len(self._key) > 1 or folded(name) in _KNOWN else "row_id"

    def line(self, columns: Sequence[Column], message: RowMessage) -> Line:
        """What is written for a message. Raises Unfit if a value does not fit its column.

        A column that `fields` names is emptied if the row has no such value. Without `fields`, a
        column of which the message says nothing is left as it is: it may be theirs.
        """
        values: dict[str, Value] = {"rowid": message.row_id, "take": message.take}
        values |= {folded(name): value for name, value in message.values.items()}
        if message.urls:
            values["imageurls"] = message.urls
        key: list[object] = []
        cells: dict[Column, object] = {}
        for column, source, is_key in self.assigned(columns):
            value = values.get(folded(source))
            if value is None and not is_key and not self._fields:
                continue  # no column of the sheet, or an empty cell
            if column.kind is Kind.PICTURES and folded(source) in _PICTURES:
                value = values.get("imageurls", ())
            cells[column] = content = converted(value if value is not None else "", column, source)
            if is_key:
                if content in (None, "") and message.kind is MessageKind.TEST:
                    cells[column] = content = message.row_id  # a sample has no cells
                if content in (None, ""):
                    raise Unfit(f"The row has no {source}, which identifies it there. Fill it.")
                key.append(content)
        return Line(message, tuple(key), cells)

    def lines(
        self, columns: Sequence[Column], messages: Sequence[Message]
    ) -> tuple[list[Line], dict[int, Result]]:
        """The lines to write, and the results of messages of which there is no line, by place."""
        made: list[Line] = []
        results: dict[int, Result] = {}
        for place, message in enumerate(messages):
            if not isinstance(message, RowMessage):
                results[place] = NOT_A_ROW
                continue
            try:
                made.append(self.line(columns, message))
            except Unfit as unfit:
                results[place] = Undelivered(Trouble.REFUSED, str(unfit))
        return made, results


def converted(value: Value, column: Column, source: str) -> object:
    """A value as the column takes it; None for an empty one. Raises Unfit."""
    match column.kind:
        case Kind.NUMBER | Kind.WHOLE:
            return _number(value, column, source)
        case Kind.FLAG:
            word = as_text(value).strip().casefold()
            if word not in (*_YES, *_NO):
                raise _unfit(value, column, source)
            return word in _YES
        case Kind.MOMENT | Kind.DAY:
            moment = _moment(value, column, source)
            return moment.date() if moment and column.kind is Kind.DAY else moment
        case Kind.LIST:
            return [_checked(one, column, source) for one in as_list(value)]
        case Kind.PICTURES:
            return [one for one in as_list(value) if one.startswith(("https://", "http://"))]
        case Kind.JSON:
            if isinstance(value, tuple):
                return [stored(one) for one in value]
            return value if isinstance(value, int | float) else as_text(value) or None
    text = as_text(value)
    if not text and not column.required:
        return None
    return _checked(text, column, source)


def as_text(value: Value) -> str:
    """A value as text: a list with one element on each line, a moment as ISO 8601 in UTC."""
    match value:
        case tuple():
            return "\n".join(map(stored, value))
        case datetime():
            return _in_utc(value).isoformat(timespec="seconds")
    return stored(str(value))


def as_list(value: Value) -> list[str]:
    """A value as a list of texts: each line of a text is one."""
    return [one for line in as_text(value).splitlines() if (one := line.strip())]


def stored(text: str) -> str:
    """The text without what cannot be stored."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def fingerprint(parts: Iterable[str]) -> str:
    """A short text that differs if the parts do."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def in_halves(
    send: Callable[[Sequence[Line]], Sequence[Result]], lines: Sequence[Line]
) -> Sequence[Result]:
    """Send all lines at once. If they are refused, send each half, so that good lines arrive.

    `send` sends all of its lines or none, and raises Unfit if it is refused for what they hold.
    """
    try:
        return send(lines)
    except Unfit as unfit:
        if len(lines) == 1:
            return [Undelivered(Trouble.REFUSED, str(unfit))]
    middle = len(lines) // 2
    return [*in_halves(send, lines[:middle]), *in_halves(send, lines[middle:])]


def in_order(
    messages: Sequence[Message],
    results: Mapping[int, Result],
    lines: Sequence[Line],
    sent: Mapping[tuple[object, ...], Result],
) -> list[Result]:
    """One result for each message: of its place, or else of its line's key."""
    of_lines = {line.message.id: sent[line.key] for line in lines}
    return [
        results[place] if place in results else of_lines[message.id]
        for place, message in enumerate(messages)
    ]


def _find(columns: Iterable[Column], name: str) -> Column | None:
    """The column of a name: the exact one, by its id, else the one of the same folded name."""
    there = list(columns)
    for same in (
        lambda one: name in (one.name, one.ref),
        lambda one: folded(one.name) == folded(name),
    ):
        if found := next(filter(same, there), None):
            return found
    return None


def _near(name: str, names: Sequence[str]) -> str:
    found = get_close_matches(name, names, n=1, cutoff=0.75)
    return f"; did you mean {quoted(found[0])}?" if found else "."


_KNOWN: Final = {folded(name): kinds for name, kinds in _FITS.items()}


def _fits(source: str) -> tuple[Kind, ...]:
    """What a field of ours can be written into; a column of the sheet into anything."""
    return _KNOWN.get(folded(source), tuple(kind for kind in Kind if kind is not Kind.OTHER))


def _not_among(choices: frozenset[str] | None) -> list[str]:
    """The statuses, in quotation marks, that are no choices."""
    return [quoted(one) for one in _STATUSES if choices is not None and one not in choices]


def _checked(text: str, column: Column, source: str) -> str:
    if column.longest is not None and len(text) > column.longest:
        raise Unfit(
            f"{source} has {len(text):,} characters, and the column {quoted(column.name)} takes "
            f"{column.longest:,}. Make the column longer."
        )
    if column.choices is not None and text and text not in column.choices:
        raise Unfit(
            f"The column {quoted(column.name)} has no choice {quoted(text, 40)}, which is the "
            f"{source} of this row. Add the choice."
        )
    return text


def _number(value: Value, column: Column, source: str) -> int | float | None:
    if isinstance(value, str):
        if not (text := value.strip()):
            return None
        try:
            value = int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else float(text)
        except ValueError:
            raise _unfit(value, column, source) from None
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise _unfit(value, column, source)
    if column.kind is Kind.WHOLE:
        if value != int(value):
            raise _unfit(value, column, source)
        return int(value)
    return value


def _moment(value: Value, column: Column, source: str) -> datetime | None:
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise _unfit(value, column, source) from None
    if not isinstance(value, datetime):
        raise _unfit(value, column, source)
    return _in_utc(value)


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unfit(value: Value, column: Column, source: str) -> Unfit:
    return Unfit(
        f"The column {quoted(column.name)} takes {column.kind}, and {source} of this row is "
        f"{quoted(as_text(value), 40)}. Correct the cell, or the type of the column."
    )
