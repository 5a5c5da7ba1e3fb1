"""A local folder of saved files."""

from __future__ import annotations

import asyncio
import errno
import filecmp
import os
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from pipeline.core.errors import FileGone, NoPlace
from pipeline.core.pictures.saved_files import Kept
from pipeline.plain_files import is_plain, open_plain, share_like
from pipeline.provider.downloads.destination import About


class Folder:
    """A `Destination` in the file system of this machine.

    `sheet` is the file whose readers may read the saved files, and no others. `public_url` is the
    web address of the folder; without one, the link of a file is its path. The folder is made for
    the first file.
    """

    def __init__(self, folder: Path, *, sheet: Path | None = None, public_url: str = "") -> None:
        self._folder, self._sheet, self._public = folder, sheet, public_url

    async def reserve(self) -> str:
        """Empty: a file that is saved twice under a name is recognised by its content."""
        return ""

    async def keep(self, file: Path, name: str, media_type: str, reserved: str) -> Kept:
        """See `Destination.keep`. A file with a taken name gets a number at its end."""
        try:
            path = await asyncio.to_thread(self._keep, file, name)
        except OSError as error:
            raise no_place(self._folder, error) from error
        link = f"{self._public}/{quote(path)}" if self._public else str(self._folder / path)
        return Kept(path, link)

    def about(self, path: str) -> About:
        """See `Destination.about`."""
        with self._opened(path) as file:
            return About(path, os.fstat(file.fileno()).st_size)

    def read(self, path: str, start: int, length: int) -> bytes:
        """See `Destination.read`."""
        with self._opened(path) as file:
            file.seek(start)
            return file.read(length)

    async def check(self) -> None:
        """See `Destination.check`. Makes the folder."""
        try:
            await asyncio.to_thread(make_folder, self._folder, self._sheet)
            if not os.access(self._folder, os.W_OK | os.X_OK):
                raise PermissionError(None, "Permission denied")
        except OSError as error:
            raise no_place(self._folder, error) from error

    async def close(self) -> None:
        """Nothing is open."""

    def _opened(self, path: str) -> BinaryIO:
        """The file, open for reading: no link, and nothing outside of the folder."""
        file = self._folder / path
        try:
            if file.resolve().is_relative_to(self._folder.resolve()):
                return open_plain(file)
        except (OSError, ValueError):
            pass
        raise FileGone(f"There is no file {path} in {self._folder}.")

    def _keep(self, file: Path, name: str) -> str:
        target = self._folder / name
        make_folder(target.parent, self._sheet)
        with file.open("rb+") as content:
            os.fsync(content.fileno())
        share_like(file, self._sheet)
        return _into_place(file, target).relative_to(self._folder).as_posix()


def make_folder(folder: Path, sheet: Path | None) -> None:
    """Make a folder that those who can read the sheet can read. Raises OSError."""
    if not folder.is_dir():
        if not folder.parent.exists():
            make_folder(folder.parent, sheet)
        folder.mkdir(exist_ok=True)
        share_like(folder, sheet, folder=True)


def no_place(folder: Path, error: OSError) -> NoPlace:
    """The sentence for a folder in which no file can be made."""
    why = error.strerror or type(error).__name__
    if isinstance(error, FileExistsError):
        why = "That is no folder"
    return NoPlace(
        f"Pictures cannot be saved in {folder}: {why}. Make it a folder with room, in which this "
        "account may write, or change [media] save_to."
    )


def _into_place(part: Path, target: Path) -> Path:
    """Give a finished file its name, and return that. No other file is ever replaced."""
    for number in count(1):
        path = target if number == 1 else target.with_stem(f"{target.stem}_{number}")
        if _is_same(part, path):
            break  # a start that was killed saved it, and could not record that
        if _is_empty(path):  # a start that was killed made it, and could not fill it
            part.replace(path)
            break
        if not os.path.lexists(path):
            try:
                _name(part, path)
                break
            except FileExistsError:
                continue
    return path


def _name(part: Path, path: Path) -> None:
    """Give a file a name. Raises FileExistsError if another process has just taken it."""
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        path.open("xb").close()  # only one process can make it; it is ours to replace
        part.replace(path)


#: What a file system without hard links answers.
_NO_LINKS: Final = frozenset(
    (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
)


def _is_empty(path: Path) -> bool:
    """True for a file without content: no saved file is one."""
    try:
        return is_plain(path) and path.stat().st_size == 0
    except FileNotFoundError:
        return False


def _is_same(one: Path, other: Path) -> bool:
    try:
        return is_plain(other) and filecmp.cmp(one, other, shallow=False)
    except FileNotFoundError:
        return False
