"""Signing in to the page, sessions, and protection against forged forms.

A visitor signs in with the page token, their own token, or a link that works once. After that, a
signed cookie identifies the session until it expires or the visitor signs out. A form is accepted
only if the page itself sent it. Tokens are never written to a log, an address or a page.

`Authenticator` owns the links and the tries of this process; sessions that were ended are kept in
the store. A rejected request gets a response with status 401, 403 or 421.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from pipeline.callers import caller_of
from pipeline.config import PageSettings
from pipeline.core.errors import StoreError
from pipeline.core.language import ENGLISH, Catalogue, Said, say
from pipeline.core.pictures.cell_links import PATH
from pipeline.page.accounts import Account, Session, account_for, accounts_of, cookie_name, digest
from pipeline.page.attempt_limit import Tries
from pipeline.page.languages import chosen
from pipeline.page.origin import is_secure, refusal

#: Lifetime of a session and of a sign-in link, in seconds.
SESSION_SECONDS: Final = 7 * 24 * 3600
LINK_SECONDS: Final = 10 * 60
#: Seconds between two loads of the sessions that other processes have ended.
ENDED_RELOAD_SECONDS: Final = 2.0
#: Longest body of a form, in bytes.
LONGEST_FORM: Final = 16_384
#: Longest address to open after signing in, in characters.
LONGEST_ADDRESS: Final = 1_000

POLICY: Final = "; ".join(
    (
        *("default-src 'none'", "img-src 'self'", "script-src 'self'", "style-src 'self'"),
        *("media-src 'self'", "connect-src 'self'", "form-action 'self'", "base-uri 'none'"),
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer, a browser would send no origin with a form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who has signed in. Their forms must contain `csrf`."""

    session: str
    csrf: str
    #: The name of the person; empty after signing in with the page token or a link.
    person: str = ""


class SessionStore(Protocol):
    """Keeps the sessions that were ended, for all processes that show the page."""

    def end(self, session: str, until: float) -> None:
        """Keep an ended session until `until`, in seconds since 1970. Its cookie has expired by
        then.
        """

    def ended(self) -> frozenset[str]:
        """The digests of all sessions that were ended."""


class Authenticator:
    """Checks every request to the page, and signs visitors in and out.

    `now` returns seconds since 1970. If the settings have no token, people sign in with a one-time
    link (see `link`). `sessions` keeps the sessions that were ended; with None, this process
    remembers them until it ends. `catalogues` are those of the sheets, the first sheet's first.
    """

    def __init__(
        self,
        page: PageSettings,
        now: Callable[[], float] = time.time,
        sessions: SessionStore | None = None,
        catalogues: Sequence[Catalogue] = (ENGLISH,),
    ) -> None:
        self._page = page
        self._now = now
        # Keys are derived from tokens, so people stay signed in when the service is restarted.
        self._accounts = accounts_of(page)
        self.cookie = cookie_name(page, self._accounts[0])
        self._links: dict[bytes, float] = {}
        self._tries = Tries(now)
        self._sessions = sessions
        self._catalogues = catalogues
        self._ended: set[str] = set()
        self._ended_reload_at = 0.0

    @property
    def has_token(self) -> bool:
        """True if people can sign in with a token."""
        return bool(self._page.token or self._page.people)

    @property
    def has_people(self) -> bool:
        """True if people have tokens of their own."""
        return bool(self._page.people)

    def catalogue_for(self, request: Request) -> Catalogue:
        """The language for a visitor who has not opened a sheet yet."""
        return chosen(self._catalogues, request.headers.get("accept-language", ""))

    # -- signing in ------------------------------------------------------------------------------

    def link(self, address: str) -> str:
        """A sign-in link for a page at `http://HOST:PORT`. It works once, within LINK_SECONDS."""
        code = secrets.token_urlsafe(24)
        now = self._now()
        self._links = {one: until for one, until in self._links.items() if until > now}
        self._links[digest(code)] = now + LINK_SECONDS
        return f"{self._page.public_url or address.rstrip('/')}/enter/{code}"

    def where_to_sign_in(self, address: str) -> str:
        """The address of the page, or a sign-in link; printed when the server starts."""
        if self.has_token:
            return f"{self._page.public_url or address}"
        return f"{self.link(address)} (works once, and for {LINK_SECONDS // 60} minutes)"

    def is_valid_code(self, code: str) -> bool:
        """Returns whether the code of a link is valid. The code stays valid."""
        given, now = digest(code), self._now()
        good = [hmac.compare_digest(one, given) and self._links[one] > now for one in self._links]
        return any(good)

    def use_code(self, code: str) -> bool:
        """Returns whether the code of a link is valid, and makes it invalid."""
        is_good = self.is_valid_code(code)
        self._links.pop(digest(code), None)
        return is_good

    def is_token(self, text: str) -> bool:
        """Returns whether the text is the page token, or that of a person."""
        return account_for(self._accounts, text) is not None

    def begin_try(self, request: Request) -> bool:
        """Count a try of a token or link, before its body is read. Returns whether to check it."""
        return self._tries.begin(_caller(request))

    def try_succeeded(self, request: Request) -> None:
        """Remove the last try from the count: its token or link was right."""
        self._tries.try_succeeded(_caller(request))

    def has_many_failures(self, request: Request) -> bool:
        """Returns whether this caller made many wrong tries in the last minute."""
        return self._tries.has_many_failures(_caller(request))

    def sign_in_with_token(self, request: Request, token: str, to: str) -> Response | None:
        """Sign in the person with this token, and redirect to `to`; None if it is not known."""
        account = account_for(self._accounts, token)
        return self._signed_in(request, account, to) if account else None

    def sign_in_with_link(self, request: Request, code: str) -> Response | None:
        """Sign in with the code of a link, and make it invalid; None if it is not valid."""
        return self._signed_in(request, self._accounts[0], "/") if self.use_code(code) else None

    def _signed_in(self, request: Request, account: Account, to: str) -> Response:
        self.try_succeeded(request)
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            self.cookie,
            account.cookie(Session(secrets.token_hex(16), int(self._now()))),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=is_secure(request, self._page),
        )
        return answer

    def sign_out(self, request: Request) -> Response:
        """End the session and redirect to the sign-in form. The cookie is not accepted any more.

        Writes to the store.
        """
        visitor: Visitor = request.state.visitor
        ended = _session_digest(visitor.session)
        self._ended.add(ended)
        if self._sessions:
            with suppress(StoreError):  # it has ended in this process anyway
                self._sessions.end(ended, self._now() + SESSION_SECONDS)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(
            self.cookie, httponly=True, samesite="lax", secure=is_secure(request, self._page)
        )
        return answer

    def visitor(self, cookies: Mapping[str, str]) -> Visitor | None:
        """The visitor whom the cookie identifies; None without a valid cookie or if the session
        ended.
        """
        cookie = cookies.get(self.cookie, "")
        for account in self._accounts:
            if session := account.session_in(cookie):
                break
        else:
            return None
        is_ended = _session_digest(session.name) in self._ended
        if not 0 <= self._now() - session.since <= SESSION_SECONDS or is_ended:
            return None
        return Visitor(session.name, account.csrf(session), account.person)

    async def is_signed_in(self, request: Request) -> bool:
        """Returns whether the request has a session that no process has ended."""
        await self._load_ended()
        return self.visitor(request.cookies) is not None

    async def _load_ended(self) -> None:
        """Load the sessions that other processes have ended, or that ended before this start."""
        if self._sessions is None or time.monotonic() < self._ended_reload_at:
            return
        self._ended_reload_at = time.monotonic() + ENDED_RELOAD_SECONDS
        with suppress(StoreError):  # the page reports it where it needs the store
            self._ended |= await asyncio.to_thread(self._sessions.ended)

    # -- checking requests -----------------------------------------------------------------------

    def public(self, answer: Handler) -> Handler:
        """Wraps a route that needs no session: the sign-in page and the static files."""

        async def guarded(request: Request) -> Response:
            refused = refusal(request, self._page)
            rejection = self._refused(request, *refused) if refused else None
            return await self._with_headers(request, rejection, answer)

        return guarded

    def signed_in_only(self, answer: Handler, *, shows: bool = False) -> Handler:
        """Wraps a route that needs a session. With `shows`, others are redirected to sign in.

        Sets `request.state.visitor`, and for a form `request.state.form`.
        """

        async def guarded(request: Request) -> Response:
            rejection = await self._rejection(request, shows)
            return await self._with_headers(request, rejection, answer)

        return guarded

    async def _rejection(self, request: Request, shows: bool) -> Response | None:
        """The response to a request that is not allowed; None if it is allowed."""
        if refused := refusal(request, self._page):
            return self._refused(request, *refused)
        await self._load_ended()
        visitor = self.visitor(request.cookies)
        if visitor is None:
            if shows:
                return _redirect_to_sign_in(request)
            return self._refused(request, say("Please sign in."), 401)
        request.state.visitor = visitor
        if request.method == "POST":
            request.state.form = form = await read_form(request)
            given = form.get("csrf", "").encode("utf-8", "surrogatepass")
            if not hmac.compare_digest(given, visitor.csrf.encode()):
                return self._refused(
                    request,
                    say("This form is out of date. Go back, reload the page and try again."),
                    403,
                )
        return None

    def _refused(self, request: Request, why: Said, status: int) -> Response:
        return PlainTextResponse(self.catalogue_for(request).text(why), status)

    async def _with_headers(
        self, request: Request, rejection: Response | None, answer: Handler
    ) -> Response:
        try:
            response = rejection or await answer(request)
        except HTTPException as error:
            nothing = say("There is nothing at this address.")
            response = self._refused(request, nothing, error.status_code)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _session_digest(session: str) -> str:
    """The digest that is stored for an ended session. It cannot be used to sign in."""
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _caller(request: Request) -> str:
    return caller_of(request.client.host if request.client else "")


def _redirect_to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in form, which leads back to the requested address."""
    asked = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    then = local_address(asked)
    return RedirectResponse("/login" if then == "/" else f"/login?{urlencode({'then': then})}", 303)


def local_address(text: str) -> str:
    """The address to open after signing in, if it is on this page; else `/`.

    Only the board, the pages of rows and saved pictures are allowed, so that no link can lead to
    another site.
    """
    if len(text) > LONGEST_ADDRESS or not text.isprintable() or "\\" in text:
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    is_page = parts.path == "/" or parts.path.startswith(("/row/", f"{PATH}/"))
    if parts.scheme or parts.netloc or not is_page:
        return "/"
    path, query = quote(parts.path), quote(parts.query, safe="=&%+")
    return f"{path}?{query}" if query else path


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; empty if it is longer than LONGEST_FORM or the sender disconnected."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                return {}
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20))
    except (ClientDisconnect, ValueError):
        return {}
