"""Templates and static files of the page, and the format of times and addresses."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from pipeline.core.errors import StoreError
from pipeline.reports.gallery import TEMPLATES, environment, further_inputs

FOLDER: Final = TEMPLATES / "page"
STATIC: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


async def html(made: Callable[[], str]) -> Response:
    """The HTML that `made` returns, computed in a thread; a page with the reason if the store
    fails.
    """
    try:
        # A sheet may hold half a surrogate pair, which UTF-8 cannot encode.
        return HTMLResponse((await asyncio.to_thread(made)).encode("utf-8", "replace"))
    except StoreError as error:
        return HTMLResponse(rendered("trouble.html.j2", sentence=str(error)), 503)


def rendered(template: str, **values: object) -> str:
    """The template of that name with these values."""
    return _environment().get_template(template).render(**values)


class StaticFile(NamedTuple):
    """The bytes of a static file, and a digest of them."""

    content: bytes
    digest: str


@cache
def static(name: str) -> StaticFile:
    """The static file of this name."""
    content = (FOLDER / name).read_bytes()
    if name == "page.css":
        content = (TEMPLATES / "base.css").read_bytes() + content
    return StaticFile(content, hashlib.sha256(content).hexdigest()[:12])


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """A time in the time zone of the sheet, with the zone's name; empty for None."""
    if at is None:
        return ""
    there = at.astimezone(zone)
    name = there.tzname() or ""
    # Zones without a name have their offset as name: "+03".
    called = f"UTC{name}" if name[:1] in ("+", "-") else name
    return f"{there.day} {there.strftime('%b %Y, %H:%M:%S')} {called}"


def web(url: str) -> str:
    """The address if it is an http(s) address, else empty: `javascript:` would run in the page."""
    return url if url.lower().startswith(("https://", "http://")) else ""


@cache
def _environment() -> Environment:
    made = environment(FOLDER)
    made.filters["web"] = web
    made.filters["asked"] = further_inputs
    made.globals["static"] = lambda name: f"/static/{name}?v={static(name).digest}"
    return made
