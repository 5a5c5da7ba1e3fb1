"""Names of saved files by a template, such as `{campaign}/{name}-{take}-{n}.{ext}`.

A field in braces is one of FIXED, or a column of the sheet. What people write in a cell is *free*:
it is cleaned, and shortened where the name gets too long. What tells one picture from another (the
fixed fields and the text of the template) is never shortened.

Two pictures may still get one name, if the template has no `row_id`. The place that keeps them then
adds a number or a digest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.core.pictures.filenames import free_part

#: Fields that the program fills in; `n` is the number of the picture, from 1.
FIXED: Final = ("row_id", "take", "n", "date")
#: The longest part between two slashes, in bytes. With the digest and the ending that a place adds,
#: it stays below 143 bytes, the least that a common file system allows (eCryptfs; most allow 255).
MOST_BYTES: Final = 110
#: The most bytes of text and fixed fields in one part, so that something is left for free fields.
MOST_TEXT: Final = 40
MOST_FOLDERS: Final = 5
#: Names that Windows keeps for devices, with any ending:
#: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)")
_TEXT: Final = re.compile(r"[\w ()+,=@~-]*")


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """A template that was checked. Made by `parsed`."""

    #: For each part between slashes: text, field, text, …, text.
    parts: tuple[tuple[str, ...], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that it names."""
        named = (field for part in self.parts for field in part[1::2])
        return tuple(dict.fromkeys(field for field in named if field not in FIXED))

    def stem(self, value: Callable[[str], str]) -> str:
        """The name without its ending, with "/" between folders.

        `value` returns what a field holds; empty if it holds nothing. A folder without a name is
        left out.
        """
        parts = [_filled(part, value) for part in self.parts]
        return "/".join([*filter(None, parts[:-1]), parts[-1] or "picture"])


def template(text: str) -> NameTemplate:
    """A template as a configuration has it. Raises ValueError that says what is wrong."""
    text = unicodedata.normalize("NFC", text.strip()).removesuffix(".{ext}")
    parts = tuple(tuple(re.split(r"\{([^{}]*)\}", part)) for part in text.split("/"))
    names = [name.strip() for part in parts for name in part[1::2]]
    if "ext" in names:
        raise ValueError('{ext} can only be at the end, as ".{ext}"')
    if "" in names:
        raise ValueError("there is nothing between { and }")
    if "n" not in parts[-1][1::2]:
        raise ValueError("the last part needs {n}, the number of the picture")
    for part in parts:
        _check(part)
    if len(parts) > MOST_FOLDERS + 1:
        raise ValueError(f"it has more than {MOST_FOLDERS} folders")
    return NameTemplate(
        tuple(
            tuple(one.strip() if at % 2 else one for at, one in enumerate(part)) for part in parts
        )
    )


def _check(part: tuple[str, ...]) -> None:
    written = "".join(part[::2])
    if not _TEXT.fullmatch(written):
        raise ValueError(
            "use letters, digits, spaces, - and _ between the fields, and / between folders"
        )
    if len(written.encode()) > MOST_TEXT:
        raise ValueError(f"{written!r} is too long: {MOST_TEXT} bytes at most")
    if not written.strip() and len(part) == 1:
        raise ValueError("there is a folder without a name")


def _filled(part: tuple[str, ...], value: Callable[[str], str]) -> str:
    texts = [
        one if not at % 2 else value(one) if one in FIXED else free_part(value(one))
        for at, one in enumerate(part)
    ]
    free = [at for at in range(1, len(part), 2) if part[at] not in FIXED and texts[at]]
    left = MOST_BYTES - sum(len(text.encode()) for at, text in enumerate(texts) if at not in free)
    # The shortest come first, so that what they leave goes to the longer ones.
    for done, at in enumerate(sorted(free, key=lambda at: len(texts[at].encode()))):
        texts[at] = _short(texts[at], max(left, 0) // (len(free) - done))
        left -= len(texts[at].encode())
    # An empty field leaves two separators.
    name = re.sub(r"([ _-])[ _-]+", r"\1", "".join(texts)).strip(" -")
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def _short(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore").strip("-")
