"""Invisible characters in cells and titles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.inputs import normalise
from pipeline.core.invisible import is_blank, visible
from pipeline.core.sheet.header import Header
from pipeline.core.sheet.header_checks import check_header
from tests.core.build import FIELDS, columns_of, planned, wrote
from tests.fakes.cases import each

NOTHING = (
    *("\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\ufeff", "\u00ad", "\u034f"),
    *("\u061c", "\u180e", "\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\ufe0f", "\ufe0e"),
    *("\u202a", "\u202c", "\u202e", "\u2066", "\u2069", "\U000e0001", "\ufffc", "\x00", "\x07"),
    *("\u00a0", "\u2003", "\u3000", "\u2028", " \u200b\n\u00a0\ufeff "),
)


@each("nothing", NOTHING)
def test_a_cell_with_only_invisible_characters_is_empty(nothing: str) -> None:
    columns = Header(FIELDS).read_line(
        ["prompt", "aspect_ratio", "take", "skip", "approved", "status"]
    )
    empty = ("", "", "", "", "", nothing)
    blank = (nothing,) * 6
    grid = (columns.header, blank, ("a fox", nothing, nothing, nothing, "x", nothing))

    assert not columns.is_row(blank)
    assert [row.place for row in columns.rows(grid)] == [2]
    (row,) = columns.rows(grid)
    assert (row.inputs, row.take, row.has_marks) == (wrote("a fox"), "", False)
    check_header(columns, (columns.header, empty), frozenset(), FIELDS)


@each("nothing", NOTHING)
def test_invisible_characters_neither_approve_nor_skip_a_row(nothing: str) -> None:
    header = ("prompt", "approved", "skip")

    unapproved, sent = planned((header, ("a fox", nothing, ""), ("an owl", "x", nothing)))

    assert (unapproved.status, sent.status) == ("needs approval", "queued")


@each("nothing", [one for one in NOTHING if "\n" not in one])
def test_a_title_with_invisible_characters_is_recognised(nothing: str) -> None:
    header = [f"{nothing}prompt", f"aspect{nothing} ratio{nothing}", f"ta{nothing}ke"]

    assert Header(FIELDS).read_line(header).index == {"prompt": 0, "aspect_ratio": 1, "take": 2}


def test_a_title_from_the_configuration_is_found_in_any_unicode_composition() -> None:
    columns = Header(FIELDS, {"prompt": "\u00dcbersicht"}).read_line(["U\u0308bersicht"])

    assert columns.index == {"prompt": 0}


@each(
    "text",
    [
        "👩\u200d👩\u200d👧 a family",  # joined
        "❤\ufe0f on snow",
        "می\u200cخواهم",  # Persian needs its non-joiner
        "\u200ea fox\u200b",
        "soft\u00adhyphen",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "a\ttab and\u00a0a space",
    ],
)
def test_a_prompt_with_visible_text_is_kept_unchanged(text: str) -> None:
    assert normalise(text) == text


def test_a_choice_is_read_without_its_invisible_characters() -> None:
    grid = (
        ("prompt", "aspect_ratio", "take", "endpoint", "row_id"),
        ("a fox", "16:9\u200e", "\u200b2", "imagine\ufeff", "r_aaaaaaaaa\u200b"),
    )

    (row,) = columns_of(grid).rows(grid)

    assert row.inputs == wrote("a fox", aspect_ratio="16:9", endpoint="imagine")
    assert (row.take, row.mark) == ("2", "r_aaaaaaaaa")


@given(st.text())
def test_a_text_is_blank_if_nothing_visible_remains(text: str) -> None:
    assert is_blank(text) == (visible(text) == "")
    assert (normalise(text) == "") == is_blank(text)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
