"""Who may look at the page, and whose clicks count.

A visitor gets in with the page token, or with a link that works once; from then on a signed cookie
says so, until it is too old or the visitor signs out. A form counts only if the page itself sent
it. No token is ever written down: not in a log, an address or a page.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from pipeline.callers import caller_of
from pipeline.config import PageSettings
from pipeline.core.errors import StoreError
from pipeline.page.attempt_limit import Tries

#: How long a visitor stays in, and how long a link waits to be used, in seconds.
STAYS: Final = 7 * 24 * 3600
LINK_WAITS: Final = 10 * 60
#: Seconds for which it is not asked again which sessions other processes ended.
ENDED_KEPT: Final = 2.0
#: Bytes.
LONGEST_FORM: Final = 16_384
#: Characters of an address that is opened after signing in.
LONGEST_PLACE: Final = 1_000
LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")

POLICY: Final = "; ".join(
    (
        *("default-src 'none'", "img-src 'self'", "script-src 'self'", "style-src 'self'"),
        *("connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With none at all, a browser would not say where a form comes from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who got in: `csrf` is what their forms must bring along."""

    session: str
    csrf: str


class SessionStore(Protocol):
    """Where sessions that were ended are kept, for all processes that show the page."""

    def end(self, session: str, until: float) -> None:
        """Keep it until a moment in seconds since 1970, when its cookie is too old anyway."""

    def ended(self) -> frozenset[str]:
        """All that were ended."""


class Gate:
    """Lets people in, and keeps all others out.

    `now` gives seconds since 1970. Without a token in the settings, you sign in with a
    one-time link (see `link`). `sessions`: where sign-outs are kept; None: only here, until the
    program ends.
    """

    def __init__(
        self,
        page: PageSettings,
        now: Callable[[], float] = time.time,
        sessions: SessionStore | None = None,
    ) -> None:
        self._page = page
        self._now = now
        token = page.token.reveal() if page.token else ""
        self._token = _digest(token) if token else b""
        # Made from the token, so that people stay signed in when the service is restarted.
        self._key = (
            hmac.digest(token.encode(), b"promptsheet page", "sha256")
            if token
            else secrets.token_bytes(32)
        )
        self._cookies = URLSafeSerializer(
            self._key, salt="promptsheet cookie", signer_kwargs={"digest_method": hashlib.sha256}
        )
        #: Of several pages on one machine, each has its own cookie: ports do not tell them apart.
        self.cookie = f"promptsheet_{hmac.digest(self._key, b'name', 'sha256').hex()[:8]}"
        self._links: dict[bytes, float] = {}
        self._tries = Tries(now)
        self._sessions = sessions
        self._ended: set[str] = set()
        self._ended_until = 0.0

    @property
    def takes_token(self) -> bool:
        """Whether there is a token to type."""
        return bool(self._token)

    # -- getting in ------------------------------------------------------------------------------

    def link(self, address: str) -> str:
        """A sign-in link for a page at `http://HOST:PORT`; it works once, for some minutes."""
        code = secrets.token_urlsafe(24)
        now = self._now()
        self._links = {one: until for one, until in self._links.items() if until > now}
        self._links[_digest(code)] = now + LINK_WAITS
        return f"{self._page.public_url or address.rstrip('/')}/enter/{code}"

    def invitation(self, address: str) -> str:
        """What is said at the start of where the page is, and how to get in."""
        if self.takes_token:
            return f"{self._page.public_url or address}"
        return f"{self.link(address)} (works once, and for {LINK_WAITS // 60} minutes)"

    def knows(self, code: str) -> bool:
        """Whether the code of a link is good; it stays so."""
        given, now = _digest(code), self._now()
        good = [hmac.compare_digest(one, given) and self._links[one] > now for one in self._links]
        return any(good)

    def opens(self, code: str) -> bool:
        """Whether the code of a link is good; from now on it is not."""
        is_good = self.knows(code)
        self._links.pop(_digest(code), None)
        return is_good

    def is_token(self, text: str) -> bool:
        """Whether it is the page token."""
        return hmac.compare_digest(_digest(text.strip()), self._token or secrets.token_bytes(32))

    def begins_try(self, request: Request) -> bool:
        """Count a try of a token or link, before its body is read; return whether to check it."""
        return self._tries.begin(_caller(request))

    def was_right(self, request: Request) -> None:
        """Do not count the last try: it was the right token, or a good link."""
        self._tries.was_right(_caller(request))

    def guesses(self, request: Request) -> bool:
        """Whether this caller made more wrong tries in the last minute than a person does."""
        return self._tries.are_many(_caller(request))

    def let_in(self, request: Request, to: str = "/") -> Response:
        """Send a visitor on, with the cookie that says who was let in."""
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            self.cookie,
            str(self._cookies.dumps([secrets.token_hex(16), int(self._now())])),
            max_age=STAYS,
            httponly=True,
            samesite="lax",
            secure=self._is_secure(request),
        )
        return answer

    def let_out(self, request: Request) -> Response:
        """Send a visitor away, and end the session: the cookie opens nothing from now on.

        May write to the store.
        """
        visitor: Visitor = request.state.visitor
        ended = _named(visitor.session)
        self._ended.add(ended)
        if self._sessions:
            with suppress(StoreError):  # it is ended in this process all the same
                self._sessions.end(ended, self._now() + STAYS)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(
            self.cookie, httponly=True, samesite="lax", secure=self._is_secure(request)
        )
        return answer

    def visitor(self, cookies: Mapping[str, str]) -> Visitor | None:
        """Who it is, if a cookie of ours says so, is not too old and its session was not ended."""
        try:
            session, since = self._cookies.loads(cookies.get(self.cookie, ""))
        except (BadSignature, ValueError, TypeError):
            return None
        if not 0 <= self._now() - since <= STAYS or _named(str(session)) in self._ended:
            return None
        csrf = hmac.new(self._key, f"csrf {session}".encode(), "sha256").hexdigest()
        return Visitor(str(session), csrf)

    async def is_in(self, request: Request) -> bool:
        """Whether a visitor asks, whose session no process has ended."""
        await self._take_over_ended()
        return self.visitor(request.cookies) is not None

    async def _take_over_ended(self) -> None:
        """Learn which sessions were ended by other processes, and before this one began."""
        if self._sessions is None or time.monotonic() < self._ended_until:
            return
        self._ended_until = time.monotonic() + ENDED_KEPT
        with suppress(StoreError):  # the page says so itself where it needs the store
            self._ended |= await asyncio.to_thread(self._sessions.ended)

    # -- standing at the door --------------------------------------------------------------------

    def open_to_all(self, answer: Answer) -> Answer:
        """Routes that need no session: the sign-in page and its static files."""

        async def guarded(request: Request) -> Response:
            return await _dressed(request, self._refusal(request), answer)

        return guarded

    def only_visitors(self, answer: Answer, *, shows: bool = False) -> Answer:
        """What only visitors may ask for; `shows`: a page, so that strangers are led to the door.

        `request.state.visitor` is who asks, and for a form `request.state.form` what it brought.
        """

        async def guarded(request: Request) -> Response:
            return await _dressed(request, await self._stopped(request, shows), answer)

        return guarded

    async def _stopped(self, request: Request, shows: bool) -> Response | None:
        """What is answered instead of what was asked for; None if it may be had."""
        if refusal := self._refusal(request):
            return refusal
        await self._take_over_ended()
        visitor = self.visitor(request.cookies)
        if visitor is None:
            return _to_the_door(request) if shows else _plain("Please sign in.", 401)
        request.state.visitor = visitor
        if request.method == "POST":
            request.state.form = form = await form_of(request)
            given = form.get("csrf", "").encode("utf-8", "surrogatepass")
            if not hmac.compare_digest(given, visitor.csrf.encode()):
                return _plain(
                    "This form is out of date. Go back, reload the page and try again.", 403
                )
        return None

    def _refusal(self, request: Request) -> Response | None:
        """Why not even the door is shown; None if it is."""
        if not self._is_our_name(_host(request)):
            # Another name that leads to this machine: a page out there may have made it do so.
            return _plain("There is no page under this name.", 421)
        if request.method == "POST" and not self._is_from_here(request):
            return _plain("Only the page itself can ask for this.", 403)
        return None

    def _is_our_name(self, host: str) -> bool:
        listening = f"//{self._page.listen}"
        own = urlsplit(listening).hostname or ""
        if not _is_loopback(own):
            return True
        return host in (*LOOPBACK, own, urlsplit(self._page.public_url).hostname or own)

    def _is_from_here(self, request: Request) -> bool:
        """Whether a form was sent by our own page, as far as the browser says."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site not in (None, "same-origin"):
            return False
        if origin is None:
            return site is not None
        places = (request.headers.get("host", ""), urlsplit(self._page.public_url).netloc)
        return bool(origin) and origin.partition("://")[2] in {one for one in places if one}

    def _is_secure(self, request: Request) -> bool:
        public = urlsplit(self._page.public_url)
        return request.url.scheme == "https" or (
            public.scheme == "https" and _host(request) == public.hostname
        )


def _digest(text: str) -> bytes:
    # Of one length, whatever was given: a comparison then tells nothing about it.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _named(session: str) -> str:
    """The digest by which an ended session is kept; it opens nothing."""
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _caller(request: Request) -> str:
    return caller_of(request.client.host if request.client else "")


def _to_the_door(request: Request) -> Response:
    """Redirect to the sign-in form, which leads back to the address that was requested."""
    asked = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    then = place_within(asked)
    return RedirectResponse("/login" if then == "/" else f"/login?{urlencode({'then': then})}", 303)


def place_within(text: str) -> str:
    """An address of this page to open after signing in; `/` for anything else.

    Only the wall and a row are such addresses, so that no link can lead a visitor elsewhere.
    """
    if len(text) > LONGEST_PLACE or not text.isprintable() or "\\" in text:
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    is_page = parts.path == "/" or parts.path.startswith("/row/")
    if parts.scheme or parts.netloc or not is_page:
        return "/"
    path, query = quote(parts.path), quote(parts.query, safe="=&%+")
    return f"{path}?{query}" if query else path


def _host(request: Request) -> str:
    """The name under which the browser knows us, without the port."""
    given = request.headers.get("host", "").strip().casefold()
    if given.startswith("["):
        return given.partition("]")[0] + "]"
    return given.rpartition(":")[0] if ":" in given else given


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def form_of(request: Request) -> dict[str, str]:
    """What a form brought; nothing if it is longer than any of ours, or its sender has gone."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                return {}
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20))
    except (ClientDisconnect, ValueError):
        return {}


def _plain(sentence: str, status: int) -> Response:
    return PlainTextResponse(sentence, status)


async def _dressed(request: Request, stopped: Response | None, asked: Answer) -> Response:
    try:
        answer = stopped or await asked(request)
    except HTTPException as error:
        answer = _plain("There is nothing here.", error.status_code)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer
