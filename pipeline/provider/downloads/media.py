"""Saved files: what the API delivered, kept in a place of our own before its links die."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from pipeline.core.picture_findings import SeenPicture
from pipeline.core.pictures.saved_files import Fetched, Kept
from pipeline.plain_files import is_plain
from pipeline.provider.downloads.destination import Destination
from pipeline.provider.downloads.fetching import Fetcher
from pipeline.provider.downloads.folder import no_place
from pipeline.provider.downloads.looking import looked_at, size_in
from pipeline.provider.downloads.manifest import add_line
from pipeline.provider.downloads.previews import Previews
from pipeline.provider.downloads.provenance import labelled, packet

log = logging.getLogger("promptsheet")

#: Never in the name of a file: they part folders, or Windows takes them for something else.
_NOT_IN_NAMES: Final = '/\\:*?"<>|.'

#: What is noted as the program that made a picture.
TOOL: Final = "Promptsheet"


class Media:
    """Downloads files and keeps them in a place: an async context manager.

    The manifest is `manifest`, and `folder` is the place if it is a local folder. With `labels`,
    what a picture shows is written into it; with `checks`, each picture is looked at. `previews`
    keeps small versions for a place on another machine.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        destination: Destination,
        *,
        folder: Path | None = None,
        manifest: Path | None = None,
        sheet: Path | None = None,
        labels: bool = False,
        checks: bool = False,
        previews: Previews | None = None,
    ) -> None:
        self._fetcher, self._destination = fetcher, destination
        self._folder, self._manifest, self._sheet = folder, manifest, sheet
        self._labels, self._checks, self._previews = labels, checks, previews

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._fetcher.close()
        await self._destination.close()

    @asynccontextmanager
    async def fetched(self, url: str, text: str = "") -> AsyncIterator[Fetched]:
        """The file behind a link, downloaded: see `Fetcher.fetched`. `text` says what it shows."""
        async with self._fetcher.fetched(url) as file:
            if self._checks and file.is_picture:
                try:
                    seen = await asyncio.to_thread(looked_at, file.path, file.ending)
                except OSError as error:  # it was deleted in the meantime
                    raise no_place(file.path.parent, error) from error
                file = replace(file, seen=seen)
            if not self._labels:
                yield file
                return
            # Not in the unfinished file: a later download could continue it.
            copy = file.path.with_name(f".{secrets.token_hex(12)}.part")
            try:
                yield await asyncio.to_thread(_labelled, file, copy, text)
            except OSError as error:
                raise no_place(copy.parent, error) from error
            finally:
                copy.unlink(missing_ok=True)

    async def reserve(self) -> str:
        """An id for one file, which the store keeps before `keep`: see `Destination.reserve`."""
        return await self._destination.reserve()

    async def keep(self, file: Fetched, stem: str, reserved: str = "") -> Kept:
        """Keep a downloaded file under the stem and the ending of its kind.

        `stem` comes from `core.pictures.filenames.picture_stem`. See `Destination.keep`. Raises
        NotSaved, and ValueError for a stem that is no plain name.
        """
        if not all(map(_is_plain_name, stem.split("/"))):
            raise ValueError(f"{stem!r} is not a plain file name")
        name = f"{stem}.{file.ending}"
        kept = await self._destination.keep(file.path, name, file.media_type, reserved)
        if self._previews and file.media_type.startswith("image/"):
            await asyncio.to_thread(self._make_preview, self._previews, kept, file)
        return kept

    def _make_preview(self, previews: Previews, kept: Kept, file: Fetched) -> None:
        try:
            previews.make(kept.path, file.path)
        except OSError as error:  # the picture is saved, and that is what counts
            log.info("There is no preview of %s: %s", kept.path, error)

    def is_there(self, path: str) -> bool:
        """False if a file that was saved is gone. On other machines, files are not looked for."""
        return self._folder is None or "://" in path or is_plain(self._folder / path)

    async def describe(self, file: Fetched | None, entry: Mapping[str, object]) -> None:
        """Add a line about a kept file to the manifest. Raises NoPlace.

        `file` is None if it was not downloaded again.
        """
        if self._manifest is not None:
            await asyncio.to_thread(self._describe, self._manifest, file, entry)

    def _describe(self, manifest: Path, file: Fetched | None, entry: Mapping[str, object]) -> None:
        size: dict[str, object] = {}
        if file is not None:
            seen = file.seen or SeenPicture(size_in(file.path) if file.is_picture else None)
            wide, high = seen.size or (None, None)
            size = {"bytes": file.size, "width": wide, "height": high, "type": file.media_type}
        try:
            add_line(manifest, {**entry, **size}, self._sheet)
        except OSError as error:
            raise no_place(manifest.parent, error) from error

    async def check(self) -> None:
        """Raise NoPlace if no file can be saved: see `Destination.check`."""
        await self._destination.check()


def _is_plain_name(text: str) -> bool:
    is_safe = all(c.isprintable() and c not in _NOT_IN_NAMES for c in text)
    return bool(text) and is_safe and text == text.strip()


def _labelled(file: Fetched, copy: Path, text: str) -> Fetched:
    """The file with a label, at `copy`; the file itself if it cannot have one. Raises OSError."""
    content = labelled(file.path.read_bytes(), file.ending, packet(text, TOOL))
    if content is None:
        return file
    copy.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return replace(file, path=copy, size=len(content), sha256=digest, original=file.sha256)
