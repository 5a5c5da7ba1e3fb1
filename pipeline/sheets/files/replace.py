"""Changes one file in one step, so that neither a kill nor a save at the same moment loses a byte.

We can work out our changes again at any time; a person's save is unique. So the new file and the
old one are *swapped*, and the one that comes out is compared with what we had read:

    the same, and no program is writing it    our file stays, and the old one is deleted
    anything else                             the old file is put back, and we start again

During the swap, a person's newest save is either under the file's own name or under a hidden name
next to it (`.NAME.promptsheet-…`). The hidden name says what the file was made from and what we
made of it, so a later start can tell our own files from a person's save, and restores the save.

One limit remains. A program may open the file under its old name and write later. `being_written`
notices that where the system can tell (Linux, a local disk, our own file). Elsewhere, a save *in
place* that begins after our last check is lost.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.core.errors import SheetError
from pipeline.plain_files import write_new
from pipeline.sheets.files.errors import (
    file_errors,
    never_stable,
    refuse_read_only,
    refuse_what_is_no_file,
)
from pipeline.sheets.files.locks import being_written, locked
from pipeline.sheets.files.open_elsewhere import refuse_while_open
from pipeline.sheets.files.recovery import (
    Pause,
    has_left_overs,
    holds,
    incoming_name,
    part_name,
    put_back,
    settle,
)
from pipeline.sheets.files.swap import Exchange, appear, exchange

#: How long to wait for people's saves, in seconds: before a reading is taken as it is, and between
#: two tries to write.
_BEFORE_READING = (0.01, 0.02, 0.04, 0.08)
_BETWEEN_TRIES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5, 0.5, 0.5)


def read_file(path: Path, *, pause: Pause = time.sleep) -> bytes:
    """The file's bytes. If a program is saving it, this waits a moment for the save to end."""
    for wait in _BEFORE_READING:
        content = _read_stable(path)
        if content is not None:
            return content
        pause(wait)
    refuse_what_is_no_file(path)
    with file_errors(path):
        return path.read_bytes()


def rewrite(
    target: Path,
    change: Callable[[bytes], bytes],
    *,
    exchange: Exchange = exchange,
    pause: Pause = time.sleep,
) -> bytes:
    """Replace the file by `change` of its bytes. Returns the bytes, read back from the disk.

    `change` is called again with the newer bytes if a person saved in between. If it changes
    nothing, nothing is written. Raises SheetError if the file cannot be written, or if programs
    keep saving it; the file is then as people left it.
    """
    after_a_kill(target, exchange)
    for wait in _BETWEEN_TRIES:
        base = read_file(target, pause=pause)
        fresh = change(base)
        if fresh == base:
            return base
        if _replaced(target, base, fresh, exchange, pause):
            del base, fresh  # A big file need not be in memory three times.
            return read_file(target, pause=pause)
        pause(wait)
    with file_errors(target):
        raise never_stable(target, held_open=being_written(target))


def after_a_kill(target: Path, exchange: Exchange = exchange) -> None:
    """Clean up what a killed start left next to `target`, and restore a save that it had moved.

    If nothing was left, this costs one look at the folder. If it cannot be done now, a later start
    does.
    """
    with suppress(OSError):
        if has_left_overs(target):
            with locked(target.parent) as alone:
                if alone:
                    settle(target, exchange)


def write_beside(target: Path, content: bytes) -> Path:
    """Write a file to disk, in the same folder, under a name that a later start deletes.

    Only its owner can read it.
    """
    part = part_name(target)
    try:
        write_new(part, content, 0o600)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def appear_once(part: Path, name: Path) -> bool:
    """Give a file of `write_beside` its name. Deletes it and returns False if that is taken."""
    try:
        return appear(part, name)
    finally:
        part.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_stable(path: Path) -> bytes | None:
    """The bytes, or None if the file has just changed, is being written, or is missing now."""
    try:
        refuse_what_is_no_file(path)
        with file_errors(path):
            before = path.stat()
            content = path.read_bytes()
            is_stable = _stamp(before) == _stamp(path.stat()) and not being_written(path)
    except SheetError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None  # Some editors move the old file away before they write the new one.
        raise
    return content if is_stable else None


class _FileStamp(NamedTuple):
    inode: int
    size: int
    mtime_ns: int


def _stamp(stat: os.stat_result) -> _FileStamp:
    return _FileStamp(stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _replaced(target: Path, base: bytes, fresh: bytes, exchange: Exchange, pause: Pause) -> bool:
    """Swap `fresh` in for `base`. Returns whether it is the file now; if not, people's file is."""
    refuse_read_only(target)
    refuse_while_open(target)
    with file_errors(target), locked(target.parent):
        _keep_original(target, base)
        incoming = _incoming(target, base, fresh)
        try:
            came_out = exchange(incoming, target)
        except FileNotFoundError:
            incoming.unlink()
            return False
        except OSError:
            incoming.unlink()
            raise
        if _is_settled(came_out, target, base):
            return True
        put_back(came_out, target, fresh, exchange, pause)
        return False


def _is_settled(came_out: Path, target: Path, base: bytes) -> bool:
    """True if `base` came out of the swap unchanged and is deleted: it held no newer save."""
    if not holds(came_out, base):
        return False
    fsync_folder(target.parent)
    # After the slow step, so that a save that had just begun is noticed.
    if not holds(came_out, base):
        return False
    came_out.unlink()
    return True


def _keep_original(target: Path, content: bytes) -> None:
    """Keep the file as it was before our first change; only once."""
    original = target.with_name(f"{target.name}.before-promptsheet")
    if not os.path.lexists(original):
        appear_once(_dressed(write_beside(target, content), target), original)


def _incoming(target: Path, base: bytes, fresh: bytes) -> Path:
    part = _dressed(write_beside(target, fresh), target)
    return part.rename(incoming_name(target, base, fresh))


def _dressed(part: Path, target: Path) -> Path:
    """Write the file with the mode, the owner and the attributes of `target`."""
    try:
        if sys.platform != "win32":
            _give_to_owner(part, target.stat())
        shutil.copystat(target, part)
        os.utime(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _give_to_owner(part: Path, like: os.stat_result) -> None:
    """Give the file to the owner of `target`, or at least to the group.

    Raises PermissionError if neither works: people could be locked out of their own file.
    """
    now = part.stat()
    if (now.st_uid, now.st_gid) == (like.st_uid, like.st_gid):
        return
    try:
        os.chown(part, like.st_uid, like.st_gid)
    except PermissionError:
        os.chown(part, -1, like.st_gid)
