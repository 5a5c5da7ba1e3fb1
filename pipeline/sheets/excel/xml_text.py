"""Text in the XML of a workbook: characters that XML cannot hold are written as `_x000D_`, etc."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_MARKS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str) -> str:
    """Text for XML; a character that XML cannot hold becomes `_x000D_` or the like."""
    text = _UNWRITABLE.sub(lambda match: f"_x{ord(match.group()):04X}_", text)
    return re.sub("[&<>]", lambda match: _MARKS[match.group()], text)


def unescaped(text: str) -> str:
    """The text that was escaped with `_x000D_` and the like."""
    if "_x" not in text:
        return text
    return whole(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))


def whole(text: str) -> str:
    """Text without surrogates: a pair is one character, a single one becomes a question mark."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_number(text: str | None, otherwise: int = 0) -> int:
    """A whole number from an attribute, 0 or more; `otherwise` if it is not one."""
    return int(text) if text and text.isdecimal() and len(text) < _TOO_LONG else otherwise


#: Python refuses to read numbers of thousands of digits; none in a workbook is near this.
_TOO_LONG = 18
