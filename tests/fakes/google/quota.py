"""How many requests an account may make: so many reads and so many writes in each minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.google.facts import Facts
from tests.fakes.google.refusals import too_many

MINUTE = 60.0


@dataclass
class Quota:
    """Counts, for each account, what came in the last minute."""

    clock: Callable[[], float]
    facts: Facts
    reads: int = 60
    writes: int = 60
    _seen: dict[tuple[str, str], deque[float]] = field(default_factory=dict)

    def count(self, email: str, kind: str) -> None:
        """One more request; refused if the minute is full."""
        limit = self.reads if kind == "read" else self.writes
        seen = self._seen.setdefault((email, kind), deque())
        now = self.clock()
        while seen and seen[0] <= now - MINUTE:
            seen.popleft()
        full = len(seen) >= limit
        if not full or self.facts.refused_requests_count:
            seen.append(now)
        if full:
            raise too_many(kind, limit)
