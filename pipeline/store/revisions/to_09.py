"""Prompts are made of columns; budgets of a month and of shares; samples."""

from pipeline.store.upgrading import execute

revision, down_revision = "9", "8"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE attempts ADD COLUMN prompt TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN shares TEXT DEFAULT '' NOT NULL",
        "INSERT INTO counters (api_key, kind, name, credits) SELECT api_key, 'month', "
        "substr(name, 1, 7), sum(credits) FROM counters WHERE kind = 'day' GROUP BY "
        "api_key, substr(name, 1, 7)",
        "ALTER TABLE sheets ADD COLUMN sample_seen BIGINT",
        "ALTER TABLE sheets ADD COLUMN sample_waits INTEGER DEFAULT '0' NOT NULL",
    )
