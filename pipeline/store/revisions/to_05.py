"""A row can be approved on the page."""

from pipeline.store.upgrading import execute

revision, down_revision = "5", "4"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE known_rows ADD COLUMN approved_on_page TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN approval_moved BIGINT DEFAULT 0 NOT NULL",
        "CREATE INDEX known_rows_approved ON known_rows (sheet, approval_moved) WHERE "
        "approval_moved > 0",
    )
