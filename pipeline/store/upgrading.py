"""Leads the tables of an older store to this version with alembic.

Imported only for an older store: alembic costs a start 0.2 s. The version of a store stays in the
table `promptsheet`, where every program looks for it, and not in one of alembic's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import op
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

REVISIONS: Final = Path(__file__).with_name("revisions")


def upgrade(connection: Connection, before: int) -> None:
    """Run every revision after this version, within the transaction."""
    with Operations.context(MigrationContext.configure(connection)):
        for one in reversed([*script().iterate_revisions("head", str(before))]):
            one.module.upgrade()


def script() -> ScriptDirectory:
    """The revisions, each with its version as its name."""
    return ScriptDirectory(str(REVISIONS), version_locations=[str(REVISIONS)])


def execute(*statements: str) -> None:
    """Statements of a revision; not those about tables that a later version brought.

    Those tables are made at the end, with all of their columns.
    """
    for statement in statements:
        about_table = statement.startswith(("ALTER TABLE", "DELETE FROM"))
        if not about_table or inspect(op.get_bind()).has_table(statement.split()[2]):
            op.execute(statement)
