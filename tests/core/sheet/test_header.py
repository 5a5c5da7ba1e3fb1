"""The header decides the meaning of each column, and which cells are inputs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import ColumnsError
from pipeline.core.inputs import canonical, normalise, over, parsed
from pipeline.core.sheet.header import Header, believed
from pipeline.core.sheet.header_checks import (
    becoming_ours,
    cell_of_a_row,
    check_header,
    letters,
    loss,
)
from pipeline.core.sheet.near_misses import near_misses
from tests.core.build import FIELDS, columns_of, sheet, wrote
from tests.fakes.cases import each

NO_COLUMNS: frozenset[str] = frozenset()


@each("title", ["aspect_ratio", "Aspect Ratio", "ASPECT-RATIO", " aspectratio ", "Aspect_ ratio"])
def test_names_match_without_case_spaces_hyphens_and_underscores(title: str) -> None:
    assert Header(FIELDS).read_line(["x", title]).index == {"aspect_ratio": 1}


def test_a_title_can_be_mapped_to_one_of_our_names() -> None:
    header = Header(FIELDS, {"prompt": "text", "status": "Image status"})
    columns = header.read_line(["Text", "Status", "Image status"])

    assert columns.index == {"prompt": 0, "status": 2}
    assert columns.title("status") == "Image status"
    assert columns.title("note") == "note"


def test_an_ignored_column_belongs_to_the_team() -> None:
    assert Header(FIELDS, ignore=["take"]).read_line(["prompt", "Take"]).index == {"prompt": 0}


def test_our_column_names_are_never_inputs() -> None:
    columns = Header(FIELDS).read_line(["prompt", "status", "endpoint", "take", "owner"])

    assert columns.inputs == ("endpoint", "prompt")


def test_a_filled_column_with_our_name_stops_the_pass_and_names_both_remedies() -> None:
    grid = sheet("prompt | owner | Status \n a fox | Kim | open")

    with pytest.raises(ColumnsError) as caught:
        check_header(columns_of(grid), grid, NO_COLUMNS, FIELDS)

    assert str(caught.value).startswith("Column C, Status, already holds text. Rename it")
    assert 'status = "Image status"' in str(caught.value)
    assert "init --adopt" in str(caught.value)


def test_a_filled_column_with_an_optional_name_can_be_ignored() -> None:
    grid = sheet("prompt | Files \n a fox | a slogan")

    with pytest.raises(ColumnsError) as caught:
        check_header(columns_of(grid), grid, NO_COLUMNS, FIELDS)

    assert 'Rename it, or set [columns] ignore = ["Files"].' in str(caught.value)
    check_header(Header(FIELDS, ignore=["Files"]).read(grid), grid, NO_COLUMNS, FIELDS)


def test_the_teams_empty_column_is_reported_before_we_use_it() -> None:
    columns = columns_of(sheet("prompt | Status | owner | Text \n a fox | | |"))

    (said,) = becoming_ours(columns, NO_COLUMNS)

    assert said == (
        "Column B, Status, is empty, so Promptsheet writes its status there. If the column is your "
        'own, rename it, or set [columns] status = "Image status".'
    )
    assert becoming_ours(columns, frozenset({"status"})) == []


def test_a_sheet_made_from_our_template_needs_no_such_report() -> None:
    columns = columns_of(sheet("prompt | row_id | status | task_id | image_urls | note"))

    assert becoming_ours(columns, NO_COLUMNS) == []


@each(
    ("titles", "found"),
    [
        ("prompt | Ratio", [("Ratio", "aspect_ratio")]),
        ("prompt | Aspect", [("Aspect", "aspect_ratio")]),
        ("prompt | aspect_ration", [("aspect_ration", "aspect_ratio")]),
        ("prompt | Size | Aprooved", [("Size", "aspect_ratio"), ("Aprooved", "approved")]),
        ("Prompts | aspect_ratio", [("Prompts", "prompt")]),
        ("My prompt | aspect_ratio | Skipp", [("My prompt", "prompt"), ("Skipp", "skip")]),
        ("prompt | aspect_ratio | Ratio", []),  # the column that may be meant exists
        ("prompt | Owner | Notes | Campaign | Price", []),
        ("prompt | Status | status 2 | row_id", []),
        ("prompt | | ", []),
    ],
)
def test_titles_similar_to_a_known_name_are_reported(
    titles: str, found: list[tuple[str, str]]
) -> None:
    assert near_misses(columns_of(sheet(titles)), FIELDS, ()) == found


def test_an_ignored_title_is_not_reported() -> None:
    columns = Header(FIELDS, ignore=["ratio"]).read_line(["prompt", "Ratio"])

    assert near_misses(columns, FIELDS, ["ratio"]) == []


def test_an_empty_column_with_our_name_is_ours() -> None:
    grid = sheet("prompt | Status \n a fox |")

    check_header(columns_of(grid), grid, NO_COLUMNS, FIELDS)


def test_a_column_that_is_already_ours_may_be_filled() -> None:
    grid = sheet("prompt | Status \n a fox | done")

    check_header(columns_of(grid), grid, frozenset({"status"}), FIELDS)


def test_the_error_for_a_sheet_without_inputs_says_what_a_header_needs() -> None:
    grid = sheet("name | idea \n x | y")

    with pytest.raises(ColumnsError, match=r"aspect_ratio, prompt"):
        check_header(columns_of(grid), grid, NO_COLUMNS, FIELDS)


def test_the_error_names_the_line_of_a_header_further_down() -> None:
    grid = sheet("Spring campaign | \n 2026 | \n prompt | owner \n a fox | Kim")

    with pytest.raises(ColumnsError, match=r"The header is in line 3\. Move it"):
        check_header(columns_of(grid), grid, NO_COLUMNS, FIELDS)


def test_an_empty_sheet_gives_a_clear_sentence() -> None:
    with pytest.raises(ColumnsError, match="The sheet is empty"):
        check_header(Header(FIELDS).read(()), (), NO_COLUMNS, FIELDS)


def test_a_reading_without_a_required_column_is_rejected() -> None:
    before = believed(columns_of(sheet("prompt | aspect_ratio | take | skip | owner")))

    assert before == ("aspect_ratio", "prompt", "skip", "take")
    assert loss(columns_of(sheet("prompt | aspect_ratio | take | skip")), before, 3, 3) == ""
    assert "take is gone" in loss(columns_of(sheet("prompt | aspect_ratio | skip")), before, 3, 3)
    assert "skip is gone" in loss(columns_of(sheet("prompt | aspect_ratio | take")), before, 3, 3)
    assert "--accept-columns" in loss(columns_of(sheet("prompt | take | skip")), before, 3, 3)


def test_a_reading_without_any_rows_is_rejected() -> None:
    columns = columns_of(sheet("prompt"))

    assert "All rows are gone" in loss(columns, ("prompt",), 0, 3)
    assert loss(columns, None, 0, 0) == ""


def test_two_columns_with_one_name_are_reported_with_their_letters() -> None:
    said = loss(columns_of(sheet("prompt | owner | Prompt")), None, 1, 1)

    assert "A and C" in said


def test_lines_between_the_rows_are_not_rows() -> None:
    grid = sheet("prompt | endpoint | take \n a fox | | \n | imagine | \n | | 2")

    assert [row.place for row in columns_of(grid).rows(grid)] == [1]


@each(
    ("header", "line"),
    [
        ("prompt | aspect_ratio | owner", "prompt | aspect_ratio | owner"),
        ("prompt | aspect_ratio | owner", "Prompt | Aspect Ratio | Owner"),
        ("prompt | aspect_ratio | owner", "prompt | | "),
        ("Prompt | row_id | status", "Prompt | row_id | status"),
        ("\ufeffPrompt | take", "Prompt | take"),
    ],
)
def test_a_line_that_repeats_the_header_is_not_a_row(header: str, line: str) -> None:
    grid = sheet(f"{header} \n a fox \n {line} \n an owl")
    columns = columns_of(grid)

    assert [row.place for row in columns.rows(grid)] == [1, 3]
    assert [columns.is_row(row) for row in grid] == [False, True, False, True]


def test_a_line_that_repeats_a_part_of_the_header_is_a_row() -> None:
    grid = sheet("prompt | owner | row_id \n prompt | Kim | \n prompt | | r_aaaaaaaaa")

    assert len(list(columns_of(grid).rows(grid))) == 2


def test_inputs_are_compared_after_trimming_and_unicode_composition() -> None:
    decomposed = "cafe\u0301 \r\n bar"

    assert normalise(f"  {decomposed} ") == "caf\u00e9 \n bar"


@each(
    ("shown", "meant"),
    [
        ("16:09", "16:9"),  # Excel, and a CSV that was opened and saved there
        ("16:09:00", "16:9"),
        ("04:09:00 PM", "16:9"),  # LibreOffice in English
        ("4:09 pm", "16:9"),
        ("01:01:00 AM", "1:1"),
        ("12:05:00 AM", "0:5"),
        ("12:05:00 PM", "12:5"),
        ("16:09:00.000000000", "16:9"),  # polars
        ("16:09:00,000", "16:9"),
        ("32:09:00", "32:9"),  # Gnumeric
        ("100:01:00", "100:1"),
        ("100:01:00.000", "100:1"),
        ("16:09:00.5", "16:09:00.5"),
        ("1920:1080", "1920:1080"),
        ("16:9:30", "16:9:30"),
        ("wide", "wide"),
    ],
)
def test_a_ratio_that_a_spreadsheet_turned_into_a_time_is_read_as_the_ratio(
    shown: str, meant: str
) -> None:
    grid = sheet(f"prompt | aspect_ratio \n {shown} | {shown}")

    (row,) = columns_of(grid).rows(grid)

    assert row.inputs == wrote(shown, aspect_ratio=meant)


@given(st.dictionaries(st.sampled_from(["prompt", "aspect_ratio"]), st.text(min_size=1)))
def test_inputs_are_restored_from_their_canonical_text(inputs: dict[str, str]) -> None:
    assert parsed(canonical(inputs)) == inputs


def test_inputs_are_compared_only_in_the_columns_that_existed_then() -> None:
    assert over(("prompt",), wrote("a fox", aspect_ratio="1:1")) == wrote("a fox")
    assert over(("prompt",), wrote("a fox")) == wrote("a fox")


@each(("at", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_are_named_with_spreadsheet_letters(at: int, name: str) -> None:
    assert letters(at) == name


@each("cell", ["up-scale", "Up Scale", " UP_SCALE", "upscale"])
def test_an_endpoint_is_named_in_any_spelling(cell: str) -> None:
    header = Header(FIELDS, endpoints={"up-scale": frozenset({"parent", "index"})})
    grid = (("prompt", "endpoint", "parent"), ("", cell, "fox"))

    (row,) = header.read(grid).rows(grid)

    assert row.inputs == canonical({"endpoint": "up-scale", "parent": "fox"})


def test_a_spelling_that_two_endpoints_share_names_only_the_exact_one() -> None:
    header = Header(FIELDS, endpoints=dict.fromkeys(("a-b", "ab"), FIELDS))
    grid = (("prompt", "endpoint"), ("x", "A B"), ("x", "a-b"), ("x", "ab"))

    wrote = [row.inputs for row in header.read(grid).rows(grid)]

    assert wrote == [canonical({"prompt": "x", "endpoint": name}) for name in ("A B", "a-b", "ab")]


@each(
    ("cells", "shown"),
    [
        (["a fox in the snow", "16:9"], '"a fox in the snow"'),
        (["fox", "1:1"], '"1:1"'),
        (["fox", " https://a.example/1.png"], '"https://a.example/1.png"'),
    ],
)
def test_a_row_in_the_place_of_the_header_is_named(cells: list[str], shown: str) -> None:
    grid = (tuple(cells), ("an owl at night", "1:1"))

    with pytest.raises(ColumnsError) as told:
        check_header(columns_of(grid), grid, NO_COLUMNS, FIELDS)

    assert str(told.value) == (
        f"The first line looks like a row: {shown}. The header must be the first line: write one "
        "above it, with the title prompt over the prompts. If the first line has the titles, set "
        '[columns] prompt = "Your title".'
    )


def test_titles_of_some_words_are_no_row() -> None:
    assert not cell_of_a_row(("What it shows", "Size (w x h)", "2026", "", "Für wen"))
