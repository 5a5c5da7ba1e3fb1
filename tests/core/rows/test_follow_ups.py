"""Where the cells of a row go that the page adds."""

from __future__ import annotations

from pipeline.core.rows.follow_ups import cells_for, missing_columns
from pipeline.core.sheet.header import Header

FIELDS = frozenset({"prompt", "parent", "index"})
LINE = ["prompt", "endpoint", "Parent", "index"]


def test_a_column_that_the_team_keeps_for_itself_gets_no_cell() -> None:
    cells = cells_for("upscale-1x", "r_1", 2, "")

    assert missing_columns(cells, Header(FIELDS).read_line(LINE)) == []
    kept = Header(FIELDS, ignore=["parent"]).read_line(LINE)
    assert missing_columns(cells, kept) == ["parent"]
