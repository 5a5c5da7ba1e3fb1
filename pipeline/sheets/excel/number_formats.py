"""Shows numbers, dates and times as a spreadsheet does, by the number format of their cell.

A prompt that shows `00042`, `31 Jan 2026` or `12 %` must reach the API as people see it. Where a
format depends on the reader's language (month names, the short date), the result is English, or
ISO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

#: Formats by number that every program looks up in its own language; here they look alike for all.
LOCAL_DATES = {14: "yyyy-mm-dd", 22: "yyyy-mm-dd h:mm"}
#: No program writes a larger number; what claims to be one would fill the memory with noughts.
_MOST_DIGITS = 308
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_WHOLE = re.compile(r"-?[1-9][0-9]*|0")
_TOKEN = re.compile(
    r"""
    (?P<quoted>"[^"]*"?) | \\(?P<escaped>.) | _(?P<space>.) | \*(?P<fill>.)
    | \[\$(?P<symbol>[^\]-]*)[^\]]*\] | \[(?P<elapsed>h+|m+|s+)\] | \[(?P<bracket>[^\]]*)\]
    | (?P<noon>AM/PM|A/P) | (?P<general>General)
    | (?P<science>[eE][+-]0+) | (?P<date>y+|m+|d+|h+|s+)
    | (?P<fraction>\.0+(?=$|[^0-9#?]))
    | (?P<digit>[0#?]) | (?P<point>\.) | (?P<comma>,) | (?P<percent>%) | (?P<slash>/)
    | (?P<text>@) | (?P<other>.)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_SECTION = re.compile(r'((?:"[^"]*+"?+|\\.|\[[^\]]*+\]|[^;"])*+)(?:;|\Z)', re.DOTALL)
_CONDITION = re.compile(r"[<>=]")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Section:
    """One of the up to four parts of a format."""

    tokens: tuple[_Token, ...]

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds for token in self.tokens)


def shown_number(value: str, number_format: str, *, from_1904: bool = False) -> str:
    """The text of a cell with this number and format; the plain number if the format is odd."""
    if number_format == "General" and _WHOLE.fullmatch(value):
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        return value
    sections = _sections(number_format)
    section, magnitude = _chosen(sections, number)
    if section is None or section.has("general", "text", "slash_of_numbers", "condition"):
        return plain(value)
    if section.has("date", "elapsed"):
        return _moment_of(number, section, from_1904=from_1904) or plain(value)
    if not section.has("digit"):
        return _literals(section) or plain(value)
    return _digits(magnitude, section)


def shown_moment(moment: datetime, number_format: str) -> str:
    """The text of a cell that contains a moment; ISO if its format is for numbers."""
    sections = _sections(number_format)
    if sections and sections[0].has("date", "elapsed"):
        return _dated(moment, None, sections[0])
    return moment.date().isoformat() if moment.time() == time() else moment.isoformat(" ")


@lru_cache(maxsize=4096)
def plain(value: str) -> str:
    """A number as its shortest decimal, never `1E+15`; a fraction has 15 significant digits."""
    if _WHOLE.fullmatch(value):
        return value
    exact = Decimal(value)
    if exact.adjusted() < 15:
        exact = Decimal(f"{float(value):.15g}")
    text = format(exact, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@lru_cache(maxsize=512)
def _sections(number_format: str) -> tuple[_Section, ...]:
    parts = [match[1] for match in _SECTION.finditer(number_format)]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()  # the end of the text matches once more, as nothing
    return tuple(_Section(tuple(_tokens(part))) for part in parts)


def _tokens(part: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(part):
        kind = match.lastgroup or "other"
        text = match[kind]
        match kind:
            case "quoted":
                yield _Token("literal", text.strip('"'))
            case "escaped" | "symbol" | "other":
                yield _Token("literal", text)
            case "space":
                yield _Token("literal", " ")
            case "fill":
                continue
            case "bracket":
                if _CONDITION.search(text):
                    yield _Token("condition", text)
            case "slash":
                numbers = re.search(r"[0#?]\s*/\s*[0#?\d]", part)
                yield _Token("slash_of_numbers" if numbers else "literal", text)
            case _:
                yield _Token(kind, text)


def _chosen(sections: Sequence[_Section], number: Decimal) -> tuple[_Section | None, Decimal]:
    """The section for this number, and the number as it is written there."""
    if not sections:
        return None, number
    if number < 0 and len(sections) > 1:
        return sections[1], -number
    if number == 0 and len(sections) > 2:
        return sections[2], number
    return sections[0], number


def _literals(section: _Section) -> str:
    return "".join(t.text for t in section.tokens if t.kind == "literal").strip()


def _digits(number: Decimal, section: _Section) -> str:
    tokens = section.tokens
    number *= Decimal(100) ** sum(token.kind == "percent" for token in tokens)
    if science := next((t for t in tokens if t.kind == "science"), None):
        return _scientific(number, section, science)
    before, after, grouped, thousands = _places(tokens)
    number = _rounded(number / Decimal(1000) ** thousands, len(after))
    sign = "-" if number < 0 else ""
    whole, _, decimals = format(abs(number), "f").partition(".")
    whole = "" if whole == "0" else whole
    fillers = _filled(before, whole, grouped=grouped)
    decimals = _trimmed(decimals, after)
    return (sign + _assembled(tokens, fillers, decimals)).strip()


class _Placeholders(NamedTuple):
    """The placeholders of a section, and what its commas mean."""

    #: Placeholders before the decimal point, and after it.
    before: str
    after: str
    #: True if the thousands are separated.
    grouped: bool
    #: How often the number is divided by a thousand.
    thousands: int


def _places(tokens: Sequence[_Token]) -> _Placeholders:
    before, after, point, pending, grouped = "", "", False, 0, False
    for token in tokens:
        if token.kind in ("point", "fraction"):
            point = True
            after += token.text[1:]
        elif token.kind == "digit":
            grouped = grouped or bool(pending and before and not point)
            pending = 0
            before, after = (before, after + token.text) if point else (before + token.text, after)
        elif token.kind == "comma" and before:
            pending += 1
    return _Placeholders(before, after, grouped, pending)


def _rounded(number: Decimal, places: int) -> Decimal:
    try:
        return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:  # more digits than decimals are worked out with: none to cut off
        return number


def _filled(before: str, whole: str, *, grouped: bool) -> list[str]:
    """The digit at each placeholder before the point; the first one gets the remaining digits."""
    digits = whole.rjust(len(before.lstrip("#?")), "0") if "0" in before else whole
    if grouped:
        digits = f"{int(digits):,}" if digits and not digits.startswith("0") else digits
        return [digits, *[""] * (len(before) - 1)]
    fillers = [""] * len(before)
    for at in range(len(before) - 1, -1, -1):
        if at == 0:
            fillers[at] = digits
        elif digits:
            fillers[at], digits = digits[-1], digits[:-1]
    return fillers


def _trimmed(decimals: str, after: str) -> str:
    keep = max((at + 1 for at, sign in enumerate(after) if sign == "0"), default=0)
    return decimals[:keep] + decimals[keep:].rstrip("0")


def _assembled(tokens: Sequence[_Token], fillers: Sequence[str], decimals: str) -> str:
    parts: list[str] = []
    places, point = iter(fillers), False
    for token in tokens:
        if token.kind in ("point", "fraction"):
            point = True
            parts.append(f".{decimals}" if decimals or token.kind == "fraction" else "")
        elif token.kind == "digit" and not point:
            parts.append(next(places))
        elif token.kind == "percent":
            parts.append("%")
        elif token.kind == "literal":
            parts.append(token.text)
    return "".join(parts)


def _scientific(number: Decimal, section: _Section, science: _Token) -> str:
    after = _places(section.tokens).after
    mantissa, _, exponent = f"{number:.{len(after)}E}".partition("E")
    sign = exponent[0] if exponent[0] == "-" or science.text[1] == "+" else ""
    return f"{mantissa}E{sign}{exponent[1:].rjust(len(science.text) - 2, '0')}"


_FIRST_DAY = date(1899, 12, 31)


def _moment_of(number: Decimal, section: _Section, *, from_1904: bool) -> str:
    from openpyxl.utils.datetime import CALENDAR_MAC_1904, WINDOWS_EPOCH, from_excel

    if number < 0 and not section.has("elapsed"):
        return ""
    epoch = CALENDAR_MAC_1904 if from_1904 else WINDOWS_EPOCH
    try:
        moment = from_excel(float(number), epoch)
        if isinstance(moment, time):  # the first day of all has only a clock
            moment = datetime.combine(_FIRST_DAY, moment)
        if not isinstance(moment, datetime):
            return ""
        return _dated(moment, timedelta(days=float(number)), section)
    except (OverflowError, ValueError):
        return ""


def _dated(moment: datetime, since: timedelta | None, section: _Section) -> str:
    if not any(token.kind == "fraction" for token in section.tokens):
        moment += timedelta(microseconds=500_000)  # a second is shown when most of it has passed
        moment = moment.replace(microsecond=0)
    tokens = list(section.tokens)
    noon = section.has("noon")
    parts = []
    for at, token in enumerate(tokens):
        text = token.text.lower()
        match token.kind:
            case "literal" | "point" | "comma":
                parts.append(token.text)
            case "noon":
                parts.append(_half(moment, token.text))
            case "fraction":
                parts.append(f".{moment.microsecond:06d}"[: len(text)])
            case "elapsed":
                parts.append(_elapsed(since or timedelta(), text))
            case "date" if text[0] == "m" and _is_minute(tokens, at):
                parts.append(_number(moment.minute, text))
            case "date":
                parts.append(_piece(moment, text, noon=noon))
    return "".join(parts).strip()


def _is_minute(tokens: Sequence[_Token], at: int) -> bool:
    """`m` after hours or before seconds is minutes, else months."""
    others = [t.text[0].lower() for t in tokens[:at] if t.kind in ("date", "elapsed")]
    behind = [t.text[0].lower() for t in tokens[at + 1 :] if t.kind in ("date", "elapsed")]
    is_short = len(tokens[at].text) <= 2
    return is_short and (others[-1:] == ["h"] or behind[:1] == ["s"])


def _piece(moment: datetime, text: str, *, noon: bool) -> str:
    long = len(text)
    match text[0]:
        case "y":
            return f"{moment.year:04d}" if long > 2 else f"{moment.year % 100:02d}"
        case "m" if long > 2:
            name = _MONTHS[moment.month - 1]
            return name[0] if long == 5 else name[:3] if long == 3 else name
        case "m":
            return _number(moment.month, text)
        case "d" if long > 2:
            name = _DAYS[moment.weekday()]
            return name[:3] if long == 3 else name
        case "d":
            return _number(moment.day, text)
        case "h":
            return _number((moment.hour % 12 or 12) if noon else moment.hour, text)
    return _number(moment.second, text)


def _half(moment: datetime, text: str) -> str:
    half = "PM" if moment.hour >= 12 else "AM"
    return half if len(text) > 3 else half[0]


def _elapsed(since: timedelta, text: str) -> str:
    seconds = round(since.total_seconds())
    whole = abs(seconds) // {"h": 3600, "m": 60, "s": 1}[text[0]]
    return ("-" if seconds < 0 else "") + _number(whole, text)


def _number(value: int, text: str) -> str:
    return str(value).rjust(min(len(text), 2), "0")
