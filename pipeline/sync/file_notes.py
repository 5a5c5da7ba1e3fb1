"""Notes in the store where files are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipeline.store import NewFile
from pipeline.sync.worker import Worker


class FileNotes:
    """Notes in the store where files are. All that come while it writes are written together."""

    def __init__(self, worker: Worker, save: Callable[[list[NewFile]], object]) -> None:
        self._worker, self._save = worker, save
        self._turn = asyncio.Lock()
        self._waiting: list[NewFile] = []
        #: The task that will write those that wait.
        self._next: asyncio.Task[None] | None = None

    async def add(self, note: NewFile) -> None:
        """Returns when the note is on disk. Raises StoreError."""
        self._waiting.append(note)
        if self._next is None:
            self._next = asyncio.create_task(self._write())
            # If all callers were cancelled, no one reads the error; asyncio would print it.
            self._next.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._next)

    async def _write(self) -> None:
        async with self._turn:
            notes, self._waiting, self._next = self._waiting, [], None
            await self._worker.run(self._save, notes)
