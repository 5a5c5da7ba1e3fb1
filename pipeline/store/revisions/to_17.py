"""A version whose only news are tables."""

revision, down_revision = "17", "16"


def upgrade() -> None:
    """Change the tables."""
