"""Damaged files: whatever is in them, a reader reports the problem in a clear sentence.

Real files are changed at random: bytes, parts of a workbook, and the XML inside its parts.
"""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.formula import ArrayFormula
from openpyxl.worksheet.table import Table

from pipeline.core.errors import PromptsheetError
from pipeline.core.model import Grid, Patch
from pipeline.sheets import Sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.excel.sheet import ExcelSheet
from tests.wild.manifest import corpus

SMALL = sorted(wild.path for wild in corpus() if wild.path.stat().st_size < 2_000)
#: Bytes to insert: what readers look for, and what may break them.
WORDS = (
    *(
        b'"',
        b"<",
        b">",
        b"&",
        b"'",
        b"/",
        b";",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"]]>",
        b"sep=;\n",
    ),
    *(
        b"9" * 5_000,
        b"-1",
        b"1e999",
        b"A1:XFD1048576",
        b"XFE1",
        b"#N/A",
        b't="e"',
        b' t="s"',
        b"  ",
    ),
    *(b"<f/>", b"<v>0</v>", b'<f t="array" ref="A1:Z9">1</f>', b"</row>", b'<row r="0"/>'),
    *(
        b"<c/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"&b;",
        b'<?xml version="1.0" encoding="UTF-16"?>',
        b"\\",
    ),
    *(b'[$-409]"', b'r="' + b"1" * 4_400 + b'"', b's="' + b"7" * 4_400 + b'"', b"\xd8\x00", b"|\t"),
)


def a_workbook() -> bytes:
    """A small workbook with all that is read: texts, formats, formulas, a table, a date."""
    book, out = Workbook(), io.BytesIO()
    tab = book.worksheets[0]
    tab.append(["prompt", "seed", "status", "row_id"])
    tab.append(["a fox", 0.5, None, None])
    tab.append(["=A2", True, None, None])
    tab["B2"].number_format = '[>1]0.0" x";[$-409]d mmm yyyy;@'
    tab["A4"] = ArrayFormula("A4:A5", "=A2:A3")
    tab["F1"], tab["F2"], tab["F3"] = "other", "x", "=SUBTOTAL(109,F2:F2)"
    table = Table(displayName="T", ref="F1:F3")
    table.totalsRowCount = 1
    tab.add_table(table)
    tab.merge_cells("H1:I2")
    tab.column_dimensions["A"].number_format = "@"
    book.save(out)
    return out.getvalue()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The bytes with some of them changed, removed, doubled or inserted."""
    fresh = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(fresh) + 1)
        end = min(at + chance.choice((1, 1, 3, 20, 200)), len(fresh))
        match chance.randrange(6):
            case 0:
                fresh[at:end] = bytes(chance.randrange(256) for _ in range(end - at))
            case 1:
                del fresh[at:end]
            case 2:
                fresh[at:at] = fresh[at:end]
            case 3:
                fresh[at:at] = chance.choice(WORDS)
            case 4:
                fresh[at:end] = chance.choice(WORDS)
            case _:
                other = chance.randrange(len(fresh) + 1)
                fresh[at:end] = fresh[other : other + end - at]
    return bytes(fresh[: chance.randrange(len(fresh) + 1)] if chance.random() < 0.1 else fresh)


def with_other_parts(content: bytes, chance: random.Random) -> bytes:
    """A workbook with one part changed, renamed or removed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        chosen = chance.choice(old.namelist())
        deed = chance.choice(("change", "change", "change", "change", "rename", "remove"))
        for name in old.namelist():
            part, at = old.read(name), name
            if name == chosen:
                if deed == "remove":
                    continue
                part = mutated(part, chance) if deed == "change" else part
                at = chance.choice((name.upper(), name + "x")) if deed == "rename" else name
            new.writestr(at, part)
    return out.getvalue()


def try_it(sheet: Sheet, path: Path, content: bytes) -> None:
    """Read the file and write a cell; the only allowed error is a clear sentence."""
    path.write_bytes(content)

    def patch_for(grid: Grid) -> Patch:
        return {(len(grid) - 1, 2): "done", (0, 3): "row_id"} if grid else {}

    sentence = ""
    try:
        sheet.read()
        sheet.write(patch_for)
    except PromptsheetError as error:
        sentence = str(error)
    assert not sentence or (sentence.endswith(".") and "\n" not in sentence)


def fuzz_csv(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = mutated(chance.choice(SMALL).read_bytes(), chance)
    path = folder / f"{seed}.csv"
    encoding = chance.choice(("", "", "cp1250", "cp932"))
    try_it(CsvSheet(path, encoding=encoding, pause=lambda _: None), path, content)


def fuzz_workbook(folder: Path, seed: int, content: bytes) -> None:
    chance = random.Random(seed)
    way = mutated if chance.random() < 0.2 else with_other_parts
    path = folder / f"{seed}.xlsx"
    try_it(ExcelSheet(path, pause=lambda _: None), path, way(content, chance))


@pytest.mark.parametrize("block", range(4))
def test_a_damaged_csv_file_gives_no_traceback(tmp_path: Path, block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        fuzz_csv(tmp_path, seed)


@pytest.mark.parametrize("block", range(4))
def test_a_damaged_workbook_gives_no_traceback(tmp_path: Path, block: int) -> None:
    content = a_workbook()
    for seed in range(block * 100, block * 100 + 100):
        fuzz_workbook(tmp_path, seed, content)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_damaged_files_give_no_traceback(tmp_path: Path) -> None:
    content = a_workbook()
    for seed in range(1_000, 21_000):
        fuzz_csv(tmp_path, seed)
        fuzz_workbook(tmp_path, seed, content)
