"""`spreadsheets.batchUpdate`: one function for each kind of request. All of them, or none."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.google import entering, places, showing
from tests.fakes.google.a1 import Area
from tests.fakes.google.fields import check_request
from tests.fakes.google.grid import (
    EMPTY,
    ROWS,
    Book,
    Cell,
    Metadata,
    Protected,
    Sheet,
)
from tests.fakes.google.masks import Mask, mask
from tests.fakes.google.refusals import PROTECTED, Json, Refused, bad

#: What each kind of metadata may hold together, in letters of keys and values.
MOST_METADATA = 30_000

Change = Callable[[Book, str, Json], Json | None]


def batch_update(book: Book, email: str, said: Json) -> Json:
    """Do all requests; at the first that cannot be done everything is as before."""
    requests = said.get("requests") or []
    if not requests:
        raise bad("Must specify at least one request.")
    back = book.saved()
    replies = []
    for n, request in enumerate(requests):
        kinds = [name for name, one in request.items() if one is not None]
        if len(kinds) != 1 or kinds[0] not in CHANGES:
            back()
            named = ", ".join(sorted(request)) or "none"
            raise bad(
                f"Invalid requests[{n}]: exactly one known kind of request is needed: {named}"
            )
        (kind,) = kinds
        try:
            check_request(kind, request[kind], n)
        except Refused:
            back()
            raise
        try:
            reply = CHANGES[kind](book, email, request[kind])
        except Refused as refused:
            back()
            raise bad(f"Invalid requests[{n}].{kind}: {refused.message}") from None
        except (KeyError, TypeError, AttributeError) as wrong:
            back()
            raise bad(f"Invalid requests[{n}].{kind}: {wrong!r} is missing or wrong") from None
        except BaseException:
            back()
            raise
        replies.append({} if reply is None else {kind: reply})
    answer: Json = {"spreadsheetId": book.id, "replies": replies}
    if said.get("includeSpreadsheetInResponse"):
        texts = said.get("responseRanges") or []
        areas = [places.by_text(book, text) for text in texts] if texts else None
        with_data = bool(said.get("responseIncludeGridData"))
        answer["updatedSpreadsheet"] = showing.picked(book, areas, None, with_data)
    return answer


def _meant(said: Json) -> Mask:
    if not said.get("fields"):
        raise bad(
            "At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)"
        )
    return mask(said["fields"])


def _guard(sheet: Sheet, email: str, area: Area) -> None:
    """Refused if somebody has protected a part of it."""
    for fence in sheet.protected.values():
        if fence.refuses(email) and fence.area.meets(area):
            raise bad(PROTECTED)


def _across(dimension: str, start: int, end: int | None) -> Area:
    return Area(start, end) if dimension == ROWS else Area(0, None, start, end)


def _area(book: Book, email: str, said: Json) -> tuple[Sheet, Area]:
    """A GridRange on the grid that may be edited."""
    sheet, area = places.by_grid(book, said)
    places.checked(sheet, area, to_write=True)
    _guard(sheet, email, area)
    return sheet, sheet.within(area)


# ---------------------------------------------------------------------------- spreadsheet, sheets


def _update_sheet(book: Book, email: str, said: Json) -> None:
    wanted = said["properties"]
    sheet = places.by_id(book, wanted.get("sheetId", 0))
    for name, below in _meant(said).items():
        if name == "gridProperties":
            _update_grid(sheet, wanted.get(name) or {}, below)
        elif name != "sheetId":
            raise bad(f"The field {name} cannot be updated")


def _update_grid(sheet: Sheet, wanted: Json, meant: Mask) -> None:
    for name in meant:
        if name != "frozenRowCount":
            raise bad(f"The field gridProperties.{name} cannot be updated")
        value = wanted.get(name) or 0
        if value >= len(sheet.rows):
            raise bad("You can't freeze all visible rows on the sheet.")
        sheet.frozen_rows = value


# ---------------------------------------------------------------------------- rows and columns


def _insert_dimension(book: Book, email: str, said: Json) -> None:
    sheet, dimension, start, end = places.lines(book, said["range"])
    size, like_before = len(sheet.lines(dimension)), bool(said.get("inheritFromBefore"))
    if start > size or (start == size and not like_before):
        raise bad(f"range.startIndex[{start}] must be less than the grid size[{size}]")
    if like_before and not start:
        raise bad("inheritFromBefore cannot be true at the first row or column")
    book.insert(sheet, dimension, start, end - start, like_before)


def _append_dimension(book: Book, email: str, said: Json) -> None:
    sheet = places.by_id(book, said.get("sheetId", 0))
    dimension = said["dimension"]
    size = len(sheet.lines(dimension))
    book.insert(sheet, dimension, size, said["length"], like_before=True)


def _update_dimension(book: Book, email: str, said: Json) -> None:
    sheet, dimension, start, end = places.lines(book, said["range"])
    size = len(sheet.lines(dimension))
    if end > size:
        raise bad(f"range.endIndex[{end}] is outside of the grid size[{size}]")
    wanted = said.get("properties") or {}
    for name in _meant(said):
        if name not in ("hiddenByUser", "pixelSize", "*"):
            raise bad(f"The field {name} cannot be updated")
        for line in sheet.lines(dimension)[start:end]:
            if name != "pixelSize":
                line.hidden = bool(wanted.get("hiddenByUser"))
            if name != "hiddenByUser":
                line.size = wanted.get("pixelSize")


# ---------------------------------------------------------------------------- cells


def _update_cells(book: Book, email: str, said: Json) -> None:
    meant = _meant(said)
    rows = said.get("rows") or []
    if "start" in said:
        begin = said["start"]
        sheet = places.by_id(book, begin.get("sheetId", 0))
        top, left = begin.get("rowIndex", 0), begin.get("columnIndex", 0)
        wide = max((len(row.get("values") or []) for row in rows), default=0)
        area = Area(top, top + max(1, len(rows)), left, left + max(1, wide))
        places.checked(sheet, area, to_write=True)
        _guard(sheet, email, area)
        bounds = area
    else:
        sheet, bounds = _area(book, email, said["range"])
    assert bounds.bottom is not None
    assert bounds.right is not None
    for r in range(bounds.top, bounds.bottom):
        given = rows[r - bounds.top].get("values") or [] if r - bounds.top < len(rows) else []
        reach = bounds.right if "range" in said else bounds.left + len(given)
        for c in range(bounds.left, reach):
            n = c - bounds.left
            sheet.put(r, c, _celled(sheet, r, c, given[n] if n < len(given) else {}, meant))


def _celled(sheet: Sheet, row: int, column: int, said: Json, meant: Mask) -> Cell:
    """The cell with the meant fields of a CellData."""
    cell = sheet.cell(row, column)
    everything = "*" in meant
    if everything or "userEnteredValue" in meant:
        value: entering.Value = None
        formula = None
        for kind, one in (said.get("userEnteredValue") or {}).items():
            if kind == "formulaValue":
                formula = one
            else:
                value = one
        if value == "":
            value = None
        origin = None if value is None and formula is None else sheet.rows[row].identity
        cell = cell._replace(value=value, formula=formula, origin=origin)
    if everything or "note" in meant:
        cell = cell._replace(note=said.get("note") or "")
    if everything or "dataValidation" in meant:
        cell = cell._replace(rule=said.get("dataValidation"))
    return EMPTY if cell == EMPTY else cell


def _set_validation(book: Book, email: str, said: Json) -> None:
    sheet, area = _area(book, email, said["range"])
    assert area.bottom is not None
    assert area.right is not None
    rule = said.get("rule")
    if rule is not None:
        if not (rule.get("condition") or {}).get("type"):
            raise bad("A condition is needed")
        rule = {name: one for name, one in rule.items() if one is not None}
    for r in range(area.top, area.bottom):
        for c in range(area.left, area.right):
            cell = sheet.cell(r, c)._replace(rule=rule)
            sheet.put(r, c, EMPTY if cell == EMPTY else cell)


# ---------------------------------------------------------------------------- what lies over cells


def _add_protected(book: Book, email: str, said: Json) -> Json:
    wanted = said["protectedRange"]
    sheet, area = places.by_grid(book, wanted.get("range") or {})
    number = wanted.get("protectedRangeId") or book.new_id()
    sheet.protected[number] = Protected(area, _protection(wanted, email))
    # the answer repeats the editors that were asked; who has asked is one of them all the same
    asked = {name: one for name, one in (wanted.get("editors") or {}).items() if one}
    return {"protectedRange": showing.protected(sheet, number) | {"editors": asked}}


def _protection(wanted: Json, email: str) -> Json:
    said: Json = {}
    if wanted.get("description"):
        said["description"] = wanted["description"]
    if wanted.get("warningOnly"):
        said["warningOnly"] = True
    editors = {name: one for name, one in (wanted.get("editors") or {}).items() if one}
    users = editors.get("users") or []
    editors["users"] = users if email in users else [*users, email]
    return said | {"requestingUserCanEdit": True, "editors": editors}


def _rule(book: Book, said: Json) -> tuple[Sheet, tuple[list[Area], Json]]:
    found = [places.by_grid(book, one) for one in said.get("ranges") or []]
    if not found:
        raise bad("A rule needs a range")
    if ("booleanRule" in said) == ("gradientRule" in said):
        raise bad("A rule is either a booleanRule or a gradientRule")
    rest = {name: one for name, one in said.items() if name != "ranges"}
    return found[0][0], ([area for _, area in found], rest)


def _add_conditional(book: Book, email: str, said: Json) -> None:
    sheet, rule = _rule(book, said["rule"])
    at = said.get("index", 0)
    if at > len(sheet.conditional):
        raise bad(f"No conditional format on sheet {sheet.id} at index {at}")
    sheet.conditional.insert(at, rule)


# ---------------------------------------------------------------------------- developer metadata


def _create_metadata(book: Book, email: str, said: Json) -> Json:
    wanted = said["developerMetadata"]
    if not wanted.get("metadataKey"):
        raise bad("A metadata key must be specified")
    visibility = wanted.get("visibility") or ""
    if visibility not in ("DOCUMENT", "PROJECT"):
        raise bad("A metadata visibility must be specified")
    held = places.holder(book, wanted.get("location") or {})
    place = (wanted.get("location") or {}).get("dimensionRange")
    if place and book.facts.naming_counts_as_edit:
        sheet = next(one for one in book.sheets if one.id == place.get("sheetId", 0))
        _guard(sheet, email, _across(place["dimension"], place["startIndex"], place["endIndex"]))
    taken = {one.metadata.id for one in places.all_metadata(book)}
    number = wanted.get("metadataId")
    if number in taken:
        raise bad(f"Developer metadata with ID {number} already exists")
    one = Metadata(
        number or book.new_id(), wanted["metadataKey"], wanted.get("metadataValue"), visibility
    )
    held.append(one)
    _check_metadata(book)
    found = next(each for each in places.all_metadata(book) if each.metadata is one)
    return {"developerMetadata": found.described()}


def _check_metadata(book: Book) -> None:
    letters: dict[int, int] = {}
    for one in places.all_metadata(book):
        place = -1 if one.sheet is None else one.sheet.id
        size = len(one.metadata.key) + len(one.metadata.value or "")
        letters[place] = letters.get(place, 0) + size
    if max(letters.values(), default=0) > MOST_METADATA:
        raise bad(f"The developer metadata is larger than {MOST_METADATA} characters")


def _matching(book: Book, filters: list[Json]) -> list[places.Found]:
    found: dict[int, places.Found] = {}
    for said in filters:
        lookup = said.get("developerMetadataLookup")
        if lookup is not None:
            matched = places.looked_up(book, lookup)
        else:
            matched = [
                one
                for sheet, area in places.by_filter(book, said)
                for one in places.all_metadata(book)
                if one.sheet is sheet and (place := one.area()) and place.meets(area)
            ]
        found |= {one.metadata.id: one for one in matched}
    return list(found.values())


def _update_metadata(book: Book, email: str, said: Json) -> Json:
    wanted, meant = said["developerMetadata"], _meant(said)
    changed = []
    for one in _matching(book, said.get("dataFilters") or []):
        new = one.metadata
        if "metadataKey" in meant or "*" in meant:
            new = new._replace(key=wanted["metadataKey"])
        if "metadataValue" in meant or "*" in meant:
            new = new._replace(value=wanted.get("metadataValue"))
        if "visibility" in meant or "*" in meant:
            new = new._replace(visibility=wanted["visibility"])
        one.holder.remove(one.metadata)
        held = one.holder
        if "location" in meant or "*" in meant:
            held = places.holder(book, wanted["location"])
        held.append(new)
        changed.append(new)
    _check_metadata(book)
    found = [one.described() for one in places.all_metadata(book) if one.metadata in changed]
    return {"developerMetadata": found} if found else {}


def _delete_metadata(book: Book, email: str, said: Json) -> Json:
    matched = _matching(book, [said["dataFilter"]])
    gone = [one.described() for one in matched]
    for one in matched:
        one.holder.remove(one.metadata)
    return {"deletedDeveloperMetadata": gone} if gone else {}


CHANGES: dict[str, Change] = {
    "updateSheetProperties": _update_sheet,
    "insertDimension": _insert_dimension,
    "appendDimension": _append_dimension,
    "updateDimensionProperties": _update_dimension,
    "updateCells": _update_cells,
    "setDataValidation": _set_validation,
    "addProtectedRange": _add_protected,
    "addConditionalFormatRule": _add_conditional,
    "createDeveloperMetadata": _create_metadata,
    "updateDeveloperMetadata": _update_metadata,
    "deleteDeveloperMetadata": _delete_metadata,
}
