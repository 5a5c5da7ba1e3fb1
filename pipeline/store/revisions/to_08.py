"""A saved file has a digest, a link and a reserved id; an attempt has its row's labels."""

from pipeline.store.upgrading import execute

revision, down_revision = "8", "7"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE files ADD COLUMN reserved TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN sha256 VARCHAR(64) DEFAULT '' NOT NULL",
        "ALTER TABLE files ADD COLUMN link TEXT DEFAULT '' NOT NULL",
        "CREATE INDEX files_by_sha256 ON files (sha256) WHERE sha256 <> ''",
        "ALTER TABLE attempts ADD COLUMN labels TEXT DEFAULT '' NOT NULL",
    )
