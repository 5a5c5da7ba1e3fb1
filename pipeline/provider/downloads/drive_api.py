"""Requests to Google Drive: plain REST, one request for each call, none repeated.

The calls block; `drive.Drive` makes them in threads. The only state is the session. Raises NotSaved
and its kinds, Taken and Unusable. No message holds a token or the address of an upload.
Source: https://developers.google.com/workspace/drive/api/reference/rest/v3.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from google.auth.exceptions import GoogleAuthError, RefreshError

from pipeline.core.api.protocol import retry_after
from pipeline.core.errors import NoPlace, NotSaved
from pipeline.core.messages import reasons
from pipeline.core.model import Response
from pipeline.google_session import authorized_session, token_session, words
from pipeline.provider.downloads.drive_account import DriveAccount, refusal

_FILES: Final = "https://www.googleapis.com/drive/v3/files"
_UPLOADS: Final = "https://www.googleapis.com/upload/drive/v3/files"
#: Seconds to wait for a connection, and for an answer.
TIMEOUT: Final = (10.0, 60.0)
#: Most bytes in one request (Google: at most 5 MB); a larger file goes in parts. A part is a
#: multiple of 256 KiB.
MOST_AT_ONCE: Final = 5_000_000
PART: Final = 16 * 256 * 1024
FOLDER: Final = "application/vnd.google-apps.folder"
_ALL_DRIVES: Final = {"supportsAllDrives": "true"}
#: What we read about a saved file.
_SHOWN: Final = "id,md5Checksum,webViewLink"
#: What we read about a file before its content.
_READ: Final = "id,name,size,trashed,appProperties"

Json = dict[str, Any]


class Taken(Exception):
    """There is already a file with this id."""


class Unusable(Exception):
    """Google does not accept this id: it was made for another account."""


class Missing(NoPlace):
    """There is no such file or folder, or the account cannot see it."""


class Broken(NotSaved):
    """The connection broke: the request may have been carried out."""


class DriveApi:
    """Google Drive, for one account. Its methods may be called from several threads."""

    def __init__(self, account: DriveAccount, base: str = "") -> None:
        self._account = account
        self._tokens = token_session(base)
        # A request is sent again only once, with a new token, if the token has just expired.
        self._session: Any = authorized_session(
            account.credentials, self._tokens, base, max_refresh_attempts=1
        )
        for session in (self._session, self._tokens):
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """End the connections that are not in use."""
        self._session.close()
        self._tokens.close()

    def about_folder(self, number: str) -> Json:
        """What `Drive.check` needs to know about the folder with this id."""
        fields = "id,name,mimeType,trashed,driveId,capabilities(canAddChildren)"
        return self._json("GET", _of(number), params={**_ALL_DRIVES, "fields": fields})

    def about_file(self, number: str) -> Json:
        """A saved file: `id`, `md5Checksum`, `webViewLink`. Raises Missing if there is none."""
        return self._json("GET", _of(number), params={**_ALL_DRIVES, "fields": _SHOWN})

    def about_content(self, number: str) -> Json:
        """What `Drive.about` needs to know about the file with this id."""
        return self._json("GET", _of(number), params={**_ALL_DRIVES, "fields": _READ})

    def content(self, number: str, start: int, length: int) -> bytes:
        """So many bytes of a file from byte `start` on; less only at its end."""
        answer = self._answer(
            "GET",
            _of(number),
            params={**_ALL_DRIVES, "alt": "media"},
            headers={"Range": f"bytes={start}-{start + length - 1}"},
        )
        return answer.content if answer.status_code == 206 else answer.content[start:][:length]

    def new_ids(self, how_many: int) -> list[str]:
        """New ids for files of this account. Each one can be used once."""
        params = {"count": str(how_many), "space": "drive", "type": "files"}
        ids = self._json("GET", f"{_FILES}/generateIds", params=params).get("ids")
        if not isinstance(ids, list) or not ids:
            raise NotSaved(reasons.DRIVE_NO_IDS)
        return [str(one) for one in ids]

    def found(self, query: str, drive: str) -> list[Json]:
        """The files that a query finds, the oldest first; `drive` is the id of a shared drive."""
        params = {**_ALL_DRIVES, "q": f"{query} and trashed = false", "pageSize": "100"}
        params["fields"] = f"files({_SHOWN},createdTime)"
        if drive:
            params |= {"corpora": "drive", "driveId": drive, "includeItemsFromAllDrives": "true"}
        files = self._json("GET", _FILES, params=params).get("files", [])
        return sorted(files, key=lambda one: (one.get("createdTime", ""), one.get("id", "")))

    def make_folder(self, said: Json) -> Json:
        """Make a folder with these properties. Raises Taken and Unusable."""
        return self._json(
            "POST",
            _FILES,
            params={**_ALL_DRIVES, "fields": "id,webViewLink"},
            json={**said, "mimeType": FOLDER},
        )

    def upload(self, said: Json, file: Path, media_type: str) -> Json:
        """Make a file with these properties and this content. Raises Taken and Unusable."""
        return self._sent("POST", _UPLOADS, said, file, media_type)

    def replace(self, number: str, file: Path, media_type: str) -> Json:
        """Give a file a new content; its id and its link stay."""
        return self._sent("PATCH", f"{_UPLOADS}/{quote(number, safe='')}", {}, file, media_type)

    def email(self) -> str:
        """The e-mail address of the account."""
        url = "https://www.googleapis.com/drive/v3/about"
        user = self._json("GET", url, params={"fields": "user(emailAddress)"}).get("user", {})
        return str(user.get("emailAddress", ""))

    def _sent(self, method: str, url: str, said: Json, file: Path, media_type: str) -> Json:
        size = file.stat().st_size
        if size > MOST_AT_ONCE:
            return self._in_parts(method, url, said, file, media_type)
        mark = secrets.token_hex(16).encode()
        head = b"--%b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%b\r\n"
        rest = b"--%b\r\nContent-Type: %b\r\n\r\n%b\r\n--%b--\r\n"
        properties = json.dumps(said).encode()
        body = head % (mark, properties) + rest % (
            mark,
            media_type.encode(),
            file.read_bytes(),
            mark,
        )
        return self._json(
            method,
            url,
            params={**_ALL_DRIVES, "uploadType": "multipart", "fields": _SHOWN},
            headers={"Content-Type": f"multipart/related; boundary={mark.decode()}"},
            data=body,
        )

    def _in_parts(self, method: str, url: str, said: Json, file: Path, media_type: str) -> Json:
        """A resumable upload. A part that broke off is continued, as long as it goes on."""
        size = file.stat().st_size
        begun = self._answer(
            method,
            url,
            params={**_ALL_DRIVES, "uploadType": "resumable", "fields": _SHOWN},
            headers={
                "X-Upload-Content-Type": media_type,
                "X-Upload-Content-Length": str(size),
                "Content-Type": "application/json; charset=UTF-8",
            },
            data=json.dumps(said).encode(),
        )
        where = begun.headers.get("Location", "")
        if not re.fullmatch(r"[\w.-]+\.googleapis\.com", urlsplit(where).hostname or ""):
            raise NotSaved(reasons.DRIVE_NO_PLACE)
        has = 0
        with file.open("rb") as content:
            while True:
                content.seek(has)
                part = content.read(PART)
                span = f"bytes {has}-{has + len(part) - 1}/{size}"
                try:
                    answer = self._answer("PUT", where, headers={"Content-Range": span}, data=part)
                except Broken:
                    span = f"bytes */{size}"
                    answer = self._answer("PUT", where, headers={"Content-Range": span}, data=b"")
                    if answer.status_code == 308 and _received(answer) <= has:
                        raise
                if answer.status_code != 308:
                    return _object(answer)
                has = _received(answer)

    def _json(self, method: str, url: str, **options: Any) -> Json:
        return _object(self._answer(method, url, **options))

    def _answer(self, method: str, url: str, **options: Any) -> requests.Response:
        try:
            answer: requests.Response = self._session.request(
                method, url, timeout=TIMEOUT, allow_redirects=False, **options
            )
        except RefreshError as error:
            raise self._account.refused(error) from None
        except GoogleAuthError as error:
            why = words(error)
            raise Broken(f"Google cannot be reached: {why}. A later run tries again.") from None
        except requests.Timeout:
            raise Broken("Google Drive did not answer in time. A later run tries again.") from None
        except requests.RequestException:
            # Its text holds the address, which may be the secret one of an upload.
            raise Broken("The connection to Google Drive broke. A later run tries again.") from None
        if answer.status_code < 300 or (answer.status_code == 308 and method == "PUT"):
            return answer
        raise self._refused(answer, method)

    def _refused(self, answer: requests.Response, method: str) -> Exception:
        status = answer.status_code
        reason, message = _said(answer)
        if status == 409:
            return Taken()
        if status == 400 and "ID is not usable" in message:
            return Unusable()
        if status == 404 and method == "PUT":
            return NotSaved(reasons.DRIVE_FORGOT)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        wait = retry_after(Response(status, headers, b""), datetime.now(UTC))
        error = refusal(self._account, status, reason, message, wait or 0.0)
        if status == 404:
            return Missing(str(error))
        return Broken(str(error), error.wait) if status >= 500 and method == "PUT" else error


def _of(number: str) -> str:
    return f"{_FILES}/{quote(number, safe='')}"


def _received(answer: requests.Response) -> int:
    """How many bytes of an upload have arrived."""
    found = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("Range", ""))
    return int(found[1]) + 1 if found else 0


def _object(answer: requests.Response) -> Json:
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise NotSaved(reasons.DRIVE_UNREADABLE)
    return said


def _said(answer: requests.Response) -> tuple[str, str]:
    """Google's reason, as one word, and its message; empty where there is none."""
    try:
        error = answer.json()["error"]
        first: Mapping[str, Any] = (error.get("errors") or error.get("details") or [{}])[0]
        return str(first.get("reason", "")), str(error.get("message", ""))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return "", ""
