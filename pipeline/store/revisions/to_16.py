"""A version whose only news are tables."""

revision, down_revision = "16", "15"


def upgrade() -> None:
    """Change the tables."""
