"""Cells that show an error, or a formula without a result: never sent, never paid.

Each sheet is run twice by the real program, as cron does; the API counts what was paid.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

from openpyxl import Workbook, load_workbook

from pipeline.sandbox import Sandbox
from tests.core.test_cell_errors import ERRORS
from tests.fakes.google_sheets import google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.program import Ended, call
from tests.fakes.team import Team
from tests.wild.slow_workbook import SHEET

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def run_twice(config: Path) -> Ended:
    first = call("run", config, "--wait")
    again = call("run", config, "--wait")
    assert (first.code, again.code) == (0, 0), first.said + again.said
    return again


def test_errors_in_a_csv_file_wait_in_every_language(team: Team, api: Sandbox) -> None:
    with team.sheet.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["prompt"], *([text] for text in ERRORS), ["a fox"], ["0"]])

    run_twice(team.configured())

    assert api.state()["tasks"] == {"a fox": 1, "0": 1}
    with team.sheet.open(newline="", encoding="utf-8") as file:
        statuses = [row["status"] for row in csv.DictReader(file)]
    assert statuses == [*["waiting"] * len(ERRORS), "done", "done"]


#: One prompt each; a library that computes nothing writes 0, Excel writes 0 for an empty cell.
WAITING = (
    "<f>Ideas!A5</f><v>0</v>",
    "<f>Ideas!A5</f>",
    "<f>Ideas!A5</f><v/>",
    "<f>Ideas!A5</f><v>0.0</v>",
    "<f>Ideas!A5</f><v>-0</v>",
    '<f t="shared" si="0" ref="A7:A8">Ideas!A5</f><v>0</v>',
    '<f t="shared" si="0"/><v>0</v>',
    # The value of an array formula that the cell above holds.
    '<f t="array" ref="A9:A10">Ideas!A5:A6</f><v>0</v>',
    "<v>0</v>",
)
ERROR_CELLS = ("#BUSY!", "#FIELD!", "#CONNECT!", "#N/A", "#VOELLIG_NEU", "a word", "")


def test_formulas_without_a_result_and_error_cells_of_a_workbook_wait(
    team: Team, api: Sandbox
) -> None:
    cells = [
        *(('t="n"', inner) for inner in WAITING),
        *(('t="e"', f"<v>{text}</v>") for text in ERROR_CELLS),
        *(('t="e"', f"<f>1/0</f><v>{text}</v>") for text in ERROR_CELLS),
        ('t="n"', "<v>0</v>"),  # typed
        ('t="str"', "<f>Ideas!A1</f><v>a fox</v>"),
        ('t="n"', "<f>40+2</f><v>42</v>"),
    ]
    path = team.folder / "team.xlsx"
    path.write_bytes(workbook_of(cells))

    run_twice(team.configured(sheet="team.xlsx"))

    assert api.state()["tasks"] == {"0": 1, "a fox": 1, "42": 1}
    header, *rows = load_workbook(path, data_only=True).worksheets[0].values
    at = header.index("status")
    assert [row[at] for row in rows] == ["waiting"] * (len(cells) - 3) + ["done"] * 3


def workbook_of(cells: list[tuple[str, str]]) -> bytes:
    """A workbook with a header, `prompt`, and one cell of raw XML in each row below."""
    book, out = Workbook(), io.BytesIO()
    book.create_sheet("Ideas").append(["a fox"])
    book.save(out)
    rows = "".join(
        f'<row r="{at}"><c r="A{at}" {kind}>{inner}</c></row>'
        for at, (kind, inner) in enumerate(cells, start=2)
    )
    header = '<row r="1"><c r="A1" t="inlineStr"><is><t>prompt</t></is></c></row>'
    part = f'<worksheet xmlns="{MAIN}"><sheetData>{header}{rows}</sheetData></worksheet>'
    fresh = io.BytesIO()
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(fresh, "w") as new:
        for name in old.namelist():
            new.writestr(name, part if name == SHEET else old.read(name))
    return fresh.getvalue()


def test_errors_in_a_google_sheet_wait_whatever_their_text(tmp_path: Path, api: Sandbox) -> None:
    api.reset()
    formulas = ("=1/0", "=NOSUCH(1)", "=IMPORTXML(A1)", '="a"+1')
    with google_sheets() as google:
        book = google.new_book("Spring", [["prompt"]])
        book.loading = frozenset({"IMPORTXML"})
        # Error texts that are in no list.
        book.error_words = {"#DIV/0!": "durch null", "#NAME?": "Kein Name", "#VALUE!": "#VERKEERD"}
        book.sheets[0].enter(0, 1, "=1/0", locale="en")  # a title, whatever it says
        for row, formula in enumerate((*formulas, '="a "&"fox"'), start=1):
            book.sheets[0].enter(row, 0, formula, locale="en")
        team = GoogleTeam(google, book, tmp_path, api)
        run_twice(team.configure())
        rows = team.rows()

    assert api.state()["tasks"] == {"a fox": 1}
    assert [row.get("status") for row in rows[:2]] == ["waiting", "waiting"]
    assert rows[-1]["status"] == "done"
