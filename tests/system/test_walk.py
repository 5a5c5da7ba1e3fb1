"""The page for developers leads from the command to the written cell by names that exist."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
#: More stops than this, and the way is too long to follow.
STOPS = 40


def test_each_step_of_a_row_through_the_code_exists_and_there_are_few() -> None:
    _, _, rest = PAGE.read_text("utf-8").partition("## The way of one row\n")
    way = rest.partition("\n## ")[0]
    names = re.findall(r"`([a-z]\w*(?:\.\w+)+)`", way)

    assert 30 < len(set(names)) <= STOPS
    for name in names:
        assert resolve_name(f"pipeline.{name}"), name
