"""A version whose only news is a table."""

revision, down_revision = "20", "19"


def upgrade() -> None:
    """Change the tables."""
