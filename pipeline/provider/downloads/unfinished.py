"""Unfinished downloads: files under temporary names, which a later pass can continue.

The name of an unfinished file is made from its link, so that a later pass finds it. The process
that works on it holds a lock, which the system releases when the process ends. A note beside it
says how to ask the server for the rest. It is written only when so much has arrived that
continuing is worth it.

Raises OSError.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from pipeline.plain_files import share_like

if sys.platform != "win32":
    import fcntl

#: Bytes after which a download can be continued; a smaller one begins again.
WORTH_IT: Final = 1 << 20
#: Seconds after which an unfinished file was left behind by a process that is gone; and one that
#: can be continued.
ABANDONED: Final = 3600.0
ABANDONED_WITH_NOTE: Final = 86_400.0


class Note(NamedTuple):
    """How a download can be continued."""

    #: The server's name for this version of the file: a strong ETag.
    version: str
    #: What the server calls the kind of file, and its whole length.
    called: str
    length: int


class Unfinished:
    """An unfinished file, open for writing. `note` is None for a new one."""

    def __init__(self, path: Path, file: BinaryIO, note: Note | None) -> None:
        self.path, self.file, self.note = path, file, note

    @classmethod
    def opened(cls, folder: Path, url: str, sheet: Path | None) -> Self:
        """The unfinished file of a link that an earlier process left behind, or a new one."""
        path = folder / f".{hashlib.sha256(url.encode()).hexdigest()[:24]}.part"
        file = _continued(path)
        if file is not None:
            if note := _read(path):
                return cls(path, file, note)
            file.truncate(0)
            return cls(path, file, None)
        try:
            file = path.open("x+b")
        except FileExistsError:  # another process works on it
            path = path.with_name(f".{secrets.token_hex(12)}.part")
            file = path.open("x+b")
        _is_locked(file)
        share_like(path, sheet)
        return cls(path, file, None)

    @property
    def size(self) -> int:
        """The bytes that have arrived."""
        self.file.flush()
        return os.fstat(self.file.fileno()).st_size

    def note_down(self, note: Note) -> None:
        """Write down how to continue, and keep the file if the download breaks off."""
        text = json.dumps([*note, _boot()])
        part = self.path.with_suffix(f".{secrets.token_hex(4)}.part")
        part.write_text(text)
        part.replace(_note_of(self.path))
        self.note = note

    def begin_again(self) -> None:
        """Drop what has arrived."""
        _note_of(self.path).unlink(missing_ok=True)
        self.note = None
        self.file.seek(0)
        self.file.truncate(0)

    def leave(self, *, is_wanted: bool) -> None:
        """Close the file. It is deleted, unless it is still wanted and can be continued."""
        with suppress(OSError):
            self.file.flush()
        is_kept = is_wanted and self.note is not None
        is_ours = self._is_ours()
        if sys.platform == "win32":
            self.file.close()
        if is_ours and not is_kept:
            # The lock is held until it is gone.
            if self.note is not None:
                _note_of(self.path).unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk
            self.file.close()

    def _is_ours(self) -> bool:
        """False if the file was moved away, and another process has begun one of this name."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.file.fileno()))
        except FileNotFoundError:
            return True


def sweep(folder: Path) -> None:
    """Delete unfinished files that were left behind a long time ago."""
    for path in abandoned(folder):
        path.unlink(missing_ok=True)
        _note_of(path).unlink(missing_ok=True)


def abandoned(folder: Path) -> list[Path]:
    """The unfinished files that were left behind a long time ago."""
    now = time.time()
    found = []
    for path in folder.glob(".*.part"):
        with suppress(OSError):  # gone, or of another account
            age = now - path.stat().st_mtime
            long = ABANDONED_WITH_NOTE if _note_of(path).exists() else ABANDONED
            if age > long and not _is_worked_on(path):  # the clock may be wrong
                found.append(path)
    return found


def _continued(path: Path) -> BinaryIO | None:
    """The file, if it exists and no process works on it."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return None
    try:
        # Its process may have deleted it after we opened it.
        if _is_locked(file) and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            if os.fstat(file.fileno()).st_nlink == 1:
                return file
            # It got its name as a saved file, and the process was killed before it could drop this
            # name. To write into it would change the saved file.
            path.unlink()
    except FileNotFoundError:
        pass
    file.close()
    return None


def _is_worked_on(path: Path) -> bool:
    """True if a process holds the lock of the file; False if this system cannot tell."""
    with path.open("r+b") as file:
        return sys.platform != "win32" and not _is_locked(file)


def _is_locked(file: BinaryIO) -> bool:
    """Lock it for this process. False if another has it, or if this system cannot tell."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _note_of(path: Path) -> Path:
    return path.with_suffix(".note")


def _read(path: Path) -> Note | None:
    try:
        version, called, length, boot = json.loads(_note_of(path).read_text())
    except (OSError, ValueError, TypeError):
        return None
    # After a crash of the machine, parts of the file may not have reached the disk.
    return Note(version, called, length) if boot and boot == _boot() else None


@cache
def _boot() -> str:
    """What changes with each start of the machine; empty if that is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
