"""Invisible characters: a cell that holds only these counts as empty.

Text that is copied from a web page, a word processor or a chat contains them. In a visible text
they may matter (joiners in emoji and in Persian), so a prompt keeps them. Column titles, and cells
that steer the program (`take`, `approved`, `endpoint`, …), are read without them.

Source: `Default_Ignorable_Code_Point` of the Unicode Character Database, the control characters,
and three characters that are drawn as a blank or as an empty frame.
"""

from __future__ import annotations

import re

_INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters that are not white space
    "\u00ad"  # soft hyphen
    "\u034f"  # combining grapheme joiner
    "\u061c"  # Arabic letter mark
    "\u115f\u1160\u3164\uffa0"  # Hangul fillers
    "\u17b4\u17b5"  # Khmer inherent vowels
    "\u180b-\u180f"  # Mongolian variation selectors and vowel separator
    "\u200b-\u200f"  # zero-width space, joiners, left-to-right and right-to-left mark
    "\u202a-\u202e\u2060-\u206f"  # word joiner, invisible operators, writing directions
    "\u2800"  # braille pattern without dots
    "\ufe00-\ufe0f\U000e0000-\U000e0fff"  # variation selectors, tags
    "\ufeff"  # byte order mark
    "\ufff0-\ufffc"  # annotation marks, and the place of a pasted picture
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # controls of shorthand and music
)
_ONE = re.compile(f"[{_INVISIBLE}]")
_ALL = re.compile(rf"[\s{_INVISIBLE}]*")


def is_blank(text: str) -> bool:
    """Returns whether the text is empty or holds only white space and invisible characters."""
    return _ALL.fullmatch(text) is not None


def visible(text: str) -> str:
    """The text without invisible characters, and without white space at its ends."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _ONE.sub("", text).strip()
