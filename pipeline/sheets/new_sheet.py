"""The files that `init` creates: a CSV, or a workbook with widths and drop-down lists."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.core.errors import ConfigError
from pipeline.core.sheet.header_checks import letters
from pipeline.core.statuses import Status
from pipeline.sheets.choices import Choices
from pipeline.sheets.excel.sheet import need_openpyxl

#: The last row of a worksheet.
_LAST: Final = 1_048_576
#: Title -> width of its column, in characters; the others get _WIDTH.
_WIDTHS: Final = {
    "name": 18,
    "prompt": 60,
    "aspect_ratio": 14,
    "take": 7,
    "status": 16,
    "task_id": 20,
    "image_urls": 55,
    "note": 50,
}
_WIDTH: Final = 11
#: The height of a row, in points.
_HEIGHT: Final = 60
#: Columns whose texts are long: they are wrapped, so that a row shows all of its text.
_WRAPPED: Final = ("prompt", "note")
#: The beginning of a status -> the colour of its cell (RGB).
_COLOURS: Final = {
    Status.DONE: "D8F0D4",
    Status.IN_PROGRESS: "D9E8FA",
    **dict.fromkeys(
        (Status.FAILED, Status.INVALID, Status.OVER_BUDGET, Status.CHECK_NEEDED), "FAD9D4"
    ),
    **dict.fromkeys((Status.EDITED, Status.COPY, Status.NEEDS_APPROVAL), "FFF2CC"),
}
#: The most characters that a list in a validation may have.
_LONGEST_LIST: Final = 255


def new_file(sheet: Path, rows: Sequence[Sequence[str]], choices: Mapping[str, Choices]) -> bytes:
    """The content of a new .csv, .tsv or .xlsx file. Raises ConfigError for another kind."""
    match sheet.suffix.casefold():
        case ".xlsx":
            return new_workbook(rows, choices, hidden=("row_id",))
        case ".xlsm":
            raise ConfigError(
                f"{sheet} does not exist, and only Excel can create a workbook with macros. "
                "Name an .xlsx file."
            )
        case kind:
            text = io.StringIO(newline="")
            csv.writer(text, delimiter="\t" if kind == ".tsv" else ",").writerows(rows)
            return text.getvalue().encode()


def new_workbook(
    rows: Sequence[Sequence[str]],
    choices: Mapping[str, Choices] | None = None,
    hidden: Collection[str] = (),
) -> bytes:
    """The content of an .xlsx file with one tab, Prompts; the first of `rows` is the header.

    All cells are text, so that 16:9 stays as it is typed. `choices` maps titles to drop-down lists;
    `hidden` names the columns that are not shown. Raises ConfigError without openpyxl.
    """
    need_openpyxl()
    from openpyxl import Workbook
    from openpyxl.formatting.rule import Rule
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.styles.differential import DifferentialStyle
    from openpyxl.worksheet.datavalidation import DataValidation
    from openpyxl.worksheet.worksheet import Worksheet

    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet), "a new workbook has one worksheet"
    sheet.title = "Prompts"
    sheet.freeze_panes = "A2"
    # Room for four lines in each row: programs differ in whether they fit a row to its text.
    sheet.sheet_format.defaultRowHeight = _HEIGHT
    sheet.sheet_format.customHeight = True
    sheet.row_dimensions[1].height = _HEIGHT / 2
    for row in rows:
        sheet.append([text or None for text in row])
    for column, title in enumerate(rows[0]):
        letter = letters(column)
        cells = f"{letter}2:{letter}{_LAST}"
        dimension = sheet.column_dimensions[letter]
        dimension.width = _WIDTHS.get(title, _WIDTH)
        dimension.hidden = title in hidden
        placed = Alignment(vertical="top", wrap_text=title in _WRAPPED)
        for cell in sheet[letter][1:]:
            if cell.data_type == "f":  # a prompt that begins with =
                cell.data_type = "s"
        for styled in (dimension, *sheet[letter][1:]):
            styled.number_format = "@"
            styled.alignment = placed
        words = ",".join(choices[title].words) if choices and title in choices else ""
        if words and len(words) <= _LONGEST_LIST:
            listed = DataValidation("list", formula1=f'"{words}"', allow_blank=True, sqref=cells)
            listed.showErrorMessage = choices is not None and choices[title].closed
            sheet.add_data_validation(listed)
        if title == "status":
            for word, colour in _COLOURS.items():
                style = DifferentialStyle(fill=PatternFill(bgColor=colour))
                begins = f'LEFT({letter}2,{len(word)})="{word}"'
                sheet.conditional_formatting.add(
                    cells,
                    Rule(
                        "beginsWith", dxf=style, operator="beginsWith", text=word, formula=[begins]
                    ),
                )
    for cell in sheet[1]:
        cell.number_format = "@"
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="EEF1EF")
        cell.border = Border(bottom=Side("thin", color="9AA59F"))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
