"""The page can dismiss a row without a job."""

from pipeline.store.upgrading import execute

revision, down_revision = "3", "2"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE known_rows ADD COLUMN dismissed TEXT DEFAULT '' NOT NULL",
        "CREATE INDEX known_rows_dismissed ON known_rows (sheet) WHERE dismissed <> ''",
    )
