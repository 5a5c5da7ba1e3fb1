"""Decodes the bytes of a text file and encodes them again; knows the supported encodings.

A byte order mark decides. Without one, the file is UTF-8 if all its bytes are valid UTF-8; else it
has the encoding in the configuration; else it is Windows-1252, which Western Excel writes, but only
if no other code page is plausible (see `code_pages`): a prompt with wrong letters would be sent and
paid for. Decoding is strict, so that unchanged text is written back as the same bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.sheets.csv.code_pages import HIGH, is_surely_western, readings


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


_UTF_8 = Encoding("utf-8", b"", "UTF-8")
_WESTERN = Encoding("cp1252", b"", "Windows-1252")
_LITTLE, _BIG = "utf-16-le", "utf-16-be"
_MARKED = (
    Encoding("utf-8", b"\xef\xbb\xbf", "UTF-8"),
    Encoding(_LITTLE, b"\xff\xfe", "UTF-16"),
    Encoding(_BIG, b"\xfe\xff", "UTF-16"),
)
#: A file that begins with one of these is not text, even if its name ends in .csv.
_NO_TEXT = {
    b"PK\x03\x04": "is an Excel workbook, whatever its name says",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, whatever its name says",
    b"\xff\xfe\0\0": "is UTF-32 text, which few programs can read",
}


class Decoded(NamedTuple):
    """The text of a file, and the encoding to write it back in."""

    encoding: Encoding
    text: str


def decoded(content: bytes, given: str = "") -> Decoded:
    """The text of a file, and its encoding.

    `given` is the encoding that the configuration names, for text that is not Unicode. Raises
    NotText, and Unclear where none is given and several are plausible.
    """
    for beginning, what in _NO_TEXT.items():
        if content.startswith(beginning):
            raise NotText(what)
    for encoding in _MARKED:
        if content.startswith(encoding.mark):
            return Decoded(encoding, _strictly(content, encoding))
    if codec := _unmarked_utf_16(content):
        encoding = Encoding(codec, b"", "UTF-16")
        return Decoded(encoding, _strictly(content, encoding))
    named = Encoding(given, b"", codecs.lookup(given).name) if given else None
    if named and content.isascii():
        return Decoded(named, content.decode())
    try:
        return Decoded(_UTF_8, content.decode())
    except UnicodeDecodeError as error:
        if named:
            return Decoded(named, _as_given(content, named))
        return Decoded(_WESTERN, _as_western(content, error))


def _as_given(content: bytes, encoding: Encoding) -> str:
    text = _strictly(content, encoding)
    if text.encode(encoding.codec) != content:
        raise NotText(f"cannot be written back as {encoding.title} byte for byte")
    return text


def _unmarked_utf_16(content: bytes) -> str:
    """Some databases leave out the mark; then every other byte of the header is zero."""
    zeros = [byte == 0 for byte in content[:4]]
    if zeros == [False, True, False, True]:
        return _LITTLE
    return _BIG if zeros == [True, False, True, False] else ""


def _strictly(content: bytes, encoding: Encoding) -> str:
    body = content[len(encoding.mark) :]
    try:
        return body.decode(encoding.codec)
    except UnicodeDecodeError as error:
        line = 1 + body[: error.start].decode(encoding.codec).count("\n")
        raise _damaged(encoding, body[error.start], line) from None


def _damaged(encoding: Encoding, byte: int, line: int) -> NotText:
    return NotText(f"is damaged {encoding.title} text (byte 0x{byte:02X} in line {line})")


def _as_western(content: bytes, error: UnicodeDecodeError) -> str:
    """The text as Windows-1252, if it cannot be damaged UTF-8 or another code page."""
    byte, line = content[error.start], 1 + content.count(b"\n", 0, error.start)
    if _is_damaged_utf_8(content, error):
        raise _damaged(_UTF_8, byte, line)
    unknown = NotText(f"is not text that we know (byte 0x{byte:02X} in line {line})")
    if _CONTROL.search(content):
        raise unknown
    with suppress(UnicodeDecodeError):
        text = content.decode(_WESTERN.codec)
        words = b" ".join(sorted({word for word in content.split() if not word.isascii()}))
        is_odd = _is_of_another_script(words.decode(_WESTERN.codec)) or _asks_nothing(content)
        if not is_odd and is_surely_western(words):
            return text
    number, words = _telling_line(content)
    shown = readings(content, words)
    if not shown:
        raise unknown
    raise Unclear(number, shown)


def _telling_line(content: bytes) -> tuple[int, bytes]:
    """The first line with the most different accented letters: its number from 1, and its bytes."""
    lines = _LINE_END.split(content)
    number = max(range(len(lines)), key=lambda at: len({*lines[at]} & {*HIGH}))
    return number + 1, lines[number].strip()


_LINE_END = re.compile(rb"\r\n|\r|\n")


def _is_damaged_utf_8(content: bytes, error: UnicodeDecodeError) -> bool:
    """Returns whether most of it is valid UTF-8, or it only ends in the middle of a letter.

    Accents of Windows-1252 sometimes look like a letter of UTF-8 (É before a closing quote), so one
    such letter proves nothing.
    """
    rest, letters = _UTF_8_LETTER.subn(b"", content)
    others = len(rest) - len(rest.translate(None, HIGH))
    return letters >= others or error.reason == "unexpected end of data"


_UTF_8_LETTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
#: Bytes that no program writes into text.
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")


def _is_of_another_script(text: str) -> bool:
    """Returns whether the accents of these words are where Western words have none.

    Cyrillic, Greek and Japanese text looks like long runs of accents. Text of an old Mac or of DOS
    has signs, capitals and daggers within words.
    """
    runs = sum(map(len, _RUN.findall(text)))
    return runs * 2 > len(_ACCENT.findall(text)) or _NO_WORD.search(text) is not None


def _asks_nothing(content: bytes) -> bool:
    """Returns whether a question begins (¿) and none ends: it is another letter then."""
    return b"\xbf" in content and b"?" not in content


_ACCENT = re.compile(r"[^\0-\x7f]")
_RUN = re.compile(r"[^\0-\x7f]{4,}|(?<![A-Za-z\x80-\uffff])[À-ÿ]{2,}(?![A-Za-z\x80-\uffff])")
_NO_WORD = re.compile(
    "[A-Za-z][£¥§ª¯³¹º¼¾¿‚„“”¢¤¡][a-z]|[A-Za-zà-ÿ][ŠŒŽŸ†‡ˆ‰](?![A-Z])|[a-z][‚„†‡ˆ](?![a-z])"
    # ñ and ó of an old Mac, which are dashes here.
    "|[aeiou]–[aeiou]|[a-z]—[b-df-hj-np-tv-z](?![a-zà-ÿ])"
)
