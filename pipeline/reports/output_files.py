"""Files that commands write for people: a report, a gallery, a receipt."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Settings
from pipeline.core.errors import ConfigError
from pipeline.plain_files import write_whole

#: What may stand beside a store under its name, and beside a sheet.
_OF_A_STORE = ("", "-wal", "-shm", "-journal", ".rescue")
_OF_A_SHEET = ("", ".promptsheet", ".before-promptsheet")


def check_output(file: Path, settings: Settings) -> None:
    """Raise ConfigError for a file that must not be replaced: sheet, configuration, store."""
    sheet, store = settings.source, settings.store_file
    ours = [settings.path, *filter(None, [settings.sources.styles])]
    if isinstance(sheet, Path):
        ours += [sheet.with_name(sheet.name + end) for end in _OF_A_SHEET]
    if store:
        ours += [store.with_name(store.name + end) for end in _OF_A_STORE]
    target = _place(file)
    if target in map(_place, ours) or any(_is_same(target, one) for one in ours):
        raise ConfigError(
            f"{file} is the sheet or belongs to it, and would be replaced. Name another file."
        )


def write_output(file: Path, content: bytes, settings: Settings) -> Path:
    """Write the file in one step, and return its path. An earlier file of that name is replaced.

    Its folder is made if there is none. Those who can read the sheet can read it. Raises
    ConfigError if the file cannot be written, or must not be replaced (`check_output`); the earlier
    one is unchanged then.
    """
    check_output(file, settings)
    sheet = settings.source if isinstance(settings.source, Path) else None
    target = _place(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content, like=sheet)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror or error}.") from error
    return target


def _place(file: Path) -> Path:
    """The path without links in its folder. A link at its own name would be replaced itself."""
    return file.expanduser().parent.resolve() / file.name


def _is_same(file: Path, other: Path) -> bool:
    return file.exists() and other.exists() and file.samefile(other)
