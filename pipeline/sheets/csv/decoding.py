"""Decodes the bytes of a text file, and finds out in which encoding they are.

A byte order mark decides. Without one, the file is UTF-8 if all its bytes are valid UTF-8; else it
has the encoding in the configuration; else it is Windows-1252, which Western Excel writes, but only
if no other code page is plausible (see `western`): a prompt with wrong letters would be sent and
paid for.
"""

from __future__ import annotations

import codecs

from pipeline.sheets.csv.encodings import (
    BIG,
    LITTLE,
    MARKED,
    UTF_8,
    WESTERN,
    Decoded,
    Encoding,
    NotText,
    strictly,
)

#: A file that begins with one of these is not text, even if its name ends in .csv.
_NO_TEXT = {
    b"PK\x03\x04": "is an Excel workbook, whatever its name says",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, whatever its name says",
    b"\xff\xfe\0\0": "is UTF-32 text, which few programs can read",
}


def decoded(content: bytes, given: str = "") -> Decoded:
    """The text of a file, and its encoding.

    `given` is the encoding that the configuration names, for text that is not Unicode. Raises
    NotText, and Unclear where none is given and several are plausible.
    """
    for beginning, what in _NO_TEXT.items():
        if content.startswith(beginning):
            raise NotText(what)
    for encoding in MARKED:
        if content.startswith(encoding.mark):
            return Decoded(encoding, strictly(content, encoding))
    if codec := _unmarked_utf_16(content):
        encoding = Encoding(codec, b"", "UTF-16")
        return Decoded(encoding, strictly(content, encoding))
    named = Encoding(given, b"", codecs.lookup(given).name) if given else None
    if named and content.isascii():
        return Decoded(named, content.decode())
    try:
        return Decoded(UTF_8, content.decode())
    except UnicodeDecodeError as error:
        if named:
            return Decoded(named, _as_given(content, named))
        # Its tables take a while to load, and few files need them.
        from pipeline.sheets.csv.western import as_western

        return Decoded(WESTERN, as_western(content, error))


def _as_given(content: bytes, encoding: Encoding) -> str:
    text = strictly(content, encoding)
    if text.encode(encoding.codec) != content:
        raise NotText(f"cannot be written back as {encoding.title} byte for byte")
    return text


def _unmarked_utf_16(content: bytes) -> str:
    """Some databases leave out the mark; then every other byte of the header is zero."""
    zeros = [byte == 0 for byte in content[:4]]
    if zeros == [False, True, False, True]:
        return LITTLE
    return BIG if zeros == [True, False, True, False] else ""
