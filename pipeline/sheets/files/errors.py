"""Why the file of a sheet cannot be read or written, as a sentence that says what to do."""

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
    errno.ENOENT: "{path} does not exist. Put it back, or correct [sheet] source.",
    errno.ENOTDIR: "{path} does not exist. Put it back, or correct [sheet] source.",
    errno.EISDIR: "{path} is a folder. Set [sheet] source to the file in it.",
    errno.EACCES: "{path} is not open to the account that runs promptsheet. Give it the right to"
    " read and write the file and its folder. " + _KEPT,
    errno.EPERM: "{path} belongs to another account and cannot be replaced. Run promptsheet as its"
    " owner. " + _KEPT,
    errno.EROFS: "{path} is on a read-only disk. Make it writable. " + _KEPT,
    errno.ENOSPC: "No space is left on the disk of {path}. Free some. " + _KEPT,
    errno.EDQUOT: "The disk quota for {path} is used up. Free some space. " + _KEPT,
    errno.EFBIG: "{path} would be larger than this system allows. " + _KEPT,
    errno.EBUSY: "{path} is a mount point of its own, so it cannot be replaced. Mount its folder. "
    + _KEPT,
    errno.ETXTBSY: "{path} is in use by another program. Close it there. " + _KEPT,
}


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn OSError into `SheetError`, with a sentence about `path`."""
    try:
        yield
    except OSError as error:
        known = _SENTENCES.get(error.errno or 0, "{path} cannot be used: {reason}. " + _KEPT)
        raise SheetError(known.format(path=path, reason=error.strerror)) from error


def refuse_what_is_no_file(path: Path) -> None:
    """Raise SheetError unless `path` is a regular file: reading a pipe could block forever."""
    with file_errors(path):
        mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise SheetError(_SENTENCES[errno.EISDIR].format(path=path))
    if not stat.S_ISREG(mode):
        raise SheetError(f"{path} is not a regular file. Set [sheet] source to one.")


def refuse_read_only(path: Path) -> None:
    """Raise SheetError if the file is not writable; for root, too, a missing write bit counts."""
    with file_errors(path):
        closed = _is_closed(path)
    if closed:
        # If it belongs to another account that may write it, "make it writable" would not help.
        if _is_of_others(path):
            raise SheetError(_SENTENCES[errno.EACCES].format(path=path))
        raise SheetError(f"{path} is read-only. Make it writable. {_KEPT}")
    refuse_closed_folder(path)


def refuse_closed_folder(path: Path) -> None:
    """Raise SheetError if no file can be created in the folder of `path`."""
    with file_errors(path.parent):
        closed = _is_closed(path.parent)
    if closed:
        raise SheetError(f"The folder of {path} is read-only. Make it writable. {_KEPT}")


def never_stable(path: Path, *, held_open: bool) -> SheetError:
    """The error if another program was using the file during every try."""
    if held_open:
        return SheetError(f"{path} is open for writing in another program. Close it there. {_KEPT}")
    return SheetError(
        f"{path} was saved by another program in every try. Wait for the next run. {_KEPT}"
    )


def _is_of_others(path: Path) -> bool:
    """Returns whether the file belongs to another account that may write it."""
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
