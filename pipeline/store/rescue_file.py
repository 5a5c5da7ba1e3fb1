"""The rescue file: it takes what is reported while the disk is full. It is next to the store.

Its blocks are allocated when it is made, and later writes overwrite them, so that it needs no new
space. It has one fact on each line, after a line feed (which ends a line that was cut off), and
zeros after the last line.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from pipeline.core.errors import StoreFull
from pipeline.store.attempt_events import TimedFact, from_line, to_line

if sys.platform != "win32":
    import fcntl

#: Room for some two hundred facts with four URLs each.
SIZE: Final = 256 * 1024
#: What the system says of a folder in which this account cannot write.
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT})

_log = logging.getLogger(__name__)


class RescueFile:
    """The file. All processes of a store share it, and one at a time uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def reserve(self) -> None:
        """Make the file with its space on disk, if it does not exist. Raises StoreFull."""
        with self._opened() as file:
            _take_blocks(file)

    def trouble(self) -> str:
        """Why nothing can be kept there, in a sentence; empty if it can. Changes nothing."""
        place = self.path if self.path.exists() else self.path.parent
        return "" if os.access(place, os.W_OK) else _refused(self.path, "it may only be read")

    def write(self, facts: Sequence[TimedFact]) -> None:
        """Add the facts, and wait until they are on disk. Raises StoreFull, and none was added."""
        new = "".join(f"\n{to_line(fact, at)}" for fact, at in facts).encode() + b"\n"
        with self._opened() as file:
            if file.seek(0, os.SEEK_END) < SIZE:
                _take_blocks(file)
            end = len(_content(file))
            if end + len(new) > SIZE:
                raise StoreFull(f"The rescue file {self.path} is full too. Free some space.")
            _write_over(file, end, new)

    def emptied(self, record: Callable[[Sequence[TimedFact]], object]) -> int:
        """Record its facts, then empty it. Returns how many there were."""
        if not self.path.exists():
            return 0
        with self._opened() as file:
            content = _content(file)
            facts = list(self._read(content))
            if facts:
                record(facts)
            if content:
                _write_over(file, 0, bytes(len(content)))
        return len(facts)

    def waiting(self) -> int:
        """How many facts it has. Changes nothing."""
        return sum(1 for _ in self._read(_whole(self.path).rstrip(b"\0")))

    def _read(self, content: bytes) -> Iterator[TimedFact]:
        for line in content.replace(b"\0", b"\n").splitlines():
            if line:
                try:
                    yield from_line(line)
                except ValueError as torn:
                    _log.warning("%s: a line could not be read (%s)", self.path, torn)

    @contextmanager
    def _opened(self) -> Iterator[FileIO]:
        """The file, ours alone; trouble with it is a StoreFull: nothing can be kept there."""
        try:
            with open(self.path, "r+b", buffering=0, opener=_private) as file:
                if sys.platform != "win32":
                    fcntl.flock(file, fcntl.LOCK_EX)
                yield file
        except OSError as error:
            raise StoreFull(
                _refused(self.path, f"{error.strerror}")
                if error.errno in _REFUSED
                else f"No space in the rescue file {self.path}: {error.strerror}. Free some space."
            ) from error


def _whole(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def rescue_of(store: Path) -> RescueFile:
    """The rescue file of the store in a file."""
    return RescueFile(Path(f"{store}.rescue"))


def _refused(path: Path, why: str) -> str:
    return (
        f"The rescue file {path} cannot be written: {why}. Nothing is sent without it, because it "
        "keeps the answers of the API while the store is away. Let this account write in that "
        "folder."
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)


def _take_blocks(file: FileIO) -> None:
    if sys.platform == "linux":
        os.posix_fallocate(file.fileno(), 0, SIZE)
    elif (size := file.seek(0, os.SEEK_END)) < SIZE:
        file.write(bytes(SIZE - size))
    os.fsync(file.fileno())


def _content(file: FileIO) -> bytes:
    file.seek(0)
    return file.read().rstrip(b"\0")


def _write_over(file: FileIO, at: int, new: bytes) -> None:
    file.seek(at)
    file.write(new)
    os.fsync(file.fileno())
