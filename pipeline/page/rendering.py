"""Templates and static files of the page, and the format of times and addresses."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple, Protocol

from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from pipeline.core.credits import Credits
from pipeline.core.errors import StoreError
from pipeline.core.language import Catalogue, Said, figures, of_units, say
from pipeline.page.cards import place_in_sheet
from pipeline.reports.gallery import TEMPLATES, environment, further_inputs
from pipeline.reports.results import Shown

FOLDER: Final = TEMPLATES / "page"
STATIC: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


async def html(made: Callable[[], str], catalogue: Catalogue) -> Response:
    """The HTML that `made` returns, computed in a thread; a page with the reason if the store
    fails.
    """
    try:
        # A sheet may hold half a surrogate pair, which UTF-8 cannot encode.
        return HTMLResponse((await asyncio.to_thread(made)).encode("utf-8", "replace"))
    except StoreError as error:
        return HTMLResponse(rendered(catalogue, "trouble.html.j2", sentence=str(error)), 503)


def rendered(catalogue: Catalogue, template: str, **values: object) -> str:
    """The template of that name with these values, in this language."""
    return _environment(catalogue).get_template(template).render(**values)


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


def name_of(one: Shown) -> str:
    """What a row is called on the page: its name, else its place, else its id."""
    return one.name or (place_in_sheet(one.line) if one.line else one.row_id)


def place_of(one: Shown) -> Said:
    """Where a row is in the sheet."""
    return place_in_sheet(one.line) if one.line else say("No longer in the sheet")


class _Priced(Protocol):
    @property
    def price(self) -> Credits: ...

    @property
    def unit(self) -> str: ...


def price_of(one: _Priced) -> Said:
    """What something costs, such as 1,200 credits."""
    return of_units(one.price, one.unit, figures(f"{one.price:,}"))


def web(url: str) -> str:
    """The address if it is an http(s) address, else empty: `javascript:` would run in the page."""
    return url if url.lower().startswith(("https://", "http://")) else ""


@cache
def _environment(catalogue: Catalogue) -> Environment:
    made = environment(FOLDER, catalogue)
    made.filters["web"] = web
    made.filters["asked"] = further_inputs
    made.globals |= {"name_of": name_of, "place_of": place_of, "price": price_of}
    made.globals["static"] = lambda name: f"/static/{name}?v={static(name).digest}"
    return made
