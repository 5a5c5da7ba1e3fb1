"""The encodings of text files.

Decoding is strict, so that unchanged text is written back as the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class NotText(ValueError):
    """The bytes are not text in a known encoding. The message is a part of a sentence."""


class Unclear(ValueError):
    """The bytes could be text in several code pages; `readings` has one line in each of them."""

    def __init__(self, line: int, readings: Mapping[str, str]) -> None:
        self.line = line
        self.readings = readings
        super().__init__(f"line {line} reads differently in {', '.join(readings)}")


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding of one file: Python's name for it, and its byte order mark."""

    codec: str
    mark: bytes
    #: The usual name of the encoding.
    title: str

    def encoded(self, text: str) -> bytes:
        """The file's bytes; a letter that the encoding lacks becomes a question mark."""
        return self.mark + text.encode(self.codec, errors="replace")

    def readable(self, text: str) -> str:
        """The text that is read back after `text` was written."""
        return text if text.isascii() else text.encode(self.codec, "replace").decode(self.codec)


UTF_8 = Encoding("utf-8", b"", "UTF-8")
WESTERN = Encoding("cp1252", b"", "Windows-1252")
LITTLE, BIG = "utf-16-le", "utf-16-be"
MARKED = (
    Encoding("utf-8", b"\xef\xbb\xbf", "UTF-8"),
    Encoding(LITTLE, b"\xff\xfe", "UTF-16"),
    Encoding(BIG, b"\xfe\xff", "UTF-16"),
)


class Decoded(NamedTuple):
    """The text of a file, and the encoding to write it back in."""

    encoding: Encoding
    text: str


def strictly(content: bytes, encoding: Encoding) -> str:
    """The text of bytes in this encoding. Raises NotText."""
    body = content[len(encoding.mark) :]
    try:
        return body.decode(encoding.codec)
    except UnicodeDecodeError as error:
        line = 1 + body[: error.start].decode(encoding.codec).count("\n")
        raise damaged(encoding, body[error.start], line) from None


def damaged(encoding: Encoding, byte: int, line: int) -> NotText:
    """The error about a byte that the encoding does not have there."""
    return NotText(f"is damaged {encoding.title} text (byte 0x{byte:02X} in line {line})")
