"""Text inside a workbook's XML: what XML cannot hold stands there as `_x000D_` and the like."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_MARKS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str) -> str:
    """Text as it stands in XML: what XML cannot hold, or is taken for such, as `_x000D_`."""
    text = _UNWRITABLE.sub(lambda match: f"_x{ord(match.group()):04X}_", text)
    return re.sub("[&<>]", lambda match: _MARKS[match.group()], text)


def unescaped(text: str) -> str:
    """The text that `_x000D_` and its like stand for."""
    if "_x" not in text:
        return text
    return whole(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))


def whole(text: str) -> str:
    """Text without halves of letters: pairs are one letter, what is alone a question mark."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_number(text: str | None, otherwise: int = 0) -> int:
    """A whole number from 0 as an attribute says it; else, however long it is, `otherwise`."""
    return int(text) if text and text.isdecimal() and len(text) < _TOO_LONG else otherwise


#: Python refuses to read numbers of thousands of digits; none in a workbook is near this.
_TOO_LONG = 18
