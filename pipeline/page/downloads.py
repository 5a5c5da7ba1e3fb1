"""Many saved files as one zip file, created while it is sent.

Only a piece of each file is in memory, so the size of the zip does not matter. A file on another
machine is read as a whole before it goes into the zip, so that no part of one is ever in it: a
picture in memory, a longer file on disk. Files are stored without compression, because pictures are
compressed already.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple
from urllib.parse import quote

from pipeline.core.errors import NotRead
from pipeline.core.pictures.filenames import free_part
from pipeline.open_pictures import Pictures
from pipeline.page.thumbnails import Saved
from pipeline.plain_files import open_plain

#: Bytes that are read and sent at a time.
PIECE: Final = 256 * 1024
#: Files on another machine that are read ahead.
AHEAD: Final = 3
#: The name of the file that lists what is not in the zip.
MISSING: Final = "MISSING.txt"
#: The earliest and the latest time that a zip file can store.
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
_LATEST: Final = (2107, 12, 31, 23, 59, 58)


class _Outbox(io.RawIOBase):
    """A write-only stream: holds what the zip file writes until it is fetched."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        before = len(self._written)
        self._written += memoryview(piece)  # type: ignore[arg-type]
        return len(self._written) - before

    def fetch(self) -> bytes:
        """The bytes that were written since the last call."""
        written = bytes(self._written)
        self._written.clear()
        return written


def zipped(
    files: Iterable[Saved], media: Path | None, pictures: Pictures | None = None
) -> Iterator[bytes]:
    """A zip file of these files, in pieces, each under its path in its place.

    A file on this machine that has disappeared in the meantime is left out. A file on another
    machine is read by `pictures`; if that fails, it is named in the file MISSING, with the reason.
    Each file occurs once.
    """
    outbox, names, missing = _Outbox(), set[str](), list[str]()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for one in _once(files, media, pictures):
            if isinstance(one, str):
                missing.append(one)
                continue
            name = _other_name(one.name, names)
            names.add(name)
            with one.content as content:
                yield from _added(archive, outbox, content, name, one.at)
        if missing:
            said = "These files could not be read:\n\n" + "\n".join(missing) + "\n"
            content = io.BytesIO(said.encode("utf-8", "replace"))
            yield from _added(archive, outbox, content, _other_name(MISSING, names), time.time())
    yield outbox.fetch()


class _Entry(NamedTuple):
    name: str
    content: IO[bytes]
    #: When it was saved, in seconds since 1970.
    at: float


def _once(
    files: Iterable[Saved], media: Path | None, pictures: Pictures | None
) -> Iterator[_Entry | str]:
    """Each file once, open for reading; a sentence for one that cannot be read."""
    seen = set[str]()
    waiting: deque[Future[_Entry | str]] = deque()
    threads = ThreadPoolExecutor(AHEAD, thread_name_prefix="zip")
    try:
        for one in files:
            key = one.address or str(one.path)
            if key in seen:
                continue
            seen.add(key)
            if one.address:
                assert pictures, "needed for files on another machine"
                waiting.append(threads.submit(_read, one, pictures))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            elif media and one.path and (entry := _here(one.path, media)):
                yield entry
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for left in waiting:  # the visitor has gone
            left.add_done_callback(_close)


def _here(path: Path, media: Path) -> _Entry | None:
    try:
        source = open_plain(path)
        return _Entry(path.relative_to(media).as_posix(), source, path.stat().st_mtime)
    except OSError:
        return None


def _read(one: Saved, pictures: Pictures) -> _Entry | str:
    try:
        name = pictures.facts(one.address, one.type).name
        # In Google Drive, people may give a file any name.
        parts = (part for part in re.split(r"[/\\]", name) if part not in ("", ".", ".."))
        return _Entry("/".join(parts) or "file", pictures.whole(one.address), time.time())
    except NotRead as error:
        return f"{one.name or one.address}: {error}"


def _close(left: Future[_Entry | str]) -> None:
    if not left.cancelled() and isinstance(entry := left.result(), _Entry):
        entry.content.close()


def _other_name(name: str, names: Collection[str]) -> str:
    """The name, with a number if it is taken: in Google Drive, several files may have one."""
    for number in count(2):
        if name not in names:
            break
        path = PurePosixPath(name)
        name = path.with_stem(f"{re.sub(r'_[0-9]+$', '', path.stem)}_{number}").as_posix()
    return name


def _added(
    archive: zipfile.ZipFile, outbox: _Outbox, source: IO[bytes], name: str, at: float
) -> Iterator[bytes]:
    moment = time.localtime(at)[:6]
    with source:
        entry = zipfile.ZipInfo(name, min(max(moment, _EARLIEST), _LATEST))
        entry.external_attr = 0o644 << 16
        # The size is not known in advance: the file may grow, or be larger than 4 GB.
        with archive.open(entry, "w", force_zip64=True) as target:
            while piece := source.read(PIECE):
                target.write(piece)
                yield outbox.fetch()
    yield outbox.fetch()


def headers(title: str) -> dict[str, str]:
    """The response headers for a zip file with this title.

    The title is shortened like the names of saved files: proxies and browsers refuse long headers.
    """
    name = free_part(title) or "pictures"
    plain = name.encode("ascii", "ignore").decode().strip("-") or "pictures"
    name = quote(f"{name}.zip", safe="")
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}.zip\"; filename*=UTF-8''{name}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
