"""The files that cells may name: in the folder `[media] inputs`, and in Google Drive."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from pipeline.config import GoogleSource, Secret, Settings
from pipeline.core.api.cell_files import SAVED
from pipeline.core.api.links import drive_file
from pipeline.core.errors import NoPlace, PartUnread
from pipeline.core.messages import reasons
from pipeline.core.messages.reasons import NO_DRIVE
from pipeline.provider.input_folder import MOST_BYTES, Content, InputFolder, type_of

if TYPE_CHECKING:
    import requests

_FILES: Final = "https://www.googleapis.com/drive/v3/files"
#: The right to read what people share with the account, and nothing else.
_SCOPE: Final = "https://www.googleapis.com/auth/drive.readonly"
_TIMEOUT: Final = (10.0, 60.0)
_PIECE: Final = 256 * 1024
_TRIES: Final = 3
#: In a refusal: there were too many requests.
_MANY: Final = b"ateLimitExceeded"


class SavedFiles(Protocol):
    """The place of saved pictures."""

    def problem(self, name: str, kind: str = "") -> str:
        """Why this picture cannot be sent, as the end of a sentence; empty if it can be."""

    def read(self, name: str) -> Content:
        """The picture with this path. Raises PartUnread with the end of a sentence."""


class _Busy(Exception):
    """Google may give the file later."""


class InputFiles:
    """Reads files for requests. `folder` or `drive` is None if cells may name no such file.

    `saved` is the place of saved pictures; None if there is none. Its repr changes with the files
    in the folder that cells may name.
    """

    def __init__(
        self,
        folder: InputFolder | None = None,
        drive: DriveFiles | None = None,
        saved: SavedFiles | None = None,
    ) -> None:
        self._folder, self._drive, self._saved = folder, drive, saved

    def __repr__(self) -> str:
        return f"InputFiles({self._folder!r}, {self._drive is not None})"

    def problem(self, name: str, kind: str = "") -> str:
        """Why this file cannot be sent, as the end of a sentence; empty if it can be.

        A link to Google Drive is not followed here.
        """
        if drive_file(name):
            return "" if self._drive else NO_DRIVE
        folder, name = self._place_of(name)
        return folder.problem(name, kind) if folder else reasons.told(reasons.NO_INPUTS)

    def read(self, name: str) -> Content:
        """The file of this name or link. Raises PartUnread with the end of a sentence."""
        if number := drive_file(name):
            if self._drive is None:
                raise PartUnread(NO_DRIVE)
            return self._drive.read(number)
        folder, name = self._place_of(name)
        if folder is None:
            raise PartUnread(reasons.NO_FOLDER)
        return folder.read(name)

    def _place_of(self, name: str) -> tuple[SavedFiles | None, str]:
        """The place of a file, and its name there."""
        if name.startswith(SAVED):
            return self._saved, name.removeprefix(SAVED)
        return self._folder, name


class DriveFiles:
    """Reads files of Google Drive that are shared with an account, or with everyone who has a link.

    `secret` is the key of an account; None: this machine's own. `base` is where requests go instead
    of to Google. May be used by several threads.

    Only a service account reads them, and for itself. With the rights of a person, everyone who
    edits the sheet could send the pictures of that person to the API.
    """

    def __init__(self, secret: Secret | None, base: str = "") -> None:
        self._secret, self._base = secret, base
        self._called = "the account"
        self._session: Any = None
        self._making = threading.Lock()

    def read(self, number: str) -> Content:
        """The file with this id. Raises PartUnread with the end of a sentence."""
        # Only files in Google Drive need these; each start of a pass would pay for them.
        from google.auth.exceptions import GoogleAuthError
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_exponential_jitter,
        )

        from pipeline.google_session import words

        tries = Retrying(
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential_jitter(initial=1, max=8),
            retry=retry_if_exception_type(_Busy),
            reraise=True,
        )
        try:
            data: bytes = tries(self._read, number)
        except _Busy as e:
            raise PartUnread(reasons.LATER.format(why=e)) from e
        except GoogleAuthError as e:
            why = reasons.KEY_REFUSED.format(who=self._called, why=words(e))
            raise PartUnread(why) from e
        kind = type_of(data, "")
        if not kind:
            raise PartUnread(reasons.DRIVE_ODD)
        return Content(f"input.{kind.rpartition('/')[2]}", data, kind)

    def _read(self, number: str) -> bytes:
        """The bytes of a file. Raises _Busy if Google may answer later."""
        import requests

        params = {"alt": "media", "supportsAllDrives": "true"}
        try:
            with self._opened().get(
                f"{_FILES}/{number}", params=params, timeout=_TIMEOUT, stream=True
            ) as answer:
                return self._data(answer)
        except requests.RequestException as e:
            raise _Busy("Google Drive cannot be reached") from e

    def _data(self, answer: requests.Response) -> bytes:
        status = answer.status_code
        if status == 429 or status >= 500 or (status == 403 and _MANY in answer.content):
            raise _Busy(reasons.NOT_GIVEN.format(status=status))
        if status in (403, 404):
            raise PartUnread(reasons.DRIVE_HIDDEN.format(who=self._called))
        if status != 200:
            raise PartUnread(reasons.DRIVE_REFUSED_IT.format(status=status))
        data = bytearray()
        for piece in answer.iter_content(_PIECE):
            data += piece
            if len(data) > MOST_BYTES:
                raise PartUnread(reasons.FILE_TOO_LARGE.format(size=MOST_BYTES // 1_000_000))
        return bytes(data)

    def _opened(self) -> Any:
        with self._making:
            if self._session is None:
                self._session = self._made()
        return self._session

    def _made(self) -> Any:
        try:
            from pipeline.google_session import authorized_session, token_session
            from pipeline.provider.downloads.drive_account import account_of
        except ModuleNotFoundError:
            raise PartUnread(reasons.DRIVE_EXTRA) from None
        secret = self._secret.reveal() if self._secret else None
        try:
            account = account_of(secret, scope=_SCOPE)
        except NoPlace:
            raise PartUnread(reasons.DRIVE_CREDENTIALS) from None
        if account.kind != "service":
            raise PartUnread(reasons.DRIVE_SERVICE)
        self._called = account.called
        return authorized_session(account.credentials, token_session(self._base), self._base)


def input_files(settings: Settings, elsewhere: SavedFiles | None) -> InputFiles | None:
    """The files that cells of a configuration may name; None if they may name none.

    `elsewhere` is the place of saved pictures on another machine; None if they are on this one.
    """
    folder = InputFolder(settings.inputs) if settings.inputs else None
    source, place = settings.source, settings.remote
    drive = None
    if isinstance(source, GoogleSource):
        drive = DriveFiles(source.credentials, source.base_url)
    elif place is not None and place.kind == "drive":
        drive = DriveFiles(place.credentials, place.base_url)
    saved = InputFolder(settings.media) if settings.media else elsewhere
    return InputFiles(folder, drive, saved) if folder or drive or saved else None
