"""How our columns look in a Google Sheet when we add them; people's own formats are never touched.

Written once, together with the columns: the id hidden and protected by a warning, the header frozen
if nothing is, the status in colours. All of it is asked for in one request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.core.statuses import Status
from pipeline.sheets.google.client import Json
from pipeline.sheets.google.tab import COLUMN_KEY

#: What a status cell begins with -> its background (red, green, blue).
_GREEN, _RED, _YELLOW, _BLUE = (
    (0.85, 0.94, 0.83),
    (0.98, 0.85, 0.83),
    (1.0, 0.95, 0.8),
    (0.85, 0.91, 0.98),
)
_COLOURS = {
    Status.DONE: _GREEN,
    Status.IN_PROGRESS: _BLUE,
    Status.FAILED: _RED,
    Status.INVALID: _RED,
    Status.OVER_BUDGET: _RED,
    Status.CHECK_NEEDED: _RED,
    Status.EDITED: _YELLOW,
    Status.COPY: _YELLOW,
    Status.NEEDS_APPROVAL: _YELLOW,
}


def new_columns(
    sheet: int, at: int, titles: Sequence[str], wide: int, rows: Sequence[Sequence[str]] = ()
) -> list[Json]:
    """The requests for new columns with these titles at `at`; they overwrite no cell."""
    area = {"sheetId": sheet, "dimension": "COLUMNS"}
    count = len(titles)
    wanted: list[Json] = []
    if at > wide:
        wanted.append({"appendDimension": {**area, "length": at - wide}})
    if at >= wide:
        wanted.append({"appendDimension": {**area, "length": count}})
    else:
        place = {**area, "startIndex": at, "endIndex": at + count}
        wanted.append({"insertDimension": {"range": place, "inheritFromBefore": False}})
    start = {"sheetId": sheet, "rowIndex": 0, "columnIndex": at}
    cells = [{"values": [_text(text) for text in row]} for row in (titles, *rows)]
    wanted.append({"updateCells": {"start": start, "rows": cells, "fields": "userEnteredValue"}})
    return wanted


def new_rows(sheet: int, at: int, high: int, rows: Sequence[Mapping[int, str]]) -> list[Json]:
    """The requests for new rows in front of row `at`, with cells as text; they overwrite no cell.

    `high` is the number of rows that the tab has.
    """
    area = {"sheetId": sheet, "dimension": "ROWS"}
    wanted: list[Json] = []
    if at > high:
        wanted.append({"appendDimension": {**area, "length": at - high}})
    if at >= high:
        wanted.append({"appendDimension": {**area, "length": len(rows)}})
    else:
        place = {**area, "startIndex": at, "endIndex": at + len(rows)}
        # They look like the row above, unless that is the header.
        wanted.append({"insertDimension": {"range": place, "inheritFromBefore": at > 1}})
    return [*wanted, cells_of_rows(sheet, at, rows)]


def cells_of_rows(sheet: int, at: int, rows: Sequence[Mapping[int, str]]) -> Json:
    """The request that writes the cells of some rows from row `at` on, in all their columns."""
    first, last = min(map(min, rows)), max(map(max, rows))
    start = {"sheetId": sheet, "rowIndex": at, "columnIndex": first}
    cells = [
        {"values": [_text(row.get(column, "")) for column in range(first, last + 1)]}
        for row in rows
    ]
    return {"updateCells": {"start": start, "rows": cells, "fields": "userEnteredValue"}}


def _text(text: str) -> Json:
    return {"userEnteredValue": {"stringValue": text}} if text else {}


def dressed(sheet: int, added: Mapping[str, int], frozen: int) -> Sequence[Json]:
    """The requests for columns that are new in this sheet (name -> column)."""
    wanted: list[Json] = []
    if (at := added.get("row_id")) is not None:
        wanted += [_hidden(sheet, at), _warned(sheet, at)]
    if (at := added.get("status")) is not None:
        wanted += [_coloured(sheet, at, word, colour) for word, colour in _COLOURS.items()]
    if added and not frozen:
        wanted.append(_frozen(sheet))
    return wanted


def named(sheet: int, at: int) -> Json:
    """The request for a name of a column, which moves with the column."""
    place = {"sheetId": sheet, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1}
    return {
        "createDeveloperMetadata": {
            "developerMetadata": {
                "metadataKey": COLUMN_KEY,
                "location": {"dimensionRange": place},
                "visibility": "DOCUMENT",
            }
        }
    }


def note(sheet: int, at: int, text: str) -> Json:
    """A note on a header cell."""
    return {
        "updateCells": {
            "range": _area(sheet, at, 0, 1),
            "rows": [{"values": [{"note": text}]}],
            "fields": "note",
        }
    }


def box(sheet: int, at: int) -> Json:
    """A check box in every row of a column."""
    return _valid(sheet, at, {"type": "BOOLEAN"}, closed=True)


def choice(sheet: int, at: int, words: Sequence[str], closed: bool) -> Json:
    """A drop-down in every row of a column."""
    values = [{"userEnteredValue": word} for word in words]
    return _valid(sheet, at, {"type": "ONE_OF_LIST", "values": values}, closed)


def _valid(sheet: int, at: int, condition: Json, closed: bool) -> Json:
    rule = {"condition": condition, "strict": closed, "showCustomUi": True}
    return {"setDataValidation": {"range": _area(sheet, at, 1), "rule": rule}}


def _hidden(sheet: int, at: int) -> Json:
    return {
        "updateDimensionProperties": {
            "range": {
                "sheetId": sheet,
                "dimension": "COLUMNS",
                "startIndex": at,
                "endIndex": at + 1,
            },
            "properties": {"hiddenByUser": True},
            "fields": "hiddenByUser",
        }
    }


def _warned(sheet: int, at: int) -> Json:
    return {
        "addProtectedRange": {
            "protectedRange": {
                "range": _area(sheet, at),
                "description": "Promptsheet recognizes the rows by these ids.",
                "warningOnly": True,
            }
        }
    }


def _frozen(sheet: int) -> Json:
    return {
        "updateSheetProperties": {
            "properties": {"sheetId": sheet, "gridProperties": {"frozenRowCount": 1}},
            "fields": "gridProperties.frozenRowCount",
        }
    }


def _coloured(sheet: int, at: int, word: str, colour: tuple[float, float, float]) -> Json:
    red, green, blue = colour
    # By how the text begins, not by a formula: that would be read differently in each locale.
    condition = {"type": "TEXT_STARTS_WITH", "values": [{"userEnteredValue": word}]}
    shade = {"backgroundColor": {"red": red, "green": green, "blue": blue}}
    rule = {
        "ranges": [_area(sheet, at, 1)],
        "booleanRule": {"condition": condition, "format": shade},
    }
    return {"addConditionalFormatRule": {"rule": rule, "index": 0}}


def _area(sheet: int, at: int, top: int | None = None, bottom: int | None = None) -> Json:
    area: Json = {"sheetId": sheet, "startColumnIndex": at, "endColumnIndex": at + 1}
    if top is not None:
        area["startRowIndex"] = top
    if bottom is not None:
        area["endRowIndex"] = bottom
    return area
