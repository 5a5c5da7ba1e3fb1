"""A result that was downloaded, and the place where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pipeline.core.inputs import parsed
from pipeline.core.model import Attempt, JobKey
from pipeline.core.picture_findings import SeenPicture
from pipeline.core.pictures.filetypes import MEDIA_TYPES
from pipeline.core.traces import prompt_sent


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file that was downloaded to this machine, under a temporary name."""

    path: Path
    #: The ending for its name by its content, such as `png`.
    ending: str
    #: Its length in bytes, and the SHA-256 of its bytes in hexadecimal.
    size: int
    sha256: str
    #: The SHA-256 of the bytes that were downloaded, if a label was written into the file since.
    original: str = ""
    #: What was seen of it, if it is a picture that was looked at.
    seen: SeenPicture | None = None

    @property
    def content(self) -> str:
        """The SHA-256 of the bytes that were downloaded."""
        return self.original or self.sha256

    @property
    def is_picture(self) -> bool:
        """True if it is neither a video nor a sound."""
        return self.media_type.startswith("image/")

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


def described(
    key: JobKey, attempt: Attempt, number: int, kept: Kept, *, at: datetime, is_copy: bool
) -> dict[str, object]:
    """What the manifest says of a saved file; moments as ISO 8601 in UTC, credits as a number.

    `is_copy` is true if another picture with the same content was saved before; its file is used.
    """
    return {
        "file": kept.path,
        "link": kept.link,
        "url": attempt.result.urls[number - 1],
        "same_as_before": is_copy,
        "prompt": prompt_sent(attempt),
        "inputs": parsed(attempt.inputs),
        "endpoint": attempt.endpoint,
        "api": attempt.provider,
        "task_id": attempt.task_id,
        "credits": attempt.price if attempt.reported is None else attempt.reported,
        "row_id": key.row_id,
        "take": key.take,
        "part": key.part,
        "attempt": attempt.number,
        "number": number,
        "submitted_at": attempt.sent_at.isoformat(),
        "finished_at": attempt.ended_at.isoformat() if attempt.ended_at else None,
        "saved_at": at.isoformat(),
    }
