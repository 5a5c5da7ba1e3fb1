"""The values of Notion's properties: what each type takes, and how it is written as JSON.

A text is cut into pieces of 2,000 UTF-16 units, 100 at most.
Source: developers.notion.com/reference/request-limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pipeline.outlets.mapping import Column, Kind, Unfit

#: UTF-16 units in a piece of text, and pieces in a property.
PIECE: Final = 2000
PIECES: Final = 100
_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        ("title", "rich_text", "url", "email", "phone_number", "select", "status"), Kind.TEXT
    ),
    "number": Kind.NUMBER,
    "multi_select": Kind.LIST,
    "date": Kind.MOMENT,
    "checkbox": Kind.FLAG,
    "files": Kind.PICTURES,
}
_LONGEST: Final = {"title": PIECE * PIECES, "rich_text": PIECE * PIECES, "select": 100, "url": 2000}


def column_of(name: str, its: Mapping[str, Any]) -> Column:
    kind = str(its["type"])
    choices = None
    if kind == "status":
        # Options of a select are added with the first row; those of a status cannot be.
        choices = frozenset(str(one["name"]) for one in its["status"]["options"])
    return Column(
        name, _KINDS.get(kind, Kind.OTHER), kind, longest=_LONGEST.get(kind), choices=choices
    )


def property_of(column: Column, value: object) -> dict[str, Any]:
    """A value as Notion's JSON has it."""
    text = "" if value is None else str(value)
    match column.type:
        case "title" | "rich_text":
            pieces = [{"type": "text", "text": {"content": one}} for one in in_pieces(text)]
            if len(pieces) > PIECES:
                raise Unfit(
                    f"The text for {column.name} is too long: Notion takes {PIECE * PIECES:,} "
                    "characters. Shorten it."
                )
            return {column.type: pieces}
        case "select" | "status":
            return {column.type: {"name": _option(text)} if text else None}
        case "multi_select":
            texts = value if isinstance(value, list) else []
            return {column.type: [{"name": _option(one)} for one in texts]}
        case "date":
            moment = value.isoformat() if isinstance(value, datetime) else None
            return {column.type: {"start": moment} if moment else None}
        case "number" | "checkbox":
            return {column.type: value}
    return {column.type: text or None}


def _option(text: str) -> str:
    """A name of an option: Notion takes no comma there."""
    return text.replace(",", ";")[:100]


def in_pieces(text: str, most: int = PIECE) -> list[str]:
    """The text in pieces of at most this many UTF-16 units, which is how Notion counts."""
    pieces, start, units = [], 0, 0
    for at, letter in enumerate(text):
        size = 2 if ord(letter) > 0xFFFF else 1
        if units + size > most:
            pieces.append(text[start:at])
            start, units = at, 0
        units += size
    return [*pieces, text[start:]] if text else []
