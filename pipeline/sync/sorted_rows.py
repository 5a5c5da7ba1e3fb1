"""A CSV file that was only sorted: it has the rows that the last pass left, in another order.

A pass keeps a digest of each row that needs no work. If it found no other line in the sheet, these
digests and the header say all about the sheet but the order of its rows, and a row that was moved
needs no work either. So the quick check looks for the digests, and loads nothing for that.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pipeline.core.cells.row_digests import DIGEST, cut, digest

if TYPE_CHECKING:
    from pipeline.core.model import Grid


class LeftRows(NamedTuple):
    """The rows that need no work, as the store keeps them: joined texts of equal length."""

    ids: str
    digests: bytes


def digest_of_all(grid: Grid, digests: Collection[bytes], delimiter: str) -> str:
    """A digest of the header, of all rows in any order, and of how they are to be read.

    `digests` are those of the rows that need no work. Empty if the sheet has another line, or is no
    text file.
    """
    is_whole = delimiter and len(digests) == len(grid) - 1
    return _digest(grid[0], digests, delimiter) if is_whole else ""


def sum_of(file: BinaryIO) -> str:
    """How many bytes a file has, and their sum: the same for the same rows in any order.

    A file with other rows nearly always has another sum, so its rows need not be read.
    """
    size, summed = 0, 1
    while part := file.read(_PART):
        size, summed = size + len(part), zlib.adler32(part, summed)
    # The lower half of Adler-32 is the sum of all bytes, and no other sum is made as fast.
    return f"{size} {summed & 0xFFFF}"


#: Bytes that are read at a time.
_PART = 2**20


def order_of(content: bytes, delimiter: str, left: LeftRows, wanted: str) -> list[str] | None:
    """The ids of the rows by their places in the file, which has a header on top.

    None if it has other rows, or if `wanted` is not the digest of all of `left`.
    Raises ValueError or csv.Error if it is no text in UTF-8, or is left open.
    """
    lines = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    if not left.digests or _digest(next(records, ()), [left.digests], delimiter) != wanted:
        return None
    digests = cut(left.digests, DIGEST)
    ids = dict(zip(digests, cut(left.ids, len(left.ids) // len(digests)), strict=True))
    found = [*map(digest, records)]
    if not len(digests) == len(found) == len({*found}) or not ids.keys() >= {*found}:
        return None
    return ["", *(ids[one] for one in found)]


def _digest(header: Sequence[str], digests: Iterable[bytes], delimiter: str) -> str:
    whole = hashlib.sha256(repr((tuple(header), delimiter)).encode("utf-8", "surrogatepass"))
    whole.update(b"".join(digests))
    return whole.hexdigest()
