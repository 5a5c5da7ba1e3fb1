"""Downloads what a link shows to an unfinished file on this machine.

The links come from outside, so they are not trusted. A link is followed only into the public
network. A file counts only if it is complete, and if its first bytes are those of a picture, a
video or a sound. A large download that breaks off is continued, if the server can do that
(RFC 9110, section 14).
Raises NotSaved and its kinds.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tenacity import retry, retry_if_exception_type, stop_after_attempt
from yarl import URL

from pipeline.core.errors import BadLink, DeadLink, NoAnswer, NotSaved, NotSent
from pipeline.core.messages import reasons
from pipeline.core.pictures.filetypes import ENOUGH, ending_of
from pipeline.core.pictures.saved_files import Fetched
from pipeline.provider.downloads.addresses import as_given, web_address
from pipeline.provider.downloads.destination import MOST_BYTES
from pipeline.provider.downloads.folder import make_folder, no_place
from pipeline.provider.downloads.unfinished import WORTH_IT, Note, Unfinished, sweep
from pipeline.provider.http import BadAddress, HttpAnswer, HttpClient
from pipeline.provider.public_network import PrivateAddress, PublicOnly
from pipeline.provider.tls import authorities

#: Answers that say that there is no such file (any more), or not for us.
GONE: Final = (401, 402, 403, 404, 410, 451)
#: How often a link may send us on.
REDIRECTS: Final = 3
#: How often a download that breaks off is continued at once.
CONTINUED: Final = 3


class Fetcher:
    """Downloads to the folder `work`.

    `allowed` are the base URLs of the configured APIs; addresses with exactly the host and port of
    one may be in a private network, such as a stand-in on this machine. `sheet` is the file whose
    readers may read the files, and no others. `within` is the seconds that one download may take.
    Nothing is opened before the first file.
    """

    def __init__(
        self,
        work: Path,
        *,
        allowed: Sequence[str] = (),
        sheet: Path | None = None,
        most_bytes: int = MOST_BYTES,
        within: float = 120.0,
    ) -> None:
        self._work, self._sheet = work, sheet
        self._public = PublicOnly(allowed)
        self._most_bytes, self._within = most_bytes, within
        self._wire: HttpClient | None = None

    async def close(self) -> None:
        """End all connections."""
        if self._wire:
            await self._wire.close()

    @asynccontextmanager
    async def fetched(self, url: str) -> AsyncIterator[Fetched]:
        """The file behind a link, downloaded; deleted at the end unless it was moved away.

        Raises NotSaved if it cannot be downloaded. A large file that broke off stays where it is,
        for the next call.
        """
        with self._sentences():
            address = web_address(url)
            wire = self._wire = self._wire or self._opened()
            part = Unfinished.opened(self._work, url, self._sheet)
        is_wanted = True
        try:
            with self._sentences():
                async with asyncio.timeout(self._within):
                    file = await self._downloaded(wire, address, part)
            is_wanted = False
            yield file
        except (BadLink, DeadLink):
            is_wanted = False
            raise
        finally:
            part.leave(is_wanted=is_wanted)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turns all that can go wrong with a link into NotSaved, with a sentence."""
        try:
            yield
        except TimeoutError as error:
            raise NotSaved(reasons.TOO_SLOW.format(seconds=f"{self._within:.3g}")) from error
        except PrivateAddress as error:
            raise BadLink(reasons.PRIVATE.format(host=error.host)) from error
        except BadAddress as error:
            raise BadLink(reasons.NO_ADDRESS) from error
        except NotSent as error:
            raise NotSaved(reasons.UNREACHABLE) from error
        except NoAnswer as error:
            raise NotSaved(reasons.BROKE) from error
        except OSError as error:
            raise no_place(self._work, error) from error
        except NotSaved:
            raise
        except Exception as error:
            # No link may end a pass, whatever it makes a library stumble over.
            raise NotSaved(reasons.UNREADABLE) from error

    def _opened(self) -> HttpClient:
        make_folder(self._work, self._sheet)
        sweep(self._work)
        return HttpClient(
            headers={
                "User-Agent": "promptsheet",
                "Accept": "image/*, video/*, audio/*",
                "Accept-Encoding": "identity",
            },
            tls=authorities(),
            resolver=self._public,
        )

    async def _downloaded(self, wire: HttpClient, address: URL, part: Unfinished) -> Fetched:
        for tries_left in reversed(range(CONTINUED + 1)):
            before = part.size
            try:
                return await self._download(wire, address, part)
            except NoAnswer:
                if part.note is None or part.size <= before or not tries_left:
                    raise
            except _NotTheRest:
                part.begin_again()
        raise NotSaved(reasons.BROKE)

    async def _download(self, wire: HttpClient, address: URL, part: Unfinished) -> Fetched:
        at = part.size if part.note else 0
        headers = {"Range": f"bytes={at}-", "If-Range": part.note.version} if part.note else {}
        for _ in range(REDIRECTS + 1):
            self._public.check(address)
            async with await _got(wire, address, headers) as answer:
                if answer.status not in (301, 302, 303, 307, 308):
                    return await self._received(answer, part, at)
                location = answer.headers.get("location", "")
                address = web_address(str(address.join(as_given(location))))
        raise DeadLink(reasons.REDIRECTS.format(times=REDIRECTS))

    async def _received(self, answer: HttpAnswer, part: Unfinished, at: int) -> Fetched:
        note = part.note
        if note and answer.status == HTTPStatus.PARTIAL_CONTENT:
            if answer.headers.get("content-range") != f"bytes {at}-{note.length - 1}/{note.length}":
                raise _NotTheRest
            digest = await asyncio.to_thread(_digest_of, part.path)
            start = await asyncio.to_thread(_start_of, part.path)
            return await self._written(answer.chunks(), part, _ending(note.called, start), digest)
        if note and answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _NotTheRest
        if answer.status in GONE:
            raise DeadLink(reasons.DEAD.format(status=answer.status))
        if answer.status != HTTPStatus.OK:
            raise NotSaved(reasons.ANSWERS.format(status=answer.status))
        if note:  # the server sends the whole file again
            part.begin_again()
        length = answer.headers.get("content-length", "")
        self._check_size(int(length) if length.isdecimal() else 0)
        chunks = answer.chunks()
        start = await _first_bytes(chunks)
        ending = _ending(_kind(answer), start)
        digest = hashlib.sha256(start)
        part.file.write(start)
        return await self._written(chunks, part, ending, digest, _note(answer))

    async def _written(
        self,
        chunks: AsyncIterator[bytes],
        part: Unfinished,
        ending: str,
        digest: hashlib._Hash,
        note: Note | None = None,
    ) -> Fetched:
        """Write what comes, behind what is there; `note` says how to continue if it breaks off."""
        size = part.file.seek(0, 2)
        self._check_size(size)
        async for chunk in chunks:
            size += part.file.write(chunk)
            digest.update(chunk)
            self._check_size(size)
            if note and size >= WORTH_IT:
                part.note_down(note)
                note = None
        part.file.flush()
        if part.note and size != part.note.length:
            part.begin_again()
            raise NotSaved(reasons.BROKE)
        return Fetched(part.path, ending, size, digest.hexdigest())

    def _check_size(self, size: int) -> None:
        if size > self._most_bytes:
            raise BadLink(reasons.TOO_LARGE.format(size=f"{self._most_bytes / 1e6:.3g}"))


class _NotTheRest(Exception):
    """The server sent something else than the rest of the file: it must be sent from the start."""


@retry(stop=stop_after_attempt(2), retry=retry_if_exception_type(NoAnswer), reraise=True)
async def _got(wire: HttpClient, address: URL, headers: Mapping[str, str]) -> HttpAnswer:
    # A server may close a kept connection at the moment when a request is sent over it.
    return await wire.send("GET", address, headers=headers)


def _kind(answer: HttpAnswer) -> str:
    """The media type that the server states, in lower case."""
    name = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return name or "application/octet-stream"


def _note(answer: HttpAnswer) -> Note | None:
    """How to continue the download of this answer; None if the server cannot do that."""
    version, length = answer.headers.get("etag", ""), answer.headers.get("content-length", "")
    is_usable = (
        re.fullmatch(r'"[!#-~]*"', version)  # a weak one names no exact bytes
        and length.isdecimal()
        and int(length) > WORTH_IT
        and "content-encoding" not in answer.headers
        and answer.headers.get("accept-ranges", "").strip().lower() != "none"
    )
    return Note(version, _kind(answer), int(length)) if is_usable else None


async def _first_bytes(chunks: AsyncIterator[bytes]) -> bytes:
    """The first chunks, which have ENOUGH bytes to tell the kind, or all that there is."""
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start) >= ENOUGH:
            break
    return start


def _digest_of(path: Path) -> hashlib._Hash:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(ENOUGH)


def _ending(called: str, start: bytes) -> str:
    """The ending for a file by its first bytes, and by what the server calls it."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise NotSaved(reasons.EMPTY)
    if ending := ending_of(start, called):
        return ending
    if text[:1] in b"<{" or called.startswith("text/"):
        raise DeadLink(reasons.A_PAGE)
    name = called if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,60}", called) else "of an odd type"
    raise BadLink(reasons.ODD.format(kind=name))
