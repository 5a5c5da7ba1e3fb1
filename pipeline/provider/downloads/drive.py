"""Saved files in a folder of Google Drive.

Names are not unique in Google Drive, so a repeated upload would make a second file. Each file
therefore gets an id first, which the store keeps; an upload with an id that is in use is refused.
If the store is lost, a private property of the file tells that it is already there.

State: the ids that were not used yet, the subfolders that are known, and the last trouble.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Final, TypeVar

from pipeline.core.errors import FileGone, NoPlace, NotRead, NotSaved
from pipeline.core.messages import reasons
from pipeline.core.pictures.saved_files import Kept
from pipeline.provider.downloads.destination import About
from pipeline.provider.downloads.drive_account import DriveAccount, no_storage
from pipeline.provider.downloads.drive_api import FOLDER, DriveApi, Json, Missing, Taken, Unusable

#: Uploads at the same time: Google accepts about three new files in a second from an account.
AT_ONCE: Final = 4
#: Ids that are fetched at once.
IDS: Final = 50
#: Seconds for which a refusal that concerns all files is not asked for again.
PAUSE: Final = 60.0
#: The name of our private property of a file.
PROPERTY: Final = "promptsheet"

_T = TypeVar("_T")


class Drive:
    """A `Destination` in Google Drive: the folder with the id `folder`, and folders in it."""

    def __init__(self, folder: str, account: DriveAccount, *, base: str = "") -> None:
        self._root, self._account = folder, account
        self._api = DriveApi(account, base)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._ids: list[str] = []
        #: Ids of this process with which no upload was tried.
        self._new: set[str] = set()
        #: Path below the root -> id.
        self._folders: dict[PurePosixPath, str] = {}
        #: Path -> the id with which its folder is made, also if an answer is lost.
        self._folder_ids: dict[PurePosixPath, str] = {}
        #: Ids of files that are certainly ours.
        self._ours: set[str] = set()
        self._shared_drive: str | None = None
        self._trouble: tuple[float, NotSaved] | None = None
        self._lock = asyncio.Lock()
        self._folder_lock = asyncio.Lock()

    async def reserve(self) -> str:
        """A new id of Google Drive."""
        async with self._lock:
            await self._ready()
            return await self._run(self._new_id)

    async def keep(self, file: Path, name: str, media_type: str, reserved: str) -> Kept:
        """See `Destination.keep`. The path is the file's address in a browser."""
        async with self._lock:
            await self._ready()
        path = PurePosixPath(name)
        folder = await self._folder(path.parent)
        try:
            link = await self._run(lambda: self._save(file, path, folder, media_type, reserved))
        except NoPlace:
            # The subfolder may have been deleted.
            self._folders.clear()
            raise
        return Kept(link, link)

    def about(self, path: str) -> About:
        """See `Destination.about`."""
        number = _number_in(path)
        about = _read(lambda: self._api.about_content(number))
        # The account may see files of other people.
        if about.get("trashed") or PROPERTY not in about.get("appProperties", {}):
            raise FileGone("The file is no longer in Google Drive.")
        return About(str(about["name"]), int(about.get("size", 0)))

    def read(self, path: str, start: int, length: int) -> bytes:
        """See `Destination.read`. Only a file that `about` has found is read."""
        number = _number_in(path)
        if number not in self._ours:
            self.about(path)
            self._ours.add(number)
        return _read(lambda: self._api.content(number, start, length)) if length else b""

    async def check(self) -> None:
        """See `Destination.check`."""
        async with self._lock:
            self._shared_drive = self._trouble = None
            await self._ready()

    @property
    def remark(self) -> str:
        """A sentence about what may end later, for a place that can be used now."""
        if self._account.kind != "person":
            return ""
        return (
            "If the consent screen of your Google Cloud project is in Testing, the consent of "
            f"{self._account.called} ends 7 days after it was given: publish the consent screen."
        )

    async def close(self) -> None:
        """See `Destination.close`. A request that is running ends by itself."""
        self._api.close()

    async def _ready(self) -> None:
        """Look at the folder before the first file."""
        if self._shared_drive is None:
            self._shared_drive = await self._run(self._checked)

    async def _run(self, call: Callable[[], _T]) -> _T:
        """The result of a call, made in a thread; errors that concern all files are remembered."""
        async with self._turns:
            self._raise_known_trouble()
            try:
                return await _in_thread(call)
            except NotSaved as error:
                if isinstance(error, NoPlace) or error.wait:
                    self._trouble = time.monotonic() + (error.wait or PAUSE), error
                raise

    def _raise_known_trouble(self) -> None:
        if self._trouble and time.monotonic() < self._trouble[0]:
            known = self._trouble[1]
            raise type(known)(str(known), known.wait)

    # The following methods run in threads.

    def _checked(self) -> str:
        """The id of the folder's shared drive; empty if it is in none. Raises NoPlace."""
        about = self._api.about_folder(self._root)
        name, who = f'"{about.get("name", "")}"', self._account.called
        if about.get("mimeType") != FOLDER:
            raise NoPlace(
                f"{name} is no folder of Google Drive. Open the folder in the browser, and copy "
                "its address into [media] save_to."
            )
        if about.get("trashed"):
            raise NoPlace(
                f"The folder {name} is in the trash of Google Drive. Restore it, or set [media] "
                "save_to to another folder."
            )
        drive = str(about.get("driveId", ""))
        if not drive and not self._account.owns_files:
            raise no_storage(self._account)
        if not about.get("capabilities", {}).get("canAddChildren"):
            raise NoPlace(
                f"{who} may not save files in the folder {name} of [media] save_to. "
                f"{self._account.how_to_share}"
            )
        return drive

    def _new_id(self) -> str:
        if not self._ids:
            self._ids = self._api.new_ids(IDS)
        number = self._ids.pop()
        self._new.add(number)
        return number

    def _save(
        self, file: Path, path: PurePosixPath, folder: str, media_type: str, number: str
    ) -> str:
        """The link of the saved file."""
        digest = _md5(file)
        mark = self._mark(f"{path}\n{digest}")
        is_new = number in self._new
        self._new.discard(number)
        while True:
            if is_new and (known := self._known(mark, digest)):
                return known
            properties: Json = {"id": number, "name": path.name, "parents": [folder]}
            properties |= {"mimeType": media_type, "appProperties": {PROPERTY: mark}}
            try:
                made = self._api.upload(properties, file, media_type)
            except Taken:
                found = self._taken(number, file, media_type, digest)
                if found is None:
                    number, is_new = self._fresh_id(), True
                    continue
                made = found
            except Unusable:
                number, is_new = self._fresh_id(), True
                continue
            if made.get("md5Checksum", digest) != digest:
                raise NotSaved(reasons.DRIVE_DAMAGED)
            return str(made.get("webViewLink") or _link(number))

    def _fresh_id(self) -> str:
        return self._api.new_ids(1)[0]

    def _mark(self, what: str) -> str:
        """The value of our property for one file, so that it is found again."""
        return hashlib.sha256(f"{self._root}\n{what}".encode()).hexdigest()[:40]

    def _known(self, mark: str, digest: str) -> str:
        """The link of this file if a lost store had saved it; else empty."""
        query = f"appProperties has {{ key='{PROPERTY}' and value='{mark}' }}"
        for one in self._api.found(query, self._shared_drive or ""):
            if one.get("md5Checksum") == digest:
                return str(one.get("webViewLink") or _link(one["id"]))
        return ""

    def _taken(self, number: str, file: Path, media_type: str, digest: str) -> Json | None:
        """What an earlier upload with this id has saved; None if it was deleted for good.

        If the API delivered other bytes then, the file gets the present ones.
        """
        try:
            about = self._api.about_file(number)
        except Missing:
            return None
        if about.get("md5Checksum") == digest:
            return about
        return self._api.replace(number, file, media_type)

    # Folders.

    async def _folder(self, path: PurePosixPath) -> str:
        """The id of a folder below the root; made if there is none."""
        if path == PurePosixPath("."):
            return self._root
        async with self._folder_lock:
            at = PurePosixPath()
            number = self._root
            for name in path.parts:
                at /= name
                if at not in self._folders:
                    parent = number
                    self._folders[at] = await self._run(
                        lambda at=at, parent=parent: self._made_folder(at, parent)  # type: ignore[misc]
                    )
                number = self._folders[at]
        return number

    def _made_folder(self, path: PurePosixPath, parent: str) -> str:
        if found := self._found_folder(path, parent):
            return found
        if path not in self._folder_ids:
            self._folder_ids[path] = self._fresh_id()
        number = self._folder_ids[path]
        mark = {PROPERTY: self._mark(f"{path}/")}
        try:
            self._api.make_folder(
                {"id": number, "name": path.name, "parents": [parent], "appProperties": mark}
            )
        except Taken:  # made by a request whose answer was lost
            pass
        except Unusable:
            del self._folder_ids[path]
            raise NotSaved(reasons.DRIVE_OWN_ID) from None
        # If another process made the same folder at this moment, both take the older one.
        return self._found_folder(path, parent) or number

    def _found_folder(self, path: PurePosixPath, parent: str) -> str:
        """The oldest folder with this name, or else the one that we made and people renamed."""
        here = f"'{parent}' in parents and mimeType = '{FOLDER}'"
        name = re.sub(r"([\\'])", r"\\\1", path.name)
        mark = self._mark(f"{path}/")
        for which in (
            f"name = '{name}'",
            f"appProperties has {{ key='{PROPERTY}' and value='{mark}' }}",
        ):
            if found := self._api.found(f"{here} and {which}", self._shared_drive or ""):
                return str(found[0]["id"])
        return ""


async def _in_thread(call: Callable[[], _T]) -> _T:
    """The result of a call in a thread of its own, for which the end of the program does not wait.

    A request may take a minute. If the program ends meanwhile, a later run repeats it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def told(settle: Callable[[], None]) -> None:
        if not future.done():  # the pass has given up
            settle()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:
            settle = partial(future.set_exception, error)
        else:
            settle = partial(future.set_result, result)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(told, settle)

    Thread(target=work, name="drive", daemon=True).start()
    return await future


def _number_in(path: str) -> str:
    """The id in a file's address in a browser. Raises FileGone if there is none."""
    found = re.fullmatch(r"https://drive\.google\.com/file/d/([\w-]+)/view(?:\?.*)?", path)
    if found is None:
        raise FileGone("The file was saved elsewhere, not in Google Drive.")
    return found[1]


def _read(call: Callable[[], _T]) -> _T:
    """The result of a call that reads. Raises NotRead."""
    try:
        return call()
    except Missing:
        raise FileGone("The file is no longer in Google Drive.") from None
    except NotSaved as error:
        raise NotRead(f"Pictures cannot be read from Google Drive. {error}") from error


def _link(number: str) -> str:
    return f"https://drive.google.com/file/d/{number}/view"


def _md5(file: Path) -> str:
    """The checksum that Google Drive states for a file: no proof against forgery."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
