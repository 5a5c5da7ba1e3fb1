"""Which jobs the rows of the last look wait for, and which of these are done since."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.core.model import JobKey


class AwaitedJobs:
    """Owns both sets. The looker says what is awaited, and takes what is done."""

    def __init__(self) -> None:
        self._keys: frozenset[JobKey] = frozenset()
        self._done: set[JobKey] = set()

    @property
    def has_done(self) -> bool:
        """True if rows can be sent now that waited for other rows."""
        return bool(self._done)

    def replace(self, keys: Collection[JobKey], done: Collection[JobKey]) -> None:
        """Rows of a new look wait for these jobs and for no others; some are done already."""
        self._keys, self._done = frozenset(keys), set(done)

    def succeeded(self, key: JobKey) -> None:
        """A job has succeeded."""
        if key in self._keys:
            self._done.add(key)

    def take_done(self) -> set[JobKey]:
        """Return the jobs that are done, and forget them."""
        done, self._done = self._done, set()
        return done
