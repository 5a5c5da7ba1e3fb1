"""Swaps two files in one step of the system, so that the file that was there comes out.

A plain rename would destroy the file that it replaces, also if a person saved it a moment ago.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

#: Puts the first file in place of the second: where the one that lay there is now.
Exchange = Callable[[Path, Path], Path]

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_UNABLE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


def swap_names(incoming: Path, target: Path) -> None:
    """Swap both names in the kernel. Raises OSError if it, or the file system, cannot."""
    _renameat2(incoming, target, _EXCHANGE)


def exchange(incoming: Path, target: Path, swap: Callable[[Path, Path], None] = swap_names) -> Path:
    """Put `incoming` in place of `target`. Returns where the file that was there is now.

    At no moment is there no file under the name of `target`.
    """
    try:
        swap(incoming, target)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        return exchange_by_link(incoming, target)
    return incoming


def exchange_by_link(incoming: Path, target: Path) -> Path:
    """Do the same in two steps, for systems that cannot swap: a second name first, then a rename.

    A save *by rename* between the two steps is lost without a trace. The gap is some microseconds
    where hard links work, and the time of making a copy elsewhere.
    """
    kept = another_name(incoming)
    try:
        _second_name(target, kept)
        incoming.replace(target)
    except OSError:
        kept.unlink(missing_ok=True)
        raise
    return kept


def appear(whole: Path, name: Path) -> bool:
    """Give a finished file its name. Returns False, and leaves it, if the name is taken."""
    try:
        _rename_if_free(whole, name)
    except FileExistsError:
        return False
    return True


def another_name(path: Path) -> Path:
    """A free name of the same kind: only the part after the last hyphen is new."""
    return path.with_name(f"{path.name.rpartition('-')[0]}-{token_hex(4)}")


def _second_name(target: Path, kept: Path) -> None:
    try:
        kept.hardlink_to(target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(target, kept)


def _rename_if_free(whole: Path, name: Path) -> None:
    try:
        name.hardlink_to(whole)
    except FileExistsError:
        raise
    except OSError:
        _renameat2(whole, name, _NOREPLACE)  # FAT and similar file systems have no hard links.
    else:
        whole.unlink()


def _renameat2(source: Path, target: Path, how: int) -> None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if _LINUX else None
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), how) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


_LINUX = sys.platform == "linux"
