"""Requests to one Google spreadsheet: credentials, waiting times, and the meaning of refusals.

gspread makes the requests. Only reads are repeated here, for a limited time. A write that failed
raises `Unsure` or `GoogleBusy` instead: its row numbers may be out of date, so the caller reads the
sheet again first. All other errors are sentences that say what to do.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

import google.auth
import requests
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from gspread.exceptions import APIError
from gspread.http_client import HTTPClient
from gspread.urls import SPREADSHEET_URL
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_before_delay,
    wait_exponential_jitter,
)

from pipeline.core.errors import SheetError
from pipeline.google_session import authorized_session, token_session, words

SCOPE: Final = "https://www.googleapis.com/auth/spreadsheets"
#: Seconds to wait for a connection, and for an answer.
TIMEOUT: Final = (5.0, 60.0)
#: Seconds after which we give up a request and its repetitions.
PATIENCE: Final = 75.0
#: Google allows 60 readings to an account in a minute, and 60 writes. We make fewer of each.
PER_MINUTE: Final = 50
_LIBRARY = "https://console.cloud.google.com/apis/library/sheets.googleapis.com"
#: The address in a refusal of Google at which a person switches the API on.
ENABLE = re.compile(r"https://console\.(?:developers|cloud)\.google\.com/[\w./?=&-]*\w")
_MAKE_A_KEY = (
    "Make one in the Google Cloud console (IAM, Service accounts, Keys, JSON), and name that file."
)
_AFTER = (
    "replies,updatedSpreadsheet.sheets(properties.sheetId,data("
    "rowData.values(formattedValue,note),columnMetadata.developerMetadata(metadataId,metadataKey)))"
)

Json = dict[str, Any]
Params = dict[str, str | int | bool | float | list[str] | None]


class Kind(StrEnum):
    """What Google counts a request as."""

    READ = "read"
    WRITE = "write"


#: Seconds until one more request of a kind may leave; 0 lets it go, and counts it.
Budget = Callable[[Kind], float]
Pause = Callable[[float], None]


class GoogleBusy(SheetError):
    """Google did not accept the request now, but may accept it later."""


class Unsure(GoogleBusy):
    """There was no usable answer: the request may have been carried out."""


class GoogleRefused(SheetError):
    """Google refused the request, and would again; `reason` is its message."""

    def __init__(self, sentence: str, code: int, reason: str) -> None:
        super().__init__(sentence)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class GoogleAccount:
    """The account that we use at Google."""

    credentials: Any
    #: The address to share sheets with; empty where it is not known.
    email: str

    def counted_as(self, kind: Kind) -> str:
        """The name under which its requests of this kind are counted; it reveals nothing."""
        name = f"google-{hashlib.sha256(self.email.encode()).hexdigest()[:16]}"
        return name if kind is Kind.READ else f"{name}-writes"

    @property
    def called(self) -> str:
        """Its title."""
        return self.email or "the account of the Application Default Credentials"


def account(text: str | None) -> GoogleAccount:
    """The account of a service account's JSON, or of the Application Default Credentials.

    Raises SheetError where there is none.
    """
    try:
        if text is None:
            found, _ = google.auth.default(scopes=[SCOPE])
        else:
            info = json.loads(text)
            if "installed" in info or "web" in info:
                raise SheetError(
                    "[sheet] credentials is the key of an OAuth client, not of a service account. "
                    f"{_MAKE_A_KEY}"
                )
            make: Any = service_account.Credentials.from_service_account_info
            found = make(info, scopes=[SCOPE])
    except (DefaultCredentialsError, ValueError, TypeError, AttributeError, KeyError):
        if text is None:
            raise SheetError(
                "There are no credentials for Google. Set [sheet] credentials to a service "
                'account\'s key, such as "file:service-account.json", or run '
                "gcloud auth application-default login."
            ) from None
        raise SheetError(
            f"[sheet] credentials is not the key of a service account. {_MAKE_A_KEY}"
        ) from None
    return GoogleAccount(found, str(getattr(found, "service_account_email", "") or ""))


class Spreadsheet:
    """The requests to one spreadsheet."""

    def __init__(
        self,
        spreadsheet: str,
        account: GoogleAccount,
        *,
        budget: Budget = lambda kind: 0.0,
        base: str = "",
        pause: Pause = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        timeout: tuple[float, float] = TIMEOUT,
        patience: float = PATIENCE,
    ) -> None:
        self.id = spreadsheet
        self.account = account
        self._budget, self._pause, self._patience = budget, pause, patience
        self._monotonic = monotonic
        self._tokens = token_session(base)
        self._client = HTTPClient(
            None,  # type: ignore[arg-type]
            session=authorized_session(account.credentials, self._tokens, base),
        )
        self._client.set_timeout(timeout)

    def sign_in(self) -> None:
        """Get a token, as every request does if it has no valid one."""

        def refresh() -> Json:
            self.account.credentials.refresh(Request(self._tokens))
            return {}

        self._read(refresh)

    def about(self, fields: str) -> Json:
        """Its properties and those of its tabs, as far as the mask asks."""
        params: Params = {"fields": fields}
        return self._read(lambda: self._client.fetch_sheet_metadata(self.id, params=params))

    def look(self, fields: str, area: str) -> Json:
        """The same with the cells of one area, as far as the mask asks."""
        params: Params = {"fields": fields, "ranges": area}
        return self._read(lambda: self._client.fetch_sheet_metadata(self.id, params=params))

    def values(self, area: str, render: str) -> Json:
        """A ValueRange."""
        params: Params = {"valueRenderOption": render}
        return self._read(lambda: self._client.values_get(self.id, area, params=params))

    def write(self, columns: list[Json], entered: bool = False) -> Json:
        """Write whole columns as they are (or, our template and people's formulas, as if typed).

        Each is named by a DataFilter; a cell that is None stays as it is, and is shown.
        """
        body = {
            "valueInputOption": "USER_ENTERED" if entered else "RAW",
            "includeValuesInResponse": True,
            "responseValueRenderOption": "FORMULA",
            "data": columns,
        }
        url = f"{SPREADSHEET_URL % self.id}/values:batchUpdateByDataFilter"
        return self._once(lambda: self._client.request("post", url, json=body).json())

    def change(self, wanted: list[Json], show: str = "") -> Json:
        """Change columns, formats or claims; the answer shows the area `show` as it is then."""
        body: Json = {"requests": wanted}
        params: Params = {}
        if show:
            body["includeSpreadsheetInResponse"] = True
            body["responseIncludeGridData"] = True
            body["responseRanges"] = [show]
            params["fields"] = _AFTER
        url = f"{SPREADSHEET_URL % self.id}:batchUpdate"
        return self._once(
            lambda: self._client.request("post", url, json=body, params=params).json()
        )

    def _read(self, ask: Callable[[], Any]) -> Json:
        """Send a read, and repeat it until there is an answer or the time is over."""
        tries = Retrying(
            sleep=self._pause,
            stop=stop_before_delay(self._patience),
            wait=wait_exponential_jitter(initial=1, max=32),  # as Google asks for
            retry=retry_if_exception_type(GoogleBusy),
            reraise=True,
        )
        answer: Json = tries(partial(self._once, ask, Kind.READ))
        return answer

    def _once(self, ask: Callable[[], Any], kind: Kind = Kind.WRITE) -> Json:
        self._wait_for_turn(kind)
        try:
            answer: Json = ask()
        except APIError as e:
            raise self._refused(e) from e
        except RefreshError as e:
            if e.retryable:
                raise GoogleBusy(f"Google issued no token: {words(e)}. Try again later.") from e
            raise SheetError(
                f"Google does not accept the key of {self.account.called}: {words(e)}. Make a new "
                "key in the Google Cloud console and name it in [sheet] credentials."
            ) from e
        except GoogleAuthError as e:
            raise GoogleBusy(f"Google cannot be reached: {words(e)}. Try again later.") from e
        except requests.ConnectTimeout as e:
            raise GoogleBusy(
                "Google cannot be reached: no connection in time. Try again later."
            ) from e
        except requests.Timeout as e:
            raise Unsure("Google did not answer in time. Try again later.") from e
        except (requests.RequestException, ValueError) as e:
            raise Unsure(f"The connection to Google broke: {_kind(e)}. Try again later.") from e
        if not isinstance(answer, dict):
            raise Unsure("Google's answer is not a sheet. Try again later.")
        return answer

    def _wait_for_turn(self, kind: Kind) -> None:
        until = self._monotonic() + self._patience
        while (wait := self._budget(kind)) > 0:
            if self._monotonic() + wait > until:
                raise GoogleBusy(
                    f"Too many requests to Google as {self.account.called} within a minute. "
                    "The next run continues."
                )
            self._pause(wait)

    def _refused(self, error: APIError) -> SheetError:
        code = error.response.status_code
        said = error.error if isinstance(error.error, Mapping) else {}
        reason = str(said.get("message", "")) if said.get("code") != -1 else ""
        who = self.account.called
        if code == 429:
            return GoogleBusy(f"Google asks {who} to slow down. The next run continues.")
        if code == 401:
            return GoogleBusy(
                f"Google does not accept the token of {who}. If this stays so, make a new key and "
                "name it in [sheet] credentials."
            )
        if code >= 500 or code == 408:
            return Unsure(f"Google reports an internal error ({code}). Try again later.")
        if code == 403 and "SERVICE_DISABLED" in str(said.get("details", "")):
            link = ENABLE.search(reason)
            return GoogleRefused(
                f"The Google Sheets API is not enabled in the project of {who}. Enable it at "
                f"{link[0] if link else _LIBRARY}, wait a minute, and run again.",
                code,
                reason,
            )
        if code == 403:
            return GoogleRefused(
                f"The sheet is not shared with {who}. Share the sheet with {who} as Editor.",
                code,
                reason,
            )
        if code == 400 and "not supported for this document" in reason:
            # A workbook that was uploaded to Drive has an address like a Google Sheet's.
            return GoogleRefused(
                "This is an Excel file in Google Drive, not a Google Sheet. Open it in the "
                "browser, choose File > Save as Google Sheets, and use the address of the new "
                "sheet.",
                code,
                reason,
            )
        if code == 404:
            return GoogleRefused(
                f"The Google Sheet {self.id} does not exist, or {who} cannot see it. Correct "
                f"[sheet] source, or share the sheet with {who} as Editor.",
                code,
                reason,
            )
        words = reason.strip().rstrip(".") or f"status {code}"
        return GoogleRefused(f'Google refused: "{words}".', code, reason)


def _kind(error: Exception) -> str:
    return (
        "it was closed before the answer" if "Connection" in type(error).__name__ else "no answer"
    )
