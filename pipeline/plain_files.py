"""Reading files that others may have put there, and the access that files of ours give.

A pipe or a device would keep a reader waiting without end, and a link can lead out of a folder. So
what is not a plain file is not opened. A file that holds what a sheet holds (its pictures, its
gallery, its claim) can be read by those who can read the sheet, and by no others.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_DO_NOT_WAIT = getattr(os, "O_NONBLOCK", 0)
_FOLLOW_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def open_plain(path: Path, *, links: bool = False) -> BinaryIO:
    """A plain file, open for reading. `links` allows that its name is a symbolic link.

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
    """The bytes of a plain file, also behind a symbolic link. Raises OSError."""
    with open_plain(path, links=True) as file:
        return file.read()


def is_plain(path: Path) -> bool:
    """Whether a plain file is there, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def share_like(path: Path, sheet: Path | None, *, folder: bool = False) -> None:
    """Let a new file or folder be read by those who can read the sheet, and by no others.

    Without a sheet's file (a Google Sheet), and on Windows, it stays as the system made it.
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
            # Its group is another one: what all may read, that group may read, and no more.
            mode &= ~0o060 | (mode & 0o004) << 3
    if folder:
        mode |= (mode & 0o444) >> 2
    path.chmod(mode)
