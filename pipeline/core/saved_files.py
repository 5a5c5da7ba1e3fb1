"""A result that was downloaded, and the place where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.core.filetypes import MEDIA_TYPES


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file that was downloaded to this machine, under a temporary name."""

    path: Path
    #: The ending for its name by its content, such as `png`.
    ending: str
    #: Its length in bytes, and the SHA-256 of its bytes in hexadecimal.
    size: int
    sha256: str

    @property
    def media_type(self) -> str:
        """Its media type by its content, such as `image/png`."""
        return MEDIA_TYPES[self.ending]


class Kept(NamedTuple):
    """Where a file is kept."""

    #: What the cells and the store name: relative to a local folder, or a whole address.
    path: str
    #: A web address of it that does not expire; empty if there is none.
    link: str = ""
