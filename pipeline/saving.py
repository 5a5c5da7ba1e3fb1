"""Saving the pictures of jobs that succeeded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from pipeline.book import Book
from pipeline.clerk import Clerk
from pipeline.core.errors import PromptsheetError
from pipeline.core.filenames import picture_stem
from pipeline.core.model import JobKey
from pipeline.core.states import shown

log = logging.getLogger("promptsheet")

#: Files that are downloaded at the same time.
DOWNLOADS = 8


class Saver(Protocol):
    """What a pass needs of the folder of saved files (`media.Media`)."""

    async def save(self, url: str, stem: str) -> str:
        """Where it was saved, relative to the folder. Raises PromptsheetError if it was not."""


class Keeper:
    """Saves each picture once, one try a pass."""

    def __init__(
        self, book: Book, clerk: Clerk, media: Saver, on_saved: Callable[[], None]
    ) -> None:
        self.saved = 0
        self.trouble: list[PromptsheetError] = []
        self._book, self._clerk, self._media, self._on_saved = book, clerk, media, on_saved
        self._gate = asyncio.Semaphore(DOWNLOADS)
        self._tried: set[tuple[JobKey, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Pictures that are being saved."""
        return len(self._tasks)

    def keep(self, key: JobKey) -> None:
        """Save the pictures of a job that are not saved yet and were not tried in this pass."""
        job = self._book.known.jobs.get(key)
        if job is None:
            return
        first, name = shown(job), self._book.name_of(key)
        for attempt in job.attempts:
            for at, url in enumerate(attempt.result.urls, start=1):
                if url in job.files or (key, url) in self._tried:
                    continue
                self._tried.add((key, url))
                beside = None if attempt == first else attempt.number
                stem = picture_stem(name, key, at, beside)
                task = asyncio.create_task(self._save(key, attempt.number, url, stem))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for those that are under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Let go of those that are under way; a later pass tries them again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _save(self, key: JobKey, number: int, url: str, stem: str) -> None:
        async with self._gate:
            try:
                path = await self._media.save(url, stem)
                await self._clerk.do(self._book.store.save_file, key, number, url, path)
            except PromptsheetError as e:
                self.trouble.append(e)
                log.info("%s: %s", key.row_id, e)
                return
        self.saved += 1
        self._on_saved()
