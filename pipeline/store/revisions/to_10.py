"""A message can wait until the files of its row are saved."""

from pipeline.store.upgrading import execute

revision, down_revision = "10", "9"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "ALTER TABLE outlets ADD COLUMN file_wait INTEGER DEFAULT '0' NOT NULL",
    )
