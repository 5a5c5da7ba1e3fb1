"""Counts by the minute, and how near they come to what is allowed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

MINUTE = 60.0


@dataclass
class Meter:
    """How many of something came, and the most within any minute."""

    title: str
    #: How many may come in any minute.
    quota: int
    clock: Callable[[], float]
    total: int = 0
    most: int = 0
    #: When one came that was too many.
    refused_at: list[float] = field(default_factory=list)
    _lately: deque[float] = field(default_factory=deque)

    @property
    def is_full(self) -> bool:
        """True if one more would be too many."""
        self._forget()
        return len(self._lately) >= self.quota

    def count(self) -> None:
        """One more came."""
        self._forget()
        self._lately.append(self.clock())
        self.total += 1
        self.most = max(self.most, len(self._lately))

    def refuse(self) -> None:
        """One came that was too many."""
        self.refused_at.append(self.clock())

    def _forget(self) -> None:
        while self._lately and self._lately[0] <= self.clock() - MINUTE:
            self._lately.popleft()


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of all values does not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * part) - 1, 0)] if ordered else 0.0
