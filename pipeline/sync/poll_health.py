"""Notes if the API answers polls, and decides if it is still worth polling.

In: what came of each round. Out: a sentence about the trouble, and when a pass stops polling.
"""

from __future__ import annotations

from collections.abc import Collection

from pipeline.sync.ports import HASTY_TRIES, PATIENCE

#: After so many rounds without any answer, a pass that waits stops polling.
SILENT_TRIES = 8


class PollHealth:
    """The answers of one API to the polls of one pass."""

    def __init__(self, title: str) -> None:
        #: Why the last round got no answer, as a sentence; empty if it did.
        self.trouble = ""
        #: True if this pass polls no more.
        self.is_stopped = False
        self._title = title
        self._silent = self._busy = 0

    def unreached(self, error: Exception) -> None:
        """A poll got no answer."""
        self.trouble = f"{self._title} cannot be reached: {error}. What it has is not lost."

    def answered(self, status: int) -> bool:
        """A poll was answered with this status code. Returns whether the API is well."""
        if status >= 500:
            self.trouble = f"{self._title} has trouble (HTTP {status})."
        return status < 500

    def end_round(self, answered: Collection[bool]) -> None:
        """A round ended; for each poll of it, whether it was answered."""
        if any(answered):
            self.trouble = ""
        self._silent = 0 if any(answered) or not answered else self._silent + 1
        self.is_stopped |= self._silent >= SILENT_TRIES

    def obey(self, stop: str, pause: float) -> None:
        """The API asked to stop, or to pause for so many seconds."""
        self.is_stopped |= bool(stop)
        self._busy += bool(pause)

    def is_worth_waiting(self, pause: float) -> bool:
        """True if a pass that does not wait waits for the end of this pause all the same."""
        return 0 < pause <= PATIENCE and self._busy < HASTY_TRIES
