"""Messages about rows, for the outlets that are tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.core.outlets.outbox import MessageKind, RowMessage, Value
from tests.fakes.outlets import messages
from tests.fakes.outlets.messages import AT

__all__ = ["AT", "LINK", "row"]
LINK = "https://pictures.example/1.png"


def row(
    row_id: str = "r_000000001",
    take: int = 1,
    *,
    kind: MessageKind = MessageKind.DONE,
    urls: tuple[str, ...] = (LINK,),
    files: tuple[Path, ...] = (),
    is_repeat: bool = False,
    remote: str = "",
    **values: Value,
) -> RowMessage:
    """A message about a row, with these `values` besides the usual ones."""
    its = messages.row(1, kind, take=take, repeat=is_repeat)
    own: dict[str, Value] = {
        "row_id": row_id,
        "name": "Fox",
        "prompt": "a red fox",
        "image_urls": urls,
        "files": tuple(map(str, files)),
        "credits": 1.5,
    }
    return replace(
        its,
        id=f"{row_id}-{take}-{kind.name}",
        row_id=row_id,
        values={**its.values, **own, **values},
        urls=urls,
        files=files,
        remote=remote,
    )
