"""Templates and static files of the page, and how moments and numbers are written in them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Final
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
    """The page that `made` returns, made in a thread, or one that says why the store failed."""
    try:
        # A sheet may hold half a surrogate pair, which UTF-8 cannot encode.
        return HTMLResponse((await asyncio.to_thread(made)).encode("utf-8", "replace"))
    except StoreError as error:
        return HTMLResponse(rendered("trouble.html.j2", sentence=str(error)), 503)


def rendered(template: str, **values: object) -> str:
    """The template of that name with these values."""
    return _environment().get_template(template).render(**values)


@cache
def static(name: str) -> tuple[bytes, str]:
    """The bytes of a static file, and a digest of them."""
    content = (FOLDER / name).read_bytes()
    if name == "page.css":
        content = (TEMPLATES / "house.css").read_bytes() + content
    return content, hashlib.sha256(content).hexdigest()[:12]


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """A moment in the time zone of the sheet, which it names; empty for none."""
    if at is None:
        return ""
    there = at.astimezone(zone)
    name = there.tzname() or ""
    # Zones without a name of their own are called by their offset: "+03".
    called = f"UTC{name}" if name[:1] in ("+", "-") else name
    return f"{there.day} {there.strftime('%b %Y, %H:%M:%S')} {called}"


def web(url: str) -> str:
    """The address if it leads to the web; `javascript:` would run in the page."""
    return url if url.lower().startswith(("https://", "http://")) else ""


@cache
def _environment() -> Environment:
    made = environment(FOLDER)
    made.filters["web"] = web
    made.filters["asked"] = further_inputs
    made.globals["static"] = lambda name: f"/static/{name}?v={static(name)[1]}"
    return made
