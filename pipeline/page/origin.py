"""Checks that a request was sent to our own host name, and a form by our own page."""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request

from pipeline.config import PageSettings
from pipeline.core.language import Said, say

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


class Refusal(NamedTuple):
    """Why a request is refused, and the status of the response."""

    why: Said
    status: int


def refusal(request: Request, page: PageSettings) -> Refusal | None:
    """Why a request may not even see the sign-in form; None if it may."""
    if not _is_our_name(_host(request), page):
        # DNS rebinding: a foreign site may have pointed its own name at this machine.
        return Refusal(say("There is no page under this name."), 421)
    if request.method == "POST" and not _is_from_here(request, page):
        return Refusal(say("Only the page itself can ask for this."), 403)
    return None


def _is_our_name(host: str, page: PageSettings) -> bool:
    listening = f"//{page.listen}"
    own = urlsplit(listening).hostname or ""
    if not _is_loopback(own):
        return True
    return host in (*LOOPBACK, own, urlsplit(page.public_url).hostname or own)


def _is_from_here(request: Request, page: PageSettings) -> bool:
    """Returns whether our own page sent the form, according to the headers of the browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin"):
        return False
    if origin is None:
        return site is not None
    places = (request.headers.get("host", ""), urlsplit(page.public_url).netloc)
    return bool(origin) and origin.partition("://")[2] in {one for one in places if one}


def is_secure(request: Request, page: PageSettings) -> bool:
    """Returns whether the browser uses HTTPS, here or at the proxy of the public address."""
    public = urlsplit(page.public_url)
    return request.url.scheme == "https" or (
        public.scheme == "https" and _host(request) == public.hostname
    )


def _host(request: Request) -> str:
    """The host name that the browser used, without the port."""
    given = request.headers.get("host", "").strip().casefold()
    if given.startswith("["):
        return given.partition("]")[0] + "]"
    return given.rpartition(":")[0] if ":" in given else given


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
