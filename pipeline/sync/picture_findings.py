"""Finds out what is wrong with a picture that is about to be noted as saved."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.messages.picture_notes import twin_of
from pipeline.core.model import JobKey
from pipeline.core.picture_findings import NONE, Findings
from pipeline.core.pictures.saved_files import Fetched
from pipeline.core.pictures.shapes import Shape, asked_shape
from pipeline.core.rows.generations import label
from pipeline.store import Twin
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.wanted_pictures import WantedPicture
from pipeline.sync.worker import Worker


class PictureFindings:
    """Compares pictures with their rows, and with other pictures of the sheet."""

    def __init__(self, sync: SheetSync, worker: Worker) -> None:
        self._sync, self._worker = sync, worker
        #: Job and attempt -> what it asked for; the pictures of a task come one after the other.
        self._shapes: dict[tuple[JobKey, int], Shape | None] = {}

    async def of(self, one: WantedPicture, file: Fetched, twin: Twin | None) -> Findings:
        """What is wrong with a picture. `twin` is a saved one with the same content.

        Nothing is found of a file that was not looked at. Raises StoreError.
        """
        if file.seen is None:
            return NONE
        found = Findings(file.seen.look, same=self._same(one, twin))
        size, shape = file.seen.size, await self._shape(one)
        if size and shape and not shape.fits(size):
            found = replace(found, size=str(size), asked=shape.words)
        return found

    def of_same_link(self, one: WantedPicture, other: JobKey) -> Findings:
        """What is wrong with a picture that another job has saved from the same link."""
        url, job = one.picture.url, self._sync.state.jobs.all.get(other)
        for attempt in job.attempts if job else ():
            if job and url in attempt.result.urls:
                its = job.findings.get(url, NONE)
                return Findings(its.look, same=self._named(one, other, attempt.number, url))
        return NONE

    def _same(self, one: WantedPicture, twin: Twin | None) -> str:
        if twin is None or (twin.key, twin.url) == (one.picture.key, one.picture.url):
            return ""
        return self._named(one, twin.key, twin.number, twin.url)

    def _named(self, one: WantedPicture, key: JobKey, number: int, url: str) -> str:
        mine = one.picture.key
        if key.row_id != mine.row_id:
            return twin_of(row=key.row_id, name=self._sync.last.name_of(key))
        if key != mine:
            same_take = key.take == mine.take
            return twin_of(generation=label(key.part)) if same_take else twin_of(take=key.take)
        attempt = self._sync.state.jobs.attempt(key, number)
        urls = attempt.result.urls if attempt else ()
        picture = urls.index(url) + 1 if url in urls else 1
        return twin_of(picture=picture, attempt=0 if number == one.attempt.number else number)

    async def _shape(self, one: WantedPicture) -> Shape | None:
        its = one.picture.key, one.attempt.number
        if its not in self._shapes:
            body = await self._worker.run(self._sync.store.attempts.body, *its)
            endpoint = self._sync.rules.endpoint_of(one.attempt.endpoint)
            self._shapes[its] = asked_shape(endpoint, body) if endpoint else None
        return self._shapes[its]
