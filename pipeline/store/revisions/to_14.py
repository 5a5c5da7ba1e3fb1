"""Pictures can be picked, and takes made with feedback."""

from pipeline.store.upgrading import execute

revision, down_revision = "14", "13"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE jobs ADD COLUMN picked TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN pick TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN feedback TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE known_rows ADD COLUMN old_feedback TEXT",
        "ALTER TABLE known_rows ADD COLUMN feedback_on_page TEXT DEFAULT '' NOT NULL",
        "DELETE FROM resting",
        "DELETE FROM promptsheet WHERE name LIKE 'rest of %'",
    )
