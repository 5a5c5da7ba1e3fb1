"""Saved files: what the API delivered, kept in a place of our own before its links die."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final, Self

from pipeline.core.saved_files import Fetched, Kept
from pipeline.provider.downloads.destination import Destination
from pipeline.provider.downloads.fetching import Fetcher

#: Never in the name of a file: they part folders, or Windows takes them for something else.
_NOT_IN_NAMES: Final = '/\\:*?"<>|.'


class Media:
    """Downloads files and keeps them in a place: an async context manager."""

    def __init__(self, fetcher: Fetcher, destination: Destination) -> None:
        self._fetcher, self._destination = fetcher, destination

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._fetcher.close()
        await self._destination.close()

    def fetched(self, url: str) -> AbstractAsyncContextManager[Fetched]:
        """The file behind a link, downloaded: see `Fetcher.fetched`."""
        return self._fetcher.fetched(url)

    async def reserve(self) -> str:
        """An id for one file, which the store keeps before `keep`: see `Destination.reserve`."""
        return await self._destination.reserve()

    async def keep(self, file: Fetched, stem: str, reserved: str = "") -> Kept:
        """Keep a downloaded file under the stem and the ending of its kind.

        `stem` comes from `filenames.picture_stem`. See `Destination.keep`. Raises NotSaved, and
        ValueError for a stem that is no plain name.
        """
        if not stem or not all(c.isprintable() and c not in _NOT_IN_NAMES for c in stem):
            raise ValueError(f"{stem!r} is not a plain file name")
        name = f"{stem}.{file.ending}"
        return await self._destination.keep(file.path, name, file.media_type, reserved)

    async def check(self) -> None:
        """Raise NoPlace if no file can be saved: see `Destination.check`."""
        await self._destination.check()
