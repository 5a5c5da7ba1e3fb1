"""The page about gestures says what the table says."""

from __future__ import annotations

from tests.gestures.page import PAGE, page
from tests.gestures.people import MOMENTS
from tests.gestures.table import CSV, SHARED, TABLE


def test_the_page_is_made_from_the_table() -> None:
    """`python -m tests.gestures.page` writes it again."""
    assert PAGE.read_text("utf-8") == page()


def test_the_table_has_at_least_forty_gestures_and_each_line_once() -> None:
    lines = [(gesture.name, gesture.when, gesture.kinds) for gesture in TABLE]

    assert len({name for name, _, _ in lines}) >= 40
    assert len(set(lines)) == len(lines)
    assert {when for _, when, _ in lines} == MOMENTS.keys()
    assert {gesture.sheet for gesture in TABLE} >= SHARED.keys()
    # Most of them are possible in a file without formats, too.
    assert sum(CSV in kinds for _, _, kinds in lines) > len(lines) * 0.8
