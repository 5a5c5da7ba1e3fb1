"""Old words and results can be removed."""

from pipeline.store.upgrading import execute

revision, down_revision = "19", "18"


def upgrade() -> None:
    """Change the tables."""
    execute("ALTER TABLE attempts ADD COLUMN forgotten TEXT NOT NULL DEFAULT ''")
