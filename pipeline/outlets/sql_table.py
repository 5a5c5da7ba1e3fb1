"""How a table of an SQL database is read, what its columns take, and what would be a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from pipeline.core.outlets.outbox import FIELDS
from pipeline.core.sheet.header import folded
from pipeline.outlets.mapping import Column, Kind

#: What the columns of a new table would be, by our field; all others are texts.
_TYPES: Final[Mapping[str, sa.types.TypeEngine[Any]]] = {
    "row_id": sa.String(32),
    "take": sa.Integer(),
    "credits": sa.Numeric(12, 4),
    "submitted_at": sa.DateTime(timezone=True),
    "finished_at": sa.DateTime(timezone=True),
}


def usable(url: str) -> URL:
    """The address of a database as SQLAlchemy takes it. Raises ValueError, without quoting it.

    `postgres://` is another spelling, which SQLAlchemy no longer takes. For MySQL it would take a
    driver that must be compiled; PyMySQL need not be.
    """
    try:
        parsed = make_url(url.strip())
        if parsed.drivername == "postgres":
            parsed = parsed.set(drivername="postgresql")
        if parsed.drivername in ("mysql", "mariadb"):
            parsed = parsed.set(drivername=f"{parsed.drivername}+pymysql")
        is_async = parsed.get_dialect().is_async
    except (exc.ArgumentError, exc.NoSuchModuleError, ValueError):
        raise ValueError(
            "is no address of a database. Write one such as postgresql://USER:PASSWORD@HOST/NAME, "
            "mysql://USER:PASSWORD@HOST/NAME or sqlite:////full/path/results.db"
        ) from None
    except ImportError:
        return parsed  # The engine says which driver is missing.
    if is_async:
        raise ValueError(
            f"names a driver for asynchronous programs. Begin with {parsed.get_backend_name()}://"
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("names no file. Write sqlite:// and the full path")
    return parsed


def column_of(column: sa.Column[Any], dialect: sa.Dialect) -> Column:
    kind, longest, choices = _kind_of(column.type)
    spelled = "of unknown type"
    if not isinstance(column.type, sa.types.NullType):
        spelled = column.type.compile(dialect)
    elif dialect.name == "sqlite":  # where a column needs no type
        kind, spelled = Kind.TEXT, "without a type"
    if column.computed is not None or (column.identity is not None and column.identity.always):
        kind = Kind.OTHER
    return Column(column.name, kind, spelled, "", longest, choices, required=not column.nullable)


def _kind_of(its: sa.types.TypeEngine[Any]) -> tuple[Kind, int | None, frozenset[str] | None]:
    """What a type of SQLAlchemy takes, its most characters, and its only values."""
    match its:
        case sa.Enum():
            return Kind.TEXT, None, frozenset(its.enums)
        case sa.Boolean() | mysql.TINYINT(display_width=1):
            return Kind.FLAG, None, None
        case sa.Integer():
            return Kind.WHOLE, None, None
        case sa.Numeric():
            return Kind.NUMBER, None, None
        case sa.DateTime():
            return Kind.MOMENT, None, None
        case sa.Date():
            return Kind.DAY, None, None
        case sa.JSON():
            return Kind.JSON, None, None
        case sa.ARRAY(item_type=sa.String()):
            return Kind.LIST, None, None
        case sa.String():
            return Kind.TEXT, its.length, None
        case sa.Uuid():
            return Kind.TEXT, 36, None
    return Kind.OTHER, None, None


def unique_sets(table: sa.Table) -> list[set[str]]:
    """The sets of columns of which the database lets no two lines have the same values."""
    found = [{one.name for one in table.primary_key}]
    found += [
        {column.name for column in one.columns}
        for one in table.constraints
        if isinstance(one, sa.UniqueConstraint)
    ]
    for index in table.indexes:
        # Of some lines only, or of the first letters of a text.
        is_partial = any(
            key.endswith(("_where", "_length")) and value is not None and value != {}
            for key, value in index.dialect_kwargs.items()
        )
        is_of_columns = all(isinstance(one, sa.Column) for one in index.expressions)
        if index.unique and not is_partial and is_of_columns:
            found.append({one.name for one in index.columns})
    unique: list[set[str]] = []
    for one in found:
        if one and one not in unique:
            unique.append(one)
    return unique


def has_default(column: sa.Column[Any]) -> bool:
    return (
        column.server_default is not None
        or column.identity is not None
        or column.computed is not None
        # The number of a line, which the database counts itself.
        or column.autoincrement is True
        or (column.primary_key and isinstance(column.type, sa.Integer))
    )


def statement_for_table(
    name: str, schema: str, keys: Sequence[str], fields: Mapping[str, str], dialect: sa.Dialect
) -> str:
    """The statement that makes a table with these keys, for these fields or for all of ours."""
    names = [*keys, *(one for one in fields if one not in keys)]
    if not fields:
        known = set(map(folded, names))
        names += [one for one in FIELDS if folded(one) not in known]
    columns = [_new_column(one, fields.get(one, ""), one in keys) for one in names]
    table = sa.Table(name, sa.MetaData(), *columns, schema=schema or None)
    return _flat(CreateTable(table).compile(dialect=dialect))


def statement_for_index(table: sa.Table, keys: Sequence[str], dialect: sa.Dialect) -> str:
    """The statement that makes these columns unique."""
    name = f"{table.name}_{'_'.join(keys)}"
    copy = sa.Table(table.name, sa.MetaData(), *map(sa.Column, keys), schema=table.schema)
    index = sa.Index(name, *(copy.c[key] for key in keys), unique=True)
    return _flat(CreateIndex(index).compile(dialect=dialect))


def _new_column(name: str, source: str, is_key: bool) -> sa.Column[Any]:
    source = source or next((one for one in FIELDS if folded(one) == folded(name)), "row_id")
    kind = _TYPES.get(source) or (sa.String(191) if is_key else sa.Text())
    return sa.Column(name, kind, primary_key=is_key, autoincrement=False)


def _flat(compiled: object) -> str:
    return " ".join(str(compiled).split())
