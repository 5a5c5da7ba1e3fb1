"""Push channels of Google Drive: Google calls an address after a spreadsheet has changed.

A call says that something has changed, and not what. Google collects changes of a spreadsheet
before it calls, so a call may come minutes later. Raises SheetError, which says what to do.
Source: https://developers.google.com/workspace/drive/api/guides/push.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import requests
from google.auth.exceptions import GoogleAuthError

from pipeline.core.errors import SheetError
from pipeline.core.text import quoted
from pipeline.google_session import authorized_session, token_session, words
from pipeline.sheets.google.client import ENABLE, GoogleAccount

#: The least that a channel needs. It shows names and dates of files, and no content.
SCOPE: Final = "https://www.googleapis.com/auth/drive.metadata.readonly"
#: How long a channel lasts. Google allows a day; after a kill, the rest of an hour is enough.
LASTS: Final = timedelta(hours=1)
TIMEOUT: Final = (5.0, 20.0)
_FILES: Final = "https://www.googleapis.com/drive/v3/files"
_STOP: Final = "https://www.googleapis.com/drive/v3/channels/stop"
_LIBRARY: Final = "https://console.cloud.google.com/apis/library/drive.googleapis.com"


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel, and when it ends."""

    number: str
    resource: str
    until: datetime


class Channels:
    """The channels of one spreadsheet. Its methods block."""

    def __init__(self, spreadsheet: str, account: GoogleAccount, base: str = "") -> None:
        self._spreadsheet, self._account = spreadsheet, account
        credentials = account.credentials
        if hasattr(credentials, "with_scopes"):
            credentials = credentials.with_scopes([SCOPE])
        self._session = authorized_session(credentials, token_session(base), base)

    def open(self, address: str, token: str) -> OpenChannel:
        """Let Google call the address with this token after each change."""
        until = datetime.now(UTC) + LASTS
        said = self._post(
            f"{_FILES}/{quote(self._spreadsheet)}/watch",
            {
                "id": str(uuid.uuid4()),
                "type": "web_hook",
                "address": address,
                "token": token,
                "expiration": str(int(until.timestamp() * 1000)),
            },
            address,
        )
        try:
            until = datetime.fromtimestamp(int(said["expiration"]) / 1000, UTC)
            return OpenChannel(str(said["id"]), str(said["resourceId"]), until)
        except (KeyError, ValueError, TypeError, OverflowError):
            raise SheetError("Google's answer is no channel. It is asked again later.") from None

    def stop(self, channel: OpenChannel) -> None:
        """Let Google call no more through this channel."""
        self._post(_STOP, {"id": channel.number, "resourceId": channel.resource}, "")

    def _post(self, url: str, body: dict[str, str], address: str) -> dict[str, Any]:
        try:
            answer = self._session.post(
                url,
                json=body,
                params={"supportsAllDrives": "true"},
                timeout=TIMEOUT,
                allow_redirects=False,
            )
            said = answer.json() if answer.content else {}
        except GoogleAuthError as e:
            raise SheetError(f"Google gives no access to Google Drive: {words(e)}.") from e
        except (requests.RequestException, ValueError) as e:
            raise SheetError("Google Drive cannot be reached. It is asked again later.") from e
        if answer.ok and isinstance(said, dict):
            return said
        raise SheetError(self._sentence(answer.status_code, said, address))

    def _sentence(self, status: int, said: Any, address: str) -> str:
        """Why Google refuses, and what to do."""
        error = said.get("error") if isinstance(said, dict) else None
        error = error if isinstance(error, dict) else {}
        details = error.get("errors")
        first = details[0] if isinstance(details, list) and details else {}
        reason = str(first.get("reason", "")) if isinstance(first, dict) else ""
        message, who = str(error.get("message", "")), self._account.called
        if reason == "accessNotConfigured":
            link = ENABLE.search(message)
            return (
                f"The Google Drive API is not enabled in the project of {who}. Enable it at "
                f"{link[0] if link else _LIBRARY}."
            )
        if reason.startswith("push.webhookUrl"):
            return (
                f"Google does not call {address}: {quoted(message)}. It must be an https address "
                "with a valid certificate, of a domain that is yours."
            )
        if status in (403, 404):
            return f"{who} may not see the sheet in Google Drive: {quoted(message)}."
        return f"Google Drive refuses a channel ({status}): {quoted(message)}."
