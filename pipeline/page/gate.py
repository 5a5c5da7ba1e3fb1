"""Who may look at the page, and whose clicks count.

A visitor gets in with the page token, or with a link that works once; from then on a signed cookie
says so. Everything that changes something is believed only if the page itself sent it. A wrong
token costs time, and no token is ever written down: not in a log, an address or a page.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from pipeline.config import PageSettings

#: How long a visitor stays in, and how long a link waits to be used, in seconds.
STAYS: Final = 7 * 24 * 3600
LINK_WAITS: Final = 10 * 60
#: Wrong tokens from one address in a minute before it has to wait.
TRIES: Final = 5
MINUTE: Final = 60.0
#: Addresses whose wrong tokens are remembered; the longest silent is forgotten first.
MOST_ADDRESSES: Final = 1000
#: Bytes.
LONGEST_FORM: Final = 16_384
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


class Gate:
    """Lets people in, and keeps all others out.

    `now` gives seconds. Without a token in the settings, the way in is a link (see `link`).
    """

    def __init__(self, page: PageSettings, now: Callable[[], float] = time.time) -> None:
        self._page = page
        self._now = now
        token = page.token.reveal() if page.token else ""
        self._token = _digest(token) if token else b""
        # From the token, so that who is in stays in when the service starts anew.
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
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    @property
    def takes_token(self) -> bool:
        """Whether there is a token to type."""
        return bool(self._token)

    # -- getting in ------------------------------------------------------------------------------

    def link(self, address: str) -> str:
        """A way in that works once and for some minutes, for a page at `http://HOST:PORT`."""
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

    def opens(self, code: str) -> bool:
        """Whether the code of a link is good; from now on it is not."""
        given = _digest(code)
        good = [one for one in self._links if hmac.compare_digest(one, given)]
        return any(self._links.pop(one) > self._now() for one in good)

    def is_token(self, text: str) -> bool:
        """Whether it is the page token."""
        return hmac.compare_digest(_digest(text.strip()), self._token or secrets.token_bytes(32))

    def wait_of(self, request: Request) -> int:
        """Seconds until this address may try again; 0 if it may now."""
        tries = self._tries(_sender(request))
        return 0 if len(tries) < TRIES else max(1, round(tries[0] + MINUTE - self._now()))

    def note_wrong(self, request: Request) -> None:
        """Remember that a wrong token or link came from this address."""
        sender = _sender(request)
        self._wrong[sender] = [*self._tries(sender)[-TRIES + 1 :], self._now()]
        self._wrong.move_to_end(sender)
        while len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def _tries(self, sender: str) -> list[float]:
        since = self._now() - MINUTE
        return [at for at in self._wrong.get(sender, ()) if at > since]

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
        """Send a visitor away without the cookie."""
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(
            self.cookie, httponly=True, samesite="lax", secure=self._is_secure(request)
        )
        return answer

    def visitor(self, cookies: Mapping[str, str]) -> Visitor | None:
        """Who it is, if a cookie of ours says so and is not too old."""
        try:
            session, since = self._cookies.loads(cookies.get(self.cookie, ""))
        except (BadSignature, ValueError, TypeError):
            return None
        if not 0 <= self._now() - since <= STAYS:
            return None
        csrf = hmac.new(self._key, f"csrf {session}".encode(), "sha256").hexdigest()
        return Visitor(str(session), csrf)

    # -- standing at the door --------------------------------------------------------------------

    def open_to_all(self, answer: Answer) -> Answer:
        """What strangers may ask for: the door itself, and what it looks like."""

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
        visitor = self.visitor(request.cookies)
        if visitor is None:
            return RedirectResponse("/login", 303) if shows else _plain("Please sign in.", 401)
        request.state.visitor = visitor
        if request.method == "POST":
            request.state.form = form = await form_of(request)
            given = form.get("csrf", "").encode("utf-8", "surrogatepass")
            if not hmac.compare_digest(given, visitor.csrf.encode()):
                return _plain("This form is out of date. Go back, load the page anew, repeat.", 403)
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
        return bool(origin) and urlsplit(origin).netloc in {one for one in places if one}

    def _is_secure(self, request: Request) -> bool:
        public = urlsplit(self._page.public_url)
        return request.url.scheme == "https" or (
            public.scheme == "https" and _host(request) == public.hostname
        )


def _digest(text: str) -> bytes:
    # Of one length, whatever was given: a comparison then tells nothing about it.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _sender(request: Request) -> str:
    """Whom a wrong token is held against: an address, of IPv6 the network that one person has."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


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
    """What a form brought; one that is longer than any of ours brings nothing."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            return {}
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
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
