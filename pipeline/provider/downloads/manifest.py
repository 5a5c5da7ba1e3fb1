"""The manifest: a file of JSON lines that says of each saved file what it is.

There is one line for each file, added before the store records the file. So a kill in between
leaves a line twice at most, and never a file without one. Lines are added in one write to a file
that is open for appending, so that several processes can share the file. Only the command `forget`
takes lines out again. One JSON file beside each picture would do the same, with twice the files in
the folder.

Raises OSError.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from pipeline.plain_files import share_like

if sys.platform != "win32":
    import fcntl

NAME: Final = "manifest.jsonl"


def add_line(file: Path, entry: Mapping[str, object], sheet: Path | None) -> None:
    """Add a line. `sheet` is the file whose readers may read the manifest."""
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(file, flags)
    except FileNotFoundError:
        descriptor = os.open(file, flags | os.O_CREAT, 0o600 if sheet else 0o666)
        share_like(file, sheet)
    try:
        if sys.platform != "win32":  # while another one is written, its line looks torn
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.lseek(descriptor, 0, os.SEEK_END)
        is_torn = False
        if end:  # after a crash of the machine, the last line may be a part
            os.lseek(descriptor, end - 1, os.SEEK_SET)
            is_torn = os.read(descriptor, 1) != b"\n"
        os.write(descriptor, b"\n" * is_torn + text + b"\n")
    finally:
        os.close(descriptor)


def remove_lines(file: Path, row_ids: Collection[str]) -> int:
    """Take the lines about these rows out of a manifest. Returns their number; 0 without a file.

    A line that cannot be read stays.
    """
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(file, flags)
    except FileNotFoundError:
        return 0
    with os.fdopen(descriptor, "r+b") as opened:
        if sys.platform != "win32":  # others add lines at its end meanwhile
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        lines = opened.readlines()
        left = [line for line in lines if _row_of(line) not in row_ids]
        if len(left) < len(lines):
            opened.seek(0)
            opened.writelines(left)
            opened.truncate()
            opened.flush()
            os.fsync(descriptor)
    return len(lines) - len(left)


def _row_of(line: bytes) -> object:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry.get("row_id") if isinstance(entry, dict) else None
