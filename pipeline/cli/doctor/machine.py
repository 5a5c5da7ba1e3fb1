"""What `doctor` says about this machine: the files of sheet and store, room on the disks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.cli.doctor.case import Case, Finding
from pipeline.config import Settings, configs
from pipeline.config.languages import FOLDER, problems_with
from pipeline.core.errors import SheetError
from pipeline.core.text import counted
from pipeline.open_sheet import older_saves, refuse_read_only, refuse_while_open
from pipeline.store import RescueFile

#: Bytes that should be free: some fifty pictures, and what the store writes about them.
ROOM: Final = 100_000_000


def configuration(case: Case) -> Iterator[Finding]:
    """The configuration was read; if it is wrong, doctor does not begin."""
    yield Finding("ok", f"{case.settings.path.name} can be used.")


def language(case: Case) -> Iterator[Finding]:
    """Whether the words of `[sheet] language` are complete and fit."""
    shipped = configs() / FOLDER
    language = case.settings.catalogue.language
    for sentence in problems_with(language, case.settings.path, shipped):
        yield Finding("person", sentence)


def read_only(case: Case) -> Iterator[Finding]:
    """Whether the sheet's file can be written."""
    if file := _sheet(case):
        refuse_read_only(file)
    yield from ()


def open_elsewhere(case: Case) -> Iterator[Finding]:
    """Whether a spreadsheet program has the sheet's file open, so that nothing is written."""
    if file := _sheet(case):
        try:
            refuse_while_open(file)
        except SheetError as e:
            yield Finding("person", str(e))


def saved_twice(case: Case) -> Iterator[Finding]:
    """Older saves of the sheet, kept because people saved it twice at the same moment."""
    if (file := _sheet(case)) and (found := older_saves(file)):
        names = ", ".join(path.name for path in found)
        yield Finding(
            "person",
            f"{file.name} was saved twice at the same moment. The older save is kept beside it: "
            f"{names}. Compare both, then delete it.",
        )


def store(case: Case) -> Iterator[Finding]:
    """Whether the store can be opened, and is not damaged."""
    if case.store_trouble:
        yield Finding("reach", case.store_trouble)


def rescued(case: Case) -> Iterator[Finding]:
    """What was reported while the store was away, and whether more could be kept."""
    file = RescueFile(case.settings.rescue_file)
    if trouble := file.trouble():
        yield Finding("reach", trouble)
    if waiting := file.waiting():
        yield Finding(
            "person",
            f"{counted(waiting, 'report')} of the API came while the disk was full, and "
            f"{'waits' if waiting == 1 else 'wait'} in {file.path}. The next run takes "
            f"{'it' if waiting == 1 else 'them'} into the store, or promptsheet doctor --repair "
            "now.",
        )


def room(case: Case) -> Iterator[Finding]:
    """Disks with little room, among those of the store, of the pictures and of the sheet."""
    sheet, store = _sheet(case), case.settings.store_file
    places = {
        "the store": store.parent if store else None,
        "pictures": case.settings.media if case.settings.saves_files else None,
        "the sheet": sheet.parent if sheet else None,
    }
    of_disk: dict[int, tuple[int, list[str]]] = {}
    for what, place in places.items():
        if place and (folder := _existing(place)):
            _, names = of_disk.setdefault(
                folder.stat().st_dev, (shutil.disk_usage(folder).free, [])
            )
            names.append(what)
    for free, names in of_disk.values():
        if free < ROOM:
            yield Finding(
                "person",
                f"Only {free / 1e6:.0f} MB are free on the disk of {' and '.join(names)}. A "
                "picture takes 1 or 2 MB. Free some space.",
            )


def left_downloads(case: Case) -> Iterator[Finding]:
    """Unfinished downloads that a start left behind when it was killed."""
    from pipeline.provider.downloads.unfinished import abandoned

    folder = downloads_of(case.settings)
    if folder and (found := abandoned(folder)):
        size = sum(path.stat().st_size for path in found if path.exists())
        yield Finding(
            "ok",
            f"{counted(len(found), 'unfinished download')} of earlier runs, {size / 1e6:.1f} MB, "
            f"left in {folder}. The next download deletes them, or promptsheet doctor --repair "
            "now.",
        )


def downloads_of(settings: Settings) -> Path | None:
    """The folder in which downloads are unfinished; None if there is none."""
    folder = settings.media or settings.work
    return folder if settings.saves_files and folder.is_dir() else None


def _sheet(case: Case) -> Path | None:
    """The file of the sheet, if it is one and is there."""
    source = case.settings.source
    return source if isinstance(source, Path) and source.is_file() else None


def _existing(folder: Path) -> Path | None:
    """The folder, or the nearest one above it that is there."""
    return next((one for one in (folder, *folder.parents) if one.is_dir()), None)
