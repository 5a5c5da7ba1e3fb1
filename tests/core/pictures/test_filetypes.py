"""The type of a file follows from its first bytes, not from what a server says."""

from __future__ import annotations

from pipeline.core.pictures.filetypes import ending_of
from tests.fakes.cases import each

MP4 = b"\x00\x00\x00\x20ftypisom"


@each(
    ("start", "called", "ending"),
    [
        (b"\xff\xd8\xff\xe0", "image/png", "jpg"),
        (b"\x89PNG\r\n\x1a\n", "text/html", "png"),
        (b"GIF89a", "", "gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/jpeg", "webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "", "wav"),
        (MP4, "video/mp4", "mp4"),
        (MP4, "audio/mp4", "m4a"),
        (MP4, "video/quicktime", "mov"),
        (b"\x00\x00\x00\x14ftypqt  ", "", "mov"),
        (b"\x00\x00\x00\x1cftypavif", "", "avif"),
        (b"\x00\x02\x00\x00moov", "video/quicktime", "mov"),
        (b"\x1aE\xdf\xa3", "audio/webm", "webm"),
        (b"ID3\x04", "", "mp3"),
        (b"\xff\xfb\x90\x64", "audio/mpeg", "mp3"),
        (b"\xff\xf1\x50\x80", "audio/aac", "aac"),
    ],
)
def test_a_file_type_is_recognised_by_its_first_bytes(
    start: bytes, called: str, ending: str
) -> None:
    assert ending_of(start + bytes(40), called) == ending


@each(
    "start",
    [
        b"",
        b"\x89PNG",
        b"<!DOCTYPE html><title>Sign in</title>",
        b'{"error": "expired"}',
        b"The link has expired.",
        b"Run ftyp or moov, as you like",
        b"\xff\xfeT\x00h\x00e\x00",
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"GIF8 is no GIF",
    ],
)
@each("called", ["image/png", "video/mp4", "application/octet-stream"])
def test_a_file_with_unknown_first_bytes_has_no_type_whatever_its_name(
    start: bytes, called: str
) -> None:
    assert ending_of(start, called) == ""
