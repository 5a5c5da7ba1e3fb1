"""Where saved files go: the interface that each kind of place has.

A place names the file and reports what went wrong; it does not repeat a failed upload. A later pass
does that, with the same reserved id.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pipeline.core.saved_files import Kept


class Destination(Protocol):
    """A place for saved files. Calls may overlap.

    All methods raise NoPlace if nothing can be saved there until a person acts, and NotSaved if
    this file could not be saved now.
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

    async def check(self) -> None:
        """Raise NoPlace, with a sentence that says what to do, if no file can be saved there."""

    async def close(self) -> None:
        """End its connections."""
