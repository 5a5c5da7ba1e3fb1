"""The field names of the API: a misspelt one is refused, as Google does."""

from __future__ import annotations

from collections.abc import Collection

from tests.fakes.google.masks import Mask
from tests.fakes.google.refusals import Json, bad, bad_field

#: Of each kind of request in a batchUpdate.
OF_REQUESTS: dict[str, str] = {
    "updateSheetProperties": "properties fields",
    "insertDimension": "range inheritFromBefore",
    "appendDimension": "sheetId dimension length tableId",
    "updateDimensionProperties": "properties fields range dataSourceSheetRange",
    "updateCells": "rows fields start range",
    "setDataValidation": "range rule filteredRowsIncluded",
    "addProtectedRange": "protectedRange",
    "addConditionalFormatRule": "rule index",
    "createDeveloperMetadata": "developerMetadata",
    "updateDeveloperMetadata": "dataFilters developerMetadata fields",
    "deleteDeveloperMetadata": "dataFilter",
}
_WRITING = "valueInputOption data includeValuesInResponse responseValueRenderOption "
_WRITING += "responseDateTimeRenderOption"
#: Of the bodies of the other calls.
OF_BODIES: dict[str, str] = {
    ":batchUpdate": "requests includeSpreadsheetInResponse responseRanges responseIncludeGridData",
    "values": "range majorDimension values",
    "values:batchUpdate": _WRITING,
    "values:batchUpdateByDataFilter": _WRITING,
}
_GRID_RANGE = "sheetId startRowIndex endRowIndex startColumnIndex endColumnIndex"
_LINES = "sheetId dimension startIndex endIndex"
_SPREADSHEET = (
    "spreadsheetId properties sheets namedRanges spreadsheetUrl developerMetadata dataSources "
    "dataSourceSchedules"
)
_SHEET = (
    "properties data merges conditionalFormats filterViews protectedRanges basicFilter charts "
    "bandedRanges developerMetadata rowGroups columnGroups slicers tables"
)


def check_body(call: str, said: Json) -> None:
    """Raises Refused if the body of a call has an unknown field."""
    if call in OF_BODIES:
        _check(said, OF_BODIES[call].split(), "")


def check_request(kind: str, said: Json, number: int) -> None:
    """Raises Refused if a request of a batchUpdate, or a range in it, has an unknown field."""
    at = f"requests[{number}]"
    _check(said, OF_REQUESTS[kind].split(), at)
    for name in ("range", "source"):
        if isinstance(said.get(name), dict):
            known = _LINES if "dimension" in said[name] else _GRID_RANGE
            _check(said[name], known.split(), f"{at}.{name}")


def check_mask(wanted: Mask) -> None:
    """Raises Refused if a mask names unknown fields."""
    _check_path(wanted, _SPREADSHEET.split(), "")
    _check_path(wanted.get("sheets", {}), _SHEET.split(), "sheets.")


def _check(said: Json, known: Collection[str], at: str) -> None:
    for name in said:
        if name not in known:
            where = f" at '{at}'" if at else ""
            what = f'Unknown name "{name}"{where}: Cannot find field.'
            raise bad_field(at, f"Invalid JSON payload received. {what}")


def _check_path(wanted: Mask, known: Collection[str], at: str) -> None:
    for name in wanted:
        if name not in known and name != "*":
            raise bad(
                "Request contains an invalid argument. Error expanding 'fields' parameter. "
                f"Cannot find matching fields for path '{at}{name}'."
            )
