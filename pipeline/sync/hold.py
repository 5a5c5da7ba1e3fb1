"""Why a sheet is on hold: no row_ids are written, and nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason, and a sentence that says what to do."""

    kind: Literal["owner", "config", "columns", "paused"]
    sentence: str
    #: The exit code of a command: 2 if the header cannot be used.
    exit_code: int = 1

    @property
    def hides_rows(self) -> bool:
        """True if the reading is not accepted: then nothing is remembered of its rows."""
        return self.kind != "paused"
