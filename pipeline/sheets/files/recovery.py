"""The hidden files next to a sheet while it is being changed, and how a later start cleans up.

    .NAME.promptsheet-RANDOM.part            ours, perhaps incomplete: deleted
    .NAME.promptsheet-BASE-FRESH-RANDOM      was swapped with the sheet, or was about to be

The second name contains two digests: of what we had read (BASE), and of what we made of it (FRESH).
A file that matches neither was saved by a person at the moment of the swap: it is kept.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from secrets import token_hex

from pipeline.plain_files import is_plain
from pipeline.sheets.files.locks import being_written
from pipeline.sheets.files.swap import Exchange, appear

_log = logging.getLogger(__name__)

Pause = Callable[[float], None]

_SAVES = 100
_FOR_A_SAVE_TO_END = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


def part_name(target: Path) -> Path:
    """A new name for a file that is being written."""
    return target.with_name(f"{_prefix(target)}{token_hex(4)}.part")


def incoming_name(target: Path, base: bytes, fresh: bytes) -> Path:
    """A new name for `fresh`, which was made from `base`, before it is swapped in."""
    return target.with_name(f"{_prefix(target)}{_digest(base)}-{_digest(fresh)}-{token_hex(4)}")


def has_left_overs(target: Path) -> bool:
    """Returns whether there are such files: after a kill, or while another start is working."""
    return any(path.name.startswith(_prefix(target)) for path in target.parent.iterdir())


def older_saves(target: Path) -> list[Path]:
    """The older saves that were kept next to the file, because it was saved twice at a time."""
    name = re.compile(re.escape(f"{target.name}.conflict") + r"(-\d+)?")
    return sorted(path for path in target.parent.iterdir() if name.fullmatch(path.name))


def settle(target: Path, exchange: Exchange) -> None:
    """Delete what killed starts left behind, and restore a person's save that one of them moved.

    Call it only while holding the folder's lock: then no running start owns these files.
    """
    for path in sorted(target.parent.iterdir()):
        if (kind := _kind(path, target)) and is_plain(path):
            _settle_one(path, target, kind, exchange)


def put_back(
    late: Path, target: Path, ours: bytes, exchange: Exchange, pause: Pause = time.sleep
) -> None:
    """Make the newest save the sheet's file again: `late`, or what was saved meanwhile.

    Compare the file that the swap took out. If it is the one that was there before (`ours` at
    first), the newest save is in place. If it is newer, it is put back in. One case is ambiguous: a
    save that took a long time, and came out changed, may have ended before the other save or begun
    after it. Then the later of the two becomes the file, and the other one is kept next to it.
    """
    there, unsure = ours, None
    for _ in range(_SAVES):
        is_complete = _is_complete(late, pause)
        going_in, before = late.read_bytes(), late.stat()
        try:
            came_out = exchange(late, target)
        except FileNotFoundError:
            if appear(late, target):  # It was moved away or deleted: the save is not lost with it.
                return
            continue
        if holds(came_out, there) and holds(came_out, there):
            came_out.unlink()
            return
        if unsure and os.path.samestat(came_out.stat(), unsure):
            if not _is_later(came_out, target):
                late = came_out
                break
            _keep_aside(_copied(going_in, target), target)
        late, there, unsure = came_out, going_in, None if is_complete else before
    _keep_aside(late, target)


#: Bytes that are compared at a time.
_PART = 2**20


def holds(path: Path, content: bytes) -> bool:
    """Returns whether the file has these bytes, and no program has it open to change them.

    Ask twice before you delete it: a program that was about to open it under its old name, just
    when it was moved, is noticed the second time.
    """
    if being_written(path) or path.stat().st_size != len(content):
        return False
    start = 0
    with path.open("rb") as file:
        while part := file.read(_PART):
            # A slice of a memoryview would take seven times as long to compare.
            if part != content[start : start + len(part)]:
                return False
            start += len(part)
    return start == len(content)


def _is_complete(path: Path, pause: Pause) -> bool:
    """Wait a little while a program is writing. Returns whether the save is complete now."""
    for wait in _FOR_A_SAVE_TO_END:
        if not being_written(path):
            return True
        pause(wait)
    return not being_written(path)


def _is_later(save: Path, other: Path) -> bool:
    """Returns whether `save` was written after `other`, as far as their times tell."""
    if being_written(other):
        return False
    return being_written(save) or save.stat().st_mtime_ns > other.stat().st_mtime_ns


def _copied(content: bytes, target: Path) -> Path:
    part = part_name(target)
    part.write_bytes(content)
    return part


def _settle_one(left: Path, target: Path, kind: re.Match[str], exchange: Exchange) -> None:
    if kind["part"] or left.samefile(target):
        left.unlink()
    elif being_written(left):
        return
    elif _digest(left.read_bytes()) in kind.group("base", "fresh"):
        left.unlink()
    elif _digest(ours := target.read_bytes()) == kind["fresh"]:
        _log.warning("%s was saved while a pass was killed: that save is the file again.", target)
        put_back(left, target, ours, exchange)
    else:
        _keep_aside(left, target)


def _keep_aside(save: Path, target: Path) -> None:
    """Keep an older save next to the file, under a name that people can see."""
    for number in count(1):
        name = target.with_name(f"{target.name}.conflict" + (f"-{number}" if number > 1 else ""))
        if appear(save, name):
            break
    _log.warning(
        "%s was saved twice. The older save is kept as %s: compare both.", target, name.name
    )


def _prefix(target: Path) -> str:
    return f".{target.name}.promptsheet-"


_KIND = re.compile(
    r"(?P<part>[0-9a-f]{8}\.part)|(?P<base>[0-9a-f]{16})-(?P<fresh>[0-9a-f]{16})-[0-9a-f]{8}"
)


def _kind(path: Path, target: Path) -> re.Match[str] | None:
    prefix = _prefix(target)
    return _KIND.fullmatch(path.name, len(prefix)) if path.name.startswith(prefix) else None


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]
