"""A second reader of workbooks, which uses only zip and XML, and a check of written changes."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from pipeline.core.model import Patch
from pipeline.sheets import Sheet

SHEET = "xl/worksheets/sheet1.xml"
Cells = dict[str, bytes]


def assert_only_ours(path: Path, sheet: Sheet, patch: Patch) -> None:
    """Write the patch, and check that its cells are text and everything else in the file is
    unchanged.
    """
    before = parts(path.read_bytes())
    old = cells_of(before[SHEET])
    over_formula = any(b":f" in old.get(ref_of(*place), b"") for place in patch)

    answer = sheet.write(lambda grid: patch)

    after = parts(path.read_bytes())
    new = cells_of(after[SHEET])
    changed = {ref_of(*place) for place in patch}
    assert {ref: new.get(ref) for ref in old.keys() - changed} == {
        ref: old[ref] for ref in old.keys() - changed
    }
    assert new.keys() - changed <= old.keys()
    assert around_cells(after[SHEET]) == around_cells(before[SHEET])
    for (row, column), text in patch.items():
        ref = ref_of(row, column)
        there = answer[row] if row < len(answer) else ()
        assert (there[column] if column < len(there) else "") == text
        if new.get(ref) != old.get(ref):
            assert text_of(new[ref]) == text
            was = ElementTree.fromstring(old.get(ref, b"<c/>"))
            assert ElementTree.fromstring(new[ref]).get("s") == was.get("s")
    others = [name for name in before if name != SHEET]
    if over_formula and before != after:
        others = [name for name in others if name in after]
        others.remove("[Content_Types].xml")
        others.remove("xl/_rels/workbook.xml.rels")
        assert b"calcChain" not in b"".join(after.values())
        assert "xl/calcChain.xml" not in after
    else:
        assert list(after) == list(before)
    assert [after[name] for name in others] == [before[name] for name in others]
    assert_in_order(after[SHEET])


def assert_in_order(part: bytes) -> None:
    """Check that rows and cells are in the order that Excel requires, within the dimension."""
    tree = ElementTree.fromstring(part)
    rows = [one for one in tree.iter() if one.tag.rpartition("}")[2] == "row"]
    numbers = [int(row.get("r", 0)) for row in rows]
    assert numbers == sorted(set(numbers)) or not any(numbers)
    for row in rows:
        refs = [cell.get("r", "") for cell in row]
        if all(refs):
            columns = [(len(ref.rstrip("0123456789")), ref) for ref in refs]
            assert columns == sorted(set(columns))


def parts(content: bytes) -> dict[str, bytes]:
    """Every part of a workbook, in the order of the file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def cells_of(part: bytes) -> Cells:
    """The XML of every cell of a worksheet part, by its reference."""
    tree = ElementTree.fromstring(part)
    cells: Cells = {}
    row = 0
    for line in tree.iter():
        if line.tag.rpartition("}")[2] == "row":
            row = int(line.get("r", row + 1))
            for column, cell in enumerate(line, start=1):
                cells[cell.get("r") or f"{chr(64 + column)}{row}"] = ElementTree.tostring(cell)
    return cells


def around_cells(part: bytes) -> list[bytes]:
    """A worksheet part without its cells, and without what depends on their positions."""
    tree = ElementTree.fromstring(part)
    kept = []
    for one in tree:
        name = one.tag.rpartition("}")[2]
        if name == "sheetData":
            for row in one:
                looks = {k: v for k, v in row.attrib.items() if k != "spans"}
                if len(looks) > 1:
                    kept.append(repr(sorted(looks.items())).encode())
        elif name != "dimension":
            kept.append(ElementTree.tostring(one))
    return kept


def text_of(cell: bytes) -> str:
    """The text of one of our cells. Raises AssertionError if it is not plain text."""
    tree = ElementTree.fromstring(cell)
    if not len(tree):
        assert "t" not in tree.attrib
        return ""
    assert tree.get("t") == "inlineStr"
    assert [one.tag.rpartition("}")[2] for one in tree.iter()] == ["c", "is", "t"]
    written = tree[0][0].text or ""
    return re.sub(r"_x([0-9A-F]{4})_", lambda m: chr(int(m[1], 16)), written)


def ref_of(row: int, column: int) -> str:
    letters = ""
    while column >= 0:
        letters, column = chr(65 + column % 26) + letters, column // 26 - 1
    return f"{letters}{row + 1}"
