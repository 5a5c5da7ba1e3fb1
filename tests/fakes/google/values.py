"""The values part of the API: get, update, append, clear; in batches, and by DataFilter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.google import a1, formulas, places
from tests.fakes.google.a1 import Area
from tests.fakes.google.entering import Value
from tests.fakes.google.grid import COLUMNS, EMPTY, ROWS, Book, Cell, Sheet
from tests.fakes.google.refusals import PROTECTED, TOO_LONG, Json, Refused, bad, not_a_list

RENDERINGS = ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")
MOST_LETTERS = 50_000


@dataclass(frozen=True, slots=True)
class Rendering:
    """How values are read."""

    kind: str = "FORMATTED_VALUE"
    dates: str = "SERIAL_NUMBER"
    dimension: str = ROWS

    @classmethod
    def asked(cls, said: Json, *, of_answer: bool = False) -> Rendering:
        """From the options of a request; those for the answer to a write have longer names."""
        names = "valueRenderOption", "dateTimeRenderOption"
        if of_answer:
            names = "responseValueRenderOption", "responseDateTimeRenderOption"
        kind, dates = (said.get(name) for name in names)
        kind, dates = kind or cls().kind, dates or cls().dates
        dimension = said.get("majorDimension") or ROWS
        if kind not in RENDERINGS:
            raise bad(f"Invalid value at 'value_render_option', \"{kind}\"")
        if dates not in ("SERIAL_NUMBER", "FORMATTED_STRING"):
            raise bad(f"Invalid value at 'date_time_render_option', \"{dates}\"")
        if dimension not in (ROWS, COLUMNS):
            raise bad(f"Invalid value at 'major_dimension', \"{dimension}\"")
        return cls(kind, dates, dimension)


def rendered(
    book: Book, sheet: Sheet, row: int, column: int, cell: Cell, how: Rendering
) -> str | int | float | bool:
    """One cell as the API gives it; an empty one is `""`."""
    value: Value
    if how.kind == "FORMATTED_VALUE":
        if type(cell.value) is str and cell.formula is None:
            return cell.value
        return book.shown_cell(sheet, row, column, cell)
    if how.kind == "FORMULA":
        if cell.formula is not None:
            return cell.formula
        if (
            book.facts.formula_reading_quotes_text
            and isinstance(cell.value, str)
            and cell.value.startswith("=")
        ):
            return "'" + cell.value
    if how.dates == "FORMATTED_STRING" and "y" in cell.pattern:
        return book.shown_cell(sheet, row, column, cell)
    value = book.computed(sheet, row, column, cell)
    if cell.formula and book.facts.image_reads_empty and formulas.is_image(cell.formula):
        return book.shown_cell(sheet, row, column, cell)
    return "" if value is None else value


def read(book: Book, sheet: Sheet, area: Area, how: Rendering) -> Json:
    """A ValueRange: without the empty ends of rows, and without the empty rows at the end."""
    area = sheet.within(places.checked(sheet, area))
    answer: Json = {"range": a1.written(sheet.title, area), "majorDimension": how.dimension}
    assert area.bottom is not None
    left, right = area.left, area.right
    table: list[list[Any]] = []
    for r in range(area.top, area.bottom):
        cells = sheet.rows[r].cells[left:right]
        if cells.count(EMPTY) == len(cells):  # most rows of a new sheet
            table.append([])
            continue
        row = [rendered(book, sheet, r, c, cell, how) for c, cell in enumerate(cells, left)]
        table.append(_short(row))
    if how.dimension == COLUMNS:
        wide = max((len(row) for row in table), default=0)
        table = [_short([row[c] if c < len(row) else "" for row in table]) for c in range(wide)]
    while table and not table[-1]:
        table.pop()
    if table:
        answer["values"] = table
    return answer


def _short(row: list[Any]) -> list[Any]:
    while row and row[-1] == "":
        row.pop()
    return row


# ---------------------------------------------------------------------------- writing


@dataclass
class Write:
    """A block of values that is about to be written, checked as far as it can be before."""

    sheet: Sheet
    #: The range that was asked.
    area: Area
    #: Rows of values; `None` leaves a cell alone.
    table: list[list[Value]]
    wide: int
    dimension: str = ROWS
    #: How far the grid must grow first.
    needs: tuple[int, int] = (0, 0)
    filter: Json | None = None
    cells: list[tuple[int, int, Value]] = field(default_factory=list)


def planned(
    book: Book, email: str, where: tuple[Sheet, Area], said: Json, field_name: str = "data.values"
) -> Write:
    """Check a ValueRange that is to be written there."""
    sheet, area = where
    places.checked(sheet, area, to_write=True)
    table = _table(said, field_name)
    wide = max((len(row) for row in table), default=0)
    rows, columns = len(sheet.rows), len(sheet.columns)
    needs = (0, 0)
    if area.is_one_cell:
        area = Area(area.top, area.top + max(1, len(table)), area.left, area.left + max(1, wide))
        assert area.bottom is not None
        assert area.right is not None
        needs = max(0, area.bottom - rows), max(0, area.right - columns)
        if needs != (0, 0) and not book.facts.anchor_grows_grid:
            places.checked(sheet, area, to_write=True)
    whole = area.within(rows + needs[0], columns + needs[1])
    assert whole.bottom is not None
    assert whole.right is not None
    _check_fits(book, sheet, area, whole, len(table), wide)
    write = Write(sheet, area, table, wide, said.get("majorDimension") or ROWS, needs)
    write.cells = [
        (area.top + r, area.left + c, value)
        for r, row in enumerate(table)
        for c, value in enumerate(row)
        if value is not None
    ]
    _check_protected(book, email, write)
    return write


def _table(said: Json, field_name: str) -> list[list[Value]]:
    values = said.get("values")
    if values is None:
        return []
    if not isinstance(values, list):
        raise not_a_list(field_name, values)
    for row in values:
        if not isinstance(row, list):
            raise not_a_list(f"{field_name}[0]", row)
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            kind = type(value)
            if kind is str:
                if len(value) > MOST_LETTERS:
                    raise bad(TOO_LONG)
            elif kind is list or kind is dict:
                name = "list_value" if kind is list else "struct_value"
                raise bad(f"Invalid {field_name}[{r}][{c}]: {name}")
    if said.get("majorDimension") == COLUMNS:
        high = max((len(column) for column in values), default=0)
        return [[column[r] if r < len(column) else None for column in values] for r in range(high)]
    return values


def _check_fits(book: Book, sheet: Sheet, asked: Area, whole: Area, high: int, wide: int) -> None:
    assert whole.bottom is not None
    assert whole.right is not None
    title = a1.quoted(sheet.title)
    if book.facts.write_error_quotes_title and not title.startswith("'"):
        title = f"'{title}'"
    shown = a1.written(sheet.title, asked).rpartition("!")[2]
    what = f"Requested writing within range [{title}!{shown}], but tried writing to "
    if asked.top + high > whole.bottom:
        raise bad(f"{what}row [{whole.bottom + 1}]")
    if asked.left + wide > whole.right:
        raise bad(f"{what}column [{a1.letters(whole.right)}]")


def _check_protected(book: Book, email: str, write: Write) -> None:
    fences = [one for one in write.sheet.protected.values() if one.refuses(email)]
    if not fences:
        return
    block = Area(
        write.area.top,
        write.area.top + len(write.table),
        write.area.left,
        write.area.left + write.wide,
    )
    for fence in fences:
        if not fence.area.meets(block):
            continue
        if book.facts.null_counts_as_edit or any(
            fence.area.holds(row, column) for row, column, _ in write.cells
        ):
            raise bad(PROTECTED)


def apply(book: Book, write: Write, option: str) -> Json:
    """Write, and say what was written."""
    sheet = write.sheet
    down, across = write.needs
    if down:
        book.insert(sheet, ROWS, len(sheet.rows), down, like_before=True)
    if across:
        book.insert(sheet, COLUMNS, len(sheet.columns), across, like_before=True)
    locale = book.locale if option == "USER_ENTERED" else None
    enter = sheet.enter
    for row, column, value in write.cells:
        enter(row, column, value, locale=locale)
    block = Area(
        write.area.top,
        write.area.top + max(1, len(write.table)),
        write.area.left,
        write.area.left + max(1, write.wide),
    )
    said: Json = {"spreadsheetId": book.id, "updatedRange": a1.written(sheet.title, block)}
    counts = {
        "updatedRows": len({row for row, _, _ in write.cells}),
        "updatedColumns": len({column for _, column, _ in write.cells}),
        "updatedCells": len(write.cells),
    }
    return said | {name: count for name, count in counts.items() if count}


def shown_after(book: Book, write: Write, how: Rendering) -> Json:
    """`updatedData`: the cells as they are after the whole request."""
    area = write.area
    if not book.facts.answer_covers_asked_range:
        area = Area(
            area.top, area.top + len(write.table), area.left, area.left + max(1, write.wide)
        )
    by = Rendering(how.kind, how.dates, write.dimension)
    if book.facts.answer_shows_untouched_cells:
        return read(book, write.sheet, area, by)
    written = {(row, column) for row, column, _ in write.cells}
    answer = read(book, write.sheet, area, Rendering(how.kind, how.dates))
    table = [
        _short([value if (r, c) in written else "" for c, value in enumerate(row, area.left)])
        for r, row in enumerate(answer.pop("values", []), area.top)
    ]
    while table and not table[-1]:
        table.pop()
    if write.dimension == COLUMNS:
        wide = max((len(row) for row in table), default=0)
        table = [_short([row[c] if c < len(row) else "" for row in table]) for c in range(wide)]
        answer["majorDimension"] = COLUMNS
    return answer | ({"values": table} if table else {})


def option_of(said: Json) -> str:
    option = said.get("valueInputOption")
    if option is None or option == "INPUT_VALUE_OPTION_UNSPECIFIED":
        raise bad("'valueInputOption' is required but not specified")
    if option not in ("RAW", "USER_ENTERED"):
        raise bad(f"Invalid value at 'value_input_option', \"{option}\"")
    return str(option)


def update(book: Book, email: str, text: str, options: Json, said: Json) -> Json:
    """PUT values/{range}."""
    option = option_of(options)
    _table(said, "data.values")
    write = planned(book, email, places.by_text(book, text), said)
    answer = apply(book, write, option)
    if _is_true(options.get("includeValuesInResponse")):
        answer["updatedData"] = shown_after(book, write, Rendering.asked(options, of_answer=True))
    return answer


def batch_update(book: Book, email: str, said: Json) -> Json:
    """POST values:batchUpdate: all of it or nothing."""
    writes = []
    for n, one in enumerate(said.get("data") or []):
        try:
            writes.append(planned(book, email, places.by_text(book, one["range"]), one))
        except Refused as refused:
            raise _in_data(n, refused) from None
        except KeyError:
            raise bad(f"Invalid data[{n}]: no range") from None
    return _all_written(book, writes, said)


def batch_update_by_filter(book: Book, email: str, said: Json) -> Json:
    """POST values:batchUpdateByDataFilter: values go to all that a filter matches."""
    writes = []
    for n, one in enumerate(said.get("data") or []):
        try:
            found = places.by_filter(book, one.get("dataFilter") or {})
            if not found and book.facts.update_without_match_fails:
                raise bad("No data matched the DataFilter")
            for where in found:
                write = planned(book, email, where, one)
                write.filter = one["dataFilter"]
                writes.append(write)
        except Refused as refused:
            raise _in_data(n, refused) from None
    return _all_written(book, writes, said)


def _all_written(book: Book, writes: list[Write], said: Json) -> Json:
    option = option_of(said)
    responses = []
    for one in writes:
        response = apply(book, one, option)
        if one.filter is not None:
            response["dataFilter"] = one.filter
            del response["spreadsheetId"]
        responses.append(response)
    if _is_true(said.get("includeValuesInResponse")):
        how = Rendering.asked(said, of_answer=True)
        for write, response in zip(writes, responses, strict=True):
            response["updatedData"] = shown_after(book, write, how)
    touched = [(one.sheet.id, row, column) for one in writes for row, column, _ in one.cells]
    totals = {
        "totalUpdatedRows": len({(sheet, row) for sheet, row, _ in touched}),
        "totalUpdatedColumns": len({(sheet, column) for sheet, _, column in touched}),
        "totalUpdatedCells": len(touched),
        "totalUpdatedSheets": len({sheet for sheet, _, _ in touched}),
    }
    answer: Json = {"spreadsheetId": book.id}
    answer |= {name: count for name, count in totals.items() if count}
    return answer | ({"responses": responses} if responses else {})


def _in_data(n: int, refused: Refused) -> Refused:
    if refused.details:
        return refused
    return Refused(refused.code, f"Invalid data[{n}]: {refused.message}")


def get(book: Book, text: str, options: Json) -> Json:
    """GET values/{range}."""
    return read(book, *places.by_text(book, text), Rendering.asked(options))


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"
