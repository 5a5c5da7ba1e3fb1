"""The files of a request: from the folder `[media] inputs`, from Google Drive, or from a link.

A cell names a file in the folder, or holds an address. When the request is sent, the file becomes
base64, a data URI, or an address that the API gives it by an upload. A file that cannot be read is
a `PartUnread`: then nothing was sent.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline.core.api.cell_files import ADDRESS, file_or_addresses
from pipeline.core.api.links import drive_file
from pipeline.core.api.paths import put
from pipeline.core.errors import NotSaved, PartUnread
from pipeline.core.messages import reasons
from pipeline.core.model import Part, Request
from pipeline.core.text import quoted
from pipeline.provider.input_files import InputFiles
from pipeline.provider.input_folder import MOST_BYTES, Content, type_of

#: Seconds for which an uploaded file keeps its address. At known APIs it lives an hour or more.
SAME_ADDRESS: Final = 600.0
_UPLOADS: Final = ("upload", "uploads")


class Parts:
    """Reads the parts of requests to one API.

    `files` are those that cells may name; None: only addresses can be read. `allowed` is the base
    URL of the API, from which files may be loaded wherever it is. `upload` gives a file an address;
    None: the API takes no uploads.
    """

    def __init__(
        self,
        files: InputFiles | None,
        *,
        allowed: str,
        upload: Callable[[Content], Awaitable[str]] | None,
    ) -> None:
        self._files = files
        self._allowed, self._upload = allowed, upload
        #: Digest of an uploaded file -> its address, and when it got that. Many rows may share a
        #: file.
        self._addresses: dict[bytes, tuple[str, float]] = {}
        self._turns: defaultdict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def resolved(self, request: Request) -> Request:
        """The request with its parts in its body. Raises PartUnread if one cannot be read."""
        return await self._with(request, request.parts)

    async def uploaded(self, request: Request) -> Request:
        """The request with the addresses of its uploaded files in its body. Raises PartUnread."""
        return await self._with(request, [one for one in request.parts if one.encode in _UPLOADS])

    async def _with(self, request: Request, parts: Sequence[Part]) -> Request:
        # The nested objects of the body belong to the attempt, which keeps no files.
        body = copy.deepcopy(dict(request.body or {}))
        for part in parts:
            put(body, part.to, await self._value(part))
        left = tuple(one for one in request.parts if one not in parts)
        return replace(request, body=body, parts=left)

    async def _value(self, part: Part) -> str | list[str]:
        if part.encode == "uploads":
            return [await self._address(one) for one in file_or_addresses(part.text)]
        if part.encode == "upload":
            return await self._address(part.text)
        content = await self._content(part.text)
        text = base64.b64encode(content.data).decode()
        return f"data:{content.type};base64,{text}" if part.encode == "data_uri" else text

    async def _address(self, text: str) -> str:
        if ADDRESS.fullmatch(text) and not drive_file(text):
            return text
        if self._upload is None:
            raise _unread(text, reasons.ONLY_ADDRESSES)
        content = await self._content(text)
        mark = hashlib.sha256(f"{content.name}\n".encode() + content.data).digest()
        async with self._turns[mark]:
            address, at = self._addresses.get(mark, ("", 0.0))
            if not address or time.monotonic() - at > SAME_ADDRESS:
                address = await self._upload(content)
                self._addresses[mark] = address, time.monotonic()
        return address

    async def _content(self, text: str) -> Content:
        if ADDRESS.fullmatch(text) and not drive_file(text):
            return await self._loaded(text)
        if self._files is None:
            raise _unread(text, reasons.NO_FOLDER)
        try:
            return await asyncio.to_thread(self._files.read, text)
        except PartUnread as error:
            raise _unread(text, str(error)) from None

    async def _loaded(self, url: str) -> Content:
        """The file behind a link, under the same rules as results are saved."""
        from pipeline.provider.downloads.fetching import Fetcher

        with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
            fetcher = Fetcher(Path(folder), allowed=[self._allowed], most_bytes=MOST_BYTES)
            try:
                async with fetcher.fetched(url) as file:
                    data, name = file.path.read_bytes(), f"input.{file.ending}"
            except NotSaved as error:
                raise _unread(url, str(error)) from error
            finally:
                await fetcher.close()
        return Content(name, data, type_of(data, name))


def _unread(text: str, why: str) -> PartUnread:
    """The error for a cell with this text."""
    return PartUnread(f"{quoted(text, 60)}: {why.removesuffix('.')}")


def form_of(field: str, content: Content, boundary: str) -> bytes:
    """A form with one file (RFC 7578)."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in content.name)
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: {content.type}\r\n\r\n"
    )
    return head.encode() + content.data + f"\r\n--{boundary}--\r\n".encode()
