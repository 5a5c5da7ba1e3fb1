"""One file changed in one step: neither a kill nor a save in the same instant costs a byte.

What we write is worked out again at any time; what a person saved is not. So the new file and the
old one *trade places*, and the one that came out is compared with what we had read:

    the same, and nobody is writing into it   ours stands, the old one goes
    anything else                             it goes back in, by the very file, and we begin anew

While that happens the newest save of a person lies either under the file's name or under a hidden
name beside it (`.NAME.promptsheet-…`), which tells what it was made from and what we made of it: so
whoever comes after a kill can tell our left-overs from a person's save, and puts the save back.

The limit, told honestly: a program that opened the file by its old name and has not written yet is
seen by `being_written`, where the system answers that (Linux, local disk, own file). Elsewhere a
save *in place* that begins after our last look goes into the file that we are about to remove.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipeline.core.errors import SheetError
from pipeline.plain_files import write_new
from pipeline.sheets.files.errors import (
    never_at_rest,
    refuse_read_only,
    refuse_what_is_no_file,
    told,
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
    """The file's bytes, not in the middle of somebody's save if a short wait can help it."""
    for wait in _BEFORE_READING:
        content = _read_at_rest(path)
        if content is not None:
            return content
        pause(wait)
    refuse_what_is_no_file(path)
    with told(path):
        return path.read_bytes()


def rewrite(
    target: Path,
    change: Callable[[bytes], bytes],
    *,
    exchange: Exchange = exchange,
    pause: Pause = time.sleep,
) -> bytes:
    """Put `change` of the file in its place: its bytes, read back from the disk.

    `change` is asked again, with the newer bytes, when somebody saved in between; where it changes
    nothing, nothing is written. Raises SheetError if the file cannot be written or is never at
    rest; it then is as people left it.
    """
    after_a_kill(target, exchange)
    for wait in _BETWEEN_TRIES:
        base = read_file(target, pause=pause)
        fresh = change(base)
        if fresh == base:
            return base
        if _replaced(target, base, fresh, exchange, pause):
            del base, fresh  # a big file need not be there three times
            return read_file(target, pause=pause)
        pause(wait)
    with told(target):
        raise never_at_rest(target, held_open=being_written(target))


def after_a_kill(target: Path, exchange: Exchange = exchange) -> None:
    """Clear away what a killed start left beside `target`; a save that it had in its hands is back.

    Costs a look at the folder where nothing is left. Where that cannot be done now, it waits.
    """
    with suppress(OSError):
        if has_left_overs(target):
            with locked(target.parent) as alone:
                if alone:
                    settle(target, exchange)


def write_beside(target: Path, content: bytes, mode: int = 0o666) -> Path:
    """A whole file on the disk, in the same folder, under a name that a later start clears away."""
    part = part_name(target)
    try:
        write_new(part, content, mode)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def appear_once(part: Path, name: Path) -> bool:
    """Give a file of `write_beside` its name if that is free: whether so. If not, it is gone."""
    try:
        return appear(part, name)
    finally:
        part.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """The names in `folder` outlast a power cut."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_at_rest(path: Path) -> bytes | None:
    """The bytes, or None if the file changed meanwhile, is being written, or is gone for now."""
    try:
        refuse_what_is_no_file(path)
        with told(path):
            before = path.stat()
            content = path.read_bytes()
            at_rest = _looks(before) == _looks(path.stat()) and not being_written(path)
    except SheetError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None  # some editors move the old file away before they put the new one there
        raise
    return content if at_rest else None


def _looks(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _replaced(target: Path, base: bytes, fresh: bytes, exchange: Exchange, pause: Pause) -> bool:
    """Whether `fresh` is the file now, in place of `base`; if not, it is as people left it."""
    refuse_read_only(target)
    refuse_while_open(target)
    with told(target), locked(target.parent):
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
    """Whether `base` came out, and is gone for good: no newer save was in it."""
    if not holds(came_out, base):
        return False
    fsync_folder(target.parent)
    # After the slow step, so that a save that had just begun shows itself.
    if not holds(came_out, base):
        return False
    came_out.unlink()
    return True


def _keep_original(target: Path, content: bytes) -> None:
    """The first time that we touch a file, it is kept as it was; never again."""
    original = target.with_name(f"{target.name}.before-promptsheet")
    if not os.path.lexists(original):
        appear_once(_dressed(write_beside(target, content, 0o600), target), original)


def _incoming(target: Path, base: bytes, fresh: bytes) -> Path:
    part = _dressed(write_beside(target, fresh, 0o600), target)
    return part.rename(incoming_name(target, base, fresh))


def _dressed(part: Path, target: Path) -> Path:
    """The same file with the mode, the owner and the attributes of `target`."""
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
    """Who cannot give files away keeps the group, through which the others still can write.

    Where not even that can be, PermissionError: people could be shut out of their own file.
    """
    now = part.stat()
    if (now.st_uid, now.st_gid) == (like.st_uid, like.st_gid):
        return
    try:
        os.chown(part, like.st_uid, like.st_gid)
    except PermissionError:
        os.chown(part, -1, like.st_gid)
