"""Saved files: what the API delivered, kept in a folder before its links die.

The links come from outside, so they are not trusted. A link is followed only into the public
network. A file is kept only if it is complete, and if its first bytes are those of a picture, a
video or a sound.
Raises NotSaved and its kinds.
"""

from __future__ import annotations

import asyncio
import filecmp
import ipaddress
import os
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from tenacity import retry, retry_if_exception_type, stop_after_attempt
from yarl import URL

from pipeline.core.errors import BadLink, DeadLink, NoAnswer, NoPlace, NotSaved, NotSent
from pipeline.core.filetypes import ENOUGH, ending_of
from pipeline.plain_files import is_plain, share_like
from pipeline.provider.http import BadAddress, HttpAnswer, HttpClient
from pipeline.provider.tls import authorities

#: Answers that say that there is no such file (any more), or not for us.
GONE: Final = (401, 402, 403, 404, 410, 451)
#: Never in the name of a file: they part folders, or Windows takes them for something else.
_NOT_IN_NAMES: Final = '/\\:*?"<>|.'
#: How often a link may send us on.
REDIRECTS: Final = 3
#: Downloads at one time; further ones wait for their turn, which does not count as their time.
AT_ONCE: Final = 8
#: Seconds after which an unfinished file was left behind by a process that is gone.
ABANDONED: Final = 3600.0


class Media:
    """The folder of saved files: an async context manager.

    `allowed` are the base URLs of the configured APIs; addresses with exactly the host and port of
    one may be in a private network, such as a stand-in on this machine. `sheet` is the file whose
    readers may read the saved files, and no others. Nothing is opened before the first file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        allowed: Sequence[str] = (),
        sheet: Path | None = None,
        most_bytes: int = 200_000_000,
        within: float = 120.0,
    ) -> None:
        self._folder = folder
        self._allowed = frozenset(_host_and_port(URL(one)) for one in allowed)
        self._sheet = sheet
        self._most_bytes = most_bytes
        self._within = within
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._wire: HttpClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._wire:
            await self._wire.close()

    async def save(self, url: str, stem: str) -> str:
        """Keep what the link shows: its path within the folder, the stem and the kind's ending.

        One try. `stem` comes from `filenames.picture_stem`. A file with other content that has this
        name is kept; the new one then gets a number at its end. Raises NotSaved if the file cannot
        be saved, ValueError for a stem that is no plain name.
        """
        if not stem or not all(c.isprintable() and c not in _NOT_IN_NAMES for c in stem):
            raise ValueError(f"{stem!r} is not a plain file name")
        async with self._turns:
            try:
                async with asyncio.timeout(self._within):
                    return await self._saved(_address(url), stem)
            except TimeoutError as error:
                raise NotSaved(f"The file took longer than {self._within:.3g} s.") from error
            except BadAddress as error:
                raise BadLink("The link is not a web address.") from error
            except NotSent as error:
                raise NotSaved("The server behind the link cannot be reached.") from error
            except NoAnswer as error:
                raise NotSaved("The connection broke before the whole file had arrived.") from error
            except OSError as error:
                why = error.strerror or type(error).__name__
                if isinstance(error, FileExistsError):
                    why = "That is no folder"
                raise NoPlace(
                    f"Pictures cannot be saved in {self._folder}: {why}. Make it a folder with "
                    "room, in which this account may write, or change [media] save_to."
                ) from error
            except NotSaved:
                raise
            except Exception as error:
                # No link may end a pass, whatever it makes a library stumble over.
                raise NotSaved("The link cannot be read.") from error

    async def _saved(self, address: URL, stem: str) -> str:
        self._wire = self._wire or self._opened()
        for _ in range(REDIRECTS + 1):
            self._check(address)
            async with await _got(self._wire, address) as answer:
                if answer.status not in (301, 302, 303, 307, 308):
                    return await self._kept(answer, stem)
                address = _address(str(address.join(_as_given(answer.headers.get("location", "")))))
        raise DeadLink(f"The link redirects more than {REDIRECTS} times.")

    def _opened(self) -> HttpClient:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True)
            share_like(self._folder, self._sheet, folder=True)
        _sweep(self._folder)
        return HttpClient(
            headers={
                "User-Agent": "promptsheet",
                "Accept": "image/*, video/*, audio/*",
                "Accept-Encoding": "identity",
            },
            tls=authorities(),
            resolver=_PublicOnly(self._allowed),
        )

    def _check(self, address: URL) -> None:
        """Names are checked where they are resolved; an address in figures never gets there."""
        host, port = _host_and_port(address)
        try:
            figures = ipaddress.ip_address(host)
        except ValueError:
            if ":" in host or re.fullmatch(r"[\d.]+", host):
                # Figures that only some systems can read, and those as an address of their own.
                raise BadLink("The link is not a web address.") from None
            return
        if (host, port) not in self._allowed and not is_public(figures):
            raise BadLink(_private(host))

    async def _kept(self, answer: HttpAnswer, stem: str) -> str:
        if answer.status in GONE:
            raise DeadLink(f"The link is dead: it answers {answer.status}.")
        if answer.status != HTTPStatus.OK:
            raise NotSaved(f"The server behind the link answers {answer.status}.")
        length = answer.headers.get("content-length", "")
        self._check_size(int(length) if length.isdecimal() else 0)
        chunks = answer.chunks()
        start = await _start_of(chunks)
        ending = _ending(_kind(answer), start)
        with _passing_file(self._folder) as file:
            share_like(Path(file.name), self._sheet)
            size = file.write(start)
            async for chunk in chunks:
                size += file.write(chunk)
                self._check_size(size)
            return await asyncio.to_thread(_into_place, file, stem, ending)

    def _check_size(self, size: int) -> None:
        if size > self._most_bytes:
            raise BadLink(f"The file is larger than {self._most_bytes / 1e6:.3g} MB.")


class _PublicOnly(AbstractResolver):
    """Names are resolved here for the very connection that is about to be made.

    Checking a name first and connecting later would leave a moment in which it can be made to
    point elsewhere.
    """

    def __init__(self, allowed: frozenset[tuple[str, int]]) -> None:
        self._allowed = allowed
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if (host, port) not in self._allowed:
            for place in found:
                if not is_public(ipaddress.ip_address(place["host"])):
                    raise BadLink(_private(host))
        return found

    async def close(self) -> None:
        await self._inner.close()


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Returns whether an address belongs to the public network, and to no machine in disguise.

    IPv6 addresses with an IPv4 address inside lead to that one, so none of them is public here,
    except those that a network without IPv4 makes of public ones (NAT64, RFC 6052).
    """
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    disguised = address.ipv4_mapped or address.sixtofour or address.teredo
    return not (disguised or address.is_site_local)


def _address(url: str) -> URL:
    address = _as_given(url)
    if address.scheme not in ("http", "https") or not address.raw_host:
        raise BadLink("The link is not a web address.")
    return address


def _as_given(url: str) -> URL:
    # Signed links are valid only letter by letter; tidying their escapes would break them.
    return URL(url, encoded=re.fullmatch(r"[!-~]*", url) is not None)


def _host_and_port(address: URL) -> tuple[str, int]:
    return (address.raw_host or "").lower(), address.port or 0


def _private(host: str) -> str:
    return f"The link points into a private network ({host})."


@retry(stop=stop_after_attempt(2), retry=retry_if_exception_type(NoAnswer), reraise=True)
async def _got(wire: HttpClient, address: URL) -> HttpAnswer:
    # A server may close a kept connection at the moment when a request is sent over it.
    return await wire.send("GET", address)


def _kind(answer: HttpAnswer) -> str:
    """The media type that the server states, in lower case."""
    name = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return name or "application/octet-stream"


async def _start_of(chunks: AsyncIterator[bytes]) -> bytes:
    """The first chunks, which have ENOUGH bytes to tell the kind, or all that there is."""
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start) >= ENOUGH:
            break
    return start


def _ending(called: str, start: bytes) -> str:
    """The ending for a file by its first bytes, and by what the server calls it."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise NotSaved("The file behind the link is empty.")
    if ending := ending_of(start, called):
        return ending
    if text[:1] in b"<{" or called.startswith("text/"):
        raise DeadLink("The link shows a page or a message instead of a picture.")
    name = called if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,60}", called) else "of an odd type"
    raise BadLink(f"The link leads to no picture, video or sound of a known kind ({name}).")


@contextmanager
def _passing_file(folder: Path) -> Iterator[BinaryIO]:
    """A new file under a passing name, gone at the end unless it was put into its place."""
    path = folder / f".{secrets.token_hex(8)}.part"
    try:
        with path.open("xb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def _into_place(file: BinaryIO, stem: str, ending: str) -> str:
    """Give a finished file its name, and return that. No other file is ever replaced."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    part = Path(file.name)
    for number in count(1):
        path = part.with_name(f"{stem}.{ending}" if number == 1 else f"{stem}_{number}.{ending}")
        if _is_same(part, path):
            break  # a start that was killed saved it, and could not record that
        if not os.path.lexists(path):
            try:
                os.link(part, path)
                break
            except FileExistsError:
                continue
            except OSError:  # this file system has no hard links
                part.rename(path)
                break
    return path.name


def _is_same(one: Path, other: Path) -> bool:
    try:
        return is_plain(other) and filecmp.cmp(one, other, shallow=False)
    except FileNotFoundError:
        return False


def _sweep(folder: Path) -> None:
    for path in folder.glob(".*.part"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()
