"""A task can be polled early, after a call that proves nothing."""

from pipeline.store.upgrading import execute

revision, down_revision = "7", "6"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE attempts ADD COLUMN early_poll BIGINT",
    )
