"""An outlet belongs to a configuration, and carries columns."""

from pipeline.store.upgrading import execute

revision, down_revision = "11", "10"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE outlets ADD COLUMN config TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE outlets ADD COLUMN columns TEXT DEFAULT '[]' NOT NULL",
        "ALTER TABLE outlets ADD COLUMN told_since TEXT DEFAULT '' NOT NULL",
    )
