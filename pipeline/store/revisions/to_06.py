"""An attempt names the API that it was sent to, and the key that it may be sent again with."""

from pipeline.store.upgrading import execute

revision, down_revision = "6", "5"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE attempts ADD COLUMN provider TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN base_url TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN resend_key VARCHAR(64) DEFAULT '' NOT NULL",
        "ALTER TABLE attempts ADD COLUMN poll_at TEXT DEFAULT '' NOT NULL",
        "UPDATE attempts SET provider = 'apiframe-v1'",
    )
