"""Kinds of files that are saved, known by their first bytes."""

from __future__ import annotations

from typing import Final

#: The kinds, by the ending of their names -> media type (https://www.iana.org/assignments/media-types).
MEDIA_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
}
#: How many bytes at the beginning of a file are enough to know its kind.
ENOUGH: Final = 64
#: (offset, bytes there, ending); the first that fits. No SVG: that is a page with scripts.
#: Sources: the formats' own specifications, and https://mimesniff.spec.whatwg.org.
_SIGNS: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpg"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (4, b"ftypavif", "avif"),
    (4, b"ftypavis", "avif"),
    (4, b"ftypqt  ", "mov"),
    (4, b"ftypM4A ", "m4a"),
    (4, b"ftyp", "mp4"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (0, b"\x1aE\xdf\xa3", "webm"),
    (0, b"ID3", "mp3"),
    *((0, b"\xff" + bytes([layer_3]), "mp3") for layer_3 in b"\xfb\xfa\xf3\xf2\xe3\xe2"),
    *((0, b"\xff" + bytes([adts]), "aac") for adts in b"\xf1\xf9\xf0\xf8"),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
)
#: Kinds in a RIFF file, by its bytes 8 to 12.
_RIFF: Final = {b"WEBP": "webp", b"WAVE": "wav"}
#: Kinds that only the server's media type tells apart: (kind by its bytes, media type) -> kind.
_CALLED: Final = {
    ("mp4", "audio/mp4"): "m4a",
    ("mp4", "audio/x-m4a"): "m4a",
    ("mp4", "video/quicktime"): "mov",
}


def ending_of(start: bytes, called: str = "") -> str:
    """The ending for a file that begins with these bytes, such as `png`; empty for no known kind.

    `called` is the server's media type. It only decides between kinds that begin alike: a page is
    never a picture, and a JPEG that is called a PNG is a JPEG.
    """
    if start[:4] == b"RIFF":
        return _RIFF.get(start[8:12], "")
    # The first four bytes of an MP4 or QuickTime file are a length, so the first of them is zero;
    # in a text that happens to go on with "ftyp" it is not.
    signs = (
        ending
        for at, sign, ending in _SIGNS
        if start.startswith(sign, at) and (at == 0 or start[0] == 0)
    )
    found = next(signs, "")
    return _CALLED.get((found, called), found)
