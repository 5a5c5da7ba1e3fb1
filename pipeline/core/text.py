"""Text for people: one line, without control characters, short, and with counts in words.

Text from a sheet, a file name or the API may hold control characters, which a terminal, a log or a
spreadsheet could obey. `printable` takes them out; all other functions here build on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from pipeline.core.credits import Credits
from pipeline.core.language import NOTHING, Said, figures, say, say_counted, together

#: Every control character is one of these. Other characters are not looked up one by one.
_SUSPECTS = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u0600-\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff0-\uffff"
    r"\U00010000-\U0010ffff]"
)
#: Categories of Unicode that a terminal or a log could obey: control and format characters,
#: surrogates, separators of lines and of paragraphs.
_OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str, instead: str = " ") -> str:
    """The text with `instead` for each control character. Line feeds stay.

    Control characters are those of C0, DEL and C1, the marks that turn the direction of writing,
    and other characters that are not shown. The joiners in emoji and in Persian words stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _SUSPECTS.sub(lambda found: instead if _is_obeyed(found[0]) else found[0], text)


def control_characters_escaped(json_line: str) -> str:
    """A line of JSON in which also C1 controls and marks of direction are written as escapes."""
    import json

    return _SUSPECTS.sub(
        lambda found: json.dumps(found[0])[1:-1] if _is_obeyed(found[0]) else found[0], json_line
    )


def one_line(text: str) -> str:
    """The text on one line: no control characters, and one space for any white space."""
    return " ".join(printable(text).split())


def shortened(text: str, most: int) -> str:
    """The text on one line, cut with an ellipsis if it has more than `most` characters."""
    line = one_line(text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def quoted(text: str, most: int = 120) -> str:
    """The shortened text in quotation marks."""
    return f'"{shortened(text, most)}"'


def joined(*sentences: str) -> Said:
    """The sentences that are not empty, as one text."""
    return together(sentences) if any(sentences) else NOTHING


def one_of(words: Sequence[str]) -> Said:
    """Words of which one is meant: a, b or c."""
    *most, last = words
    if not most:
        return together([last])
    return say("{some} or {last}", some=together(most, ", "), last=last)


def all_of(words: Sequence[str]) -> Said:
    """Words that are all meant: a, b and c."""
    *most, last = words
    if not most:
        return together([last])
    return say("{some} and {last}", some=together(most, ", "), last=last)


def counted(number: Credits, noun: str, form: str = "") -> str:
    """A number with its noun: 1 row, 2 rows. `form` is a format such as `,` for 1,234 rows."""
    return f"{number:{form}} {noun}{'' if number == 1 else 's'}"


def is_or_are(number: int) -> str:
    """The verb after this number of things."""
    return "is" if number == 1 else "are"


def in_credits(number: Credits) -> Said:
    """An amount of credits."""
    return say_counted(number, "{number} credit", "{number} credits")


def duration(seconds: float) -> Said:
    """A measured time: 3.4 s, 36 s, 2 min 5 s, 1 h 10 min."""
    if seconds < 59.95:
        return say("{number} s", number=figures(f"{seconds:.1f}".removesuffix(".0")))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return joined(_minutes(minutes), say("{number} s", number=rest) if rest else "")
    hours, minutes = divmod(minutes, 60)
    return joined(say("{number} h", number=hours), _minutes(minutes) if minutes else "")


def rounded(seconds: float) -> Said:
    """An estimate, or how long ago something was: 5 s, 40 s, 3 min, 1 h 10 min."""
    if seconds < 57.5:
        return say("{number} s", number=max(round(seconds / 5) * 5, 5))
    return duration(max(round(seconds / 60), 1) * 60)


def _minutes(number: int) -> Said:
    return say("{number} min", number=number)


def time_limit(span: timedelta) -> str:
    """A configured time in one unit: 30 s, 60 min, 2 h."""
    seconds = round(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


@cache
def _is_obeyed(character: str) -> bool:
    # Not imported at the start: most texts hold no such character.
    import unicodedata

    return unicodedata.category(character) in _OBEYED
