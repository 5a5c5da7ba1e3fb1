"""What people wrote, as a digest: `watch` notices by it edits of a sheet that is no file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pipeline.core.model import Grid
from pipeline.core.sheet.header import Columns


def people_wrote(grid: Grid, columns: Columns) -> str:
    """A digest of the title line and of what is in people's columns; empty without a title line."""
    if not grid:
        return ""
    ours = set(columns.ours.values())
    cells = [_trimmed([c for at, c in enumerate(row) if at not in ours]) for row in grid]
    return hashlib.sha256(json.dumps(cells).encode("utf-8", "surrogatepass")).hexdigest()


def _trimmed(row: list[str]) -> Sequence[str]:
    """The row without empty cells at its end."""
    while row and not row[-1]:
        row.pop()
    return row
