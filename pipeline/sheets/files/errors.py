"""Why a sheet's file cannot be read or written, in one sentence that says what to do."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import SheetError

_KEPT = "Nothing was changed; results are kept and will be written then."

_SENTENCES = {
    errno.ENOENT: "{path} is not there. Put it back, or correct [sheet] source.",
    errno.ENOTDIR: "{path} is not there. Put it back, or correct [sheet] source.",
    errno.EISDIR: "{path} is a folder. Let [sheet] source name the file in it.",
    errno.EACCES: "{path} is closed to the account that runs promptsheet. Give it the right to"
    " read and write the file and its folder. " + _KEPT,
    errno.EPERM: "{path} belongs to another account, and cannot be replaced. Run promptsheet as its"
    " owner. " + _KEPT,
    errno.EROFS: "{path} lies on a read-only disk. Make it writable. " + _KEPT,
    errno.ENOSPC: "No room is left on the disk of {path}. Make some. " + _KEPT,
    errno.EDQUOT: "The disk quota for {path} is used up. Make room. " + _KEPT,
    errno.EFBIG: "{path} would be larger than this system allows. " + _KEPT,
    errno.EBUSY: "{path} is mounted by itself, so it cannot be replaced. Mount its folder. "
    + _KEPT,
    errno.ETXTBSY: "{path} is in use by another program. Close it there. " + _KEPT,
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn the system's errors into `SheetError`, with a sentence about `path`."""
    try:
        yield
    except OSError as error:
        known = _SENTENCES.get(error.errno or 0, "{path} cannot be used: {reason}. " + _KEPT)
        raise SheetError(known.format(path=path, reason=error.strerror)) from error


def refuse_what_is_no_file(path: Path) -> None:
    """Raises SheetError unless a plain file lies there: a pipe would be waited for without end."""
    with told(path):
        mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise SheetError(_SENTENCES[errno.EISDIR].format(path=path))
    if not stat.S_ISREG(mode):
        raise SheetError(f"{path} is no plain file. Let [sheet] source name one.")


def refuse_read_only(path: Path) -> None:
    """Raises SheetError if the file may not be written: root, too, honours a missing write bit."""
    with told(path):
        closed = _is_closed(path)
    if closed:
        # A file of others that lets its owner write is not mended by a mode that is there already.
        if _is_of_others(path):
            raise SheetError(_SENTENCES[errno.EACCES].format(path=path))
        raise SheetError(f"{path} is read-only. Make it writable. {_KEPT}")
    refuse_closed_folder(path)


def refuse_closed_folder(path: Path) -> None:
    """Raises SheetError if no file can be made beside `path`."""
    with told(path.parent):
        closed = _is_closed(path.parent)
    if closed:
        raise SheetError(f"The folder of {path} is read-only. Make it writable. {_KEPT}")


def never_at_rest(path: Path, *, held_open: bool) -> SheetError:
    """What to say when others were at the file in every try."""
    if held_open:
        return SheetError(f"{path} is open for writing in another program. Close it there. {_KEPT}")
    return SheetError(f"{path} was saved by others in every try. Wait for the next pass. {_KEPT}")


def _is_of_others(path: Path) -> bool:
    """Whether it could be written by its owner, who is somebody else."""
    there = path.stat()
    return (
        sys.platform != "win32"
        and os.geteuid() not in (0, there.st_uid)
        and bool(there.st_mode & stat.S_IWUSR)
    )


def _is_closed(path: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    allowed = os.access(path, os.W_OK, effective_ids=effective)
    return not (allowed and path.stat().st_mode & 0o222)
