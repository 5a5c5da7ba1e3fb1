"""Runs the downloads of a pass: those first whose links expire first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count
from typing import Final

from pipeline.sync.wanted_pictures import WantedPicture

#: Files that are downloaded at the same time.
DOWNLOADS: Final = 16
#: Files that are downloaded, or wait until the store has noted them.
UNDER_WAY: Final = 64

#: Saves a file. It calls the function when only the note in the store is left to write.
Save = Callable[[WantedPicture, Callable[[], None]], Awaitable[None]]


class DownloadQueue:
    """Calls `save` for each file in its turn, some at the same time.

    `on_empty` is called when the last file is saved.
    """

    def __init__(self, save: Save, on_empty: Callable[[], None]) -> None:
        self._save, self._on_empty = save, on_empty
        self._waiting: list[tuple[datetime, int, WantedPicture]] = []
        self._turns = count()
        self._tasks: set[asyncio.Task[None]] = set()
        #: How many of the tasks download.
        self._downloading = 0

    @property
    def pending(self) -> int:
        """Files that are being saved, or wait for their turn."""
        return len(self._tasks) + len(self._waiting)

    def add(self, one: WantedPicture, expires: datetime) -> None:
        """Add a file whose link expires at that moment."""
        heapq.heappush(self._waiting, (expires, next(self._turns), one))

    def begin(self) -> None:
        """Begin as many downloads as may run now; the others follow by themselves."""
        while self._waiting and self._downloading < DOWNLOADS and len(self._tasks) < UNDER_WAY:
            self._downloading += 1
            task = asyncio.create_task(self._work(heapq.heappop(self._waiting)[-1]))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def drop(self) -> list[WantedPicture]:
        """Drop the files that wait for their turn, and return them."""
        dropped = [one for _, _, one in self._waiting]
        self._waiting.clear()
        return dropped

    async def finish(self) -> None:
        """Wait until all files are saved."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancel what is left."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, one: WantedPicture) -> None:
        downloads = True

        def downloaded() -> None:
            nonlocal downloads
            if downloads:
                downloads = False
                self._downloading -= 1
                self.begin()

        try:
            await self._save(one, downloaded)
        finally:
            downloaded()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.begin()
        if not self.pending:
            self._on_empty()
