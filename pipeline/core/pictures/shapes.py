"""The shape that a row asked for, and whether its picture has it. Pure.

A shape is compared with room for the rounding of the vendors: their models draw in steps of 8 to 64
pixels, and Imagen draws 4:3 as 1280 x 896, which is 7 % wider.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.core.api.paths import first_text
from pipeline.core.api.provider import Endpoint
from pipeline.core.picture_findings import Size

#: How far a ratio may be from the one that was asked for, as a part of it.
RATIO_ROOM: Final = 0.08
#: How far a side may be from what was asked for: pixels, and a part of it. The larger one counts.
SIDE_ROOM, SIDE_PART = 32, 0.03
#: Numbers from here on are pixels where a field may hold either.
FEWEST_PIXELS: Final = 200

_PAIR = re.compile(r"(?:[A-Z]+_)?(\d{1,5})\s*[:x×*_]\s*(\d{1,5})", re.IGNORECASE)
#: Midjourney's own way to ask for a ratio, in the prompt.
_IN_PROMPT = re.compile(r"(?:--|—)(?:ar|aspect)\s+(\d{1,4}):(\d{1,4})(?!\S)")
_RATIO_FIELDS, _SIZE_FIELDS = ("aspect_ratio",), ("size", "resolution", "ratio", "image_size")
_ORIENTATIONS = {"square": (1.0, 1.0), "portrait": (0.0, 1.0), "landscape": (1.0, math.inf)}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a row asked for: a range of ratios, or sides in pixels (0: any)."""

    words: str
    ratios: tuple[float, float] = (0.0, math.inf)
    width: int = 0
    height: int = 0

    def fits(self, size: Size) -> bool:
        """Returns whether a picture of this size is what was asked for."""
        ratio = size.width / size.height
        low, high = self.ratios
        return (
            low * (1 - RATIO_ROOM) <= ratio <= high * (1 + RATIO_ROOM)
            and _is_near(size.width, self.width)
            and _is_near(size.height, self.height)
        )


def asked_shape(endpoint: Endpoint, body: Mapping[str, object]) -> Shape | None:
    """The shape that a request of this endpoint asked for; None if it named none that is known."""
    if endpoint.kind != "image":
        return None
    given: dict[str, str] = {}
    for name, field in endpoint.fields.items():
        if text := first_text(body, [one.to or name for one in (field, *field.variants)]):
            given[name] = text
    in_prompt = _IN_PROMPT.search(given.get("prompt", ""))
    found = [_ratio(given[name]) for name in _RATIO_FIELDS if name in given]
    if in_prompt:
        found.append(_ratio(f"{in_prompt[1]}:{in_prompt[2]}"))
    ratios = {one for one in found if one}
    if len(ratios) > 1:
        return None  # the vendor decides which one counts
    if ratios:
        return ratios.pop()
    if sides := _sides(given):
        return sides
    for name in _SIZE_FIELDS:
        if shape := _size(given.get(name, "")):
            return shape
    way = given.get("dimension", "")
    return Shape(way, _ORIENTATIONS[way]) if way in _ORIENTATIONS else None


def _ratio(text: str) -> Shape | None:
    found = _PAIR.fullmatch(text.strip())
    if not found or not int(found[1]) or not int(found[2]):
        return None
    ratio = int(found[1]) / int(found[2])
    return Shape(f"{int(found[1])}:{int(found[2])}", (ratio, ratio))


def _size(text: str) -> Shape | None:
    found = _PAIR.fullmatch(text.strip())
    if not found:
        return None
    wide, high = int(found[1]), int(found[2])
    if min(wide, high) < FEWEST_PIXELS:
        return _ratio(text)
    return Shape(f"{wide} x {high}", width=wide, height=high)


def _sides(given: Mapping[str, str]) -> Shape | None:
    sides = (given.get(name, "") for name in ("width", "height"))
    wide, high = (int(text) if text.isdecimal() else 0 for text in sides)
    if wide and high:
        return Shape(f"{wide} x {high}", width=wide, height=high)
    if wide:
        return Shape(f"a width of {wide}", width=wide)
    return Shape(f"a height of {high}", height=high) if high else None


def _is_near(has: int, asked: int) -> bool:
    return not asked or abs(has - asked) <= max(SIDE_ROOM, SIDE_PART * asked)
