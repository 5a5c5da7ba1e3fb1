"""Reads a form with files (multipart/form-data)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
NAME = re.compile(rb'[; ]name="([^"]*)"')
FILE_NAME = re.compile(rb'filename="([^"]*)"')


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field of a form, or one file."""

    data: bytes
    #: The name of the file, or None for a plain field.
    file_name: str | None = None


def parts(content_type: str, body: bytes) -> Mapping[str, list[FormPart]]:
    """Name -> the parts with that name, in their order. Empty if the body is no such form."""
    found: defaultdict[str, list[FormPart]] = defaultdict(list)
    boundary = BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or boundary is None:
        return found
    mark = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
    for part in (b"\r\n" + body).split(mark)[1:]:
        head, gap, data = part.partition(b"\r\n\r\n")
        name = NAME.search(head)
        if not gap or name is None:
            continue  # the closing mark
        file_name = FILE_NAME.search(head)
        words = None if file_name is None else file_name[1].decode("utf-8", "replace")
        found[name[1].decode("utf-8", "replace")].append(FormPart(data, words))
    return found
