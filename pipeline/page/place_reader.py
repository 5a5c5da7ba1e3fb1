"""Saved files on another machine as responses: whole ones, or the part that a browser wants.

A file is read in pieces while it is sent, so its size does not matter. Its type comes from its
first bytes, as for files on this machine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from pipeline.core.errors import FileGone, NotRead
from pipeline.open_pictures import AT_ONCE, Facts, Pictures
from pipeline.page.thumbnails import UNKNOWN, Saved

P = ParamSpec("P")
T = TypeVar("T")


class PlaceReader:
    """Reads in threads of its own, so that a place that does not answer holds up nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2 * AT_ONCE, thread_name_prefix="place")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a call that blocks."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    async def response(self, pictures: Pictures, file: Saved, request: Request) -> Response:
        """The file, or the part of it that the request wants."""
        try:
            facts = await self.run(pictures.facts, file.address, file.type)
            span = _wanted(request.headers.get("range", ""), facts.size)
            start, end = span or (0, facts.size)
            pieces = pictures.pieces(file.address, start, end)
            # The first piece before the headers: if it cannot be read, the response says so.
            first = await self.run(next, pieces, b"") if request.method != "HEAD" else b""
        except NotRead as error:
            return refusal(error)
        headers = {
            **file_headers(file, facts),
            "Accept-Ranges": "bytes",
            "Content-Length": str(end - start),
        }
        if span:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{facts.size}"
        status, kind = 206 if span else 200, facts.type or UNKNOWN
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type=kind)
        body = self._rest(first, pieces)
        return StreamingResponse(body, status_code=status, headers=headers, media_type=kind)

    async def _rest(self, first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        piece = first
        while piece:
            yield piece
            piece = await self.run(next, pieces, b"")


def refusal(error: NotRead) -> Response:
    """The response for a file that cannot be read."""
    return PlainTextResponse(str(error), 404 if isinstance(error, FileGone) else 503)


def file_headers(file: Saved, facts: Facts | None = None) -> dict[str, str]:
    """Headers of a saved file. Its address contains its version, so a browser may cache it."""
    is_picture = facts.type.startswith("image/") if facts else file.is_picture
    how = "inline" if is_picture else "attachment"
    name = re.sub(r"[^A-Za-z0-9._-]", "-", facts.name.rpartition("/")[2] if facts else file.name)
    return {
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'{how}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def _wanted(header: str, size: int) -> tuple[int, int] | None:
    """The first byte, and the one after the last, of the part that a `Range` asks for.

    None for the whole file: also if it asks for several parts, or for none that exists.
    """
    found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", header.strip())
    if found is None or not any(found.groups()):
        return None
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size
    else:
        start, end = int(found[1]), min(int(found[2] or size) + 1, size)
    return (start, end) if start < end else None
