"""The folder of the files that cells may name (`[media] inputs`).

Only a picture, a video or a sound within the folder is ever read: no link is followed, and no other
file can be sent by a cell that names it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.core.errors import PartUnread
from pipeline.core.messages import reasons
from pipeline.core.pictures.filetypes import ENOUGH, MEDIA_TYPES, ending_of
from pipeline.plain_files import open_plain

#: Bytes of one file. It is a third longer in base64, and APIs refuse large bodies.
MOST_BYTES: Final = 12_000_000
#: Never in the name of a file: they part folders on some system, or name devices and streams.
_NOT_IN_NAMES: Final = '\\:*?"<>|'


@dataclass(frozen=True, slots=True)
class Content:
    """A file that was read: a name for it, its bytes and its media type."""

    name: str
    data: bytes
    type: str


class InputFolder:
    """The folder of files that cells may name. Its repr changes with the files in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"InputFolder({str(self._folder)!r}, {state_of(self._folder)})"

    def problem(self, name: str, kind: str = "") -> str:
        """Why this file cannot be sent, as the end of a sentence; empty if it can be.

        `kind` is what it must be, such as `image`.
        """
        try:
            found = self._checked(name, ENOUGH).type
        except PartUnread as error:
            return reasons.told(str(error))
        assert kind in ("", "image"), "only a picture is asked for by its kind"
        return "" if found.startswith(kind) else reasons.told(reasons.NO_PICTURE)

    def read(self, name: str) -> Content:
        """The file of this name. Raises PartUnread with the end of a sentence."""
        return self._checked(name, MOST_BYTES)

    def _checked(self, name: str, most: int) -> Content:
        """The first bytes of a file, after all checks."""
        parts = name.split("/")
        is_plain_name = name.isprintable() and not any(c in _NOT_IN_NAMES for c in name)
        # A name that begins with a dot is hidden, or leads out of the folder.
        if not is_plain_name or any(not part or part.startswith(".") for part in parts):
            raise PartUnread(reasons.NO_NAME)
        path = self._folder
        try:
            for part in parts[:-1]:
                path = path / part
                if not stat.S_ISDIR(path.lstat().st_mode):
                    raise PartUnread(reasons.NO_NAME)
            # A link is not followed: it may lead to a file that is not meant for the API.
            with open_plain(path / parts[-1]) as file:
                size = os.fstat(file.fileno()).st_size
                if size > MOST_BYTES:
                    raise PartUnread(reasons.FILE_TOO_LARGE.format(size=MOST_BYTES // 1_000_000))
                data = file.read(most)
        except (FileNotFoundError, NotADirectoryError):
            raise PartUnread(reasons.NO_FILE.format(folder=self._folder.name)) from None
        except (OSError, ValueError):
            raise PartUnread(reasons.FILE_UNREADABLE) from None
        kind = type_of(data, name)
        if not kind:
            raise PartUnread(reasons.FILE_ODD)
        return Content(parts[-1], data, kind)


def state_of(folder: Path | None) -> str:
    """A digest of the names, sizes and times of the files in a folder; empty without a folder."""
    if folder is None:
        return ""
    found = sorted(map(tuple, _files_in(str(folder))))
    return hashlib.sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()


class _FileState(NamedTuple):
    path: str
    mode: int
    size: int
    mtime_ns: int


def _files_in(folder: str) -> Iterator[_FileState]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                seen = entry.stat(follow_symlinks=False)
                yield _FileState(entry.path, seen.st_mode, seen.st_size, seen.st_mtime_ns)
                if entry.is_dir(follow_symlinks=False):
                    yield from _files_in(entry.path)
    except OSError:
        return


def type_of(data: bytes, name: str) -> str:
    """The media type of a file by its first bytes; its name decides between kinds alike."""
    called = MEDIA_TYPES.get(name.rpartition(".")[2].casefold(), "")
    return MEDIA_TYPES.get(ending_of(data[:ENOUGH], called), "")
