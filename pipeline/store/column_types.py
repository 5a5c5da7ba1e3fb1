"""How single values are kept in columns of the store: moments, any text, lists of texts.

Each type has a pair of functions, one for each direction. Statements that are written by hand use
these functions directly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, overload

from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from pipeline.core.credits import Credits

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as whole microseconds since 1970: exact in every dialect."""

    impl = BigInteger
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        # Not process_bind_param: that is one more call for each of some hundred thousand values.
        return to_number

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[int | None], datetime | None]:
        return from_number


class _Numeric(UserDefinedType[Credits]):
    """PostgreSQL's exact numbers, of which a parameter is one as well."""

    render_bind_cast = True
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "NUMERIC"


class Amount(TypeDecorator[Credits]):
    """An amount of credits. SQLite keeps a fraction in a column of whole numbers as it is."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return _Numeric() if dialect.name == "postgresql" else BigInteger()

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


def to_number(moment: datetime | None) -> int | None:
    """A moment as it is kept."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


@overload
def from_number(number: int) -> datetime: ...


@overload
def from_number(number: None) -> None: ...


def from_number(number: int | None) -> datetime | None:
    """The moment again."""
    return None if number is None else _EPOCH + timedelta(0, 0, number)


class Words(TypeDecorator[str]):
    """Any text. Characters that a database refuses are written as their code points."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:
        return escaped

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[str | None], str | None]:
        return unescaped


class Listed(TypeDecorator[tuple[str, ...]]):
    """A list of texts, as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(list(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


# NUL (PostgreSQL refuses it), lone surrogates (UTF-8 has no form for them), and the mark itself.
_UNKEEPABLE = re.compile("[\x00\x1a\ud800-\udfff]")
_KEPT = re.compile("\x1a([0-9a-f]{4})")


def escaped(words: str | None) -> str | None:
    """The text as a database can keep it."""
    if words is None or not _UNKEEPABLE.search(words):
        return words
    return _UNKEEPABLE.sub(lambda found: f"\x1a{ord(found[0]):04x}", words)


@overload
def unescaped(words: str) -> str: ...


@overload
def unescaped(words: None) -> None: ...


def unescaped(words: str | None) -> str | None:
    """The text as it was."""
    if words is None or "\x1a" not in words:
        return words
    return _KEPT.sub(lambda found: chr(int(found[1], 16)), words)
