"""Saving the pictures of jobs that succeeded.

The place is checked before the first download, so that nothing is downloaded that cannot be kept.
The links that expire first are followed first. Each step leaves the store and the place so that a
later pass can go on: an id that an upload needs is in the store before the upload begins, and the
place recognises a file that it has already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from pipeline.core.errors import NoPlace, NotSaved, PromptsheetError
from pipeline.core.model import Attempt, JobKey, Unsaved
from pipeline.core.pictures.name_templates import NameTemplate
from pipeline.core.states import first_success
from pipeline.sync.download_queue import DownloadQueue
from pipeline.sync.download_retries import LINK_LIFE, missed
from pipeline.sync.file_keeper import FileKeeper, Saver
from pipeline.sync.file_names import FileNames
from pipeline.sync.fresh_links import FreshLinks
from pipeline.sync.place import Place
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.wanted_pictures import Picture, WantedPicture
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")


class Downloader:
    """Saves each picture once, with one try a pass, and notes in the store what was not saved.

    Without `media` it saves nothing: the configuration sets no place. `names` is the template of
    the file names; None: the usual names. `links` asks the API for new links in place of dead ones.

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
        links: FreshLinks | None = None,
        on_saved: Callable[[], None],
        on_lost: Callable[[], None],
        on_empty: Callable[[], None],
    ) -> None:
        self.trouble: list[PromptsheetError] = []
        self._sync, self._now = sync, now
        self._names = FileNames(sync, names)
        self._keeper = FileKeeper(sync, worker, media, links, now) if media else None
        self._on_saved, self._on_lost = on_saved, on_lost
        self._tried: set[Picture] = set()
        self._queue = DownloadQueue(self._save, on_empty)
        self._place = Place(media.check, now) if media else None

    @property
    def pending(self) -> int:
        """Pictures that are being saved, or wait for their turn."""
        return self._queue.pending

    def keep(self, key: JobKey) -> None:
        """Save the pictures of a job that are due and were not tried in this pass."""
        job, now = self._sync.state.jobs.all.get(key), self._now()
        if job is None or self._place is None or self._place.rests or not self._names.is_ready:
            return
        first = first_success(job)
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
                one = WantedPicture(picture, attempt, at, stem, before, its_id)
                self._queue.add(one, self._expires(attempt))
        self._queue.begin()

    async def finish(self) -> None:
        """Wait for the downloads that are running."""
        await self._queue.finish()

    async def close(self) -> None:
        """Cancel the downloads that are running; a later pass tries them again."""
        await self._queue.close()

    def _expires(self, attempt: Attempt) -> datetime:
        api = self._sync.rules.api_of(attempt)
        life = api.provider.links if api else None
        return (attempt.ended_at or attempt.sent_at) + (life or LINK_LIFE)

    async def _save(self, one: WantedPicture, downloaded: Callable[[], None]) -> None:
        assert self._keeper is not None, "keep() begins nothing without a place"
        assert self._place is not None, "keep() begins nothing without a place"
        try:
            await self._place.checked()
        except PromptsheetError as error:
            self._rest(error, one)
            return
        try:
            kept = await self._keeper.keep(one, downloaded)
            self._names.saved(one.picture.key, kept.path)
        except NoPlace as error:  # nothing is wrong with the link
            self._rest(error, one)
        except NotSaved as error:
            log.info("%s: %s", one.picture.key.generation, error)
            why = missed(error, one.before, one.attempt.sent_at, self._now())
            await self._missed(one, why)
            if not why.lost:
                self.trouble.append(error)
        except PromptsheetError as error:
            self.trouble.append(error)
        else:
            self._on_saved()

    def _rest(self, error: PromptsheetError, one: WantedPicture) -> None:
        """Drop what waits: it would be downloaded, and then could not be kept."""
        assert self._place is not None, "keep() begins nothing without a place"
        dropped = [one, *self._queue.drop()]
        self._tried.difference_update(waiting.picture for waiting in dropped)
        self.trouble += [error] * len(dropped)
        self._place.refused()

    async def _missed(self, one: WantedPicture, why: Unsaved) -> None:
        try:
            assert self._keeper is not None, "keep() begins nothing without a place"
            await self._keeper.note_missed(one.picture, why)
        except PromptsheetError as error:
            self.trouble.append(error)
        else:
            if why.lost:
                self._on_lost()
