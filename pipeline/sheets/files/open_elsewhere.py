"""Detects whether a spreadsheet program has the file open, by the lock file next to it.

    .~lock.NAME#    LibreOffice: who, on which machine, since when
    ~$NAME          Excel: who

We do not change an open file: the next save there would undo our changes, or show a question that
confuses people. A program that crashed leaves such a file behind. We trust the file all the same,
unless we can prove that it is stale: a day old, from this machine, and no LibreOffice runs here.
"""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.core.errors import SheetError
from pipeline.core.text import one_line, printable
from pipeline.plain_files import open_plain

_DAY = 24 * 60 * 60
_PROCESSES = {"soffice.bin", "soffice", "oosplash"}


@dataclass(frozen=True, slots=True)
class _Open:
    """Where the file is open, and who opened it."""

    program: str
    who: str
    mark: Path


def refuse_while_open(path: Path) -> None:
    """Raise SheetError while a spreadsheet program has the file open."""
    if there := _in_libreoffice(path) or _in_excel(path):
        by = f" (by {there.who})" if there.who else ""
        raise SheetError(
            f"{path.name} is open in {there.program}{by}. Results wait; the first run after it is"
            f" closed there writes them. If it is open nowhere, delete {there.mark.name} beside it."
        )


def is_marked_open(path: Path) -> bool:
    """True if there is a lock file next to it, also one that a program has left behind."""
    return os.path.lexists(_libreoffice_mark(path)) or os.path.lexists(_excel_mark(path))


def _libreoffice_mark(path: Path) -> Path:
    return path.with_name(f".~lock.{path.name}#")


def _excel_mark(path: Path) -> Path:
    return path.with_name(f"~${path.name}")


def _in_libreoffice(path: Path) -> _Open | None:
    mark = _libreoffice_mark(path)
    if not os.path.lexists(mark):
        return None
    name, account, host = _editor(_content(mark).decode("utf-8", "replace"))
    if host.casefold() == socket.gethostname().casefold() and _is_old(mark) and _none_runs_here():
        return None
    person = name or account.rpartition("/")[2]
    return _Open("LibreOffice", " on ".join(filter(None, (person, host))), mark)


def _in_excel(path: Path) -> _Open | None:
    mark = _excel_mark(path)
    if not os.path.lexists(mark):
        return None
    content = _content(mark)  # The length of a name, then the name.
    name = content[1 : 1 + content[0]] if content else b""
    return _Open("Excel", one_line(printable(name.decode("cp1252", "replace"), "")), mark)


class _Editor(NamedTuple):
    name: str
    account: str
    host: str


def _editor(text: str) -> _Editor:
    """Name, account and machine in `Ann\\, A.,desk/ann,desk,22.11.2026 14:23,file:///…;`."""
    fields = [
        one_line(printable(re.sub(r"\\(.)", r"\1", field), "")) for field in _FIELD.findall(text)
    ]
    name, account, host, *_ = [*fields, "", "", ""]
    return _Editor(name, account, host)


_FIELD = re.compile(r"((?:\\.|[^,;\\])*)[,;]")


def _content(mark: Path) -> bytes:
    try:
        with open_plain(mark) as file:
            return file.read(2_000)
    except OSError:
        return b""  # Windows may refuse, which is enough to know; it may also be no file.


def _is_old(mark: Path) -> bool:
    try:
        return time.time() - mark.lstat().st_mtime > _DAY
    except OSError:
        return False


def _none_runs_here() -> bool:
    """Returns whether no LibreOffice runs on this machine; False if the system cannot tell."""
    if not Path("/proc/1").exists():  # Not Linux, or the processes of others are hidden.
        return False
    return not _PROCESSES & {_name_of(process) for process in Path("/proc").glob("[0-9]*")}


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""  # It has ended meanwhile.
