"""A fake Google: Sheets API v4 on a free loopback port, in a thread of the test.

    with google_sheets() as google:
        book = google.new_book("Prompts", [["prompt"], ["a red fox"]])       # shared with `EMAIL`
        worksheet = google.client().open_by_url(book.url).sheet1             # the real gspread
        worksheet.update([["x"]], "B2")
        assert book.sheets[0].cell(1, 1).value == "x"                        # the state itself
        assert google.table(book) == [["prompt"], ["a red fox", "x"]]        # as a person sees it

`google_sheets(clock=..., facts=Facts(...), reads=60, writes=60)` starts it; `google` then has:

- `url`, `key` (the dict of a service account's JSON file), `key_for(email)`: other accounts;
- `new_book(title, table, tab=, rows=, columns=, locale=)` -> `Book`; `book.editors`,
  `book.viewers`: who may what; `book.loading`: functions that are `Loading...`;
- `client(key=None, timeout=)`: gspread that has come here; or for code that makes its own session
  `route(session)` mounts the way here into any `requests.Session`, and `way()` is that adapter
  (Google's addresses stay as they are; the token endpoint and google-auth's background call are
  caught too);
- `channels`: the push channels of Google Drive (`tests.fakes.google.channels`);
- `log`: an `Asked` for each request of the API, `reads`, `writes`; `token_log`, `other_log`;
- `between(act)`: `act(asked)` is called before each request is applied; it may change the state,
  here a scripted person acts (`tests.fakes.google.person`). `between(None)` ends it;
- `faults`: what goes wrong at which request (`tests.fakes.google.faults`);
- `quota`: so many reads and writes a minute, counted by `clock`; `tokens.revoke()`: 401 once;
- `paused()`: no request is applied while a test looks at the state or changes it;
- `table(book, tab=0)`: the rows as shown, without empty ends.

The state is in `tests.fakes.google.grid`: `Book`, `Sheet`, `Cell` and the gestures on them. What is
not known for certain about Google is a switch in `tests.fakes.google.facts`.
An error of the server itself is raised at the end of the `with`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import google.auth.transport.requests
import gspread
import requests
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account

from tests.fakes.google import changes, refusals, showing, values
from tests.fakes.google.account import EMAIL, SCOPE, Tokens, key_file
from tests.fakes.google.channels import DriveChannels
from tests.fakes.google.entering import Value
from tests.fakes.google.facts import Facts
from tests.fakes.google.faults import Fault, Faults
from tests.fakes.google.fields import check_body
from tests.fakes.google.grid import Book, Sheet
from tests.fakes.google.http import Answer, Cut, served
from tests.fakes.google.quota import Quota
from tests.fakes.google.refusals import Json, Refused

BAD_GATEWAY = (
    "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>Error 502 (Server Error)!!1</title>"
    "<p><b>502.</b> <ins>That's an error.</ins><p>The server encountered a temporary error and "
    "could not complete your request."
)
BEFORE = {
    Fault.UNAUTHENTICATED: refusals.unauthenticated,
    Fault.FORBIDDEN: refusals.forbidden,
    Fault.NOT_ENABLED: refusals.not_enabled,
    Fault.UNKNOWN: refusals.unknown,
    Fault.OFFICE_FILE: refusals.office_file,
    Fault.INTERNAL: refusals.internal,
    Fault.UNAVAILABLE: refusals.unavailable,
}


@dataclass
class Asked:
    """One request that came in."""

    number: int
    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    at: float
    is_token: bool = False
    email: str | None = None
    #: 0 until it is answered; and also if it never was.
    status: int = 0

    @property
    def call(self) -> str:
        """Which call it is: `get`, `:batchUpdate`, `values`, `values:batchUpdate`..."""
        rest = self.path.split("/v4/spreadsheets/", 1)[-1].partition("/")
        if not rest[1]:
            return ":" + rest[0].partition(":")[2] if ":" in rest[0] else "get"
        if rest[2].startswith("values/"):
            return "values"
        return re.sub(r"/.*", "", rest[2])

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def kind(self) -> str:
        return "write" if self.is_write else "read"


class Way(requests.adapters.HTTPAdapter):
    """Sends requests for any address to the fake server.

    google-auth copies the session for its call in the background: what is not named here is lost.
    """

    __attrs__ = [*requests.adapters.HTTPAdapter.__attrs__, "base"]  # noqa: RUF012

    def __init__(self, base: str) -> None:
        self.base = base
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        request.url = self.base + urlunsplit(("", "", str(parts.path), str(parts.query), ""))
        return super().send(request, *args, **more)


@dataclass
class GoogleSheets:
    """The server and its state; made by `google_sheets`."""

    clock: Callable[[], float]
    facts: Facts
    quota: Quota
    tokens: Tokens
    url: str = ""
    books: dict[str, Book] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    log: list[Asked] = field(default_factory=list)
    token_log: list[Asked] = field(default_factory=list)
    #: The push channels of Google Drive.
    channels: DriveChannels = field(default_factory=DriveChannels)
    #: Key id -> the certificate of a service account's key, as PEM.
    certificates: dict[str, str] = field(default_factory=dict)
    #: Calls of other APIs. All but those for channels get a 404; google-auth makes one in the
    #: background.
    other_log: list[str] = field(default_factory=list)
    #: Seconds of CPU that answering took: what is to be taken off where ours are measured.
    spent: float = 0.0
    troubles: list[BaseException] = field(default_factory=list)
    _between: Callable[[Asked], object] | None = None
    _lock: RLock = field(default_factory=RLock)
    _sessions: list[requests.Session] = field(default_factory=list)

    # ------------------------------------------------------------------ for tests

    @property
    def key(self) -> dict[str, str]:
        return self.key_for(EMAIL)

    def key_for(self, email: str) -> dict[str, str]:
        """The key file of a service account; any address will do."""
        return key_file(f"{self.url}/token", email)

    def new_book(
        self,
        title: str = "Prompts",
        table: Sequence[Sequence[Value]] = (),
        *,
        tab: str = "Sheet1",
        rows: int = 1000,
        columns: int = 26,
        locale: str = "en_US",
    ) -> Book:
        """A spreadsheet with one tab (its id is 0), typed in by a person, shared with `EMAIL`."""
        book = Book(title, locale=locale, facts=self.facts, editors={EMAIL})
        high = max(rows, len(table))
        sheet = book.add_sheet(tab, high, max([columns, *map(len, table)]), number=0)
        for r, row in enumerate(table):
            for c, value in enumerate(row):
                sheet.enter(r, c, value, locale=locale)
        with self._lock:
            self.books[book.id] = book
        return book

    def table(self, book: Book, tab: int | str = 0) -> list[list[str]]:
        """What a person sees, without empty cells at the ends."""
        sheet = book.sheets[tab] if isinstance(tab, int) else book.sheet(tab)
        with self._lock:
            used = sheet.used
            found = values.read(book, sheet, used, values.Rendering()) if used.bottom else {}
        shown: list[list[str]] = found.get("values", [])
        return shown

    def between(self, act: Callable[[Asked], object] | None) -> None:
        """Call this before each request is applied."""
        self._between = act

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Apply no requests in this context."""
        with self._lock:
            yield

    @property
    def reads(self) -> int:
        return sum(not asked.is_write for asked in self.log)

    @property
    def writes(self) -> int:
        return sum(asked.is_write for asked in self.log)

    def way(self) -> Way:
        return Way(self.url)

    def route(self, session: requests.Session) -> requests.Session:
        """Send all requests of this session to the fake."""
        session.trust_env = False
        session.mount("https://", self.way())
        return session

    def client(
        self,
        key: dict[str, str] | None = None,
        timeout: float | tuple[float, float] = (5, 60),
        http_client: type[gspread.HTTPClient] = gspread.HTTPClient,
    ) -> gspread.Client:
        """gspread as it is, with a service account's key."""
        credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            key or self.key, scopes=[SCOPE]
        )
        for_tokens = self.route(requests.Session())
        asking = google.auth.transport.requests.Request(for_tokens)
        session = AuthorizedSession(credentials, auth_request=asking)  # type: ignore[no-untyped-call]
        self.route(session)
        self._sessions += [for_tokens, session]
        client = gspread.authorize(credentials, http_client=http_client, session=session)
        client.set_timeout(timeout)
        return client

    def close_sessions(self) -> None:
        for session in self._sessions:
            session.close()
        self._sessions.clear()

    # ------------------------------------------------------------------ answering

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Answer:
        """The answer. `Cut` if there is to be none."""
        authorization = headers.get("Authorization", "")
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.path == "/token":
            return self._token(method, parts.path, parse_qs(raw.decode()))
        if parts.path.startswith("/drive/v3/"):
            with self._lock:
                return self._channel(method, parts.path, authorization, json.loads(raw or b"{}"))
        if parts.path.startswith("/robot/v1/metadata/x509/") and self.certificates:
            return _as_json(200, self.certificates)
        if not parts.path.startswith("/v4/spreadsheets"):
            self.other_log.append(f"{method} {unquote(parts.path)}")
            return _as_json(404, refusals.unknown().body)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            return _as_json(400, refusals.bad("Invalid JSON payload received.").body)
        with self._lock:
            asked = Asked(len(self.log) + 1, method, parts.path, query, body, self.clock())
            self.log.append(asked)
            fault = self.faults.due(asked)
            if fault not in (Fault.HANG, Fault.RESET_BEFORE):
                answer = self._applied(asked, fault, authorization)
        if fault in (Fault.HANG, Fault.HANG_AFTER):
            self.faults.hold()
            raise Cut(reset=False)
        if fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER):
            raise Cut(reset=True)
        asked.status = answer.status
        return answer

    def _channel(self, method: str, path: str, authorization: str, said: Json) -> Answer:
        self.other_log.append(f"{method} {path}")
        email = self.tokens.whose(authorization, for_channels=True)
        if email is None:
            return _as_json(401, refusals.unauthenticated().body)
        book = self.books.get(path.removeprefix("/drive/v3/files/").partition("/")[0])
        may_see = book is not None and email in {*book.editors, *book.viewers}
        status, body = self.channels.answer(method, path, said, may_see)
        return _as_json(status, body) if body else Answer(status, "text/plain", b"")

    def _token(self, method: str, path: str, form: dict[str, list[str]]) -> Answer:
        with self._lock:
            number = len(self.token_log) + 1
            asked = Asked(number, method, path, {}, None, self.clock(), is_token=True)
            self.token_log.append(asked)
            fault = self.faults.due(asked)
            if fault is Fault.NO_TOKEN:
                refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
                asked.status, body = 400, refusal
            elif fault is Fault.TOKEN_UNAVAILABLE:
                asked.status, body = 503, {"error": "internal_failure"}
            else:
                asked.status, body = self.tokens.give(form)
        return _as_json(asked.status, body)

    def _applied(self, asked: Asked, fault: Fault | None, authorization: str) -> Answer:
        if self._between:
            self._between(asked)
        if fault is Fault.BAD_GATEWAY:
            return Answer(502, "text/html; charset=UTF-8", BAD_GATEWAY.encode())
        try:
            if fault in BEFORE:
                raise BEFORE[fault]()
            if fault is Fault.BUSY:
                limit = self.quota.writes if asked.is_write else self.quota.reads
                raise refusals.too_many(asked.kind, limit)
            asked.email = self.tokens.whose(authorization)
            if asked.email is None:
                raise refusals.unauthenticated()
            self.quota.count(asked.email, asked.kind)
            said = self._done(asked, asked.email)
            if fault is Fault.INTERNAL_AFTER:
                raise refusals.internal()
        except Refused as refused:
            return _as_json(refused.code, refused.body)
        return _as_json(200, said)

    def _book(self, number: str, asked: Asked, email: str) -> Book:
        book = self.books.get(number)
        if book is None:
            raise refusals.unknown()
        if email not in book.editors and (asked.is_write or email not in book.viewers):
            raise refusals.forbidden()
        return book

    def _done(self, asked: Asked, email: str) -> Json:
        number, _, rest = asked.path.removeprefix("/v4/spreadsheets/").partition("/")
        number, _, verb = number.partition(":")
        book = self._book(unquote(number), asked, email)
        options: Json = {name: given[-1] for name, given in asked.query.items()}
        said: Json = asked.body or {}
        if not isinstance(said, dict):
            raise refusals.bad('Invalid JSON payload received. Unknown name "": Root element.')
        check_body(asked.call, said)
        many = asked.query.get("ranges", [])
        match asked.method, verb, rest.partition("/")[0]:
            case "GET", "", "":
                return showing.whole(book, options | {"ranges": many})
            case "POST", "batchUpdate", "":
                return changes.batch_update(book, email, said)
            case "POST", "", "values:batchUpdate":
                return values.batch_update(book, email, said)
            case "POST", "", "values:batchUpdateByDataFilter":
                return values.batch_update_by_filter(book, email, said)
            case _, "", "values":
                return self._values(asked, book, email, rest.partition("/")[2], options, said)
        raise refusals.unknown()

    def _values(
        self, asked: Asked, book: Book, email: str, rest: str, options: Json, said: Json
    ) -> Json:
        match asked.method:
            case "GET":
                return values.get(book, unquote(rest), options)
            case "PUT":
                return values.update(book, email, unquote(rest), options, said)
        raise refusals.unknown()


def _as_json(status: int, said: Json) -> Answer:
    body = json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Answer(status, "application/json; charset=UTF-8", body)


@contextmanager
def google_sheets(
    *,
    clock: Callable[[], float] = time.monotonic,
    facts: Facts | None = None,
    reads: int = 60,
    writes: int = 60,
) -> Iterator[GoogleSheets]:
    """A fake Google on a free loopback port, stopped at the end."""
    facts = facts or Facts()
    google = GoogleSheets(clock, facts, Quota(clock, facts, reads, writes), Tokens(clock))
    with served(google) as google.url:
        try:
            yield google
        finally:
            google.faults.clear()
            google.close_sessions()
    if google.troubles:
        raise google.troubles[0]


__all__ = ["EMAIL", "Asked", "Book", "Cut", "Fault", "GoogleSheets", "Sheet", "google_sheets"]
