"""The inputs of a row: cells as they are compared and sent, and all cells as one text.

Equal inputs have equal *canonical text* (JSON with sorted keys), so that the store keeps and
compares one string for each row.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Final

from pipeline.core.invisible import is_blank, visible

#: The input that says in words what to make, at each endpoint that has one.
PROMPT: Final = "prompt"
_WHOLE_RATIO = re.compile(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})")


def normalise(text: str) -> str:
    """Text as it is compared and sent: NFC, trimmed, line ends as line feeds.

    Empty if nothing of it can be seen.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    if is_blank(text):
        return ""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.strip()


@lru_cache(maxsize=1024)
def ratio(text: str) -> str:
    """A ratio as it was typed, also where a spreadsheet shows it as a time; other text as it is.

    16:9 becomes 16:09 in Excel, 16:09:00 or 04:09:00 PM in LibreOffice, 16:09:00.000000000 in
    polars, and stays so in a CSV that was saved there; Gnumeric writes 32:9 as 32:09:00. No two
    ratios become one time.
    """
    text = visible(text)
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    wide, half = int(match[1]), (match[3] or "").upper()
    if half:
        wide = wide % 12 + (12 if half == "PM" else 0)
    return f"{wide}:{int(match[2])}"


_TIME = re.compile(r"([0-9]{1,4}):([0-5]?[0-9])(?::00(?:[.,]0+)?)?(?:\s?([AaPp][Mm]))?")


def without_decimals(text: str) -> str:
    """The text without the `.0` with which a spreadsheet may save a whole number as text."""
    return _DECIMALS.sub("", text)


_DECIMALS = re.compile(r"(?<=[0-9])[.,]0+$")


def canonical(inputs: Mapping[str, str]) -> str:
    """Inputs as one text: equal inputs, equal text."""
    # As JSON with sorted keys and without spaces. A JSON encoder takes three times as long.
    cells = [
        f"{encode_basestring(name)}:{encode_basestring(inputs[name])}" for name in sorted(inputs)
    ]
    return f"{{{','.join(cells)}}}"


def parsed(inputs: str) -> dict[str, str]:
    """The inputs behind their canonical text."""
    cells: dict[str, str] = json.loads(inputs)
    return cells


def over(columns: Collection[str], inputs: str) -> str:
    """The inputs as they are when only these columns are looked at."""
    wrote = parsed(inputs)
    if wrote.keys() <= set(columns):
        return inputs
    return canonical({name: text for name, text in wrote.items() if name in columns})


def changed(was: str, now: str, among: Collection[str]) -> dict[str, str]:
    """The earlier texts of the inputs that are different now: name -> text, the prompt first.

    Only the columns in `among` are compared.
    """
    if now == was or (now := over(among, now)) == was:
        return {}
    before, after = parsed(was), parsed(now)
    names = sorted(before.keys() | after.keys(), key=lambda name: (name != "prompt", name))
    return {name: before.get(name, "") for name in names if before.get(name) != after.get(name)}


def written_ratio(form: str, text: str) -> str:
    """A ratio such as 16:9 in the form in which an API wants it; any other text as it is.

    `form` has `{width}` and `{height}` in it; without one, ratios stay as they are.
    """
    found = _WHOLE_RATIO.fullmatch(text) if form else None
    return form.replace("{width}", found[1]).replace("{height}", found[2]) if found else text
