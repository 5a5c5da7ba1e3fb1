"""A fake Google Drive: API v3 on a free loopback port, in threads of the test.

    with google_drive() as google:
        drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
        folder = google.files.by_hand("Spring", parent=drive.id, drive=drive.id)
        ...                                       # the program saves pictures there
        assert google.paths(folder) == {"fox.png": 1}

- `key` is a service account's JSON, `tokens.user_file(email)` the JSON of a person's consent;
- `files` has the state (`tests.fakes.google.drive_files`), with the gestures of people;
- `log` has an `Asked` for each request, `token_log` those for tokens;
- `between(act)`: `act(asked)` is called before each request is applied; it may raise
  `DriveRefused` or `Cut`. `after(act)`: the same when it has been applied, before the answer;
- `faults`: what goes wrong at which request (`tests.fakes.google.faults`);
- `sessions`: the resumable uploads that are under way; without its entry, one is lost (404).

What it enforces: files in shared drives are hidden without `supportsAllDrives`; a list of a shared
drive needs `corpora`, `driveId` and `includeItemsFromAllDrives`; an id is used once (409) and only
by the account that it was made for; a service account owns no file; `drive.file` shows only what
the same client made; parts of an upload are multiples of 256 KiB; quota units in each minute.
Sources: https://developers.google.com/workspace/drive/api/guides: `limits`, `handle-errors`,
`manage-uploads`, `enable-shareddrives`, `api-specific-auth`.
An error of the server itself is raised at the end of the `with`.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.fakes.google.account import EMAIL, key_file
from tests.fakes.google.drive_accounts import CLIENT_SECRET, OUR_CLIENT, Caller, DriveTokens
from tests.fakes.google.drive_files import DriveRefused, File, Files, only
from tests.fakes.google.faults import Fault, Faults
from tests.fakes.google.http import Answer, Cut, served
from tests.fakes.google.masks import mask, pick
from tests.fakes.google.refusals import Json
from tests.fakes.google_sheets import Asked

STEP = 256 * 1024
DEFAULT_FIELDS = "kind,id,name,mimeType"
UPLOADS = "/upload/drive/v3/files"
#: What calls cost; Google allows an account 325,000 units in a minute.
UNITS = {"get": 5, "list": 100, "write": 50}
BEFORE = {
    Fault.UNAUTHENTICATED: DriveRefused(401, "authError", "Invalid Credentials"),
    Fault.FORBIDDEN: DriveRefused(
        403, "insufficientFilePermissions", "The user does not have sufficient permissions."
    ),
    Fault.NOT_ENABLED: DriveRefused(
        403,
        "accessNotConfigured",
        "Google Drive API has not been used in project 123 before or it is disabled. Enable it by "
        "visiting https://console.developers.google.com/apis/api/drive.googleapis.com/overview"
        "?project=123 then retry.",
    ),
    Fault.BUSY: DriveRefused(429, "rateLimitExceeded", "Rate Limit Exceeded", Retry_After="7"),
    Fault.INTERNAL: DriveRefused(500, "internalError", "Internal Error"),
    Fault.UNAVAILABLE: DriveRefused(503, "backendError", "Backend Error"),
}
TOO_FAST = DriveRefused(403, "userRateLimitExceeded", "User Rate Limit Exceeded")


@dataclass
class Upload:
    """A resumable upload that is under way."""

    caller: Caller
    said: Json
    options: Json
    mime: str
    size: int
    #: The file to give a new content; empty for a new file.
    replaces: str
    received: bytes = b""
    made: File | None = None


@dataclass
class GoogleDrive:
    """The server and its state; made by `google_drive`."""

    clock: Callable[[], float]
    tokens: DriveTokens
    units: int = 325_000
    url: str = ""
    files: Files = field(default_factory=Files)
    faults: Faults = field(default_factory=Faults)
    log: list[Asked] = field(default_factory=list)
    token_log: list[Asked] = field(default_factory=list)
    sessions: dict[str, Upload] = field(default_factory=dict)
    #: Who agrees on the page that asks for consent; empty: they refuse.
    consents: str = "anna@example.com"
    spent: float = 0.0
    troubles: list[BaseException] = field(default_factory=list)
    _between: Callable[[Asked], object] | None = None
    _after: Callable[[Asked], object] | None = None
    _lock: RLock = field(default_factory=RLock)
    _used: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    # ------------------------------------------------------------------ for tests

    @property
    def key(self) -> dict[str, str]:
        """The JSON of the service account `EMAIL`."""
        return key_file(f"{self.url}/token", EMAIL)

    @property
    def client(self) -> dict[str, Any]:
        """The JSON of an OAuth client, as the Google Cloud console gives it."""
        return {
            "installed": {
                "client_id": OUR_CLIENT,
                "client_secret": CLIENT_SECRET,
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": "https://oauth2.googleapis.com/token",
                "redirect_uris": ["http://localhost"],
            }
        }

    def paths(self, folder: File) -> dict[str, int]:
        """The files in a folder and below: path -> how many there are with it."""
        with self._lock:
            return {path: len(files) for path, files in self.files.within(folder).items()}

    def contents(self, folder: File) -> dict[str, bytes]:
        """Path -> content. Fails if there are two files with one path."""
        with self._lock:
            return {path: only(files).content for path, files in self.files.within(folder).items()}

    def between(self, act: Callable[[Asked], object] | None) -> None:
        """Call this before each request is applied."""
        self._between = act

    def after(self, act: Callable[[Asked], object] | None) -> None:
        """Call this after each request was applied, before it is answered."""
        self._after = act

    def asked(self, method: str, path: str = "") -> list[Asked]:
        """The requests with this method whose path contains this text."""
        return [one for one in self.log if one.method == method and path in one.path]

    # ------------------------------------------------------------------ answering

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Answer:
        """The answer. `Cut` if there is to be none."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.path == "/token":
            return self._token(method, parts.path, parse_qs(raw.decode()))
        if parts.path == "/o/oauth2/auth":
            where = self.tokens.consent(query, self.consents) if self.consents else ""
            denied = f"{query['redirect_uri'][0]}?error=access_denied&state={query['state'][0]}"
            return Answer(302, "text/html", b"", {"Location": where or denied})
        with self._lock:
            asked = Asked(len(self.log) + 1, method, parts.path, query, None, self.clock())
            self.log.append(asked)
            fault = self.faults.due(asked)
            if fault not in (Fault.HANG, Fault.RESET_BEFORE):
                answer = self._applied(asked, fault, headers, raw)
        if fault in (Fault.HANG, Fault.HANG_AFTER):
            self.faults.hold()
            raise Cut(reset=False)
        if fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.RESET_MIDWAY):
            raise Cut(reset=True)
        asked.status = answer.status
        return answer

    def _token(self, method: str, path: str, form: dict[str, list[str]]) -> Answer:
        with self._lock:
            number = len(self.token_log) + 1
            asked = Asked(number, method, path, {}, None, self.clock(), is_token=True)
            self.token_log.append(asked)
            fault = self.faults.due(asked)
            if fault is Fault.NO_TOKEN:
                refusal = {"error": "invalid_grant", "error_description": "Bad Request"}
                asked.status, body = 400, refusal
            elif fault is Fault.TOKEN_UNAVAILABLE:
                asked.status, body = 503, {"error": "internal_failure"}
            else:
                asked.status, body = self.tokens.give(form)
        return _as_json(asked.status, body)

    def _applied(
        self, asked: Asked, fault: Fault | None, headers: Mapping[str, str], raw: bytes
    ) -> Answer:
        try:
            if self._between:
                self._between(asked)
            if fault in BEFORE:
                raise BEFORE[fault]
            caller = self.tokens.whose(headers.get("Authorization", ""))
            if caller is None:
                raise BEFORE[Fault.UNAUTHENTICATED]
            asked.email = caller.email
            answer = self._done(asked, caller, headers, raw, half=fault is Fault.RESET_MIDWAY)
            if fault is Fault.INTERNAL_AFTER:
                raise BEFORE[Fault.INTERNAL]
            if self._after:
                self._after(asked)
        except DriveRefused as refused:
            return _as_json(refused.code, refused.body, refused.headers)
        return answer

    def _done(
        self, asked: Asked, caller: Caller, headers: Mapping[str, str], raw: bytes, *, half: bool
    ) -> Answer:
        options: Json = {name: given[-1] for name, given in asked.query.items()}
        number = asked.path.rpartition("/files")[2].lstrip("/")
        if asked.method == "PUT" and asked.path == UPLOADS:
            return self._part(options.get("upload_id", ""), headers, raw, half)
        kind = "write" if asked.method != "GET" else "get" if number else "list"
        self._count(caller, UNITS[kind])
        if asked.path == "/drive/v3/about":
            return _as_json(200, {"user": {"emailAddress": caller.email}})
        if asked.path.startswith(UPLOADS):
            return self._upload(asked, caller, options, headers, raw, number)
        if not asked.path.startswith("/drive/v3/files"):
            raise DriveRefused(404, "notFound", "Not Found")
        match asked.method, number:
            case "GET", "generateIds":
                ids = self.files.new_ids(caller, int(options.get("count", "10")))
                return _as_json(200, {"kind": "drive#generatedIds", "space": "drive", "ids": ids})
            case "GET", "":
                found = self.files.list(caller, options)
                size = int(options.get("pageSize", "100"))
                shown = [self.files.shown(one, caller) for one in found[:size]]
                default = f"files({DEFAULT_FIELDS})"
                return _as_json(200, pick({"files": shown}, mask(options.get("fields", default))))
            case "GET", _ if options.get("alt") == "media":
                return _part(self.files.get(number, caller, options), headers)
            case "GET", _:
                return self._shown(self.files.get(number, caller, options), caller, options)
            case "POST", "":
                asked.body = said = json.loads(raw)
                made = self.files.make(said, caller, options, b"", said["mimeType"])
                return self._shown(made, caller, options)
            case "PATCH", _:
                one = self.files.get(number, caller, options)
                asked.body = said = json.loads(raw)
                one.name, one.trashed = said.get("name", one.name), said.get("trashed", one.trashed)
                return self._shown(one, caller, options)
        raise DriveRefused(404, "notFound", "Not Found")

    def _upload(
        self,
        asked: Asked,
        caller: Caller,
        options: Json,
        headers: Mapping[str, str],
        raw: bytes,
        number: str,
    ) -> Answer:
        kind = options.get("uploadType")
        if kind == "resumable":
            asked.body = said = json.loads(raw or b"{}")
            size = int(headers["X-Upload-Content-Length"])
            mime = headers["X-Upload-Content-Type"]
            if number:
                self.files.get(number, caller, options)
            else:
                self.files.check_new(said, caller, options, size)
            session = secrets.token_urlsafe(24)
            self.sessions[session] = Upload(caller, said, options, mime, size, number)
            where = f"https://www.googleapis.com{UPLOADS}?uploadType=resumable&upload_id={session}"
            return Answer(200, "text/plain", b"", {"Location": where})
        if kind == "multipart":
            said, content, mime = _related(headers["Content-Type"], raw)
            asked.body = said
        elif kind == "media" and number:
            said, content, mime = {}, raw, headers["Content-Type"]
        else:
            raise DriveRefused(400, "badRequest", "Bad Request")
        if len(content) > 5 * 2**20:
            raise DriveRefused(413, "uploadTooLarge", "The upload is too large.")
        if number:
            one = self._new_content(number, caller, options, content)
        else:
            one = self.files.make(said, caller, options, content, mime)
        return self._shown(one, caller, options)

    def _new_content(self, number: str, caller: Caller, options: Json, content: bytes) -> File:
        one = self.files.get(number, caller, options)
        one.content, one.revisions = content, one.revisions + 1
        return one

    def _part(self, number: str, headers: Mapping[str, str], raw: bytes, half: bool) -> Answer:
        upload = self.sessions.get(number)
        if upload is None:
            raise DriveRefused(404, "notFound", "Not Found")
        has = len(upload.received)
        said = headers.get("Content-Range", f"bytes 0-{len(raw) - 1}/{len(raw)}")
        if found := re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", said):
            start, end, size = map(int, found.groups())
            assert (end - start + 1, size) == (len(raw), upload.size)
            if start != has or (end + 1 < size and len(raw) % STEP):
                raise DriveRefused(400, "badRequest", "Bad Request")
            upload.received += raw[: len(raw) // 2 // STEP * STEP] if half else raw
        else:
            assert said == f"bytes */{upload.size}"
        if len(upload.received) < upload.size:
            has = len(upload.received)
            return Answer(308, "text/plain", b"", {"Range": f"bytes=0-{has - 1}"} if has else {})
        if upload.made is None:
            caller, options = upload.caller, upload.options
            if upload.replaces:
                content = upload.received
                upload.made = self._new_content(upload.replaces, caller, options, content)
            else:
                upload.made = self.files.make(
                    upload.said, caller, options, upload.received, upload.mime
                )
        return self._shown(upload.made, upload.caller, upload.options)

    def _shown(self, one: File, caller: Caller, options: Json) -> Answer:
        said = self.files.shown(one, caller)
        return _as_json(200, pick(said, mask(options.get("fields", DEFAULT_FIELDS))))

    def _count(self, caller: Caller, units: int) -> None:
        used = self._used.setdefault(caller.email, deque())
        now = self.clock()
        while used and used[0][0] <= now - 60:
            used.popleft()
        if sum(one for _, one in used) + units > self.units:
            raise TOO_FAST
        used.append((now, units))


def _part(one: File, headers: Mapping[str, str]) -> Answer:
    """The content of a file, or the bytes of it that are asked for."""
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("Range", ""))
    if found is None:
        return Answer(200, one.mime, one.content, {})
    start, end = map(int, found.groups())
    if start >= len(one.content):
        raise DriveRefused(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
    piece = one.content[start : end + 1]
    span = f"bytes {start}-{start + len(piece) - 1}/{len(one.content)}"
    return Answer(206, one.mime, piece, {"Content-Range": span})


def _related(kind: str, raw: bytes) -> tuple[Json, bytes, str]:
    """The metadata, the content and its media type of a multipart/related body (RFC 2387)."""
    found = re.fullmatch(r"multipart/related; boundary=(\S+)", kind)
    assert found, kind
    parts = raw.split(b"--" + found[1].encode())
    assert len(parts) == 4, "the boundary is in the content"
    assert parts[3].strip() == b"--"
    (head, said), (second, content) = (part.split(b"\r\n\r\n", 1) for part in parts[1:3])
    assert b"application/json" in head
    mime = re.search(rb"(?i)content-type: *(\S+)", second)
    assert mime
    return json.loads(said), content.removesuffix(b"\r\n"), mime[1].decode()


def _as_json(status: int, said: Json, headers: Mapping[str, str] | None = None) -> Answer:
    content = json.dumps(said, ensure_ascii=False).encode()
    return Answer(status, "application/json; charset=UTF-8", content, headers or {})


def address(folder: File) -> str:
    """A folder's address, as the browser shows it."""
    return f"https://drive.google.com/drive/folders/{quote(folder.id)}"


@contextmanager
def google_drive(
    *, clock: Callable[[], float] = time.monotonic, units: int = 325_000
) -> Iterator[GoogleDrive]:
    """A fake Google Drive on a free loopback port, stopped at the end."""
    google = GoogleDrive(clock, DriveTokens(clock), units)
    with served(google) as google.url:
        try:
            yield google
        finally:
            google.faults.clear()
    if google.troubles:
        raise google.troubles[0]


__all__ = ["TOO_FAST", "Cut", "DriveRefused", "GoogleDrive", "address", "google_drive"]
