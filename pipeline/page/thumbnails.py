"""Saved files for the page: only files that we saved, and none that a browser would execute.

A request names a picture by row, take and number, never by file name, so that it cannot reach any
other file.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final

from pipeline import images
from pipeline.core.pictures.filetypes import ENOUGH, MEDIA_TYPES, ending_of
from pipeline.open_pictures import Pictures, kind_of, name_of
from pipeline.plain_files import is_plain, open_plain

#: Files that the page shows: file extension -> media type. The first bytes must agree.
SHOWN: Final = {kind: name for kind, name in MEDIA_TYPES.items() if name.startswith("image/")}
#: Videos and sounds, which the page plays if the first bytes agree; otherwise it offers them as
#: downloads of no special type.
PLAYED: Final = {kind: name for kind, name in MEDIA_TYPES.items() if kind not in SHOWN}
UNKNOWN: Final = "application/octet-stream"
#: Longer side of a small picture in pixels, and size of the cache in bytes.
SIDE: Final = 480
MOST_BYTES: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved file that visitors may load."""

    #: The file; of a file on another machine the small version here, None if there is none yet.
    path: Path | None
    type: str
    #: A value that changes with the file.
    version: str
    #: Its name; empty if that is not known.
    name: str
    #: Where it is on another machine; empty for a file on this one.
    address: str = ""

    @property
    def kind(self) -> str:
        """How browsers show it: `image`, `video`, `audio`; `application` for a download."""
        return self.type.partition("/")[0]

    @property
    def is_picture(self) -> bool:
        """True if browsers show it as a picture."""
        return self.kind == "image"


def saved(media: Path | None, name: str) -> Saved | None:
    """The saved file of that name in the media folder; None if it is missing or not allowed."""
    if media is None:
        return None
    path = media / name
    try:
        if not path.resolve().is_relative_to(media.resolve()) or not is_plain(path):
            return None
        seen = path.stat()
        kind = _type(str(path), seen.st_mtime_ns)
    except (OSError, ValueError):
        return None
    version = f"{seen.st_mtime_ns:x}-{seen.st_size:x}"
    return Saved(path, kind, version, path.name) if kind else None


def elsewhere(pictures: Pictures, address: str, url: str) -> Saved:
    """The saved file at an address on another machine, which is not asked; `url` is the result's.

    A file at such an address never gets other content.
    """
    version = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    small = pictures.preview(address, may_read=False)
    return Saved(small, kind_of(address, url), version, name_of(address), address)


@lru_cache(maxsize=50_000)
def _type(path: str, written: int) -> str:
    ending = path.rpartition(".")[2].casefold()
    with open_plain(Path(path)) as file:
        start = file.read(ENOUGH)
    if ending in PLAYED:
        return PLAYED.get(ending_of(start, PLAYED[ending]), UNKNOWN)
    # The type comes from the content: a file that others put there may have a false extension.
    return SHOWN.get(ending_of(start), "") if ending in SHOWN else ""


@lru_cache(maxsize=50_000)
def _size(path: str, version: str) -> tuple[int, int]:
    return images.size_of(Path(path))


def size_of(file: Saved) -> tuple[int, int]:
    """Width and height in pixels; zeros if they are unknown."""
    is_known = file.is_picture and file.path is not None
    return _size(str(file.path), file.version) if is_known else (0, 0)


class SmallPictures:
    """Pictures scaled down for the board. A cache keeps the most recently used ones."""

    def __init__(self) -> None:
        self._small: OrderedDict[tuple[Path, str], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        # Scaling has its own threads, so that neither a pass nor other requests wait for it.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="small")

    async def of(self, path: Path, version: str) -> bytes | None:
        """The picture as WebP; None if it cannot be decoded. `version` changes with the file."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._of, path, version)

    def _of(self, path: Path, version: str) -> bytes | None:
        key = path, version
        with self._lock:
            if key in self._small:
                self._small.move_to_end(key)
                return self._small[key]
        small = images.scaled(path, SIDE)
        if small is None:
            return None
        with self._lock:
            if key not in self._small:
                self._small[key] = small.webp
                self._bytes += len(small.webp)
            while self._bytes > MOST_BYTES:
                _, dropped = self._small.popitem(last=False)
                self._bytes -= len(dropped)
        return small.webp
