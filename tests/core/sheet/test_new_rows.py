"""Rows to add below the last one of a sheet."""

from __future__ import annotations

from pipeline.core.sheet.new_rows import place_below, with_rows


def test_new_rows_go_below_the_last_line_that_holds_more_than_unticked_boxes() -> None:
    grid = (("prompt", "skip"), ("fox", ""), ("", "FALSE"), ("", ""))

    assert place_below(grid) == 2
    assert place_below(()) == 0
    assert with_rows(grid, [{0: "owl"}])[2:4] == (("owl", ""), ("", "FALSE"))
