"""The lines that may be sent, in the order of the sheet, and how many more this pass may send.

Owned by the submitter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from pipeline.core.model import JobKey
from pipeline.core.planning.lines import Line


class LineQueue:
    """Lines waiting to be sent. `limit` is the option `--limit`: None for any number.

    `patient` is whether the pass waits: then a row whose submission came back unsent is offered
    again; otherwise it is left to the next pass.
    """

    def __init__(self, *, limit: int | None, patient: bool) -> None:
        self._begun = 0
        self._limit, self._patient = limit, patient
        self._lines: deque[Line] = deque()
        self._came_back: set[JobKey] = set()

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def room(self) -> int:
        """How many of the lines may still be begun, by `limit`."""
        if self._limit is None:
            return len(self._lines)
        return min(self._limit - self._begun, len(self._lines))

    @property
    def begun(self) -> int:
        """How many of the lines were begun in this pass."""
        return self._begun

    def replace(self, lines: Iterable[Line]) -> None:
        """Forget the lines of earlier looks; wait for these."""
        self._lines = deque(
            line
            for line in lines
            if line.job is not None and (self._patient or line.job.key not in self._came_back)
        )

    def take(self, most: int) -> list[Line]:
        """Remove and return up to `most` lines from the front."""
        return [self._lines.popleft() for _ in range(min(most, len(self._lines)))]

    def began(self, many: int) -> None:
        """Attempts were begun for this number of the lines that were taken."""
        self._begun += many

    def put_first(self, lines: Iterable[Line]) -> None:
        """Put lines in front, in their order: they may not be begun yet."""
        self._lines.extendleft(reversed([*lines]))

    def came_back(self, key: JobKey) -> None:
        """The submission of this job came back: it was not sent, or not accepted for now."""
        self._came_back.add(key)

    def clear(self) -> None:
        """Forget all lines: only a new look can say which may be sent."""
        self._lines.clear()
