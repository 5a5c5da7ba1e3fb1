"""Saving the pictures of jobs that succeeded.

The links that expire first are followed first. Each step leaves the store and the place so that a
later pass can go on: an id that an upload needs is in the store before the upload begins, and the
place recognises a file that it has already.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Final, NamedTuple, Protocol

from pipeline.core.errors import NoPlace, NotSaved, PromptsheetError
from pipeline.core.model import Attempt, JobKey, Unsaved
from pipeline.core.name_templates import NameTemplate
from pipeline.core.saved_files import Fetched, Kept, described
from pipeline.core.states import shown
from pipeline.sync.download_retries import LINK_LIFE, missed
from pipeline.sync.file_names import FileNames
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: Files that are saved at the same time.
DOWNLOADS: Final = 16
#: After an error that a person must correct, the place is not tried again for this long.
REST: Final = timedelta(minutes=1)


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

    def is_there(self, path: str) -> bool:
        """False if a file that was kept is gone, as far as this machine can tell."""

    async def describe(self, file: Fetched | None, entry: Mapping[str, object]) -> None:
        """Note in the manifest what a kept file is; None if it was not downloaded again."""


class Picture(NamedTuple):
    """One result of an attempt: its key in the store."""

    key: JobKey
    attempt: int
    url: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A picture to save: of which attempt it is number `number`, and its earlier failure."""

    picture: Picture
    attempt: Attempt
    number: int
    stem: str
    before: Unsaved | None
    reserved: str


class Downloader:
    """Saves each picture once, with one try a pass, and notes in the store what was not saved.

    Without `media` it saves nothing: the configuration sets no place. `names` is the template of
    the file names; None: the usual names.

    `trouble` are the errors that no row shows: a later run tries these pictures again.
    """

    def __init__(
        self,
        sync: SheetSync,
        worker: Worker,
        media: Saver | None,
        names: NameTemplate | None,
        now: Callable[[], datetime],
        *,
        on_saved: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.trouble: list[PromptsheetError] = []
        self._sync, self._worker, self._media, self._now = sync, worker, media, now
        self._names = FileNames(sync, names)
        self._on_saved, self._on_lost = on_saved, on_lost
        self._tried: set[Picture] = set()
        #: What is to be saved: first what expires first.
        self._queue: list[tuple[datetime, int, _Wanted]] = []
        self._turns = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting_until: datetime | None = None
        #: Digest -> its turn: of two pictures with one content, the second waits for the first.
        self._contents: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: URL -> the job whose saved file shows it; made when it is first needed.
        self._known: dict[str, JobKey] | None = None

    @property
    def pending(self) -> int:
        """Pictures that are being saved, or wait for their turn."""
        return len(self._tasks) + len(self._queue)

    def keep(self, key: JobKey) -> None:
        """Save the pictures of a job that are due and were not tried in this pass."""
        job, now = self._sync.state.jobs.all.get(key), self._now()
        if job is None or self._media is None:
            return
        if self._resting_until is not None and now < self._resting_until:
            return
        first = shown(job)
        for attempt in job.attempts:
            wanted = job.to_save(attempt)
            for at, url in enumerate(attempt.result.urls, start=1):
                before, picture = job.unsaved.get(url), Picture(key, attempt.number, url)
                waits = before and before.next_at and before.next_at > now
                if url not in wanted or waits or picture in self._tried:
                    continue
                self._tried.add(picture)
                stem = self._names.stem(key, attempt, at, beside=attempt != first)
                its_id = job.reserved.get(url, "")
                one = _Wanted(picture, attempt, at, stem, before, its_id)
                heapq.heappush(self._queue, (self._expires(attempt), next(self._turns), one))
        while len(self._tasks) < min(DOWNLOADS, len(self._tasks) + len(self._queue)):
            task = asyncio.create_task(self._work(heapq.heappop(self._queue)[-1]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for the downloads that are running."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancel the downloads that are running; a later pass tries them again."""
        self._queue.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _expires(self, attempt: Attempt) -> datetime:
        api = self._sync.rules.api_of(attempt)
        life = api.provider.links if api else None
        return (attempt.ended_at or attempt.sent_at) + (life or LINK_LIFE)

    async def _work(self, one: _Wanted) -> None:
        """Save a picture, then those that wait, one after the other."""
        await self._save(one)
        while self._queue:
            await self._save(heapq.heappop(self._queue)[-1])

    async def _save(self, one: _Wanted) -> None:
        try:
            if not await self._is_known(one):
                await self._download(one)
        except NotSaved as error:
            log.info("%s: %s", one.picture.key.row_id, error)
            if isinstance(error, NoPlace):  # nothing is wrong with the link
                self._rest(error, one)
                return
            why = missed(error, one.before, one.attempt.sent_at, self._now())
            await self._noted(one.picture, why)
            if not why.lost:
                self.trouble.append(error)
        except PromptsheetError as error:
            self.trouble.append(error)
        else:
            self._on_saved()

    async def _download(self, one: _Wanted) -> None:
        assert self._media is not None, "keep() begins nothing without a place"
        async with self._media.fetched(one.picture.url) as file, self._contents[file.sha256]:
            saved = self._sync.store.jobs.saved_content
            like = await self._worker.run(saved, one.picture.key.sheet, file.sha256)
            if like and self._media.is_there(like.path):
                await self._record(one, Kept(like.path, like.link), file, file.sha256, True)
                return
            reserved = one.reserved or await self._reserve(one.picture)
            kept = await self._media.keep(file, one.stem, reserved)
            await self._record(one, kept, file, file.sha256, False)

    async def _is_known(self, one: _Wanted) -> bool:
        """Use the saved file of another row with the same link, if there is one."""
        assert self._media is not None, "keep() begins nothing without a place"
        if self._known is None:
            jobs = self._sync.state.jobs.all.items()
            self._known = {url: key for key, job in jobs for url in job.files}
        url, other = one.picture.url, self._known.get(one.picture.url)
        if other is None:
            return False
        saved = await self._worker.run(self._sync.store.jobs.saved_file, other, url)
        if saved is None or not self._media.is_there(saved.path):
            return False
        await self._record(one, Kept(saved.path, saved.link), None, saved.sha256, True)
        return True

    async def _record(
        self, one: _Wanted, kept: Kept, file: Fetched | None, sha256: str, is_copy: bool
    ) -> None:
        """Add the file to the manifest, then to the store. A kill in between repeats the first."""
        assert self._media is not None, "keep() begins nothing without a place"
        entry = described(
            one.picture.key, one.attempt, one.number, kept, at=self._now(), is_copy=is_copy
        )
        await self._media.describe(file, {**entry, "sha256": sha256})
        save = partial(self._sync.store.jobs.save_file, link=kept.link, sha256=sha256)
        await self._worker.run(save, *one.picture, kept.path)
        self._names.saved(one.picture.key, kept.path)
        if self._known is not None:
            self._known[one.picture.url] = one.picture.key

    async def _reserve(self, picture: Picture) -> str:
        """An id for the file, in the store: if this process ends now, a later pass uses it."""
        assert self._media is not None, "keep() begins nothing without a place"
        if reserved := await self._media.reserve():
            await self._worker.run(self._sync.store.jobs.reserve_file, *picture, reserved)
        return reserved

    def _rest(self, error: NoPlace, one: _Wanted) -> None:
        """Drop what waits: it would be downloaded, and then could not be kept."""
        dropped = [one, *(waiting for _, _, waiting in self._queue)]
        self._queue.clear()
        self._tried.difference_update(waiting.picture for waiting in dropped)
        self.trouble += [error] * len(dropped)
        self._resting_until = self._now() + REST

    async def _noted(self, picture: Picture, why: Unsaved) -> None:
        try:
            await self._worker.run(self._sync.store.jobs.miss_file, *picture, why)
        except PromptsheetError as error:
            self.trouble.append(error)
        else:
            if why.lost:
                self._on_lost()
