"""What `doctor` says about a sheet beside its store: ids, cells that differ, saved files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.cli.doctor_api import Finding
from pipeline.config import Settings
from pipeline.core import messages
from pipeline.core.model import JobKey, State
from pipeline.core.states import is_open, state_of
from pipeline.core.text import counted
from pipeline.plain_files import is_plain
from pipeline.store import Store
from pipeline.sync.sheet_sync import SheetSync

_REPAIR = "The next run corrects that, or doctor --repair now."


def findings(sync: SheetSync) -> Iterator[Finding]:
    """Compare the cells of the sheet with what the store knows of its rows."""
    look = sync.last
    marks = [look.cell(place, "row_id").strip() for place in range(1, len(look.grid))]
    often = {mark for mark, number in Counter(filter(None, marks)).items() if number > 1}
    if twice := [place for place, mark in enumerate(marks, start=2) if mark in often]:
        yield Finding("person", f"{_rows(twice)} have an id that is there twice. {_REPAIR}")
    sent = [
        line for line in look.plan.lines if any(one.job and one.job.attempts for one in line.each)
    ]
    if lost := [line.seen.place + 1 for line in sent if not line.seen.marked.mark]:
        have, their = ("has", "its") if len(lost) == 1 else ("have", "their")
        yield Finding("person", f"{_rows(lost)} {have} lost {their} id. {_REPAIR}")
    ended = [
        line for line in sent if all(one.job and state_of(one.job) in _ENDED for one in line.each)
    ]
    differs = {place for place, _ in sync.out_of_date()}
    if old := [line.seen.place + 1 for line in ended if line.seen.place in differs]:
        do = "does" if len(old) == 1 else "do"
        yield Finding("person", f"{_rows(old)} {do} not show the result in the store. {_REPAIR}")
    here = {line.seen.row_id for line in look.plan.lines} | {*look.unchanged}
    gone = [job for key, job in sync.state.jobs.all.items() if key.row_id not in here]
    if paid := {job.key.row_id for job in gone if job.attempts}:
        open_ = sum(any(map(is_open, job.attempts)) for job in gone)
        more = f", {counted(open_, 'task')} of them still open" if open_ else ""
        yield Finding(
            "ok",
            f"{counted(len(paid), 'row')} with results in the store {_is(len(paid))} not in the "
            f"sheet{more}. Nothing is lost: undo brings a row back with its result.",
        )


_ENDED = (State.SUCCEEDED, State.FAILED)


def damaged_files(settings: Settings, store: Store, sheet: str) -> list[tuple[JobKey, str]]:
    """The pictures, as (job, URL), whose saved file has other content than when it was saved.

    Only of files in a local folder. Files that are missing are not among them.
    """
    if settings.media is None:
        return []
    saved = store.files.digests(sheet)
    paths = {path for _, _, path, _ in saved if "://" not in path}
    now = {path: _digest(settings.media / path) for path in paths}
    return [(key, url) for key, url, path, was in saved if now.get(path) and now[path] != was]


def of_the_files(settings: Settings, sync: SheetSync) -> Iterator[Finding]:
    """Report saved files with other content than when they were saved."""
    if damaged := damaged_files(settings, sync.store, sync.key):
        are = _is(len(damaged))
        yield Finding(
            "person",
            f"{counted(len(damaged), 'saved picture')} {are} damaged, or {are} another file by "
            "now. Run doctor --repair: it saves them again, as long as their links work.",
        )


def _digest(path: Path) -> str:
    """The SHA-256 of a file; empty if it is no plain file, or cannot be read."""
    try:
        if not is_plain(path):
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _rows(numbers: Iterable[int]) -> str:
    lines = sorted(numbers)
    word = "Row" if len(lines) == 1 else "Rows"
    return f"{word} {messages.in_a_list(lines)}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
