"""Opens files that others may have created, and sets the permissions of new files.

Reading a pipe or a device could block forever, and a link can point outside the folder. So only
regular files are opened. A file with content of a sheet (its pictures, its gallery, its claim) may
be read by those who can read the sheet, and by no others.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import BinaryIO

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_DO_NOT_WAIT = getattr(os, "O_NONBLOCK", 0)
_FOLLOW_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def open_plain(path: Path, *, links: bool = False) -> BinaryIO:
    """Open a regular file for reading. With `links`, its name may be a symbolic link.

    Raises OSError, also for a pipe, a device or a folder.
    """
    descriptor = os.open(path, _READ | _DO_NOT_WAIT | (0 if links else _FOLLOW_NO_LINK))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "It is no plain file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path) -> bytes:
    """The bytes of a regular file, also behind a symbolic link. Raises OSError."""
    with open_plain(path, links=True) as file:
        return file.read()


def is_plain(path: Path) -> bool:
    """Returns whether there is a regular file, and not a link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def share_like(path: Path, sheet: Path | None, *, folder: bool = False) -> None:
    """Let a new file or folder be read by those who can read the sheet, and by no others.

    Without a sheet file (for a Google Sheet), and on Windows, the permissions are unchanged.
    """
    if sheet is None or sys.platform == "win32":
        return
    try:
        like = sheet.stat()
    except OSError:
        path.chmod(0o700 if folder else 0o600)
        return
    mode = stat.S_IMODE(like.st_mode) & 0o664 | 0o600
    if path.stat().st_gid != like.st_gid:
        try:
            os.chown(path, -1, like.st_gid)
        except OSError:
            # The group differs: its members may only do what everyone may do.
            mode &= ~0o060 | (mode & 0o004) << 3
    if folder:
        mode |= (mode & 0o444) >> 2
    path.chmod(mode)


def write_whole(target: Path, content: bytes, *, like: Path | None) -> None:
    """Write a file in one step: readers find the old content or the new one, never a part.

    The new file is on disk when this returns. Those who can read the sheet `like` can read it (see
    `share_like`). Raises OSError, and then the old file is unchanged.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        write_new(part, content, 0o600 if like else 0o666)
        share_like(part, like)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def create_whole(target: Path, content: bytes, mode: int = 0o666) -> None:
    """Create a file in one step: a process that is killed leaves no part of it, and replaces none.

    Raises FileExistsError if the file exists, and OSError.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        write_new(part, content, mode)
        try:
            os.link(part, target)
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links, such as a memory stick
            write_new(target, content, mode)
    finally:
        part.unlink(missing_ok=True)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Create a file and wait until it is on disk. Raises OSError, also if the file exists."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
