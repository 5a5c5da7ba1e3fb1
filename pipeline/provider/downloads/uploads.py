"""What places on other machines share: uploads in threads, and names with a digest.

The name of an uploaded file ends with the digest of its content. So an upload can be repeated
without harm, and other content never replaces a file.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

from pipeline.config.remote import RemotePlace
from pipeline.core.errors import FileGone, MissingExtra, NoPlace, NotRead, NotSaved
from pipeline.core.messages import reasons
from pipeline.core.pictures.saved_files import Kept
from pipeline.provider.downloads.destination import About

#: Seconds for one upload, and for one piece that is read.
WITHIN: Final = 120.0
READ_WITHIN: Final = 60.0
#: Hexadecimal digits of the SHA-256 in a name: two files of one name share it by chance once in
#: 2.8e14.
DIGITS: Final = 12
#: The content of the file that `check` writes.
PROBE: Final = b"Promptsheet tests whether it can save files here.\n"

#: Names of exceptions, in the words of people.
_WORDS: Final = {
    **dict.fromkeys(("ConnectionRefusedError", "NoValidConnectionsError"), reasons.NOTHING_THERE),
    **dict.fromkeys(("EndpointConnectionError", "ClientConnectorError"), reasons.NOT_REACHED),
    **dict.fromkeys(("gaierror", "ClientConnectorDNSError"), reasons.NAME_UNKNOWN),
    **dict.fromkeys(
        ("TimeoutError", "ConnectTimeoutError", "ReadTimeoutError", "ServerTimeoutError"),
        reasons.NO_ANSWER,
    ),
    **dict.fromkeys(
        ("ConnectionResetError", "ServerDisconnectedError", "BrokenPipeError", "EOFError"),
        reasons.CONNECTION_BROKE,
    ),
}

T = TypeVar("T")


class Uploads:
    """A `Destination` on another machine. It is connected for the first file, in a thread.

    Its kinds have the methods that raise NotImplementedError here. `extra` has the libraries.
    """

    def __init__(self, remote: RemotePlace, *, extra: str, at_once: int) -> None:
        self.remote, self.address = remote, remote.address.rstrip("/")
        self._extra = extra
        #: A sentence about what does not work, found by `check`; empty if everything does.
        self.remark = ""
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="upload")

    async def reserve(self) -> str:
        """Empty: an upload under the same name is harmless."""
        return ""

    async def keep(self, file: Path, name: str, media_type: str, reserved: str) -> Kept:
        """See `Destination.keep`. The digest of the content is added to the name."""
        key = await self._run(lambda: with_digest(name, file))
        await self._run(lambda: self.put(file, key, media_type))
        public = self.remote.public_url
        return Kept(f"{self.address}/{key}", f"{public}/{quote(key)}" if public else "")

    def about(self, path: str) -> About:
        """See `Destination.about`."""
        size = self._reading(path, lambda: self.length(path))
        return About(path.removeprefix(f"{self.address}/").rpartition("://")[2], size)

    def read(self, path: str, start: int, length: int) -> bytes:
        """See `Destination.read`."""
        return self._reading(path, lambda: self.piece(path, start, length)) if length else b""

    async def check(self) -> None:
        """See `Destination.check`. Writes a small file, and deletes it if that is allowed."""
        await self._run(self.probe)

    async def close(self) -> None:
        """End the threads and the connection."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.disconnect()

    def put(self, file: Path, key: str, media_type: str) -> None:
        """Upload the file under this name. Runs in a thread."""
        raise NotImplementedError

    def length(self, path: str) -> int:
        """The bytes of the file with this address. Runs in a thread."""
        raise NotImplementedError

    def piece(self, path: str, start: int, length: int) -> bytes:
        """So many bytes of it. Runs in a thread."""
        raise NotImplementedError

    def probe(self) -> None:
        """Upload PROBE. Runs in a thread."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """End the connection, if there is one."""

    def trouble(self, error: Exception) -> NoPlace | NotSaved:
        """The sentence for an exception of the library, without its text: that may hold keys."""
        raise NotImplementedError

    def unread(self, error: Exception) -> NotRead:
        """The sentence for an exception of the library while a file is read."""
        raise NotImplementedError

    def note_unread(self, error: Exception) -> None:
        """Note for `check` that files can be saved and not be read again."""
        self.remark = f"{self.unread(error)} Until then, the page shows only small versions."

    def no_place(self, why: str, cure: str) -> NoPlace:
        """The error for a place that cannot be used until a person acts."""
        return NoPlace(
            f"Pictures cannot be saved in {self.address}: {why}. {cure}, or change [media] save_to."
        )

    def not_now(self, why: str) -> NotSaved:
        """The error for an upload that a later pass repeats."""
        why = _WORDS.get(why, why)
        return NotSaved(reasons.NOT_NOW.format(place=self.address, why=why))

    def cannot_read(self, why: str, cure: str) -> NotRead:
        """The error for files that cannot be read until a person acts."""
        return NotRead(f"Pictures cannot be read from {self.address}: {why}. {cure}.")

    def not_read_now(self, why: str) -> NotRead:
        """The error for files that can perhaps be read later."""
        why = _WORDS.get(why, why)
        return NotRead(f"Pictures cannot be read from {self.address} now ({why}).")

    def gone(self) -> FileGone:
        """The error for a file that is not there."""
        return FileGone(f"The file is no longer in {self.address}.")

    def _reading(self, path: str, work: Callable[[], T]) -> T:
        """The result of `work` in one of the threads. Raises NotRead."""
        # Only in the bucket, or on the server, that the configuration names.
        if urlsplit(path)[:2] != urlsplit(self.address)[:2] or ".." in path.split("/"):
            raise FileGone(f"The file was saved elsewhere, not in {self.address}.")
        try:
            return self._threads.submit(work).result(READ_WITHIN)
        except NotRead:
            raise
        except ImportError as error:
            missing = MissingExtra(f"[media] save_to {self.address}", self._extra)
            raise NotRead(str(missing)) from error
        except TimeoutError as error:
            self.disconnect()  # the next call connects again
            raise self.not_read_now(f"it took longer than {READ_WITHIN:g} s") from error
        except Exception as error:
            raise self.unread(error) from error

    async def _run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(WITHIN):
                return await loop.run_in_executor(self._threads, work)
        except (NoPlace, NotSaved):
            raise
        except ImportError as error:
            raise MissingExtra(f"[media] save_to {self.address}", self._extra) from error
        except TimeoutError as error:
            raise self.not_now(reasons.TOOK_LONGER.format(seconds=f"{WITHIN:g}")) from error
        except Exception as error:
            raise self.trouble(error) from error


def with_digest(name: str, file: Path) -> str:
    """The name with the digest of the file before its ending: "fox-1.png" -> "fox-1-5f2a….png"."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()[:DIGITS]
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{digest}{path.suffix}"))
