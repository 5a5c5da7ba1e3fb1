"""Saving the pictures of jobs that succeeded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from pipeline.core.errors import BadLink, DeadLink, NoPlace, NotSaved, PromptsheetError
from pipeline.core.filenames import picture_stem
from pipeline.core.model import Attempt, JobKey, Unsaved
from pipeline.core.saved_files import Fetched, Kept
from pipeline.core.states import shown
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: Files that are downloaded at the same time.
DOWNLOADS: Final = 8
#: A file that cannot be downloaded is tried again after the first pause, then after twice as long,
#: and so on up to the longest; after the last try (in about two days) it is given up.
FIRST_PAUSE, LONGEST_PAUSE, LAST_TRY = timedelta(minutes=1), timedelta(hours=6), 16
#: The longest wait that a server may ask for.
LONGEST_WAIT: Final = timedelta(days=1)
#: A link that is dead although its task is recent is tried again after these pauses, because a file
#: may appear later than its address. Links live for a day at Apiframe, and for an hour at least at
#: other vendors.
DEAD_PAUSES: Final = (timedelta(minutes=10), timedelta(hours=2))
LINK_LIFE: Final = timedelta(days=1)


def missed(error: NotSaved, before: Unsaved | None, sent_at: datetime, now: datetime) -> Unsaved:
    """The record of a picture that was not saved; `before` is the earlier record, if any.

    `sent_at` is when its task was submitted: its link is not older than that.
    """
    tries = 1 + (before.tries if before else 0)
    pause: timedelta | None = None
    if isinstance(error, DeadLink):
        if now - sent_at < LINK_LIFE and tries <= len(DEAD_PAUSES):
            pause = DEAD_PAUSES[tries - 1]
    elif not isinstance(error, BadLink) and tries < LAST_TRY:
        pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
        pause = max(pause, min(timedelta(seconds=error.wait), LONGEST_WAIT))
    lost = pause is None or isinstance(error, DeadLink)
    return Unsaved(str(error), tries, now + pause if pause else None, lost)


class Saver(Protocol):
    """The interface to the place of saved files that a pass needs (`provider.downloads`).

    Each method raises PromptsheetError if it cannot do that.
    """

    def fetched(self, url: str) -> AbstractAsyncContextManager[Fetched]:
        """The file behind a link, on this machine for as long as the context lasts."""

    async def reserve(self) -> str:
        """The id for one file, if the place needs one before the upload; else empty."""

    async def keep(self, file: Fetched, stem: str, reserved: str) -> Kept:
        """Keep the file, and return where it is. The same id again saves no second file."""


class Downloader:
    """Saves each picture once, with one try a pass, and notes in the store what was not saved.

    Without `media` it saves nothing: the configuration sets no folder.

    `trouble` are the errors that no row shows: a later run tries these pictures again.
    """

    def __init__(
        self,
        sync: SheetSync,
        worker: Worker,
        media: Saver | None,
        now: Callable[[], datetime],
        *,
        on_saved: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.trouble: list[PromptsheetError] = []
        self._sync, self._worker, self._media, self._now = sync, worker, media, now
        self._on_saved, self._on_lost = on_saved, on_lost
        self._gate = asyncio.Semaphore(DOWNLOADS)
        self._tried: set[tuple[JobKey, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Pictures that are being saved."""
        return len(self._tasks)

    def keep(self, key: JobKey) -> None:
        """Save the pictures of a job that are due and were not tried in this pass."""
        job = self._sync.state.jobs.all.get(key)
        if job is None or self._media is None:
            return
        first, name, now = shown(job), self._sync.last.name_of(key), self._now()
        for attempt in job.attempts:
            wanted = job.to_save(attempt)
            for at, url in enumerate(attempt.result.urls, start=1):
                before = job.unsaved.get(url)
                waits = before and before.next_at and before.next_at > now
                if url not in wanted or waits or (key, url) in self._tried:
                    continue
                self._tried.add((key, url))
                beside = None if attempt == first else attempt.number
                stem = picture_stem(name, key, at, beside)
                task = asyncio.create_task(self._save(key, attempt, url, stem, before))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for the downloads that are running."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancel the downloads that are running; a later pass tries them again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _save(
        self, key: JobKey, attempt: Attempt, url: str, stem: str, before: Unsaved | None
    ) -> None:
        store, picture = self._sync.store, (key, attempt.number, url)
        job = self._sync.state.jobs.all.get(key)
        reserved = job.reserved.get(url, "") if job else ""
        async with self._gate:
            try:
                assert self._media is not None, "keep() begins nothing without a folder"
                async with self._media.fetched(url) as file:
                    reserved = reserved or await self._reserve(picture)
                    kept = await self._media.keep(file, stem, reserved)
                    note = partial(store.jobs.save_file, link=kept.link, sha256=file.sha256)
                    await self._worker.run(note, *picture, kept.path)
            except NotSaved as error:
                log.info("%s: %s", key.row_id, error)
                if isinstance(error, NoPlace):  # nothing is wrong with the link
                    self.trouble.append(error)
                    return
                why = missed(error, before, attempt.sent_at, self._now())
                await self._noted(picture, why)
                if not why.lost:
                    self.trouble.append(error)
            except PromptsheetError as error:
                self.trouble.append(error)
            else:
                self._on_saved()

    async def _reserve(self, picture: tuple[JobKey, int, str]) -> str:
        """An id for the file, in the store: if this process ends now, a later pass uses it."""
        assert self._media is not None, "keep() begins nothing without a folder"
        if reserved := await self._media.reserve():
            await self._worker.run(self._sync.store.jobs.reserve_file, *picture, reserved)
        return reserved

    async def _noted(self, picture: tuple[JobKey, int, str], why: Unsaved) -> None:
        try:
            await self._worker.run(self._sync.store.jobs.miss_file, *picture, why)
        except PromptsheetError as error:
            self.trouble.append(error)
        else:
            if why.lost:
                self._on_lost()
