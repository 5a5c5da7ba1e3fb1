"""Where saved files go: the interface that each kind of place has.

A place names the file and reports what went wrong; it does not repeat a failed upload. A later pass
does that, with the same reserved id. `about` and `read` block: call them in a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple, Protocol

from pipeline.core.pictures.saved_files import Kept

#: The longest file that is saved or read again, in bytes.
MOST_BYTES: Final = 200_000_000


class About(NamedTuple):
    """A saved file: its name in the place, which may have folders, and its length in bytes."""

    name: str
    size: int


class Destination(Protocol):
    """A place for saved files. Calls may overlap.

    `about` and `read` raise NotRead: FileGone if there is no such file. The other methods raise
    NoPlace if nothing can be saved there until a person acts, and NotSaved if this file could not
    be saved now.
    """

    async def reserve(self) -> str:
        """An id for one file, which is put into the store before the upload begins.

        Empty where an upload may be repeated without one.
        """

    async def keep(self, file: Path, name: str, media_type: str, reserved: str) -> Kept:
        """Keep the file under this name, and return where it is.

        `name` has its ending, and may have folders before it ("spring/fox-1.png"). `reserved` is an
        id of `reserve`. If an earlier call with the same content, name and id has saved the file
        already, that file is used. A file with other content is never replaced. The local file may
        be moved away.
        """

    def about(self, path: str) -> About:
        """The saved file with this path, as `Kept.path` names it."""

    def read(self, path: str, start: int, length: int) -> bytes:
        """At most `length` bytes of a saved file from byte `start` on; less only at its end."""

    async def check(self) -> None:
        """Raise NoPlace, with a sentence that says what to do, if no file can be saved there."""

    async def close(self) -> None:
        """End its connections."""
