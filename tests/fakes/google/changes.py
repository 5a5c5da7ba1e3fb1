"""`spreadsheets.batchUpdate`: one function for each kind of request. All of them, or none."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.fakes.google import entering, places, showing
from tests.fakes.google.a1 import Area
from tests.fakes.google.fields import check_request
from tests.fakes.google.grid import (
    COLUMNS,
    EMPTY,
    ROWS,
    Book,
    Cell,
    Group,
    Line,
    Metadata,
    Named,
    Protected,
    Sheet,
)
from tests.fakes.google.masks import Mask, mask, merge
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


def _update_spreadsheet(book: Book, email: str, said: Json) -> None:
    known = {"title": "title", "locale": "locale", "timeZone": "time_zone"}
    for name in _meant(said):
        if name in known:
            setattr(book, known[name], said["properties"].get(name, ""))


def _add_sheet(book: Book, email: str, said: Json) -> Json:
    wanted = said.get("properties") or {}
    title = wanted.get("title") or f"Sheet{len(book.sheets) + 1}"
    _check_title(book, title)
    number = wanted.get("sheetId")
    if number is not None and any(one.id == number for one in book.sheets):
        raise bad(f"A sheet with the ID {number} already exists. Please enter another ID.")
    grid = wanted.get("gridProperties") or {}
    rows, columns = grid.get("rowCount", 1000), grid.get("columnCount", 26)
    if rows < 1 or columns < 1:
        raise bad("The grid must have at least one row and one column")
    sheet = book.add_sheet(title, rows, columns, number=number)
    if "index" in wanted:
        book.sheets.insert(wanted["index"], book.sheets.pop())
    rest = {name: one for name, one in wanted.items() if name not in ("sheetId", "title", "index")}
    sheet.more = _colours(
        {k: v for k, v in rest.items() if k not in ("sheetType", "gridProperties", "hidden")}
    )
    sheet.hidden = bool(rest.get("hidden"))
    sheet.frozen_rows = grid.get("frozenRowCount", 0)
    sheet.frozen_columns = grid.get("frozenColumnCount", 0)
    return {"properties": showing.sheet_properties(book, sheet)}


def _check_title(book: Book, title: str, but: Sheet | None = None) -> None:
    if any(one.title.lower() == title.lower() and one is not but for one in book.sheets):
        raise bad(f'A sheet with the name "{title}" already exists. Please enter another name.')
    if not title:
        raise bad("Sheet name cannot be empty")


def _delete_sheet(book: Book, email: str, said: Json) -> None:
    sheet = places.by_id(book, said["sheetId"])
    if not [one for one in book.sheets if one is not sheet and not one.hidden]:
        raise bad("You can't remove all the visible sheets in a document.")
    _guard(sheet, email, Area())
    book.sheets.remove(sheet)
    book.named = {key: one for key, one in book.named.items() if one.sheet != sheet.id}


def _duplicate_sheet(book: Book, email: str, said: Json) -> Json:
    source = places.by_id(book, said["sourceSheetId"])
    title = said.get("newSheetName") or f"Copy of {source.title}"
    _check_title(book, title)
    book.check_size(len(source.rows) * len(source.columns))
    sheet = source.clone()
    sheet.id, sheet.title = said.get("newSheetId") or book.new_id(), title
    sheet.protected = {book.new_id(): one for one in sheet.protected.values()}
    holders: list[Line] = [*sheet.rows, *sheet.columns]
    doubles = book.facts.duplicate_doubles_metadata
    for line in holders:
        line.metadata = [one._replace(id=book.new_id()) for one in line.metadata if doubles]
    sheet.metadata = [one._replace(id=book.new_id()) for one in sheet.metadata if doubles]
    book.sheets.insert(said.get("insertSheetIndex", 0), sheet)
    return {"properties": showing.sheet_properties(book, sheet)}


def _update_sheet(book: Book, email: str, said: Json) -> None:
    wanted = said["properties"]
    sheet = places.by_id(book, wanted.get("sheetId", 0))
    for name, below in _meant(said).items():
        value = wanted.get(name)
        if name == "title":
            _check_title(book, value or "", sheet)
            book.rename(sheet, value or "")
        elif name == "hidden":
            if value and not [one for one in book.sheets if one is not sheet and not one.hidden]:
                raise bad("You can't hide all the sheets in a document.")
            sheet.hidden = bool(value)
        elif name == "index":
            at = value or 0
            if not 0 <= at <= len(book.sheets):
                raise bad(f"The index {at} is out of range")
            place = book.sheets.index(sheet)
            book.sheets.remove(sheet)
            book.sheets.insert(at - (place < at), sheet)
        elif name == "gridProperties":
            _update_grid(book, email, sheet, value or {}, below or {key: {} for key in value or {}})
        elif name == "*":
            meant = ",".join(key for key in wanted if key != "sheetId")
            _update_sheet(book, email, {"properties": wanted, "fields": meant})
        elif name != "sheetId":
            other = {"tabColor": "tabColorStyle", "tabColorStyle": "tabColor"}.get(name)
            sheet.more = merge(sheet.more, wanted, {name: below})
            if other:
                sheet.more.pop(other, None)
            sheet.more = _colours(sheet.more)


def _colours(more: Json) -> Json:
    """A colour is said in two ways, and each follows from the other."""
    found = dict(more)
    colour = (found.pop("tabColorStyle", None) or {}).get("rgbColor") or found.pop("tabColor", None)
    if colour:
        found["tabColor"] = colour = _colour(colour)
        found["tabColorStyle"] = {"rgbColor": colour}
    return found


def _colour(said: Json) -> Json:
    """A colour as it comes back: in 255ths, as a short number, and without what is 0."""
    parts = {name: int(part * 255 + 1e-6) for name, part in said.items() if part}
    return {name: round(part / 255, 8) if part < 255 else 1 for name, part in parts.items() if part}


def _update_grid(book: Book, email: str, sheet: Sheet, wanted: Json, meant: Mask) -> None:
    rows, columns = len(sheet.rows), len(sheet.columns)
    for name in meant:
        value = wanted.get(name) or 0
        if name in ("rowCount", "columnCount"):
            dimension, size = (ROWS, rows) if name == "rowCount" else (COLUMNS, columns)
            frozen = sheet.frozen_rows if dimension == ROWS else sheet.frozen_columns
            if value < 1 or value <= frozen:
                raise bad(f"The grid must have more {dimension.lower()} than are frozen")
            if value > size:
                book.insert(sheet, dimension, size, value - size, like_before=True)
            elif value < size:
                _guard(sheet, email, _across(dimension, value, size))
                book.delete(sheet, dimension, value, size)
        elif name == "frozenRowCount":
            if value >= rows:
                raise bad("You can't freeze all visible rows on the sheet.")
            sheet.frozen_rows = value
        elif name == "frozenColumnCount":
            if value >= columns:
                raise bad("You can't freeze all visible columns on the sheet.")
            sheet.frozen_columns = value
        else:
            kept = merge(sheet.more.get("gridProperties", {}), wanted, {name: {}})
            sheet.more = {**sheet.more, "gridProperties": {k: v for k, v in kept.items() if v}}


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


def _delete_dimension(book: Book, email: str, said: Json) -> None:
    sheet, dimension, start, end = places.lines(book, said["range"])
    size = len(sheet.lines(dimension))
    word = dimension.lower()
    if start >= size:
        raise bad(f"Cannot delete a {word[:-1]} that doesn't exist. Tried to delete index {start}")
    end = min(end, size)
    if end - start == size:
        raise bad(f"You can't delete all the {word} on the sheet.")
    frozen = sheet.frozen_rows if dimension == ROWS else sheet.frozen_columns
    if frozen and start <= frozen and end == size:
        raise bad(f"Sorry, it is not possible to delete all non-frozen {word}.")
    _guard(sheet, email, _across(dimension, start, end))
    book.delete(sheet, dimension, start, end)


def _move_dimension(book: Book, email: str, said: Json) -> None:
    sheet, dimension, start, end = places.lines(book, said["source"])
    to = said["destinationIndex"]
    size = len(sheet.lines(dimension))
    if end > size or not 0 <= to <= size:
        raise bad(f"The move is outside of the grid size[{size}]")
    if start <= to < end:
        raise bad("The destination must be outside of the source")
    _guard(sheet, email, _across(dimension, start, end))
    book.move(sheet, dimension, start, end, to)


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


def _auto_resize(book: Book, email: str, said: Json) -> None:
    """A rough width: letters have about seven pixels."""
    sheet, dimension, start, end = places.lines(book, said["dimensions"])
    for n, line in enumerate(sheet.lines(dimension)[start:end], start):
        if dimension == ROWS:
            line.size = None
            continue
        shown = (book.shown(sheet, row, n) for row in range(len(sheet.rows)))
        line.size = max((len(one) for one in shown), default=0) * 7 + 7 or None


def _add_group(book: Book, email: str, said: Json) -> Json:
    sheet, dimension, start, end = places.lines(book, said["range"])
    area = _across(dimension, start, end)
    depth = 1 + sum(
        one.dimension == dimension and one.area.meets(area) and one.area != area
        for one in sheet.groups
    )
    sheet.groups.append(Group(dimension, area, depth))
    if not start:  # there is no room for the fold's button before the first
        name = "rowGroupControlAfter" if dimension == ROWS else "columnGroupControlAfter"
        grid = sheet.more.get("gridProperties", {}) | {name: True}
        sheet.more = sheet.more | {"gridProperties": grid}
    return {"dimensionGroups": showing.groups(sheet, dimension)}


def _delete_group(book: Book, email: str, said: Json) -> Json:
    sheet, dimension, start, end = places.lines(book, said["range"])
    area = _across(dimension, start, end)
    kept = [one for one in sheet.groups if (one.dimension, one.area) != (dimension, area)]
    if len(kept) == len(sheet.groups):
        raise bad("There is no group at that place")
    sheet.groups = kept
    found = showing.groups(sheet, dimension)
    return {"dimensionGroups": found} if found else {}


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


def _repeat_cell(book: Book, email: str, said: Json) -> None:
    sheet, area = _area(book, email, said["range"])
    assert area.bottom is not None
    assert area.right is not None
    meant = _meant(said)
    for r in range(area.top, area.bottom):
        for c in range(area.left, area.right):
            sheet.put(r, c, _celled(sheet, r, c, said.get("cell") or {}, meant))


def _append_cells(book: Book, email: str, said: Json) -> None:
    sheet = places.by_id(book, said.get("sheetId", 0))
    meant, rows = _meant(said), said.get("rows") or []
    top = sheet.filled
    if (more := top + len(rows) - len(sheet.rows)) > 0:
        book.insert(sheet, ROWS, len(sheet.rows), more, like_before=True)
    wide = max((len(row.get("values") or []) for row in rows), default=0)
    if (more := wide - len(sheet.columns)) > 0:
        book.insert(sheet, COLUMNS, len(sheet.columns), more, like_before=True)
    _guard(sheet, email, Area(top, top + len(rows), 0, wide))
    for r, row in enumerate(rows, top):
        for c, one in enumerate(row.get("values") or []):
            sheet.put(r, c, _celled(sheet, r, c, one, meant))


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
    if everything or "userEnteredFormat" in meant:
        below = meant.get("userEnteredFormat", {})
        form = merge(cell.format or {}, said.get("userEnteredFormat") or {}, below)
        if "backgroundColor" in form:
            form["backgroundColor"] = colour = _colour(form["backgroundColor"])
            form["backgroundColorStyle"] = {"rgbColor": colour}
        text = form.get("textFormat")
        if text and "foregroundColor" in text:
            colour = _colour(text["foregroundColor"])
            more = {"foregroundColor": colour, "foregroundColorStyle": {"rgbColor": colour}}
            form["textFormat"] = {**text, **more}
        pattern = (form.get("numberFormat") or {}).get("pattern", "")
        cell = cell._replace(format=form or None, pattern=pattern or cell.pattern)
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


def _copy_paste(book: Book, email: str, said: Json) -> None:
    sheet, source = places.by_grid(book, said["source"])
    onto, target = _area(book, email, said["destination"])
    places.checked(sheet, source, to_write=True)
    if said.get("pasteOrientation") == "TRANSPOSE":
        raise bad("TRANSPOSE is not possible here")
    book.paste(sheet, source, onto, target, said.get("pasteType") or "PASTE_NORMAL")


def _cut_paste(book: Book, email: str, said: Json) -> None:
    sheet, source = _area(book, email, said["source"])
    target = said["destination"]
    onto = places.by_id(book, target.get("sheetId", 0))
    book.cut(sheet, source, onto, target.get("rowIndex", 0), target.get("columnIndex", 0))


def _sort_range(book: Book, email: str, said: Json) -> None:
    sheet, area = _area(book, email, said["range"])
    specs = [
        (one.get("dimensionIndex", 0), one.get("sortOrder") == "DESCENDING")
        for one in said.get("sortSpecs") or []
    ]
    if not specs:
        raise bad("At least one sort specification is needed")
    book.sort(sheet, area, specs)


def _find_replace(book: Book, email: str, said: Json) -> Json:
    sought, new = said.get("find", ""), said.get("replacement", "")
    if not sought:
        raise bad("find must not be empty")
    if said.get("allSheets"):
        where = [(one, Area()) for one in book.sheets]
    elif "range" in said:
        where = [places.by_grid(book, said["range"])]
    elif "sheetId" in said:
        where = [(places.by_id(book, said["sheetId"]), Area())]
    else:
        raise bad("One of range, sheetId or allSheets is needed")
    text = sought if said.get("searchByRegex") else re.escape(sought)
    if said.get("matchEntireCell"):
        text = f"^(?:{text})$"
    try:
        pattern = re.compile(text, 0 if said.get("matchCase") else re.IGNORECASE)
    except re.error:
        raise bad(f"Invalid regular expression: {sought}") from None
    put = (lambda _: new) if not said.get("searchByRegex") else re.sub(r"\$(\d)", r"\\\1", new)
    hits = _Hits()
    for sheet, area in where:
        area = sheet.within(area)
        assert area.bottom is not None
        for r in range(area.top, area.bottom):
            for c, cell in enumerate(sheet.rows[r].cells[area.left : area.right], area.left):
                if cell.is_empty or (cell.formula and not said.get("includeFormulas")):
                    continue
                old = cell.formula or entering.shown(cell.value, cell.pattern, book.locale)
                changed, count = pattern.subn(put, old)
                if not count:
                    continue
                _guard(sheet, email, Area(r, r + 1, c, c + 1))
                is_typed = bool(cell.formula) or book.facts.replacement_is_typed
                sheet.enter(r, c, changed, locale=book.locale if is_typed else None)
                hits.add(sheet, r, count, bool(cell.formula))
    return hits.said


class _Hits:
    def __init__(self) -> None:
        self.counts = {"valuesChanged": 0, "formulasChanged": 0, "occurrencesChanged": 0}
        self.rows: set[tuple[int, int]] = set()

    def add(self, sheet: Sheet, row: int, count: int, in_formula: bool) -> None:
        self.counts["formulasChanged" if in_formula else "valuesChanged"] += 1
        self.counts["occurrencesChanged"] += count
        self.rows.add((sheet.id, row))

    @property
    def said(self) -> Json:
        sheets = len({sheet for sheet, _ in self.rows})
        counts = self.counts | {"rowsChanged": len(self.rows), "sheetsChanged": sheets}
        return {name: count for name, count in counts.items() if count}


# ---------------------------------------------------------------------------- what lies over cells


def _merge_cells(book: Book, email: str, said: Json) -> None:
    sheet, area = _area(book, email, said["range"])
    assert area.bottom is not None
    assert area.right is not None
    kind = said.get("mergeType", "MERGE_ALL")
    parts = [area]
    if kind == "MERGE_ROWS":
        parts = [Area(r, r + 1, area.left, area.right) for r in range(area.top, area.bottom)]
    elif kind == "MERGE_COLUMNS":
        parts = [Area(area.top, area.bottom, c, c + 1) for c in range(area.left, area.right)]
    sheet.merges = [one for one in sheet.merges if not one.meets(area)] + [
        one for one in parts if not one.is_one_cell
    ]
    for part in parts:
        _keep_first(sheet, part)


def _keep_first(sheet: Sheet, area: Area) -> None:
    """The first value stays, at the top left."""
    assert area.bottom is not None
    assert area.right is not None
    first: Cell | None = None
    for r in range(area.top, area.bottom):
        for c in range(area.left, area.right):
            cell = sheet.cell(r, c)
            if not cell.is_empty:
                first = first or cell
                sheet.enter(r, c, "")
    if first:
        cell = sheet.cell(area.top, area.left)
        sheet.put(
            area.top,
            area.left,
            cell._replace(value=first.value, formula=first.formula, origin=first.origin),
        )


def _unmerge_cells(book: Book, email: str, said: Json) -> None:
    sheet, area = _area(book, email, said["range"])
    sheet.merges = [one for one in sheet.merges if not one.meets(area)]


def _add_protected(book: Book, email: str, said: Json) -> Json:
    wanted = said["protectedRange"]
    if "namedRangeId" in wanted:
        named = book.named[wanted["namedRangeId"]]
        sheet, area = book.sheet(named.sheet), named.area.copy()
    else:
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


def _protected_by_id(book: Book, number: int) -> tuple[Sheet, Protected]:
    for sheet in book.sheets:
        if number in sheet.protected:
            return sheet, sheet.protected[number]
    raise bad(f"No protected range with ID: {number}")


def _update_protected(book: Book, email: str, said: Json) -> None:
    wanted = said["protectedRange"]
    _sheet, one = _protected_by_id(book, wanted["protectedRangeId"])
    if one.refuses(email):
        raise bad(PROTECTED)
    meant = _meant(said)
    if "range" in meant or "*" in meant:
        _, one.area = places.by_grid(book, wanted["range"])
    rest = {name: below for name, below in meant.items() if name != "range"}
    if rest:
        one.said = _protection(merge(one.said, wanted, rest), email)


def _delete_protected(book: Book, email: str, said: Json) -> None:
    sheet, one = _protected_by_id(book, said["protectedRangeId"])
    if one.refuses(email):
        raise bad(PROTECTED)
    del sheet.protected[said["protectedRangeId"]]


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


def _update_conditional(book: Book, email: str, said: Json) -> Json:
    at = said.get("index", 0)
    if "rule" in said:
        sheet, rule = _rule(book, said["rule"])
    else:
        sheet, rule = places.by_id(book, said.get("sheetId", 0)), None
    if at >= len(sheet.conditional):
        raise bad(f"No conditional format on sheet {sheet.id} at index {at}")
    old = showing.sheet_said(book, sheet)["conditionalFormats"][at]
    if rule:
        sheet.conditional[at] = rule
    else:
        sheet.conditional.insert(said["newIndex"], sheet.conditional.pop(at))
    new = showing.sheet_said(book, sheet)["conditionalFormats"][said.get("newIndex", at)]
    return {"oldRule": old, "newRule": new, "newIndex": said.get("newIndex", at)}


def _delete_conditional(book: Book, email: str, said: Json) -> Json:
    sheet, at = places.by_id(book, said.get("sheetId", 0)), said.get("index", 0)
    if at >= len(sheet.conditional):
        raise bad(f"No conditional format on sheet {sheet.id} at index {at}")
    rule = showing.sheet_said(book, sheet)["conditionalFormats"][at]
    del sheet.conditional[at]
    return {"rule": rule}


def _set_filter(book: Book, email: str, said: Json) -> None:
    wanted = said["filter"]
    sheet, area = places.by_grid(book, wanted.get("range") or {})
    sheet.filter = area, {k: v for k, v in wanted.items() if k != "range" and v}


def _clear_filter(book: Book, email: str, said: Json) -> None:
    sheet = places.by_id(book, said.get("sheetId", 0))
    sheet.filter = None
    for row in sheet.rows:
        row.filtered = False


def _add_named(book: Book, email: str, said: Json) -> Json:
    wanted = said["namedRange"]
    sheet, area = places.by_grid(book, wanted["range"])
    _check_name(book, wanted["name"])
    key = wanted.get("namedRangeId") or str(book.new_id())
    book.named[key] = Named(wanted["name"], sheet.id, area)
    return {"namedRange": showing.named(book, key)}


def _check_name(book: Book, name: str) -> None:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise bad(f"Invalid name: {name}")
    if any(one.name == name for one in book.named.values()):
        raise bad(f"A named range with name {name} already exists.")


def _update_named(book: Book, email: str, said: Json) -> None:
    wanted = said["namedRange"]
    key = wanted["namedRangeId"]
    if key not in book.named:
        raise bad(f"No named range with ID: {key}")
    one = book.named[key]
    for name in _meant(said):
        if name in ("name", "*") and wanted["name"] != one.name:
            _check_name(book, wanted["name"])
            one.name = wanted["name"]
        if name in ("range", "*"):
            sheet, one.area = places.by_grid(book, wanted["range"])
            one.sheet = sheet.id


def _delete_named(book: Book, email: str, said: Json) -> None:
    if said["namedRangeId"] not in book.named:
        raise bad(f"No named range with ID: {said['namedRangeId']}")
    del book.named[said["namedRangeId"]]


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


def search_metadata(book: Book, said: Json) -> Json:
    """POST developerMetadata:search."""
    filters = said.get("dataFilters") or []
    found = []
    for one in _matching(book, filters):
        which = [each for each in filters if one in _matching(book, [each])]
        found.append({"developerMetadata": one.described(), "dataFilters": which})
    return {"matchedDeveloperMetadata": found} if found else {}


def get_metadata(book: Book, number: str) -> Json:
    """GET developerMetadata/{id}."""
    for one in places.all_metadata(book):
        if str(one.metadata.id) == number:
            return one.described()
    raise Refused(404, f"No developer metadata with ID {number}")


CHANGES: dict[str, Change] = {
    "updateSpreadsheetProperties": _update_spreadsheet,
    "addSheet": _add_sheet,
    "deleteSheet": _delete_sheet,
    "duplicateSheet": _duplicate_sheet,
    "updateSheetProperties": _update_sheet,
    "insertDimension": _insert_dimension,
    "appendDimension": _append_dimension,
    "deleteDimension": _delete_dimension,
    "moveDimension": _move_dimension,
    "updateDimensionProperties": _update_dimension,
    "autoResizeDimensions": _auto_resize,
    "addDimensionGroup": _add_group,
    "deleteDimensionGroup": _delete_group,
    "updateCells": _update_cells,
    "repeatCell": _repeat_cell,
    "appendCells": _append_cells,
    "setDataValidation": _set_validation,
    "copyPaste": _copy_paste,
    "cutPaste": _cut_paste,
    "sortRange": _sort_range,
    "findReplace": _find_replace,
    "mergeCells": _merge_cells,
    "unmergeCells": _unmerge_cells,
    "addProtectedRange": _add_protected,
    "updateProtectedRange": _update_protected,
    "deleteProtectedRange": _delete_protected,
    "addConditionalFormatRule": _add_conditional,
    "updateConditionalFormatRule": _update_conditional,
    "deleteConditionalFormatRule": _delete_conditional,
    "setBasicFilter": _set_filter,
    "clearBasicFilter": _clear_filter,
    "addNamedRange": _add_named,
    "updateNamedRange": _update_named,
    "deleteNamedRange": _delete_named,
    "createDeveloperMetadata": _create_metadata,
    "updateDeveloperMetadata": _update_metadata,
    "deleteDeveloperMetadata": _delete_metadata,
}
