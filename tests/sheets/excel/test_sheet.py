"""Excel workbooks: read as shown, and written without changing any byte outside our cells.

An independent reader checks the results: see `tests.wild.slow_workbook`.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image
from openpyxl.formatting.rule import Rule
from openpyxl.styles import Font, PatternFill
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.formula import ArrayFormula
from openpyxl.worksheet.table import Table
from openpyxl.worksheet.worksheet import Worksheet as OpenpyxlSheet
from PIL import Image as Picture

from pipeline.core.cell_errors import NOT_COMPUTED
from pipeline.core.errors import ConfigError, SheetError
from pipeline.core.model import Grid, Patch
from pipeline.sheets.excel import package
from pipeline.sheets.excel.number_formats import shown_number
from pipeline.sheets.excel.sheet import ExcelSheet
from pipeline.sheets.new_sheet import new_workbook
from tests.fakes.cases import each
from tests.wild import slow_workbook
from tests.wild.slow_workbook import SHEET, assert_in_order, parts

WHEN = datetime(2026, 1, 31, 8, 5)  # noqa: DTZ001 - what a cell holds has no time zone
CROWDED = Rule("cellIs", operator="greaterThan", formula=["5"])
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def always(patch: Patch) -> Callable[[Grid], Patch]:
    return lambda grid: patch


def sheet_in(path: Path, tab: str = "") -> ExcelSheet:
    return ExcelSheet(path, tab=tab, pause=lambda _: None)


def saved(path: Path, fill: Callable[[OpenpyxlSheet], object]) -> Path:
    book = Workbook()
    fill(book.worksheets[0])
    book.save(path)
    return path


def with_part(path: Path, **changed: bytes | None) -> None:
    """Put other contents into parts of a workbook, or new parts into it."""
    old = parts(path.read_bytes()) | {name: c for name, c in changed.items() if c is not None}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in old.items():
            archive.writestr(name, content)


def a_team_s_workbook() -> bytes:
    """Content that people put into a workbook and that our reader does not understand."""
    book = Workbook()
    tab = book.worksheets[0]
    tab.title = "Prompts & more"
    tab.append(["Prompt", "Count", "Status", "Sum", "When"])
    for number in range(2, 12):
        tab.append([f"prompt {number}", number, None, f"=B{number}*2", date(2026, 1, number)])
    tab["A4"] = CellRichText("a ", TextBlock(InlineFont(b=True), "bold"), " fox")
    tab["A5"], tab["A6"].font, tab["C6"].fill = None, Font(b=True), PatternFill("solid", "FFFF00")
    tab["D13"] = ArrayFormula("D13:E14", "=B2:C3*2")
    tab.merge_cells("A16:C17")
    tab["A16"] = "merged"
    tab["A2"].comment = Comment("Look here", "Zoë")
    tab["A3"].hyperlink = "https://example.com/"
    tab.row_dimensions[7].hidden = True
    tab.row_dimensions[30].height = 40
    tab.column_dimensions["A"].width = 60
    tab.freeze_panes = "A2"
    tab.auto_filter.ref = "A1:E11"
    tab.conditional_formatting.add("B2:B11", CROWDED)
    choice = DataValidation("list", formula1='"yes,no"')
    choice.add("C2:C11")
    tab.add_data_validation(choice)
    tab.print_area = "A1:E11"
    chart = BarChart()
    chart.add_data(Reference(tab, min_col=2, min_row=1, max_row=11), titles_from_data=True)
    tab.add_chart(chart, "H2")
    picture = io.BytesIO()
    Picture.new("RGB", (8, 8), "red").save(picture, "PNG")
    tab.add_image(Image(picture), "H20")
    second = book.create_sheet("Numbers")
    second.append(["a", "b"])
    second.append([1, "='Prompts & more'!B2"])
    second.add_table(Table(displayName="Numbers", ref="A1:B2"))
    alone = BarChart()
    alone.add_data(Reference(tab, min_col=2, min_row=1, max_row=11))
    book.create_chartsheet("A chart").add_chart(alone)
    out = io.BytesIO()
    book.save(out)
    return with_macros_and_values(out.getvalue())


def with_macros_and_values(content: bytes) -> bytes:
    """Values as Excel leaves them beside formulas, a part of macros, a list of formulas."""
    old = parts(content)
    main = old[SHEET].decode()
    main = re.sub(r"(<f[^>]*>[^<]*</f>)(<v ?/>)?", r"\1<v>42</v>", main)
    texts: list[str] = []

    def shared(match: re.Match[str]) -> str:
        texts.append(match[1])
        return f't="s"><v>{len(texts) - 1}</v>'

    main = re.sub(r't="inlineStr"><is>(.*?)</is>', shared, main)
    strings = "".join(f"<si>{text}</si>" for text in texts)
    old["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{strings}</sst>'.encode()
    main = re.sub(r'<row r="(\d+)"', r'<row r="\1" spans="1:5"', main)
    old[SHEET] = main.encode()
    old["xl/vbaProject.bin"] = bytes(range(256)) * 20
    old["xl/calcChain.xml"] = f'<calcChain xmlns="{MAIN}"><c r="D2" i="1"/></calcChain>'.encode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    kinds = "".join(
        f'<Override PartName="/xl/{name}.xml" ContentType="{kind}.{name}+xml"/>'
        for name in ("calcChain", "sharedStrings")
    )
    links = "".join(
        f'<Relationship Id="r{name}" Type="{RELATIONS}/{name}" Target="{name}.xml"/>'
        for name in ("calcChain", "sharedStrings")
    )
    for part, end, more in (
        ("[Content_Types].xml", "</Types>", kinds),
        ("xl/_rels/workbook.xml.rels", "</Relationships>", links),
    ):
        old[part] = old[part].replace(end.encode(), f"{more}{end}".encode())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in old.items():
            archive.writestr(name, content)
    return out.getvalue()


def prefixed(part: bytes) -> bytes:
    """The same worksheet as a program writes it that gives every name a prefix."""
    text = re.sub(r"<(/?)(?=[A-Za-z]+[\s/>])", r"<\1x:", part.decode())
    return text.replace(f'xmlns="{MAIN}"', f'xmlns:x="{MAIN}"').encode()


def strict(part: bytes) -> bytes:
    return part.replace(MAIN.encode(), STRICT.encode())


def without_refs(part: bytes) -> bytes:
    """The same worksheet from a program that leaves out where rows and cells are, gaps filled."""
    rows = []
    for number in range(1, 12):
        cells = "".join(f"<c t='str'><v>{number} > {letter}</v></c>" for letter in "ABCDE")
        rows.append(f"<row>{cells}</row>")
    return re.sub(
        rb"<sheetData>.*</sheetData>",
        f"<sheetData>{''.join(rows)}</sheetData>".encode(),
        part,
        flags=re.DOTALL,
    )


def marked(part: bytes) -> bytes:
    return b"\xef\xbb\xbf" + part


def as_is(part: bytes) -> bytes:
    return part


TEAM = a_team_s_workbook()
WRITERS = (as_is, prefixed, strict, without_refs, marked)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "done", "=1+1", "a\nb", " x ", "_x0041_", "a\rb", "\x07", "<&>\"'", "]]>"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
# Outside the cells with shared and array formulas: rows 13 and 14, columns D and E.
COLUMNS = st.integers(0, 7) | st.integers(8, 40)
PLACES = st.tuples(st.integers(0, 11) | st.integers(14, 16), COLUMNS)


@settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    writer=st.sampled_from(WRITERS), patch=st.dictionaries(PLACES, TEXTS, min_size=1, max_size=12)
)
def test_only_our_cells_change_and_no_other_byte_of_the_workbook(
    tmp_path: Path, writer: Callable[[bytes], bytes], patch: Patch
) -> None:
    path = tmp_path / "team.xlsm"
    path.write_bytes(TEAM)
    with_part(path, **{SHEET: writer(parts(TEAM)[SHEET])})
    sheet = sheet_in(path)
    last = len(sheet.read())

    slow_workbook.assert_only_ours(
        path, sheet, {place: text for place, text in patch.items() if place[0] < last}
    )


def test_our_reading_equals_that_of_openpyxl(tmp_path: Path) -> None:
    path = tmp_path / "team.xlsm"
    path.write_bytes(TEAM)

    grid = sheet_in(path).read()

    theirs = load_workbook(path, data_only=True).worksheets[0]
    for number, values in enumerate(theirs.iter_rows(values_only=True)):
        ours = (*(grid[number] if number < len(grid) else ()), *[""] * len(values))
        for value, says in zip(values, ours, strict=False):
            if isinstance(value, datetime):
                assert says == value.date().isoformat()
            else:
                assert says == ("" if value is None else str(value))
    assert grid[3][0] == "a bold fox"


def test_a_workbook_keeps_its_macros_charts_and_pictures_also_for_openpyxl(tmp_path: Path) -> None:
    path = tmp_path / "team.xlsm"
    path.write_bytes(TEAM)

    sheet_in(path).write(always({(0, 5): "row_id", (1, 5): "r_1", (1, 2): "done"}))

    book = load_workbook(path, rich_text=True)
    tab: Any = book.worksheets[0]
    assert (tab["F2"].value, tab["C2"].value, tab["D2"].value) == ("r_1", "done", "=B2*2")
    assert load_workbook(path, data_only=True).worksheets[0]["D2"].value == 42
    assert len(tab._charts) == len(tab._images) == 1
    assert tab.dimensions.endswith("17")
    assert re.search(rb'<dimension ref="A1:F\d+"', parts(path.read_bytes())[SHEET])


FORMATS = [
    ("42", "00000", "00042"),
    ("0.125", "0%", "13%"),
    ("0.125", "0.0%", "12.5%"),
    ("1234567.891", "#,##0.00", "1,234,567.89"),
    ("-3", "0;(0)", "(3)"),
    ("0", '0;-0;"zero"', "zero"),
    ("12345678901234567", "General", "12345678901234567"),
    ("1.2345678901234568E+17", "General", "123456789012345680"),
    ("1E+15", "General", "1000000000000000"),
    ("0.1", "General", "0.1"),
    ("1.50", "General", "1.5"),
    ("0.30000000000000004", "General", "0.3"),
    ("1e-7", "General", "0.0000001"),
    ("-0", "General", "0"),
    ("1.5", "0.00", "1.50"),
    ("5", "0.##", "5"),
    ("0.5", "#.##", ".5"),
    ("5551234567", "000-000-0000", "555-123-4567"),
    ("1234", "0.00E+00", "1.23E+03"),
    ("1234567", '0.0,,"M"', "1.2M"),
    ("12.5", '"$"#,##0.00_);("$"#,##0.00)', "$12.50"),
    ("-12.5", "#,##0.00\\ [$€-407];-#,##0.00\\ [$€-407]", "-12.50 €"),
    ("1.5", "[Red]0.0", "1.5"),
    ("3", '0" pieces"', "3 pieces"),
    ("0.5", "# ?/?", "0.5"),
    ("7", "@", "7"),
    ("46053", "yyyy-mm-dd", "2026-01-31"),
    ("46053", "d-mmm-yy", "31-Jan-26"),
    ("46053", "[$-407]dddd, d. mmmm yyyy", "Saturday, 31. January 2026"),
    ("46053", "dd/mm/yyyy", "31/01/2026"),
    ("46053.75", "d mmm yyyy h:mm AM/PM", "31 Jan 2026 6:00 PM"),
    ("46053.75", "dd.mm.yyyy hh:mm:ss", "31.01.2026 18:00:00"),
    ("0.6729166666666667", "h:mm", "16:09"),
    ("1.5", "[h]:mm", "36:00"),
    ("45000.0007", "mm:ss.00", "01:00.48"),
    ("59", "yyyy-mm-dd", "1900-02-28"),
    ("99999999", "yyyy-mm-dd", "99999999"),
    ("1E400", "General", "1E400"),
    ("1E999999999", "0", "1E999999999"),
    ("what?", "0", "what?"),
]


@each(("value", "number_format", "shown"), FORMATS)
def test_a_number_is_read_as_shown(value: str, number_format: str, shown: str) -> None:
    assert shown_number(value, number_format) == shown


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text('0#?.,%Eed/hms[]"\\;_* -@', max_size=9),
)
def test_no_number_format_breaks_a_reading(number: float, number_format: str) -> None:
    assert isinstance(shown_number(repr(number), number_format), str)


@given(st.integers(-(10**14), 10**14), st.integers(0, 4))
def test_a_typed_number_and_the_same_number_as_text_compare_equal(digits: int, places: int) -> None:
    number = digits / 10**places
    typed = shown_number(repr(number), "General")
    assert "E" not in typed.upper()
    assert float(typed) == pytest.approx(number, rel=1e-14)
    assert shown_number(typed, "General") == typed


def test_cells_of_every_type_are_read_as_shown(tmp_path: Path) -> None:
    def fill(tab: OpenpyxlSheet) -> None:
        tab.append(["what", "cell"])
        tab.append(["truth", True])
        tab.append(["error", "#REF!"])
        tab.append(["never worked out", "=1+1"])
        tab.append(["moment", WHEN])
        tab.append(["day", date(2026, 1, 31)])
        tab.append(["clock", WHEN.time()])
        tab.append(["span", timedelta(hours=30)])
        tab.append(["zeros", 7])
        tab["B9"].number_format = "000"
        tab.append([])
        tab.append(["text", "_x0041_ and & <b>"])
        tab.append(["looks like a formula", "x"])
        tab["B12"].value, tab["B12"].data_type = "=HYPERLINK(1)", "s"

    grid = sheet_in(saved(tmp_path / "a.xlsx", fill)).read()

    assert [row[1] for row in grid] == [
        *("cell", "TRUE", "#REF!", NOT_COMPUTED, "2026-01-31 8:05:00", "2026-01-31", "8:05:00"),
        *("30:00:00", "007", "", "A and & <b>", "=HYPERLINK(1)"),
    ]
    assert grid[9] == ("", "")


def test_dates_are_counted_from_1904_if_the_workbook_says_so(tmp_path: Path) -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.worksheets[0].append(["when"])
    book.worksheets[0].append([date(2026, 1, 31)])
    book.save(tmp_path / "mac.xlsx")

    assert sheet_in(tmp_path / "mac.xlsx").read()[1] == ("2026-01-31",)


def raw(tmp_path: Path, rows: str, more: str = "") -> Path:
    """A workbook with only this XML as its rows."""
    path = saved(tmp_path / "raw.xlsx", lambda tab: tab.append(["x"]))
    part = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{more}</worksheet>'
    with_part(path, **{SHEET: part.encode()})
    return path


def test_phonetic_text_is_not_part_of_a_cell(tmp_path: Path) -> None:
    text = '<is><r><t>東</t></r><r><t>京</t></r><rPh sb="0" eb="2"><t>とうきょう</t></rPh></is>'
    path = raw(tmp_path, f'<row r="1"><c r="A1" t="inlineStr">{text}</c></row>')

    assert sheet_in(path).read() == (("東京",),)


def test_new_columns_are_added_to_the_right_of_merged_header_cells(tmp_path: Path) -> None:
    rows = '<row r="1"><c r="A1" t="str"><v>prompt</v></c></row>'
    path = raw(tmp_path, rows, '<mergeCells><mergeCell ref="A1:D1"/></mergeCells>')

    assert sheet_in(path).read() == (("prompt", "", "", ""),)


def test_new_columns_are_added_to_the_right_of_merged_cells_next_to_the_rows(
    tmp_path: Path,
) -> None:
    rows = '<row r="1"><c r="A1" t="str"><v>prompt</v></c></row><row r="2"><c r="A2"><v>1</v></c>'
    merged = "".join(f'<mergeCell ref="{ref}"/>' for ref in ("C2:F9", "A5:XFD5", "A40:Z40"))
    path = raw(tmp_path, f"{rows}</row>", f"<mergeCells>{merged}</mergeCells>")

    assert sheet_in(path).read() == (("prompt", *[""] * 5), ("1", *[""] * 5))


def test_the_totals_of_a_table_are_not_a_row(tmp_path: Path) -> None:
    def fill(tab: OpenpyxlSheet) -> None:
        for row in (["prompt", "cost"], ["a fox", 3], ["Total", 3, "beside"], ["below"]):
            tab.append(row)
        tab.add_table(Table(displayName="Prompts", ref="A1:B3", totalsRowCount=1))

    path = saved(tmp_path / "a.xlsx", fill)
    before = parts(path.read_bytes())

    read = sheet_in(path).read()
    sheet_in(path).write(always({(1, 3): "done"}))

    assert read == (
        *(("prompt", "cost"), ("a fox", "3")),
        *(("", "", "beside"), ("below", "")),
    )
    assert load_workbook(path).worksheets[0]["A3"].value == "Total"
    assert [name for name, part in parts(path.read_bytes()).items() if part != before[name]] == [
        SHEET
    ]


def test_missing_rows_are_blank_and_are_created_in_order(tmp_path: Path) -> None:
    path = raw(tmp_path, '<row r="1"/><row r="5"><c r="B5" t="str"><v>five</v></c></row>')
    sheet = sheet_in(path)
    assert [any(row) for row in sheet.read()] == [False, False, False, False, True]

    sheet.write(always({(0, 1): "head", (2, 0): "three", (4, 0): "left", (4, 2): "right"}))

    assert [tuple(filter(None, row)) for row in sheet.read()] == [
        *(("head",), (), ("three",), ()),
        ("left", "five", "right"),
    ]
    assert_in_order(parts(path.read_bytes())[SHEET])


@pytest.mark.parametrize(
    ("formula", "place"),
    [
        ('<f t="shared" si="0" ref="B1:B9">1</f>', (0, 1)),
        ('<f t="array" ref="B1:C2">1</f>', (0, 2)),
        ('<f t="dataTable" ref="B1:C2"/>', (1, 1)),
    ],
)
def test_a_formula_that_others_depend_on_is_never_broken(
    tmp_path: Path, formula: str, place: tuple[int, int]
) -> None:
    rows = (
        f'<row r="1"><c r="B1">{formula}<v>1</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>'
    )
    path = raw(tmp_path, rows)
    before = path.read_bytes()

    with pytest.raises(SheetError, match=r"B1 of .* holds a formula that other cells depend on"):
        sheet_in(path).write(always({place: "done"}))

    assert path.read_bytes() == before


def test_self_closing_cells_and_rows_are_filled_in_place(tmp_path: Path) -> None:
    rows = '<row r="1"><c r="A1" s="1"/><c r="B1" s="1" /><c r="D1"/></row><row r="2" ht="9"/>'
    path = raw(tmp_path, rows + '<row r="3"><c r="A3"><v>1</v></c></row>')

    sheet_in(path).write(always({(0, 0): "a", (0, 1): "b", (0, 2): "c", (0, 3): "d", (1, 1): "e"}))

    assert sheet_in(path).read() == (tuple("abcd"), ("", "e", "", ""), ("1", "", "", ""))
    assert b'<row r="2" ht="9"><c r="B2" t="inlineStr">' in parts(path.read_bytes())[SHEET]


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("cells", ['<c r="A1"/>', ""])
def test_the_span_of_a_row_includes_its_last_cell(tmp_path: Path, quote: str, cells: str) -> None:
    row = f"<row r={quote}1{quote} spans={quote}1:2{quote} ht={quote}9{quote}"
    last = '<row r="2"><c r="A2"><v>1</v></c></row>'
    path = raw(tmp_path, (f"{row}>{cells}</row>" if cells else f"{row}/>") + last)

    sheet_in(path).write(always({(0, 4): "far"}))

    part = parts(path.read_bytes())[SHEET].decode()
    said = re.search(r"""<row [^>]*spans=["']\d+:(\d+)""", part)
    assert said is None or int(said[1]) >= 5
    assert re.search(r"""ht=["']9""", part)
    assert sheet_in(path).read()[0] == ("", "", "", "", "far")


def test_later_cells_of_a_filled_down_formula_may_be_overwritten(tmp_path: Path) -> None:
    first = '<row r="1"><c r="B1"><f t="shared" si="0" ref="B1:B2">1</f><v>1</v></c></row>'
    path = raw(tmp_path, f'{first}<row r="2"><c r="B2"><f t="shared" si="0"/><v>1</v></c></row>')

    sheet_in(path).write(always({(1, 1): "done"}))

    assert sheet_in(path).read() == (("", "1"), ("", "done"))
    assert first.encode() in parts(path.read_bytes())[SHEET]


def test_text_too_long_for_a_cell_is_cut_once_and_not_written_again(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.xlsx", lambda tab: tab.append(["x"]))
    patch = {(0, 1): "🦊" * 20_000, (0, 2): "half \ud83e", (0, 3): "bell \x07, \r and _x0041_"}

    (row,) = sheet_in(path).write(always(patch))

    assert row[1:] == ("🦊" * 16_383, "half \ufffd", "bell \x07, \r and _x0041_")
    before = path.read_bytes()
    sheet_in(path).write(always(patch))
    assert path.read_bytes() == before


def test_emptying_the_last_row_leaves_a_shorter_sheet(tmp_path: Path) -> None:
    path = raw(
        tmp_path, '<row r="1"><c r="A1"><v>1</v></c></row><row r="3"><c r="A3"><v>2</v></c></row>'
    )

    assert sheet_in(path).write(always({(2, 0): ""})) == (("1",),)
    with pytest.raises(IndexError):
        sheet_in(path).write(always({(2, 0): "x"}))


def test_the_tab_is_found_by_name_or_else_the_first_visible_one_is_used(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].title = "Hidden"
    book.worksheets[0].sheet_state = "hidden"
    book.create_sheet("Prompts").append(["seen"])
    book.create_sheet("Später").append(["later"])
    book.save(path := tmp_path / "a.xlsx")

    assert sheet_in(path).read() == (("seen",),)
    assert sheet_in(path, "später").read() == (("later",),)
    with pytest.raises(SheetError, match=r'no tab "Old" in it; .*"Hidden", "Prompts", "Später"'):
        sheet_in(path, "Old").read()


def test_only_the_chosen_tab_is_written(tmp_path: Path) -> None:
    path = tmp_path / "team.xlsm"
    path.write_bytes(TEAM)
    before = parts(TEAM)

    sheet_in(path, "Numbers").write(always({(0, 2): "status", (1, 2): "done"}))

    after = parts(path.read_bytes())
    assert [n for n in before if after[n] != before[n]] == ["xl/worksheets/sheet2.xml"]
    assert load_workbook(path).worksheets[1]["C2"].value == "done"


@pytest.mark.parametrize("mark", ["~$team.xlsx", ".~lock.team.xlsx#"])
def test_a_workbook_that_is_open_elsewhere_is_left_unchanged(tmp_path: Path, mark: str) -> None:
    path = saved(tmp_path / "team.xlsx", lambda tab: tab.append(["x"]))
    before = path.read_bytes()
    (tmp_path / mark).write_bytes(b"\x03Zoe")

    with pytest.raises(SheetError, match=r"team\.xlsx is open in (Excel|LibreOffice)"):
        sheet_in(path).write(always({(0, 1): "status"}))

    assert path.read_bytes() == before
    (tmp_path / mark).unlink()
    assert sheet_in(path).write(always({(0, 1): "status"})) == (("x", "status"),)


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/big.bin", bytes(9 * 1024 * 1024))
    return out.getvalue()


def damaged(content: bytes, part: str, old: bytes, new: bytes) -> bytes:
    assert old in parts(content)[part]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, there in parts(content).items():
            archive.writestr(name, there.replace(old, new) if name == part else there)
    return out.getvalue()


def flipped(content: bytes) -> bytes:
    """The same file with some damaged bytes in the worksheet."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at = archive.getinfo(SHEET).header_offset + 100
    return content[:at] + bytes(50) + content[at + 50 :]


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet '
BROKEN = {
    "old": (OLE + bytes(999), "old format of Excel: save it as .xlsx"),
    "password": (OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
    "other zip": (bomb(), "is in another format: open it and save it as an Excel workbook"),
    "binary": (damaged(TEAM, "_rels/.rels", b"workbook.xml", b"workbook.bin"), "another format"),
    "text": (b"prompt,status\n", "is no workbook, or is damaged"),
    "empty": (b"", "is no workbook, or is damaged"),
    "cut": (TEAM[: len(TEAM) // 2], "is no workbook, or is damaged"),
    "flipped": (flipped(TEAM), "damaged"),
    "no part": (
        damaged(TEAM, "_rels/.rels", b"workbook.xml", b"book.xml"),
        "missing: open it and save",
    ),
    "bad xml": (damaged(TEAM, SHEET, b"</sheetData>", b""), "its worksheet is damaged"),
    "entities": (damaged(TEAM, SHEET, b"<worksheet ", ENTITY), "declares entities"),
    "order": (damaged(TEAM, SHEET, b'<row r="3"', b'<row r="2"'), "not in their order"),
    "cells": (damaged(TEAM, SHEET, b' r="B3"', b' r="A3"'), "not in their order"),
    "texts": (damaged(TEAM, "xl/sharedStrings.xml", b"<si>", b"<so>"), "damaged"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_unusable_file_is_reported_in_a_clear_sentence(tmp_path: Path, kind: str) -> None:
    content, why = BROKEN[kind]
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)

    for act in (sheet_in(path).read, lambda: sheet_in(path).write(always({(0, 0): "x"}))):
        with pytest.raises(SheetError, match=why) as error:
            act()
        assert str(error.value).startswith(str(path))
        assert str(error.value).endswith(".")
    assert path.read_bytes() == content


def test_a_small_file_that_unpacks_to_a_huge_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "MOST_BYTES", 8 * 1024 * 1024)
    path = tmp_path / "a.xlsx"
    path.write_bytes(bomb())

    with pytest.raises(SheetError, match="unpacked it is larger than 8 MB"):
        sheet_in(path).read()


def test_without_openpyxl_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.xlsx", lambda tab: tab.append(["x"]))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(
        ConfigError, match=r'Install "promptsheet\[excel\]" with pip, uv or pipx\.$'
    ):
        sheet_in(path).read()


def test_a_new_workbook_keeps_typed_input_as_text(tmp_path: Path) -> None:
    path = tmp_path / "new.xlsx"
    path.write_bytes(new_workbook((("name", "aspect_ratio"), ("first", "16:9"))))

    assert sheet_in(path).read() == (("name", "aspect_ratio"), ("first", "16:9"))
    tab = load_workbook(path).worksheets[0]
    assert (tab["B2"].number_format, tab.column_dimensions["B"].number_format) == ("@", "@")
