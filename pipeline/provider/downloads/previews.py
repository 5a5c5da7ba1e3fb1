"""Small versions of pictures whose files are on another machine, in a folder beside the store.

A preview has its name from the address of the saved file. A file at such an address never gets
other content, so a preview is never out of date, and two rows with the same picture share one.
The folder is a cache: each file in it may be deleted at any time. It has shelves, so that each
write has to look at few files, and several processes can keep its size within the limit.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from pipeline.images import reduced
from pipeline.plain_files import share_like
from pipeline.provider.downloads.folder import make_folder

#: The longer side of a preview in pixels.
SIDE: Final = 640
#: Bytes of all previews of a store; the ones that were not used for the longest time go first.
MOST_BYTES: Final = 500_000_000
#: Folders for previews: two hexadecimal digits.
SHELVES: Final = 256
#: Seconds after which an unfinished preview was left behind by a process that is gone.
ABANDONED: Final = 3600.0
#: Seconds after which the use of a preview is noted again.
NOTED_EVERY: Final = 86_400.0


class Previews:
    """The previews of a store. `sheet` is the file whose readers may read them, and no others."""

    def __init__(
        self, folder: Path, *, sheet: Path | None = None, most_bytes: int = MOST_BYTES
    ) -> None:
        self._folder, self._sheet, self._most = folder, sheet, most_bytes // SHELVES

    def find(self, address: str) -> Path | None:
        """The preview of the picture that is saved at this address, if there is one."""
        path = self._path(address)
        try:
            seen = path.stat()
            if time.time() > seen.st_mtime + NOTED_EVERY:
                os.utime(path)
        except OSError:
            return None
        return path if seen.st_size else None  # empty: the machine crashed

    def make(self, address: str, content: Path | BinaryIO) -> Path | None:
        """Make the preview of a picture with this content; None if it is no picture.

        Raises OSError.
        """
        small = reduced(content, SIDE)
        if small is None:
            return None
        path = self._path(address)
        make_folder(path.parent, self._sheet)
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            part.write_bytes(small)
            share_like(part, self._sheet)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._tidy(path.parent)
        return path

    def _path(self, address: str) -> Path:
        name = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / name[2:42]

    def _tidy(self, shelf: Path) -> None:
        """Delete the previews that were not used for the longest time, if there are too many."""
        found = []
        with os.scandir(shelf) as entries:
            for one in entries:
                with suppress(OSError):  # another process has renamed or deleted it
                    seen = one.stat()
                    is_being_written = one.name.startswith(".")
                    if not is_being_written or time.time() > seen.st_mtime + ABANDONED:
                        found.append((seen.st_mtime, seen.st_size, one.path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found)[:-1]:
            if total <= self._most:
                break
            with suppress(OSError):
                Path(path).unlink()
            total -= size
