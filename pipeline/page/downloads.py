"""Many saved files as one zip file, created while it is sent.

Only a piece of each file is in memory, and nothing is written to disk, so the size of the zip does
not matter. Files are stored without compression, because pictures are compressed already.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pipeline.core.filenames import free_part
from pipeline.page.thumbnails import Saved
from pipeline.plain_files import open_plain

#: Bytes that are read and sent at a time.
PIECE: Final = 256 * 1024
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


def zipped(files: Iterable[Saved], media: Path) -> Iterator[bytes]:
    """A zip file of these files, in pieces, each file under its path in the media folder.

    A file that has disappeared in the meantime is left out. Each path occurs once.
    """
    outbox, names = _Outbox(), set[str]()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for one in files:
            name = one.path.relative_to(media).as_posix()
            if name in names:
                continue
            names.add(name)
            yield from _added(archive, outbox, one.path, name)
    yield outbox.fetch()


def _added(archive: zipfile.ZipFile, outbox: _Outbox, path: Path, name: str) -> Iterator[bytes]:
    try:
        source = open_plain(path)
        moment = time.localtime(path.stat().st_mtime)[:6]
    except OSError:
        return
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
