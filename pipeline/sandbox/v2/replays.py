"""Idempotency keys: the same key returns the original job, and nothing is paid again."""

from __future__ import annotations

from dataclasses import dataclass

#: The longest key.
LONGEST = 255


@dataclass(frozen=True, slots=True)
class Original:
    """The submission that a key was first used for."""

    asked: str
    task_id: str
    at: float


class Replays:
    """Idempotency key -> the submission it was first used for."""

    def __init__(self) -> None:
        self._originals: dict[str, Original] = {}

    def find(self, key: str, now: float, life: float) -> Original | None:
        """The original, if the key is younger than `life` seconds."""
        original = self._originals.get(key) if key else None
        return original if original and now - original.at < life else None

    def remember(self, key: str, asked: str, task_id: str, now: float) -> None:
        """Remember the key of an accepted submission."""
        if key:
            self._originals[key] = Original(asked, task_id, now)
