"""The rows of the last look that wait for other rows, and which of them may be sent now.

A look reads and plans the whole sheet. A row that waits for nothing but its parent needs no such
look once the parent is done: the last look has asked for it, and holds for a minute.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from pipeline.core.model import Job, JobKey
from pipeline.core.planning.followers import after_parent
from pipeline.core.planning.lines import Line
from pipeline.core.rows.rules import Rules


class WaitingLines:
    """Owns the lines by the job that they wait for."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._by_parent: dict[JobKey, list[Line]] = {}
        self._parents: dict[str, Line] = {}

    @property
    def awaited(self) -> frozenset[JobKey]:
        """The jobs that rows wait for."""
        return frozenset(self._by_parent)

    def replace(self, lines: Collection[Line]) -> None:
        """Take over the lines of a look, instead of those of earlier ones."""
        by_parent = defaultdict(list)
        for line in lines:
            if line.parent and line.confirmed and line.waits_for_parent:
                by_parent[line.parent].append(line)
        self._by_parent = dict(by_parent)
        parents = {key.row_id for key in by_parent}
        self._parents = {line.seen.row_id: line for line in lines if line.seen.row_id in parents}

    def ready(
        self, done: Collection[JobKey], jobs: Mapping[JobKey, Job], now: datetime
    ) -> Iterator[Line]:
        """The lines that may be sent now that these jobs are done. Each is returned once."""
        for key in done:
            waiting = self._by_parent.pop(key, ())
            if parent := self._parents.get(key.row_id):
                found = (after_parent(one, parent, jobs, self._rules, now) for one in waiting)
                yield from (line for line in found if line)
