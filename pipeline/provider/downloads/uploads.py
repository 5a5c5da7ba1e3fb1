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
from urllib.parse import quote

from pipeline.config.remote import RemotePlace
from pipeline.core.errors import MissingExtra, NoPlace, NotSaved
from pipeline.core.saved_files import Kept

#: Seconds for one upload.
WITHIN: Final = 120.0
#: Hexadecimal digits of the SHA-256 in a name: two files of one name share it by chance once in
#: 2.8e14.
DIGITS: Final = 12
#: The content of the file that `check` writes.
PROBE: Final = b"Promptsheet tests whether it can save files here.\n"

T = TypeVar("T")


class Uploads:
    """A `Destination` on another machine. It is connected for the first file, in a thread.

    Its kinds have the methods that raise NotImplementedError here. `extra` has the libraries.
    """

    def __init__(self, remote: RemotePlace, *, extra: str, at_once: int) -> None:
        self.remote, self.address = remote, remote.address.rstrip("/")
        self._extra = extra
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

    def probe(self) -> None:
        """Upload PROBE. Runs in a thread."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """End the connection, if there is one."""

    def trouble(self, error: Exception) -> NoPlace | NotSaved:
        """The sentence for an exception of the library, without its text: that may hold keys."""
        raise NotImplementedError

    def no_place(self, why: str, cure: str) -> NoPlace:
        """The error for a place that cannot be used until a person acts."""
        return NoPlace(
            f"Pictures cannot be saved in {self.address}: {why}. {cure}, or change [media] save_to."
        )

    def not_now(self, why: str) -> NotSaved:
        """The error for an upload that a later pass repeats."""
        return NotSaved(f"The file could not be saved in {self.address} now ({why}).")

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
            raise self.not_now(f"it took longer than {WITHIN:g} s") from error
        except Exception as error:
            raise self.trouble(error) from error


def with_digest(name: str, file: Path) -> str:
    """The name with the digest of the file before its ending: "fox-1.png" -> "fox-1-5f2a….png"."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()[:DIGITS]
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{digest}{path.suffix}"))
