"""Text that is not Unicode: whether it is Windows-1252, and nothing else that is plausible."""

from __future__ import annotations

import re
from contextlib import suppress

from pipeline.sheets.csv.code_pages import HIGH, is_surely_western, readings
from pipeline.sheets.csv.encodings import UTF_8, WESTERN, NotText, Unclear, damaged


def as_western(content: bytes, error: UnicodeDecodeError) -> str:
    """The text as Windows-1252, if it cannot be damaged UTF-8 or another code page.

    `error` is why it is not UTF-8. Raises NotText and Unclear.
    """
    byte, line = content[error.start], 1 + content.count(b"\n", 0, error.start)
    if _is_damaged_utf_8(content, error):
        raise damaged(UTF_8, byte, line)
    unknown = NotText(f"is not text that we know (byte 0x{byte:02X} in line {line})")
    if _CONTROL.search(content):
        raise unknown
    with suppress(UnicodeDecodeError):
        text = content.decode(WESTERN.codec)
        words = b" ".join(sorted({word for word in content.split() if not word.isascii()}))
        is_odd = _is_of_another_script(words.decode(WESTERN.codec)) or _asks_nothing(content)
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
