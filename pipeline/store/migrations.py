"""Makes the tables of a new store, and brings those of an older store up to date.

Runs once when a store is opened. Raises StoreError for a store of a newer program.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_mock_engine, insert, inspect, select, update
from sqlalchemy.engine.mock import MockConnection

from pipeline.core.errors import StoreError
from pipeline.store.connection import writer
from pipeline.store.schema import VERSION, meta, metadata

#: Version of the tables -> the statements that lead to the next version, in both dialects.
UPGRADES: Final = {
    1: (
        "ALTER TABLE attempts ADD COLUMN hook VARCHAR(64) DEFAULT '' NOT NULL",
        "CREATE UNIQUE INDEX attempts_by_hook ON attempts (hook) WHERE hook <> ''",
        "ALTER TABLE sheets ADD COLUMN passed_at BIGINT",
        "ALTER TABLE known_rows ADD COLUMN again BIGINT DEFAULT 0 NOT NULL",
        "CREATE INDEX known_rows_again ON known_rows (sheet) WHERE again > 0",
        "ALTER TABLE jobs ADD COLUMN dismissed BIGINT",
    ),
    2: (
        "ALTER TABLE known_rows ADD COLUMN dismissed TEXT DEFAULT '' NOT NULL",
        "CREATE INDEX known_rows_dismissed ON known_rows (sheet) WHERE dismissed <> ''",
    ),
    3: (
        "ALTER TABLE files ADD COLUMN reason TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN tries INTEGER DEFAULT '0' NOT NULL",
        "ALTER TABLE files ADD COLUMN next_at BIGINT",
        "ALTER TABLE files ADD COLUMN lost BOOLEAN DEFAULT FALSE NOT NULL",
    ),
    4: (
        "ALTER TABLE known_rows ADD COLUMN approved_on_page TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN approval_moved BIGINT DEFAULT 0 NOT NULL",
        "CREATE INDEX known_rows_approved ON known_rows (sheet, approval_moved) "
        "WHERE approval_moved > 0",
    ),
    5: (
        "ALTER TABLE attempts ADD COLUMN provider TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN base_url TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN resend_key VARCHAR(64) DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN poll_at TEXT DEFAULT '' NOT NULL",
        # Earlier programs knew this API only.
        "UPDATE attempts SET provider = 'apiframe-v1'",
    ),
    6: ("ALTER TABLE attempts ADD COLUMN early_poll BIGINT",),
    7: (
        "ALTER TABLE files ADD COLUMN reserved TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN sha256 VARCHAR(64) DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN link TEXT DEFAULT '' NOT NULL",
        "CREATE INDEX files_by_sha256 ON files (sha256) WHERE sha256 <> ''",
        "ALTER TABLE attempts ADD COLUMN labels TEXT DEFAULT '' NOT NULL",
    ),
    8: (
        "ALTER TABLE attempts ADD COLUMN prompt TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN shares TEXT DEFAULT '' NOT NULL",
        # A budget of the month counts what earlier programs sent.
        "INSERT INTO counters (api_key, kind, name, credits) "
        "SELECT api_key, 'month', substr(name, 1, 7), sum(credits) FROM counters "
        "WHERE kind = 'day' GROUP BY api_key, substr(name, 1, 7)",
        "ALTER TABLE sheets ADD COLUMN sample_seen BIGINT",
        "ALTER TABLE sheets ADD COLUMN sample_waits INTEGER DEFAULT '0' NOT NULL",
    ),
    9: ("ALTER TABLE outlets ADD COLUMN file_wait INTEGER DEFAULT '0' NOT NULL",),
    10: (
        "ALTER TABLE outlets ADD COLUMN config TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE outlets ADD COLUMN columns TEXT DEFAULT '[]' NOT NULL",
        "ALTER TABLE outlets ADD COLUMN told_since TEXT DEFAULT '' NOT NULL",
    ),
    11: (
        "ALTER TABLE attempts ADD COLUMN remade TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN original VARCHAR(64) DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN findings TEXT DEFAULT '' NOT NULL",
        "CREATE INDEX files_by_original ON files (original) WHERE original <> ''",
    ),
    13: (
        "ALTER TABLE jobs ADD COLUMN picked TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN pick TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN feedback TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN old_feedback TEXT",
        "ALTER TABLE known_rows ADD COLUMN feedback_on_page TEXT DEFAULT '' NOT NULL",
        # The next reading looks at every row: what is in a column `feedback` now is old.
        "DELETE FROM resting",
        "DELETE FROM promptsheet WHERE name LIKE 'rest of %'",
    ),
    14: ("ALTER TABLE attempts ADD COLUMN credit_price TEXT DEFAULT '' NOT NULL",),
}
#: The same for statements that differ: they come after those above. SQLite changes a constraint
#: only with a new table.
UPGRADES_OF: Final[Mapping[int, Mapping[str, tuple[str, ...]]]] = {
    12: {
        "sqlite": (
            "CREATE TABLE new_jobs (id INTEGER NOT NULL, sheet INTEGER NOT NULL, "
            "row_id TEXT NOT NULL, take BIGINT NOT NULL, part VARCHAR(40) DEFAULT '' NOT NULL, "
            "asked INTEGER NOT NULL, made_at BIGINT, moved BIGINT NOT NULL, dismissed BIGINT, "
            "PRIMARY KEY (id), UNIQUE (sheet, row_id, take, part), "
            "FOREIGN KEY(sheet) REFERENCES sheets (id))",
            "INSERT INTO new_jobs (id, sheet, row_id, take, asked, made_at, moved, dismissed) "
            "SELECT id, sheet, row_id, take, asked, made_at, moved, dismissed FROM jobs",
            "DROP TABLE jobs",
            "ALTER TABLE new_jobs RENAME TO jobs",
            "CREATE INDEX jobs_by_moved ON jobs (sheet, moved)",
        ),
        "postgresql": (
            "ALTER TABLE jobs ADD COLUMN part VARCHAR(40) DEFAULT '' NOT NULL",
            "ALTER TABLE jobs DROP CONSTRAINT jobs_sheet_row_id_take_key",
            "ALTER TABLE jobs ADD UNIQUE (sheet, row_id, take, part)",
        ),
    },
}


def prepare(engine: Engine, place: str) -> str:
    """Create or upgrade the tables, and return the store's id.

    Raises StoreError if a newer program made the store.
    """
    with engine.connect() as connection:
        found = _marks(connection)
    if not found or int(found["version"]) < VERSION:
        with writer(engine).begin() as connection:
            found = _upgraded(connection, _created(connection))
    if int(found["version"]) > VERSION:
        raise StoreError(
            f"The store {place} was made by a newer Promptsheet (its version is "
            f"{found['version']}, this program knows {VERSION}); upgrade Promptsheet."
        )
    return found["id"]


def _marks(connection: Connection) -> dict[str, str]:
    if not connection.dialect.has_table(connection, meta.name):
        return {}
    return {row.name: row.value for row in connection.execute(select(meta))}


def _created(connection: Connection) -> dict[str, str]:
    if found := _marks(connection):
        return found
    for statement in _tables(connection.dialect.name):
        connection.exec_driver_sql(statement)
    marks = {"version": str(VERSION), "id": secrets.token_hex(8)}
    connection.execute(insert(meta), [{"name": n, "value": v} for n, v in marks.items()])
    return marks


@cache
def _tables(dialect: str) -> tuple[str, ...]:
    """The statements that make all tables and indexes. Compiling them takes longer than the rest.

    `dialect` is "sqlite" or "postgresql".
    """
    statements: list[str] = []

    def spell(ddl: Any, *_: object) -> None:
        statements.append(str(ddl.compile(dialect=engine.dialect)))

    engine: MockConnection = create_mock_engine(f"{dialect}://", spell)
    metadata.create_all(engine, checkfirst=False)
    return tuple(statements)


def _upgraded(connection: Connection, found: dict[str, str]) -> dict[str, str]:
    """Upgrade the tables within this transaction, and return the marks of the store."""
    before = int(found["version"])
    there = {*inspect(connection).get_table_names()} if before < VERSION else set()
    for version in range(before, VERSION):
        for statement in UPGRADES.get(version, ()):
            # A table that a later version brought is made below, with all of its columns.
            about_table = statement.startswith(("ALTER TABLE", "DELETE FROM"))
            if not about_table or statement.split()[2] in there:
                connection.exec_driver_sql(statement)
        for statement in UPGRADES_OF.get(version, {}).get(connection.dialect.name, ()):
            connection.exec_driver_sql(statement)
    if before < VERSION:
        metadata.create_all(connection)  # tables that are new in it
        found = {**found, "version": str(VERSION)}
        mark = update(meta).where(meta.c.name == "version")
        connection.execute(mark.values(value=found["version"]))
    return found
