"""Saves one picture: downloads it, keeps it in its place, and notes it.

Each step leaves the store and the place so that a later pass can go on: an id that an upload needs
is in the store before the upload begins, and the place recognises a file that it has already.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from pipeline.core.errors import DeadLink
from pipeline.core.model import JobKey, Unsaved
from pipeline.core.pictures.saved_files import Fetched, Kept, described
from pipeline.core.traces import prompt_sent
from pipeline.store import NewFile, SavedFile
from pipeline.sync.file_notes import FileNotes
from pipeline.sync.fresh_links import FreshLinks
from pipeline.sync.picture_findings import PictureFindings
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.wanted_pictures import Picture, WantedPicture
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
        self._links, self._findings = links, PictureFindings(sync, worker)
        self._notes = FileNotes(worker, sync.store.files.save)
        #: Digest -> its turn: of two pictures with one content, the second waits for the first.
        self._contents: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: URL -> the job whose saved file shows it; made when it is first needed.
        self._known: dict[str, JobKey] | None = None

    async def keep(self, one: WantedPicture, downloaded: Callable[[], None]) -> Kept:
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

    async def _downloaded(
        self, one: WantedPicture, url: str, downloaded: Callable[[], None]
    ) -> Kept:
        async with (
            self._media.fetched(url, prompt_sent(one.attempt)) as file,
            self._contents[file.content],
        ):
            files, sheet = self._sync.store.files, one.picture.key.sheet
            like = twin = await self._worker.run(files.with_content, sheet, file.sha256)
            if file.original:
                twin = await self._worker.run(files.with_original, sheet, file.original)
            findings = await self._findings.of(one, file, twin)
            is_new = like is None or not self._media.is_there(like.file.path)
            if like is None or is_new:
                reserved = one.reserved or await self._reserve(one.picture)
                kept = await self._media.keep(file, one.stem, reserved)
                saved = SavedFile(kept.path, kept.link, file.sha256)
            else:
                saved = like.file
            note = NewFile(*one.picture, saved, file.original, findings)
            return await self._recorded(one, note, file, downloaded, is_new=is_new)

    async def _used_again(self, one: WantedPicture) -> Kept | None:
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
        findings = self._findings.of_same_link(one, other)
        return await self._recorded(one, NewFile(*one.picture, saved, "", findings), None)

    async def _recorded(
        self,
        one: WantedPicture,
        note: NewFile,
        file: Fetched | None,
        downloaded: Callable[[], None] = lambda: None,
        *,
        is_new: bool = False,
    ) -> Kept:
        """Add the file to the manifest, then to the store. A kill in between repeats the first."""
        kept, now = Kept(note.file.path, note.file.link), self._now()
        entry = described(
            one.picture.key, one.attempt, one.number, kept, at=now, is_copy=not is_new
        )
        entry |= {"sha256": note.file.sha256, **note.findings.as_json()}
        await self._media.describe(file, entry)
        downloaded()
        await self._notes.add(note)
        if self._known is not None:
            self._known[one.picture.url] = one.picture.key
        return kept

    async def _reserve(self, picture: Picture) -> str:
        """An id for the file, in the store: if this process ends now, a later pass uses it."""
        if reserved := await self._media.reserve():
            await self._worker.run(self._sync.store.files.reserve, *picture, reserved)
        return reserved
