"""Texts that a spreadsheet shows instead of a value: errors, and formulas not computed yet.

A prompt of this kind must never be sent, in whatever language the spreadsheet showed it. Sources:
the errors of Excel and Google Sheets as their help pages list them, and the message files of
LibreOffice 7.4 in 31 languages, where every error but "not available" is capitals between `#` and
`!` or `?`, and all the others are a word and a number from 501 on.
"""

from __future__ import annotations

import re

#: The text of a cell whose formula no program has computed yet.
NOT_COMPUTED = "Loading…"
#: The text of a cell that is known to show an error, if its own text is not one of those below.
UNKNOWN_ERROR = "#ERROR!"

_UNFINISHED = frozenset(("#GETTING_DATA", "#DATEN_ABRUFEN", "Loading...", NOT_COMPUTED))
#: Errors that do not end with `!` or `?`: "not available" by language.
_NOT_AVAILABLE = frozenset(
    (
        *("#N/A", "#NV", "#N/D", "#N/B", "#N/DISP", "#I/T", "#IT", "#SAKNAS", "#PUUTTUU", "#YOK"),
        *("#HIÁNYZIK", "#Н/Д", "#Δ/Υ", "#NENÍ_K_DISPOZICI", "#NEDOSTUPNÝ"),
    )
)
# `#VALUE!`, `#BEZUG!`, `#NOM ?`, `#¡REF!`, `#¿NOMBRE?`, `#DELING.DOOR.0!`; no small letters.
_MARKED = re.compile(r"#[¡¿]?[^\W\d_][\w/.\-']{0,24}\s?[!?]")
#: `Err:502`, `Fehler:502`, `Err :502`: the word for an error in the languages of LibreOffice.
_NUMBERED = re.compile(
    r"(?:err|erro|error|fehler|fout|fejl|feil|fel|virhe|błąd|chyba|hiba|hata|eroare|greška|klaida"
    r"|kļūda|viga|nap|napaka|ошибка|помилка|грешка|гр|σφάλμα|エラー|오류|错误|錯誤)\s?:\s?5\d\d",
    re.IGNORECASE,
)
#: A number or a date that is wider than its column, exported as it was shown.
_TOO_NARROW = re.compile(r"#{3,}")


class FormulaZero(str):
    """The text of a formula whose value is the number 0; else a text like any other.

    `=Ideas!A5` comes to 0 where that cell is empty, and some libraries write 0 for every formula
    that they do not compute. In an input column it counts as not computed. A 0 that a person typed
    is a plain text.
    """

    __slots__ = ()


def is_unfinished(text: str) -> bool:
    """Returns whether the cell shows a formula that is still being computed."""
    return text in _UNFINISHED


def is_error(text: str) -> bool:
    """Returns whether the cell shows an error, in any language."""
    if text.startswith("#"):
        return (
            text in _NOT_AVAILABLE
            or _TOO_NARROW.fullmatch(text) is not None
            or (_MARKED.fullmatch(text) is not None and text == text.upper())
        )
    # The last letter is checked first, for speed: this runs for every cell.
    return text[-1:].isdecimal() and _NUMBERED.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """True if the cell shows a value: neither an error nor a formula that is not computed."""
    return not (text and (is_unfinished(text) or is_error(text)))


def error_text(shown: str) -> str:
    """The text of a cell that is known to be an error: as shown, if that is recognized as one."""
    text = shown.strip()
    return text if is_error(text) or is_unfinished(text) else UNKNOWN_ERROR


def input_text(cell: str) -> str:
    """The content of a cell of an input column."""
    return NOT_COMPUTED if isinstance(cell, FormulaZero) else cell
