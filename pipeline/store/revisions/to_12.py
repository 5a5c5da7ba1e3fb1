"""Saved pictures are looked at, and useless results can be made again."""

from pipeline.store.upgrading import execute

revision, down_revision = "12", "11"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE attempts ADD COLUMN remade TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN original VARCHAR(64) DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN findings TEXT DEFAULT '' NOT NULL",
        "CREATE INDEX files_by_original ON files (original) WHERE original <> ''",
    )
