"""The first version: everything begins with its tables."""

revision, down_revision = "1", None


def upgrade() -> None:
    """Nothing: no store is older."""
