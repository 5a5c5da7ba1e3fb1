"""The machines of a fleet know who asked for a pass, who watches for edits, and what stopped."""

from pipeline.store.upgrading import execute

revision, down_revision = "21", "20"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE turns ADD COLUMN asked_by TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE turns ADD COLUMN machine TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE turns ADD COLUMN stopped TEXT DEFAULT '' NOT NULL",
    )
