"""Attempts have a hook token; the page can ask for another take, and dismiss a job."""

from pipeline.store.upgrading import execute

revision, down_revision = "2", "1"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE attempts ADD COLUMN hook VARCHAR(64) DEFAULT '' NOT NULL",
        "CREATE UNIQUE INDEX attempts_by_hook ON attempts (hook) WHERE hook <> ''",
        "ALTER TABLE sheets ADD COLUMN passed_at BIGINT",
        "ALTER TABLE known_rows ADD COLUMN again BIGINT DEFAULT 0 NOT NULL",
        "CREATE INDEX known_rows_again ON known_rows (sheet) WHERE again > 0",
        "ALTER TABLE jobs ADD COLUMN dismissed BIGINT",
    )
