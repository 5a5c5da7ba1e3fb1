"""A picture that could not be saved has a reason, and is tried again."""

from pipeline.store.upgrading import execute

revision, down_revision = "4", "3"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE files ADD COLUMN reason TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN tries INTEGER DEFAULT '0' NOT NULL",
        "ALTER TABLE files ADD COLUMN next_at BIGINT",
        "ALTER TABLE files ADD COLUMN lost BOOLEAN DEFAULT FALSE NOT NULL",
    )
