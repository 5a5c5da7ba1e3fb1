"""Lists of objects in a cell: one object on each line, written as `Field.line` says. Pure.

With the line "{duration}s: {prompt}", the cell text "5s: a fox runs" is an object with the parts
`duration` and `prompt`. Upper and lower case, and spaces around the words between the parts, do not
matter.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pipeline.core.api.provider import Field
from pipeline.core.language import Said, say

#: A part in the form of a line.
PART: Final = re.compile(r"\{([\w-]+)\}")
#: A number has no letters, so that "foxes: run" does not look like the seconds "foxe".
_NUMBER: Final = r"([-+]?[0-9][0-9.,]*)"


def lines_of(text: str) -> list[str]:
    """The lines of a cell that are not empty."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def parts_of(one: Field, line: str) -> dict[str, str] | None:
    """The texts of the parts of one line: name -> text; None if it is not written like that."""
    numbers = frozenset(n for n, part in one.parts.items() if part.type in ("integer", "number"))
    found = _shape(one.line, numbers).fullmatch(line)
    if found is None:
        return None
    return dict(zip(PART.findall(one.line), found.groups(), strict=True))


def written_as(one: Field) -> Said:
    """How a cell is written, as the end of a sentence."""
    return say("one on each line, written as {form}", form=one.line)


@lru_cache(maxsize=64)
def _shape(form: str, numbers: frozenset[str]) -> re.Pattern[str]:
    pieces = PART.split(form)
    shape = ""
    for at, piece in enumerate(pieces):
        if at % 2:
            shape += _NUMBER if piece in numbers else "(.+)" if at == len(pieces) - 2 else "(.+?)"
        else:
            words = re.findall(r"\w+|[^\w\s]", piece)
            shape += rf"\s*{''.join(re.escape(word) + chr(92) + 's*' for word in words)}"
    return re.compile(shape, re.IGNORECASE)
