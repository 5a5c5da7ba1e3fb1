"""Whether others are at a file in this moment: another start of this program, or an editor."""

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
    """Keep other starts of this program on this machine out of `folder`: whether that worked.

    The folder itself is locked, so no lock file lies around. Not everywhere can that be done (NFS,
    Windows); there the store's lease alone keeps two passes apart.
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
    """Whether some program has `path` open for writing; False where the system does not tell.

    Linux grants a read lease only on a file that nobody has open for writing, so asking for one and
    giving it back at once is the question. Only a file's owner (or root) may ask, and only of a
    local disk.
    """
    if sys.platform != "linux":
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # Who opens the file in this instant waits for us, and we would be sent SIGIO, which ends a
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
