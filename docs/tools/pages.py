"""Which parts of which pages are made from the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.tools import (
    blocks,
    columns,
    commands,
    configuration,
    endpoints,
    exit_codes,
    messages,
    metrics,
)

ROOT = Path(__file__).parents[2]
REFERENCE = Path("docs") / "reference"

#: Page -> the name of each block -> what makes its text.
BLOCKS: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    REFERENCE / "columns.md": {"statuses": columns.statuses},
    REFERENCE / "input-columns.md": {"input columns": endpoints.columns},
    REFERENCE / "commands.md": {"options": commands.options},
    REFERENCE / "configuration.md": {"keys": configuration.keys},
    REFERENCE / "sample-rows.md": {"sample rows": endpoints.samples},
    REFERENCE / "exit-codes.md": {"errors": exit_codes.errors},
    REFERENCE / "metrics.md": {"metrics": metrics.metrics},
    REFERENCE / "notes.md": {
        "rows not sent": messages.rows_not_sent,
        "cells": messages.cells,
        "rows sent": messages.rows_sent,
        "pictures": messages.pictures,
        "reasons": messages.why,
    },
}


def made(page: Path) -> str:
    """The page with its blocks made again. Raises KeyError if it lacks one, or has another."""
    text = (ROOT / page).read_text("utf-8")
    its = BLOCKS[page]
    if blocks.names(text) != [*its]:
        raise KeyError(f"{page} must have these blocks, in this order: {', '.join(its)}")
    return blocks.filled(text, {name: make() for name, make in its.items()})
