"""Columns of the sheet that are not used, though their titles are close to a name that is.

The program cannot know whether a column `Ratio` is the team's own or was meant as `aspect_ratio`.
So a plan asks, before anything is paid.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import SequenceMatcher
from typing import NamedTuple

from pipeline.core.api.fields import IMAGE
from pipeline.core.model import Grid
from pipeline.core.sheet.header import CONTROLS, COUNT, RATIOS, Columns, folded, is_filled
from pipeline.core.text import quoted

#: How alike two names must be, from 0 to 1: 0.8 allows one wrong letter in five.
LIKENESS = 0.8
#: A name with at least this many letters is also found as a part of a title.
_LONG = 6
#: Other words for the fields of picture makers and for the columns that people steer with.
_OTHER_WORDS = {
    "prompt": ("text", "prompttext", "imageprompt", "description", "idea", "instruction"),
    "aspect_ratio": ("ratio", "aspect", "ar", "size", "format", "dimensions", "imageratio"),
    "approved": ("approval", "approve", "freigabe", "freigegeben", "released", "ok"),
    "take": ("version", "variant", "attempt", "retake"),
    "skip": ("exclude", "omit", "ignore", "hold"),
    "endpoint": ("model",),
}


class NearMiss(NamedTuple):
    """A column that is not used: its title, and the name that may be meant."""

    title: str
    name: str


#: Controls that no other title is taken for: titles like these are common for other things.
_UNLIKE = ("parent", COUNT, RATIOS)


def near_misses(
    columns: Columns, fields: Collection[str], ignore: Collection[str]
) -> list[NearMiss]:
    """Titles of the header that are not used, each with the name that may be meant.

    Names that have a column in the sheet are not considered.
    """
    names = (*sorted(fields), *(name for name in CONTROLS if name not in _UNLIKE))
    missing = [name for name in names if name not in columns.index]
    used = {*columns.index.values(), *(at for places in columns.doubled.values() for at in places)}
    free = {folded(title) for title in ignore}
    return [
        NearMiss(title.strip(), name)
        for at, title in enumerate(columns.header)
        if at not in used and folded(title) not in free
        if (name := _meant(folded(title), missing)) and name != folded(title)
    ]


def hint(columns: Columns, fields: Collection[str], ignore: Collection[str]) -> str:
    """Which columns may be meant, in sentences, if the sheet has no column to send; else ""."""
    if set(columns.inputs) & set(fields):
        return ""
    found = near_misses(columns, fields, ignore)
    return "".join(f"{title}: did you mean {name}? " for title, name in found).rstrip()


def unsent_image(columns: Columns, grid: Grid, ignore: Collection[str]) -> str:
    """A sentence about a filled column `image` of which no row is for an endpoint that takes a
    picture; else empty.
    """
    title = folded(columns.titles.get(IMAGE, IMAGE))
    at = columns.titled(IMAGE)
    if at is None or IMAGE in columns.index or title in map(folded, ignore):
        return ""
    if not is_filled(grid, at):
        return ""
    shown = columns.header[at].strip()
    return (
        f"{shown}: no row is for an endpoint that takes a picture, so it is not sent. Name another "
        f"endpoint, or set [columns] ignore = [{quoted(shown, 40)}] if it is your own."
    )


def _meant(title: str, names: Collection[str]) -> str:
    """The name that is closest to a folded title; "" if none is close."""
    likeness = {name: _likeness(title, name) for name in names if title}
    best = max(likeness, key=likeness.__getitem__, default="")
    return best if best and likeness[best] >= LIKENESS else ""


def _likeness(title: str, name: str) -> float:
    if title in _OTHER_WORDS.get(name, ()):
        return 1.0
    if len(name) >= _LONG and folded(name) in title:
        return LIKENESS
    return SequenceMatcher(None, title, folded(name)).ratio()
