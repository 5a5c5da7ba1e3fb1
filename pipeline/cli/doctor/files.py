"""What `doctor` says about saved files, and about the place where they are saved."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from pipeline.cli.doctor.case import Case, Finding, Pictures, named
from pipeline.config import Settings
from pipeline.core.errors import NoPlace, PromptsheetError
from pipeline.core.model import JobKey
from pipeline.core.pictures.filenames import shared_files
from pipeline.core.text import counted, is_or_are, joined
from pipeline.plain_files import is_plain
from pipeline.server import event_loop
from pipeline.store import Store
from pipeline.sync.sheet_sync import SheetSync

_REPAIR: Final = "Run promptsheet doctor --repair."


def place(case: Case) -> Iterator[Finding]:
    """Whether pictures can be saved. A local folder that is missing is made with the first one."""
    if folder := case.settings.media:
        yield from _of_the_folder(folder)
    if case.settings.remote is None:
        return
    from pipeline.provider.downloads.places import checked

    where = case.settings.remote.address
    try:
        remark = event_loop.run(checked(case.settings))
    except NoPlace as e:
        yield Finding("person", str(e))
    except PromptsheetError as e:
        yield Finding("reach", str(e))
    else:
        yield Finding("ok", joined(f"Pictures can be saved in {where}.", remark))


def _of_the_folder(folder: Path) -> Iterator[Finding]:
    from pipeline.provider.downloads.folder import no_place

    there = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    if not there.is_dir():
        yield Finding("person", str(no_place(folder, FileExistsError())))
    elif not os.access(there, os.W_OK | os.X_OK):
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield Finding("person", str(no_place(folder, denied)))


def missing(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Saved files that are not on disk any more."""
    jobs = sync.state.jobs.all.values()
    if count := sum(not case.is_there(path) for job in jobs for path in job.files.values()):
        gone = f"{counted(count, 'saved picture')} {is_or_are(count)} missing on disk"
        yield Finding("person", f"{gone}. {_REPAIR}")


def unsaved(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Pictures that were delivered and are not saved."""
    count = sum(map(len, sync.state.jobs.unsaved().values()))
    if count and case.settings.saves_files:
        late = f"{counted(count, 'picture')} {is_or_are(count)} not saved yet"
        yield Finding("person", f"{late}. {_REPAIR}")


def damaged(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Saved files with other content than when they were saved."""
    if found := damaged_files(case.settings, sync.store, sync.key):
        are = is_or_are(len(found))
        yield Finding(
            "person",
            f"{counted(len(found), 'saved picture')} {are} damaged, or {are} another file by now. "
            "Run promptsheet doctor --repair: it saves them again, as long as their links work.",
        )


def shared(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Report pictures that an earlier version saved under one name: only the last one is left."""
    if found := shared_by_mistake(sync.store, sync.key):
        rows = named(sync, chain.from_iterable(found.values()))
        yield Finding(
            "person",
            f"{counted(sum(map(len, found.values())), 'picture')} were saved in only "
            f"{counted(len(found), 'file')}, so only the last one of each is there ({rows}). Run "
            "promptsheet doctor --repair soon: it saves them again, as long as their links work.",
        )
    for path, pictures in case.lost.items():
        if pictures:
            yield Finding(
                "person",
                f"{counted(len(pictures), 'picture')} of {named(sync, pictures)} could not be "
                f"saved again. The old file {path} stays where it is; it shows one of them.",
            )


def shared_by_mistake(store: Store, sheet: str) -> Pictures:
    """The files that several pictures share although their content is not the same."""
    copies = store.files.shared_on_purpose(sheet)
    found = shared_files(store.jobs.all(sheet).values())
    return {path: its for path, its in found.items() if path not in copies}


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


def _digest(path: Path) -> str:
    """The SHA-256 of a file; empty if it is no plain file, or cannot be read."""
    try:
        if not is_plain(path):
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
