"""A row that was asked for on the page can be withdrawn until a run begins to add it."""

from pipeline.store.upgrading import execute

revision, down_revision = "18", "17"


def upgrade() -> None:
    """Change the tables."""
    execute("ALTER TABLE wanted_rows ADD COLUMN adding_at BIGINT")
