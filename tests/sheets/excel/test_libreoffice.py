"""A real LibreOffice writes the workbooks that we change, and opens the results.

Not in the default run: `pytest -m office`. Needs LibreOffice Calc.
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from pipeline.core.model import Patch
from pipeline.sheets.excel.sheet import ExcelSheet
from tests.fakes.formulas import FORMULAS
from tests.fakes.program import call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team
from tests.sheets.excel.test_sheet import TEAM, TEXTS
from tests.wild import slow_workbook

pytestmark = [pytest.mark.office, pytest.mark.timeout(300)]

INSTALL = "LibreOffice is not here: apt-get install --no-install-recommends libreoffice-calc"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def converted(path: Path, kind: str) -> Path:
    """The file as LibreOffice opens it and saves it in another format."""
    soffice = shutil.which("soffice") or pytest.fail(INSTALL)
    folder = path.parent / f"as {kind}"
    profile = f"-env:UserInstallation={(path.parent / 'profile').as_uri()}"
    command = [soffice, profile, "--headless", "--norestore", "--convert-to", kind]
    subprocess.run(
        [*command, "--outdir", folder, path], check=True, capture_output=True, timeout=120
    )
    return folder / f"{path.stem}.{kind}"


def cells_in_libreoffice(path: Path) -> list[list[tuple[str, str, str]]]:
    """For every cell: its text, its type in LibreOffice, and its formula."""
    tree = ElementTree.parse(converted(path, "fods"))
    table = next(tree.iter(f"{TABLE}table"))
    rows: list[list[tuple[str, str, str]]] = []
    for row in rows_in(table):
        cells: list[tuple[str, str, str]] = []
        for cell in row:
            kind = cell.get(f"{OFFICE}value-type", "")
            text = "\n".join(map(paragraph, cell.findall(f"{TEXT}p")))
            times = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
            cells += [(text, kind, cell.get(f"{TABLE}formula", ""))] * min(times, 100)
        rows += [cells] * min(int(row.get(f"{TABLE}number-rows-repeated", "1")), 100)
    return rows


def rows_in(tree: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The rows of a table, including those in groups, without those of a chart on it."""
    for child in tree:
        if child.tag == f"{TABLE}table-row":
            yield child
        elif child.tag.startswith((f"{TABLE}table-row", f"{TABLE}table-header-rows")):
            yield from rows_in(child)


def paragraph(tree: ElementTree.Element) -> str:
    marks = {f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n"}
    parts = [tree.text or ""]
    for child in tree:
        if child.tag == f"{TEXT}s":
            parts.append(" " * int(child.get(f"{TEXT}c", "1")))
        else:
            parts.append(marks.get(child.tag, "") or paragraph(child))
        parts.append(child.tail or "")
    return "".join(parts)


def lines(text: str) -> str:
    """Text with uniform line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def test_none_of_our_cells_is_a_formula_and_each_shows_its_text(tmp_path: Path) -> None:
    path = tmp_path / "team.xlsx"
    book = Workbook()
    tab = book.worksheets[0]
    tab.append(["prompt", "theirs"])
    for number in range(2, 2 + len(FORMULAS)):
        tab.append([f"prompt {number}", f"={number}*2"])
    book.save(path)
    patch = {(0, 2): "note"} | {(at, 2): text for at, text in enumerate(FORMULAS, start=1)}

    ExcelSheet(path).write(lambda grid: patch)

    _, *rows = cells_in_libreoffice(path)
    for number, (text, row) in enumerate(zip(FORMULAS, rows, strict=False), start=2):
        assert (lines(row[2][0]), *row[2][1:]) == (lines(text), "string", "")
        assert row[1] == (str(number * 2), "float", f"of:={number}*2")


def test_prompts_that_are_formulas_pass_through_the_whole_program_as_text(tmp_path: Path) -> None:
    path = tmp_path / "team.xlsx"
    prompts = [*FORMULAS, "=1+1 [refuse]", "@SUM(1) [refuse]", "-1+1 [fail]"]
    book = Workbook()
    tab = book.worksheets[0]
    tab.append(["prompt", "theirs"])
    for number, prompt in enumerate(prompts, start=2):
        tab.append([None, f"={number}*2"])
        tab.cell(number, 1, prompt.replace("\r", "_x000D_")).data_type = "s"
    book.save(path)
    with sandbox_process(task_seconds=0.1, plain_pictures="true") as sandbox:
        ended = call("run", Team(tmp_path, sandbox.url).configured(sheet="team.xlsx"), "--wait")
        tasks = sandbox.state()["tasks"]

    assert ended.is_plain, ended.said
    sent = {p.strip() for p in prompts if "[refuse]" not in p and p != "#REF!"}
    assert {lines(words) for words in tasks} == {lines(words) for words in sent}
    header, *rows = cells_in_libreoffice(path)
    status = [text for text, _, _ in header].index("status")
    assert [row[status][0] for row in rows[: len(prompts)]].count("done") == len(FORMULAS) - 1
    for number, (prompt, row) in enumerate(zip(prompts, rows, strict=False), start=2):
        assert lines(row[0][0]) == lines(prompt)
        assert row[1] == (str(number * 2), "float", f"of:={number}*2")
        for text, kind, formula in row[2:]:
            assert (kind, formula) == (("string", "") if text else ("", ""))


def test_formulas_stay_text_in_a_csv_file_that_libreoffice_opens(
    tmp_path: Path,
) -> None:
    path = tmp_path / "team.csv"
    prompts = [*FORMULAS, "=1+1 [refuse]", "@SUM(1) [refuse]", "-1+1 [fail]"]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["prompt"], *([prompt] for prompt in prompts)])
    with sandbox_process(task_seconds=0.1, plain_pictures="true") as sandbox:
        ended = call("run", Team(tmp_path, sandbox.url).configured(sheet="team.csv"), "--wait")

    assert ended.is_plain, ended.said
    header, *rows = cells_in_libreoffice(path)
    status = [text for text, _, _ in header].index("status")
    said = [row[status][0] for row in rows[: len(prompts)]]
    assert said.count("done") == len(FORMULAS) - 1
    assert said.count("failed") == 3
    ours = [cell for row in rows[: len(prompts)] for cell in row[1:]]
    assert {formula for _, _, formula in ours} == {""}


@pytest.fixture(scope="module")
def by_libreoffice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The team's workbook after LibreOffice has saved it."""
    path = tmp_path_factory.mktemp("office") / "team.xlsx"
    path.write_bytes(TEAM)
    return converted(path, "xlsx")


PLACES = st.tuples(st.integers(0, 11) | st.integers(14, 16), st.integers(0, 12))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(patch=st.dictionaries(PLACES, TEXTS, min_size=1, max_size=12))
def test_only_our_cells_change_in_a_workbook_from_libreoffice(
    tmp_path: Path, by_libreoffice: Path, patch: Patch
) -> None:
    path = tmp_path / "team.xlsx"
    shutil.copyfile(by_libreoffice, path)
    sheet = ExcelSheet(path)
    last = len(sheet.read())

    slow_workbook.assert_only_ours(
        path, sheet, {place: text for place, text in patch.items() if place[0] < last}
    )


def test_our_reading_equals_what_libreoffice_shows(tmp_path: Path, by_libreoffice: Path) -> None:
    path = tmp_path / "team.xlsx"
    shutil.copyfile(by_libreoffice, path)
    ExcelSheet(path).write(lambda grid: {(0, 9): "row_id", (1, 9): "r_1", (3, 2): "done"})

    grid = ExcelSheet(path).read()

    shown = cells_in_libreoffice(path)
    for row, theirs in zip(grid, shown, strict=False):
        texts = [text for text, _, _ in theirs]
        assert [re.sub(r"\s", " ", text) for text in row] == [
            re.sub(r"\s", " ", text) for text in (*texts, *[""] * len(row))[: len(row)]
        ]
    assert load_workbook(path).worksheets[0]["D2"].value == "=B2*2"
