"""CSV sheets."""
