"""How entered text becomes the value of a cell, and how the value is shown.

RAW keeps text as text. USER_ENTERED reads it as if a person had typed it, in the spreadsheet's
locale: formulas, numbers, money, percentages, dates, TRUE and FALSE, a leading apostrophe.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

Value = str | int | float | bool | None

EPOCH = date(1899, 12, 30)
#: Locales whose numbers have a decimal comma, and whose formulas part arguments by `;`.
COMMA_LOCALES = frozenset(
    {"de", "fr", "es", "it", "nl", "pt", "ru", "pl", "sv", "da", "nb", "fi", "cs", "tr", "uk"}
)
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")


def has_comma(locale: str) -> bool:
    """True if numbers of this locale have a decimal comma."""
    return locale.partition("_")[0] in COMMA_LOCALES


def typed(text: str, locale: str = "en_US") -> tuple[Value, str | None, str]:
    """The value, the formula (if it is one) and the number format that was inferred (or "")."""
    if text.startswith("'"):
        return text[1:], None, ""
    if text.startswith("=") and len(text) > 1:
        return None, text, ""
    if text[:1].isalpha() and text[0] not in "tTfF":
        return text, None, ""  # most text is text, which is seen at once
    word = text.strip()
    if word.upper() in ("TRUE", "FALSE"):
        return word.upper() == "TRUE", None, ""
    found = _number(word, locale) or _date(word, locale)
    if found:
        return found[0], None, found[1]
    if text.startswith("+") and len(text) > 1:
        return None, "=" + text, ""
    return text, None, ""


def _number(word: str, locale: str) -> tuple[Value, str] | None:
    if has_comma(locale):
        word = word.translate(str.maketrans(",.", ".,"))
    if word.endswith("%") and _PLAIN.fullmatch(word[:-1]):
        digits = word[:-1]
        return _whole(float(digits) / 100), "0.00%" if "." in digits else "0%"
    money = re.fullmatch(r"([+-]?)\$(.*)", word)
    plain = money[1] + money[2] if money else word
    is_grouped = bool(_GROUPED.fullmatch(plain))
    if not is_grouped and not _PLAIN.fullmatch(plain):
        return None
    value = _whole(float(plain.replace(",", "")))
    if not (is_grouped or money):
        return value, "0.00E+00" if "e" in plain.lower() else ""
    return value, ("$" if money else "") + ("#,##0.00" if "." in plain else "#,##0")


def _date(word: str, locale: str) -> tuple[Value, str] | None:
    year = month = day = ""
    if found := _ISO.fullmatch(word):
        (year, month, day), shape = found.groups(), "yyyy-mm-dd"
    elif found := _SLASHED.fullmatch(word):
        if locale in ("en_US", ""):
            (month, day, year), shape = found.groups(), "m/d/yyyy"
        else:
            (day, month, year), shape = found.groups(), "dd/mm/yyyy"
    elif has_comma(locale) and (found := _DOTTED.fullmatch(word)):
        (day, month, year), shape = found.groups(), "dd.mm.yyyy"
    else:
        return None
    try:
        return (date(int(year), int(month), int(day)) - EPOCH).days, shape
    except ValueError:
        return None


def _whole(value: float) -> int | float:
    """As JSON has it: 2, not 2.0."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def shown(value: Value, pattern: str = "", locale: str = "en_US") -> str:
    """The text that a person sees in the cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return value
    if pattern and "y" in pattern.lower():
        return _shown_date(value, pattern.lower())
    text = _shown_number(value, pattern)
    return text.translate(str.maketrans(",.", ".,")) if has_comma(locale) else text


def _shown_date(value: float, pattern: str) -> str:
    day = EPOCH + timedelta(days=int(value))
    parts = {
        "yyyy": f"{day.year:04}",
        "mm": f"{day.month:02}",
        "m": str(day.month),
        "dd": f"{day.day:02}",
        "d": str(day.day),
    }
    return re.sub("yyyy|mm?|dd?", lambda found: parts[found[0]], pattern)


def _shown_number(value: float, pattern: str) -> str:
    if pattern.endswith("%"):
        return f"{value * 100:.{2 if '.00' in pattern else 0}f}%"
    if "#,##0" in pattern:
        sign, money = "-" if value < 0 else "", "$" if pattern.startswith("$") else ""
        return f"{sign}{money}{abs(value):,.{2 if '.00' in pattern else 0}f}"
    if pattern == "0.00E+00":
        return _exponent(value, 2)
    if pattern == "0.00":
        return f"{value:.2f}"
    if isinstance(value, int) and abs(value) < 10**15:
        return str(value)
    if value and not 1e-9 <= abs(value) < 1e15:
        return _exponent(value, 5)
    text = f"{value:.10g}" if abs(value) < 1e10 else f"{value:.15g}"
    return text if "e" not in text else f"{value:.14f}".rstrip("0").rstrip(".")


def _exponent(value: float, places: int) -> str:
    mantissa, power = f"{value:.{places}E}".split("E")
    if places == 5 and "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}E{power[0]}{power[1:].zfill(2)}"
