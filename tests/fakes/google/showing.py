"""What `spreadsheets.get` answers: a spreadsheet, its sheets, and their cells."""

from __future__ import annotations

from tests.fakes.google import entering, formulas, places
from tests.fakes.google.a1 import Area
from tests.fakes.google.fields import check_mask
from tests.fakes.google.grid import COLUMNS, ROWS, Book, Cell, Line, Sheet
from tests.fakes.google.masks import Mask, mask, pick
from tests.fakes.google.refusals import Json

WHITE = {"red": 1, "green": 1, "blue": 1}
DEFAULT_FORMAT: Json = {
    "backgroundColor": WHITE,
    "padding": {"top": 2, "right": 3, "bottom": 2, "left": 3},
    "verticalAlignment": "BOTTOM",
    "wrapStrategy": "OVERFLOW_CELL",
    "textFormat": {
        "foregroundColor": {},
        "fontFamily": "arial,sans,sans-serif",
        "fontSize": 10,
        "bold": False,
        "italic": False,
        "strikethrough": False,
        "underline": False,
        "foregroundColorStyle": {"rgbColor": {}},
    },
    "backgroundColorStyle": {"rgbColor": WHITE},
}
ROW_SIZE, COLUMN_SIZE = 21, 100


def whole(book: Book, said: Json) -> Json:
    """The answer; `said` has `ranges`, `fields`, `includeGridData` as lists or values."""
    wanted = mask(said["fields"]) if said.get("fields") else None
    texts = said.get("ranges") or []
    areas = [places.by_text(book, text) for text in texts]
    return picked(book, areas if texts else None, wanted, _is_true(said.get("includeGridData")))


def picked(
    book: Book,
    areas: list[tuple[Sheet, Area]] | None,
    wanted: Mask | None,
    with_data: bool,
) -> Json:
    if wanted is not None:
        check_mask(wanted)
        sheets_part = wanted.get("sheets", wanted.get("*"))
        with_data = sheets_part is not None and (not sheets_part or "data" in sheets_part)
    answer: Json = {"spreadsheetId": book.id, "properties": properties(book), "sheets": []}
    for sheet in book.sheets:
        parts = [area for one, area in areas or [] if one is sheet]
        if areas is not None and not parts:
            continue
        said = sheet_said(book, sheet)
        if with_data:
            said["data"] = [
                data(book, sheet, places.checked(sheet, area)) for area in parts or [Area()]
            ]
        answer["sheets"].append(said)
    answer["spreadsheetUrl"] = f"https://docs.google.com/spreadsheets/d/{book.id}/edit"
    own = [one.described() for one in places.all_metadata(book) if one.sheet is None]
    if own:
        answer["developerMetadata"] = own
    if wanted is None:
        return answer
    found: Json = pick(answer, wanted)
    return found


def properties(book: Book) -> Json:
    return {
        "title": book.title,
        "locale": book.locale,
        "autoRecalc": "ON_CHANGE",
        "timeZone": book.time_zone,
        "defaultFormat": DEFAULT_FORMAT,
        "spreadsheetTheme": {"primaryFontFamily": "Arial"},
    }


def sheet_properties(book: Book, sheet: Sheet) -> Json:
    grid: Json = {"rowCount": len(sheet.rows), "columnCount": len(sheet.columns)}
    if sheet.frozen_rows:
        grid["frozenRowCount"] = sheet.frozen_rows
    if sheet.frozen_columns:
        grid["frozenColumnCount"] = sheet.frozen_columns
    index = book.sheets.index(sheet) if sheet in book.sheets else len(book.sheets)
    said: Json = {
        "sheetId": sheet.id,
        "title": sheet.title,
        "index": index,
        "sheetType": "GRID",
        "gridProperties": grid | sheet.more.get("gridProperties", {}),
    }
    if sheet.hidden:
        said["hidden"] = True
    return said | {name: one for name, one in sheet.more.items() if name != "gridProperties"}


def sheet_said(book: Book, sheet: Sheet) -> Json:
    """A sheet without its cells."""
    said: Json = {"properties": sheet_properties(book, sheet)}
    if sheet.conditional:
        said["conditionalFormats"] = [
            {"ranges": [places.described(sheet, area) for area in areas], **rule}
            for areas, rule in sheet.conditional
        ]
    if sheet.filter:
        area, rest = sheet.filter
        said["basicFilter"] = {"range": places.described(sheet, sheet.within(area)), **rest}
    fences = [
        protected(sheet, key)
        for key, one in sheet.protected.items()
        if book.facts.lists_what_is_protected or one.said.get("requestingUserCanEdit")
    ]
    if fences:
        said["protectedRanges"] = fences
    own = [
        one.described()
        for one in places.all_metadata(book)
        if one.sheet is sheet and one.kind == "SHEET"
    ]
    if own:
        said["developerMetadata"] = own
    return said


def protected(sheet: Sheet, key: int) -> Json:
    one = sheet.protected[key]
    said: Json = {"protectedRangeId": key, "range": places.described(sheet, one.area)}
    return said | one.said


def data(book: Book, sheet: Sheet, area: Area) -> Json:
    """Cells with all that is known of them, and the sizes of rows and columns."""
    area = sheet.within(area)
    assert area.bottom is not None
    assert area.right is not None
    said: Json = {}
    if area.top:
        said["startRow"] = area.top
    if area.left:
        said["startColumn"] = area.left
    rows = []
    for r in range(area.top, area.bottom):
        cells = sheet.rows[r].cells[area.left : area.right]
        values = [cell_said(book, sheet, r, c, one) for c, one in enumerate(cells, area.left)]
        while values and not values[-1]:
            values.pop()
        rows.append({"values": values} if values else {})
    while rows and not rows[-1]:
        rows.pop()
    if rows:
        said["rowData"] = rows
    said["rowMetadata"] = [
        _line(book, sheet, ROWS, n, line, ROW_SIZE)
        for n, line in enumerate(sheet.rows[area.top : area.bottom], area.top)
    ]
    said["columnMetadata"] = [
        _line(book, sheet, COLUMNS, n, line, COLUMN_SIZE)
        for n, line in enumerate(sheet.columns[area.left : area.right], area.left)
    ]
    return said


def _line(book: Book, sheet: Sheet, dimension: str, n: int, line: Line, size: int) -> Json:
    said: Json = {}
    if line.filtered:
        said["hiddenByFilter"] = True
    if line.hidden:
        said["hiddenByUser"] = True
    said["pixelSize"] = line.size or size
    if line.metadata:
        said["developerMetadata"] = [
            places.Found(line.metadata, one, sheet, dimension, n).described()
            for one in line.metadata
        ]
    return said


def cell_said(book: Book, sheet: Sheet, row: int, column: int, cell: Cell) -> Json:
    """A CellData."""
    said: Json = {}
    if cell.formula is not None:
        said["userEnteredValue"] = {"formulaValue": cell.formula}
    elif cell.value is not None:
        said["userEnteredValue"] = _extended(cell.value)
    value = book.computed(sheet, row, column, cell)
    if value is not None:
        said["effectiveValue"] = _extended(value)
        said["formattedValue"] = book.shown_cell(sheet, row, column, cell)
        if cell.formula and value == formulas.LOADING:
            said["effectiveValue"] = {"errorValue": {"type": "LOADING"}}
        elif cell.formula and (kind := formulas.ERROR_TYPES.get(str(value))):
            said["effectiveValue"] = {"errorValue": {"type": kind}}
            said["formattedValue"] = book.error_words.get(str(value), str(value))
    form = dict(cell.format or {})
    if cell.pattern and "numberFormat" not in form:
        type_ = "DATE" if "y" in cell.pattern else "NUMBER"
        form["numberFormat"] = {"type": type_, "pattern": cell.pattern}
    if form:
        said["userEnteredFormat"] = form
    if form or value is not None:
        said["effectiveFormat"] = DEFAULT_FORMAT | form
    if cell.note:
        said["note"] = cell.note
    if cell.rule:
        said["dataValidation"] = cell.rule
    return said


def _extended(value: entering.Value) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"numberValue": value}


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"
