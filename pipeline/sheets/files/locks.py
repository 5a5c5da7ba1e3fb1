"""Detects whether another start of this program, or an editor, is using a file now."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other starts of this program on this machine out of `folder`. Returns whether it worked.

    The folder itself is locked, so there is no lock file to clean up. Some systems cannot do that
    (NFS, Windows); there only the store's lease keeps two passes apart.
    """
    if sys.platform == "win32":
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _flocked(descriptor)
    finally:
        os.close(descriptor)


def being_written(path: Path) -> bool:
    """Returns whether a program has `path` open for writing; False if the system cannot tell.

    Linux grants a read lease only on a file that no program has open for writing. So we ask for a
    lease and give it back at once. Only a file's owner (or root) may ask, and only on a local disk.
    Source: the manual page fcntl(2), "Leases".
    """
    if sys.platform != "linux":
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # A program that opens the file now waits for us, and we would get SIGIO, which ends a
        # process; SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _flocked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True
