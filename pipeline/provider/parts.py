"""The files of a request: read from the folder `[media] inputs`, or from a link.

A cell names a file in the folder, or holds an address. When the request is sent, the file becomes
base64, a data URI, or an address that the API gives it by an upload. A file that cannot be read is
a `PartUnread`: then nothing was sent.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import stat
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.core.errors import NotSaved, PartUnread
from pipeline.core.fields import ADDRESS, file_or_addresses
from pipeline.core.filetypes import ENOUGH, MEDIA_TYPES, ending_of
from pipeline.core.model import Part, Request
from pipeline.core.paths import put
from pipeline.core.text import quoted
from pipeline.plain_files import open_plain

#: Bytes of one file. It is a third longer in base64, and APIs refuse large bodies.
MOST_BYTES: Final = 12_000_000
#: Never in the name of a file: they part folders on some system, or name devices and streams.
_NOT_IN_NAMES: Final = '\\:*?"<>|'


@dataclass(frozen=True, slots=True)
class Content:
    """A file that was read: a name for it, its bytes and its media type."""

    name: str
    data: bytes
    type: str


class InputFolder:
    """The folder of files that cells may name. Its repr changes with the files in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"InputFolder({str(self._folder)!r}, {state_of(self._folder)})"

    def problem(self, name: str) -> str:
        """Why this file cannot be sent, as the end of a sentence; empty if it can be."""
        try:
            self._checked(name, ENOUGH)
        except PartUnread as error:
            return str(error)
        return ""

    def read(self, name: str) -> Content:
        """The file of this name. Raises PartUnread with the end of a sentence."""
        return self._checked(name, MOST_BYTES)

    def _checked(self, name: str, most: int) -> Content:
        """The first bytes of a file, after all checks."""
        parts = name.split("/")
        is_plain_name = name.isprintable() and not any(c in _NOT_IN_NAMES for c in name)
        # A name that begins with a dot is hidden, or leads out of the folder.
        if not is_plain_name or any(not part or part.startswith(".") for part in parts):
            raise PartUnread("that is no name of a file in the folder of [media] inputs")
        path = self._folder
        try:
            for part in parts[:-1]:
                path = path / part
                if not stat.S_ISDIR(path.lstat().st_mode):
                    raise PartUnread("that is no name of a file in the folder of [media] inputs")
            # A link is not followed: it may lead to a file that is not meant for the API.
            with open_plain(path / parts[-1]) as file:
                size = os.fstat(file.fileno()).st_size
                if size > MOST_BYTES:
                    raise PartUnread(f"that file is larger than {MOST_BYTES // 1_000_000} MB")
                data = file.read(most)
        except (FileNotFoundError, NotADirectoryError):
            raise PartUnread(f"there is no such file in {self._folder.name}") from None
        except (OSError, ValueError):
            raise PartUnread("that file cannot be read; a link is never followed") from None
        kind = _type_of(data, name)
        if not kind:
            raise PartUnread("that file is no picture, video or sound of a known kind")
        return Content(parts[-1], data, kind)


def state_of(folder: Path | None) -> str:
    """A digest of the names, sizes and times of the files in a folder; empty without a folder."""
    if folder is None:
        return ""
    found = sorted(_files_in(str(folder)))
    return hashlib.sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()


def _files_in(folder: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                seen = entry.stat(follow_symlinks=False)
                yield entry.path, seen.st_mode, seen.st_size, seen.st_mtime_ns
                if entry.is_dir(follow_symlinks=False):
                    yield from _files_in(entry.path)
    except OSError:
        return


class Parts:
    """Reads the parts of requests to one API.

    `folder` is that of `[media] inputs`; None: only addresses can be read. `allowed` is the base
    URL of the API, from which files may be loaded wherever it is. `upload` gives a file an address;
    None: the API takes no uploads.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        allowed: str,
        upload: Callable[[Content], Awaitable[str]] | None,
    ) -> None:
        self._folder = InputFolder(folder) if folder else None
        self._allowed, self._upload = allowed, upload

    async def resolved(self, request: Request) -> Request:
        """The request with its parts in its body. Raises PartUnread if one cannot be read."""
        # The nested objects of the body belong to the attempt, which keeps no files.
        body = copy.deepcopy(dict(request.body or {}))
        for part in request.parts:
            put(body, part.to, await self._value(part))
        return replace(request, body=body, parts=())

    async def _value(self, part: Part) -> str | list[str]:
        if part.encode == "uploads":
            return [await self._address(one) for one in file_or_addresses(part.text)]
        if part.encode == "upload":
            return await self._address(part.text)
        content = await self._content(part.text)
        text = base64.b64encode(content.data).decode()
        return f"data:{content.type};base64,{text}" if part.encode == "data_uri" else text

    async def _address(self, text: str) -> str:
        if ADDRESS.fullmatch(text):
            return text
        if self._upload is None:
            raise PartUnread(f"{quoted(text, 40)}: this API takes no files, only addresses")
        return await self._upload(await self._content(text))

    async def _content(self, text: str) -> Content:
        import asyncio

        if ADDRESS.fullmatch(text):
            return await self._loaded(text)
        if self._folder is None:
            raise PartUnread(f"{quoted(text, 40)}: set [media] inputs to the folder of that file")
        try:
            return await asyncio.to_thread(self._folder.read, text)
        except PartUnread as error:
            raise PartUnread(f"{quoted(text, 40)}: {error}") from None

    async def _loaded(self, url: str) -> Content:
        """The file behind a link, under the same rules as results are saved."""
        from pipeline.provider.downloads import Media

        with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
            try:
                async with Media(
                    Path(folder), allowed=self._allowed, most_bytes=MOST_BYTES
                ) as media:
                    path = Path(folder) / await media.save(url, "input")
            except NotSaved as error:
                raise PartUnread(f"{quoted(url, 60)}: {str(error).rstrip('.')}") from error
            data = path.read_bytes()
        return Content(path.name, data, _type_of(data, path.name))


def _type_of(data: bytes, name: str) -> str:
    """The media type of a file by its first bytes; its name decides between kinds alike."""
    called = MEDIA_TYPES.get(name.rpartition(".")[2].casefold(), "")
    return MEDIA_TYPES.get(ending_of(data[:ENOUGH], called), "")


def form_of(field: str, content: Content, boundary: str) -> bytes:
    """A form with one file (RFC 7578)."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in content.name)
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: {content.type}\r\n\r\n"
    )
    return head.encode() + content.data + f"\r\n--{boundary}--\r\n".encode()
