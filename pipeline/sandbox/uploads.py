"""Files that a client uploads for later submissions: kept in memory for an hour or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

Medium = Literal["image", "video", "audio"]
#: An upload lives this long, in seconds.
LIFE = 7200.0
#: The most bytes of all uploads; the oldest are dropped first.
MOST_BYTES = 256 << 20
#: How files begin: offset, bytes, content type, file ending.
BEGINNINGS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (0, b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (8, b"WEBP", "image/webp", "webp"),
    (0, b"GIF8", "image/gif", "gif"),
    (8, b"M4A ", "audio/mp4", "m4a"),
    (8, b"qt  ", "video/quicktime", "mov"),
    (4, b"ftyp", "video/mp4", "mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm", "webm"),
    (0, b"ID3", "audio/mpeg", "mp3"),
    (0, b"\xff\xfb", "audio/mpeg", "mp3"),
    (8, b"WAVE", "audio/wav", "wav"),
    (0, b"OggS", "audio/ogg", "ogg"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file."""

    id: str
    data: bytes
    content_type: str
    ending: str
    url: str
    ends: float

    @property
    def medium(self) -> Medium:
        """True if it is an image, a video or audio."""
        kind = self.content_type.partition("/")[0]
        return "image" if kind == "image" else "video" if kind == "video" else "audio"


def type_of(data: bytes) -> tuple[str, str] | None:
    """Content type and ending of a file, by how it begins; None if it is of no known type."""
    for offset, beginning, content_type, ending in BEGINNINGS:
        if data[offset : offset + len(beginning)] == beginning:
            return content_type, ending
    return None


class Uploads:
    """The uploads that are still there, by file name."""

    def __init__(self) -> None:
        self._kept: dict[str, Upload] = {}

    def keep(self, data: bytes, base_url: str, now: float) -> Upload | None:
        """The upload, with its address; None if the file is of no known type."""
        kind = type_of(data)
        if kind is None:
            return None
        content_type, ending = kind
        name = str(uuid4())
        url = f"{base_url}/uploads/{name}.{ending}"
        upload = Upload(name, data, content_type, ending, url, now + LIFE)
        self._kept[f"{name}.{ending}"] = upload
        self._drop(now)
        return upload

    def find(self, file_name: str, now: float) -> Upload | None:
        """The upload with this file name, if it still lives."""
        upload = self._kept.get(file_name)
        return upload if upload and now < upload.ends else None

    def _drop(self, now: float) -> None:
        size = sum(len(upload.data) for upload in self._kept.values())
        for name, upload in list(self._kept.items()):
            if now < upload.ends and size <= MOST_BYTES:
                return
            size -= len(upload.data)
            del self._kept[name]
