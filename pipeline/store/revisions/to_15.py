"""A budget can be in money."""

from pipeline.store.upgrading import execute

revision, down_revision = "15", "14"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE attempts ADD COLUMN credit_price TEXT DEFAULT '' NOT NULL",
    )
