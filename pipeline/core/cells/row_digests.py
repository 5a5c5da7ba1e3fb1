"""Digests of rows: two rows with the same digest have the same cells. Pure, and quickly loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, TypeVar

#: Bytes of a digest.
DIGEST: Final = 16
_BETWEEN: Final = "\x1f"

Piece = TypeVar("Piece", str, bytes)


def digest(row: Sequence[str]) -> bytes:
    """A digest of all cells of a row; empty if another row could have the same digest."""
    text = _BETWEEN.join(row)
    if text.count(_BETWEEN) != len(row) - 1:
        return b""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST).digest()


def cut(text: Piece, size: int) -> list[Piece]:
    """The pieces of a text that were joined, all of one size."""
    return [text[at : at + size] for at in range(0, len(text), size)] if text else []
