"""What was seen of a saved picture, and what is wrong with it. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final, Literal, NamedTuple

#: What the content of a picture may be, besides fine.
Look = Literal["", "damaged", "blank"]


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class SeenPicture(NamedTuple):
    """What was seen of a picture. Its size is None if its head cannot be read."""

    size: Size | None
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a saved picture; nothing is if all are empty."""

    look: Look = ""
    #: Its size, and what its row asked for, where that is something else.
    size: str = ""
    asked: str = ""
    #: Which other picture it is the same as, as the end of a sentence.
    same: str = ""

    def __bool__(self) -> bool:
        return bool(self.look or self.asked or self.same)

    def as_json(self) -> dict[str, str]:
        """What is wrong, for programs: `look`, `size` with `asked`, and `same`."""
        return {name: text for name, text in asdict(self).items() if text}

    def to_text(self) -> str:
        """As the store keeps it; empty if nothing is wrong."""
        return json.dumps(self.as_json(), ensure_ascii=False) if self else ""

    @classmethod
    def from_text(cls, text: str) -> Findings:
        """The findings that `to_text` wrote."""
        return cls(**json.loads(text)) if text else NONE


NONE: Final = Findings()
