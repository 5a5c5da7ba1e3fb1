"""Saves one picture: downloads it, keeps it in its place, and notes it.

Each step leaves the store and the place so that a later pass can go on: an id that an upload needs
is in the store before the upload begins, and the place recognises a file that it has already.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from pipeline.core.errors import DeadLink
from pipeline.core.model import Attempt, JobKey, Unsaved
from pipeline.core.prompt_templates import prompt_sent
from pipeline.core.saved_files import Fetched, Kept, described
from pipeline.store import NewFile, SavedFile
from pipeline.sync.fresh_links import FreshLinks
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.worker import Worker


class Saver(Protocol):
    """The interface to the place of saved files that a pass needs (`provider.downloads`).

    Each method raises PromptsheetError if it cannot do that.
    """

    async def check(self) -> None:
        """Raises NoPlace if no file can be saved there."""

    def fetched(self, url: str, text: str) -> AbstractAsyncContextManager[Fetched]:
        """The file behind a link, on this machine for as long as the context lasts.

        `text` says what it shows; it may be written into the file.
        """

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
class Wanted:
    """A picture to save: of which attempt it is number `number`, and its earlier failure."""

    picture: Picture
    attempt: Attempt
    number: int
    stem: str
    before: Unsaved | None
    reserved: str


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


class FileKeeper:
    """Saves pictures one by one; calls may overlap. A content is saved once."""

    def __init__(
        self,
        sync: SheetSync,
        worker: Worker,
        media: Saver,
        links: FreshLinks | None,
        now: Callable[[], datetime],
    ) -> None:
        self._sync, self._worker, self._media, self._now = sync, worker, media, now
        self._links = links
        self._notes = FileNotes(worker, sync.store.files.save)
        #: Digest -> its turn: of two pictures with one content, the second waits for the first.
        self._contents: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: URL -> the job whose saved file shows it; made when it is first needed.
        self._known: dict[str, JobKey] | None = None

    async def keep(self, one: Wanted, downloaded: Callable[[], None]) -> Kept:
        """Save a picture, and note it in the manifest and the store. Returns where it is.

        Calls `downloaded` when only the note in the store is left to write.
        Raises PromptsheetError: NotSaved if this picture cannot be saved now.
        """
        if kept := await self._used_again(one):
            return kept
        try:
            return await self._downloaded(one, one.picture.url, downloaded)
        except DeadLink:
            urls = await self._links.of(one.attempt) if self._links else ()
            if not urls or urls[one.number - 1] == one.picture.url:
                raise
            return await self._downloaded(one, urls[one.number - 1], downloaded)

    async def note_missed(self, picture: Picture, why: Unsaved) -> None:
        """Note in the store why a picture was not saved. Raises StoreError."""
        await self._worker.run(self._sync.store.files.miss, *picture, why)

    async def _downloaded(self, one: Wanted, url: str, downloaded: Callable[[], None]) -> Kept:
        async with (
            self._media.fetched(url, prompt_sent(one.attempt)) as file,
            self._contents[file.sha256],
        ):
            find = self._sync.store.files.with_content
            like = await self._worker.run(find, one.picture.key.sheet, file.sha256)
            if like and self._media.is_there(like.path):
                return await self._recorded(one, like, file, downloaded)
            reserved = one.reserved or await self._reserve(one.picture)
            kept = await self._media.keep(file, one.stem, reserved)
            saved = SavedFile(kept.path, kept.link, file.sha256)
            return await self._recorded(one, saved, file, downloaded, is_new=True)

    async def _used_again(self, one: Wanted) -> Kept | None:
        """Use the saved file of another row with the same link, if there is one."""
        if self._known is None:
            jobs = self._sync.state.jobs.all.items()
            self._known = {url: key for key, job in jobs for url in job.files}
        url, other = one.picture.url, self._known.get(one.picture.url)
        if other is None:
            return None
        saved = await self._worker.run(self._sync.store.files.get, other, url)
        if saved is None or not self._media.is_there(saved.path):
            return None
        return await self._recorded(one, saved, None)

    async def _recorded(
        self,
        one: Wanted,
        saved: SavedFile,
        file: Fetched | None,
        downloaded: Callable[[], None] = lambda: None,
        *,
        is_new: bool = False,
    ) -> Kept:
        """Add the file to the manifest, then to the store. A kill in between repeats the first."""
        kept, now = Kept(saved.path, saved.link), self._now()
        entry = described(
            one.picture.key, one.attempt, one.number, kept, at=now, is_copy=not is_new
        )
        await self._media.describe(file, {**entry, "sha256": saved.sha256})
        downloaded()
        await self._notes.add(NewFile(*one.picture, saved))
        if self._known is not None:
            self._known[one.picture.url] = one.picture.key
        return kept

    async def _reserve(self, picture: Picture) -> str:
        """An id for the file, in the store: if this process ends now, a later pass uses it."""
        if reserved := await self._media.reserve():
            await self._worker.run(self._sync.store.files.reserve, *picture, reserved)
        return reserved
