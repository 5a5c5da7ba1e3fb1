"""Workbooks as other programs write them, and workbooks made to exhaust a reader."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from openpyxl import Workbook

from pipeline.core.errors import SheetError
from pipeline.core.model import Grid, Patch
from pipeline.sheets.excel import package, worksheet, worksheet_reader
from pipeline.sheets.excel.number_formats import shown_number
from pipeline.sheets.excel.sheet import ExcelSheet
from tests.fakes.cases import each
from tests.wild.slow_workbook import SHEET, parts

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
FOX: Grid = (("prompt", "status"), ("a fox", ""))


def a_workbook(
    folder: Path,
    rename: Callable[[str], str] = str,
    changed: Mapping[str, bytes] = MappingProxyType({}),
) -> ExcelSheet:
    """A workbook of one row, whose parts have other names or other contents."""
    book, out = Workbook(), io.BytesIO()
    for row in (("prompt", "status"), ("a fox", None)):
        book.worksheets[0].append(row)
    book.save(out)
    path = folder / "team.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts(out.getvalue()) | {**changed}).items():
            entry = zipfile.ZipInfo()
            entry.filename = rename(name)  # as it is, also with a backslash
            archive.writestr(entry, content)
    return ExcelSheet(path, pause=lambda _: None)


def with_rows(folder: Path, rows: str) -> ExcelSheet:
    part = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    return a_workbook(folder, changed={SHEET: part.encode()})


def done(grid: Grid) -> Patch:
    return {(1, 1): "done"}


@pytest.mark.parametrize(
    "rename",
    [
        str.upper,
        str.lower,
        lambda name: name.replace("/", "\\"),
        lambda name: "/" + name,
        lambda name: name.replace("xl/", "XL\\"),
    ],
)
def test_parts_are_found_in_any_spelling_which_is_kept(
    tmp_path: Path, rename: Callable[[str], str]
) -> None:
    sheet = a_workbook(tmp_path, rename)
    with zipfile.ZipFile(tmp_path / "team.xlsx") as archive:
        names = archive.namelist()

    assert sheet.read() == (("prompt", "status"), ("a fox", ""))
    assert sheet.write(done)[1] == ("a fox", "done")
    with zipfile.ZipFile(tmp_path / "team.xlsx") as archive:
        assert archive.namelist() == names
    assert sheet.read()[1] == ("a fox", "done")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("DRMEncryptedDataSpace", "EncryptedPackage"), "a sensitivity label or rights management"),
        (("StrongEncryptionDataSpace", "EncryptedPackage"), "it is protected by a password"),
        (("Workbook",), "it is in the old format of Excel"),
    ],
)
def test_each_kind_of_old_container_has_its_own_sentence(
    tmp_path: Path, names: tuple[str, ...], sentence: str
) -> None:
    path = tmp_path / "team.xlsx"
    path.write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "\0".join(names).encode("utf-16-le")
    )

    with pytest.raises(SheetError, match=sentence):
        ExcelSheet(path, pause=lambda _: None).read()


LONG = "9" * 5_000


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (f'<row r="1"><c r="A1"><v>{LONG}</v></c></row>', LONG),
        (f'<row r="1"><c r="A1" s="{LONG}"><v>7</v></c></row>', "7"),
        (f'<row r="1"><c r="A1"><v>1e{LONG}</v></c></row>', f"1e{LONG}"),
    ],
)
def test_a_number_with_thousands_of_digits_is_text(tmp_path: Path, rows: str, shown: str) -> None:
    assert with_rows(tmp_path, rows).read() == ((shown,),)


@pytest.mark.parametrize(
    "rows",
    [
        f'<row r="{LONG}"><c><v>1</v></c></row>',
        f'<row r="1"><c r="A1" t="s"><v>{LONG}</v></c></row>',
        '<row r="1"><c r="A1" t="s"><v>-1</v></c></row>',
        f'<row r="1"><c r="A1" t="str"><v>{"x" * 32_768}</v></c></row>',
        f'<row r="1"><c r="A1" t="str"><v>{"x" * 300_000}</v></c></row>',
    ],
)
def test_a_workbook_that_excel_cannot_have_written_gets_one_clear_sentence(
    tmp_path: Path, rows: str
) -> None:
    with pytest.raises(SheetError, match=r"team\.xlsx cannot be used: [^\n]+\."):
        with_rows(tmp_path, rows).read()


def test_cells_are_counted_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worksheet_reader, "_MOST_CELLS", 3)
    rows = '<row r="1">' + "<c><v>1</v></c>" * 4 + "</row>"

    with pytest.raises(SheetError, match="too many cells"):
        with_rows(tmp_path, rows).read()


@pytest.mark.parametrize("part", ["xl/workbook.xml", "_rels/.rels"])
def test_the_parser_refuses_a_doctype_but_not_a_comment_with_that_word(
    tmp_path: Path, part: str
) -> None:
    book, out = Workbook(), io.BytesIO()
    book.save(out)
    content = parts(out.getvalue())[part]
    head, mark, rest = content.rpartition(b"?>")
    head += mark

    entity = head + b'<!DOCTYPE a [<!ENTITY b "c">]>' + rest
    with pytest.raises(SheetError, match="is not as spreadsheet programs write it"):
        a_workbook(tmp_path, changed={part: entity}).read()

    comment = head + b"<!-- no <!DOCTYPE here -->" + rest
    assert a_workbook(tmp_path, changed={part: comment}).read()[0][0] == "prompt"


@each(
    "number_format",
    ['"' * 200 + "[", '[$-"' * 60, "_" * 200, "\\" * 255, "0/" * 120, '"a"[' * 60, "#,##0" * 50],
)
def test_every_number_format_is_applied_quickly(number_format: str) -> None:
    began = time.perf_counter()

    assert isinstance(shown_number("1234.5", number_format), str)
    assert time.perf_counter() - began < 1


def test_a_number_format_longer_than_excel_allows_shows_the_number(tmp_path: Path) -> None:
    book = Workbook()
    tab = book.worksheets[0]
    tab.append(["prompt"])
    tab.append([42])
    tab["A2"].number_format = '"' + "x" * 300 + '"0'
    book.save(tmp_path / "team.xlsx")

    assert ExcelSheet(tmp_path / "team.xlsx").read()[1] == ("42",)


@each("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_part_is_not_unpacked_beyond_its_size_in_the_zip(packed: int) -> None:
    size, stated, out = 50_000_000, 1_000, io.BytesIO()
    with zipfile.ZipFile(out, "w", packed) as archive:
        archive.writestr("part.xml", b" " * size)
    lying = out.getvalue().replace(struct.pack("<I", size), struct.pack("<I", stated))
    book = package.Workbook.of(lying)
    tracemalloc.start()
    try:
        with pytest.raises(worksheet.Unreadable, match="damaged"):
            book.part("part.xml")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5_000_000
