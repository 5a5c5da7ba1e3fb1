"""The files of a fake Google Drive: where they are, whose they are, and who may see them."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.fakes.google.drive_accounts import BROWSER, Caller
from tests.fakes.google.refusals import Json

FOLDER = "application/vnd.google-apps.folder"
ROLES = ("", "reader", "writer", "fileOrganizer", "organizer")
NO_STORAGE = (
    "Service Accounts do not have storage quota. Leverage shared drives (https://developers."
    "google.com/workspace/drive/api/guides/about-shareddrives), or use OAuth delegation "
    "(http://support.google.com/a/answer/7281227) instead."
)


class DriveRefused(Exception):
    """The request is not applied; this is the answer."""

    def __init__(self, code: int, reason: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @property
    def body(self) -> Json:
        one = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [one]}}


def not_found(number: str) -> DriveRefused:
    return DriveRefused(404, "notFound", f"File not found: {number}.")


@dataclass
class File:
    """A file or a folder."""

    id: str
    name: str
    mime: str
    parent: str
    owner: str
    #: The client that made it; apps with little access see only what they made.
    client: str
    number: int
    drive: str = ""
    content: bytes = b""
    trashed: bool = False
    revisions: int = 1
    #: Private to each client.
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        return self.mime == FOLDER


@dataclass
class Files:
    """All files, by id."""

    all: dict[str, File] = field(default_factory=dict)
    #: Ids that were given out and not used yet -> for whom.
    reserved: dict[str, str] = field(default_factory=dict)
    #: Bytes that a person may still store; a service account has none.
    room: dict[str, int] = field(default_factory=dict)
    #: Most files in a shared drive.
    drive_limit: int = 400_000
    #: True: lists do not show yet what was made since.
    lists_are_late: bool = False
    #: (client, file): files that a person opened with an app.
    opened: set[tuple[str, str]] = field(default_factory=set)
    _late: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    # ------------------------------------------------------------------ by people

    def by_hand(
        self, name: str, *, owner: str = "", parent: str = "", drive: str = "", **shared: str
    ) -> File:
        """A folder that a person made in the browser; `shared` is role -> e-mail address."""
        roles = {email: role for role, email in shared.items()}
        one = File(
            secrets.token_urlsafe(21), name, FOLDER, parent, owner, BROWSER, next(self._numbers)
        )
        one.shared, one.drive = roles, drive
        self.all[one.id] = one
        return one

    def picture_by_hand(self, name: str, content: bytes, **shared: str) -> File:
        """A picture that a person uploaded in the browser."""
        one = self.by_hand(name, owner="anna@example.com", **shared)
        one.mime, one.content = "image/png", content
        return one

    def shared_drive(self, name: str, **members: str) -> File:
        """The root folder of a new shared drive; `members` is role -> e-mail address."""
        one = self.by_hand(name, **members)
        del self.all[one.id]
        one.id = one.drive = f"0A{secrets.token_urlsafe(11)}PVA"
        self.all[one.id] = one
        return one

    def within(self, folder: File) -> dict[str, list[File]]:
        """Path -> the files with it in a folder and those below, except the trash."""
        found: dict[str, list[File]] = {}
        for one in self.children(folder):
            if one.is_folder:
                for path, files in self.within(one).items():
                    found.setdefault(f"{one.name}/{path}", []).extend(files)
            else:
                found.setdefault(one.name, []).append(one)
        return found

    def children(self, folder: File) -> list[File]:
        return [one for one in self.all.values() if one.parent == folder.id and not one.trashed]

    # ------------------------------------------------------------------ access

    def role(self, one: File, email: str) -> str:
        """The best role of an account on a file; empty for none."""
        here: File | None = one
        roles = [""]
        while here is not None:
            roles += ["organizer" if here.owner == email else "", here.shared.get(email, "")]
            roles.append(here.shared.get("anyone", ""))  # who has the link
            here = self.all.get(here.parent) or (
                self.all.get(here.drive) if here.id != here.drive else None
            )
        return max(roles, key=ROLES.index)

    def sees(self, one: File, caller: Caller) -> bool:
        ours = one.client == caller.client or (caller.client, one.id) in self.opened
        return bool(self.role(one, caller.email)) and (caller.sees_all or ours)

    def can_add(self, one: File, caller: Caller) -> bool:
        role = self.role(one, caller.email)
        return one.is_folder and not one.trashed and ROLES.index(role) >= ROLES.index("writer")

    def get(self, number: str, caller: Caller, options: Json) -> File:
        one = self.all.get(number)
        if one is None or not self.sees(one, caller):
            raise not_found(number)
        if one.drive and options.get("supportsAllDrives") != "true":
            raise not_found(number)
        return one

    # ------------------------------------------------------------------ changes

    def new_ids(self, caller: Caller, how_many: int) -> list[str]:
        if not 1 <= how_many <= 1000:
            raise DriveRefused(400, "invalidParameter", "Invalid value. Must be within [1, 1000].")
        ids = [f"1{secrets.token_urlsafe(24)}" for _ in range(how_many)]
        self.reserved |= dict.fromkeys(ids, caller.email)
        return ids

    def check_new(self, said: Json, caller: Caller, options: Json, size: int) -> File | None:
        """The folder for a new file. Raises DriveRefused if it cannot be made."""
        number = said.get("id", "")
        if number in self.all:
            raise DriveRefused(409, "fileIdInUse", "A file already exists with the provided ID.")
        if number and self.reserved.get(number) != caller.email:
            raise DriveRefused(400, "invalid", "The provided file ID is not usable.")
        for name, value in said.get("appProperties", {}).items():
            if len((name + value).encode()) > 124:
                raise DriveRefused(403, "appPropertyTooLong", "The property is too long.")
        parents = said.get("parents", [])
        folder = self.get(parents[0], caller, options) if parents else None
        if folder is not None and not self.can_add(folder, caller):
            raise DriveRefused(
                403,
                "insufficientFilePermissions",
                "The user does not have sufficient permissions for this file.",
            )
        drive = folder.drive if folder else ""
        if drive:
            if sum(one.drive == drive for one in self.all.values()) > self.drive_limit:
                raise DriveRefused(
                    403,
                    "teamDriveFileLimitExceeded",
                    "The file limit for this shared drive has been exceeded.",
                )
        elif said.get("mimeType") != FOLDER:
            if caller.is_service:
                raise DriveRefused(403, "storageQuotaExceeded", NO_STORAGE)
            if size > self.room.get(caller.email, 15 * 2**30):
                raise DriveRefused(
                    403,
                    "storageQuotaExceeded",
                    "The user's Drive storage quota has been exceeded.",
                )
        return folder

    def make(self, said: Json, caller: Caller, options: Json, content: bytes, mime: str) -> File:
        folder = self.check_new(said, caller, options, len(content))
        number = said.get("id") or self.new_ids(caller, 1)[0]
        one = File(
            number,
            said.get("name", "Untitled"),
            said.get("mimeType") or mime,
            folder.id if folder else f"root of {caller.email}",
            folder.drive if folder and folder.drive else caller.email,
            caller.client,
            next(self._numbers),
            folder.drive if folder else "",
            content,
        )
        if said.get("appProperties"):
            one.properties[caller.client] = dict(said["appProperties"])
        self.reserved.pop(number, None)
        self.room[caller.email] = self.room.get(caller.email, 15 * 2**30) - len(content)
        if self.lists_are_late:
            self._late.add(number)
        self.all[number] = one
        return one

    # ------------------------------------------------------------------ lists

    def list(self, caller: Caller, options: Json) -> list[File]:
        both = (
            options.get("supportsAllDrives") == options.get("includeItemsFromAllDrives") == "true"
        )
        drive = options.get("driveId", "")
        corpora = options.get("corpora", "user")
        if corpora == "drive" and not (both and drive):
            raise DriveRefused(
                403,
                "teamDrivesParentLimit",
                "The includeItemsFromAllDrives and supportsAllDrives parameters must be true, and "
                "driveId must be set, for corpora=drive.",
            )
        if drive and corpora != "drive":
            raise DriveRefused(403, "invalid", "corpora must be drive where driveId is set.")
        fits = _query(options.get("q", ""), caller)
        late = self._late if self.lists_are_late else set()
        return [
            one
            for one in self.all.values()
            if one.id not in late
            and self.sees(one, caller)
            and (one.drive == drive if drive else both or not one.drive)
            and fits(one)
        ]

    def shown(self, one: File, caller: Caller) -> Json:
        """The file as the API shows it."""
        said: Json = {
            "kind": "drive#file",
            "id": one.id,
            "name": one.name,
            "mimeType": one.mime,
            "trashed": one.trashed,
            "createdTime": f"2026-11-28T00:00:00.{one.number:06}Z",
            "appProperties": one.properties.get(caller.client, {}),
            "capabilities": {"canAddChildren": self.can_add(one, caller)},
        }
        if one.parent:
            said["parents"] = [one.parent]
        if one.drive:
            said["driveId"] = one.drive
        if one.is_folder:
            said["webViewLink"] = f"https://drive.google.com/drive/folders/{one.id}"
        else:
            said["webViewLink"] = f"https://drive.google.com/file/d/{one.id}/view?usp=drivesdk"
            said["md5Checksum"] = hashlib.md5(one.content).hexdigest()
            said["size"] = str(len(one.content))
        return said


_TEXT = r"'((?:[^'\\]|\\.)*)'"
_TERMS: dict[str, Callable[[File, Caller, tuple[str, ...]], bool]] = {
    rf"{_TEXT} in parents": lambda one, _, said: one.parent == said[0],
    rf"name = {_TEXT}": lambda one, _, said: one.name == said[0],
    rf"mimeType = {_TEXT}": lambda one, _, said: one.mime == said[0],
    r"trashed = (true|false)": lambda one, _, said: one.trashed == (said[0] == "true"),
    rf"appProperties has \{{ key={_TEXT} and value={_TEXT} \}}": lambda one, caller, said: (
        one.properties.get(caller.client, {}).get(said[0]) == said[1]
    ),
}


def _query(text: str, caller: Caller) -> Callable[[File], bool]:
    """What a `q` asks for; only terms that are joined by `and`."""
    tests: list[tuple[Any, tuple[str, ...]]] = []
    rest = text
    while rest:
        for pattern, fits in _TERMS.items():
            if found := re.match(rf"{pattern}(?: and |$)", rest):
                said = tuple(re.sub(r"\\(.)", r"\1", one) for one in found.groups())
                tests.append((fits, said))
                rest = rest[found.end() :]
                break
        else:
            raise DriveRefused(400, "invalid", "Invalid Value")
    return lambda one: all(fits(one, caller, said) for fits, said in tests)


def only(files: Iterable[File]) -> File:
    """The only file; an AssertionError if there are more or none."""
    (one,) = files
    return one
