"""The shape of the pictures that a submission asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: 16:9, ASPECT_16_9, RESOLUTION_1280_720, 1280x720.
RATIO = re.compile(r"(?:ASPECT_|RESOLUTION_)?([1-9]\d{0,3})[:_x]([1-9]\d{0,3})")
#: Midjourney's own way to ask for a ratio.
IN_PROMPT = re.compile(r"--(?:ar|aspect)\s+([1-9]\d{0,3}):([1-9]\d{0,3})(?!\S)")
DIMENSIONS = {"portrait": "2:3", "landscape": "3:2"}
FIELDS = ("aspect_ratio", "resolution", "size", "image_size", "dimension")


def ratio_of(fields: Mapping[str, object], default: str = "1:1") -> str:
    """W:H from the fields that APIs have for it; the default if none of them says."""
    for name in FIELDS:
        if name in fields:
            value = str(fields[name])
            if found := RATIO.fullmatch(DIMENSIONS.get(value, value)):
                return f"{found[1]}:{found[2]}"
    if "width" in fields and (
        found := RATIO.fullmatch(f"{fields['width']}:{fields.get('height')}")
    ):
        return found[0]
    in_prompt = IN_PROMPT.search(str(fields.get("prompt", "")))
    return f"{in_prompt[1]}:{in_prompt[2]}" if in_prompt else default
