"""Which cells a request means: by A1 text, by a grid range, by row or column, by DataFilter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.fakes.google import a1
from tests.fakes.google.a1 import Area
from tests.fakes.google.grid import COLUMNS, ROWS, Book, Line, Metadata, Sheet
from tests.fakes.google.refusals import Json, bad


def by_text(book: Book, text: str) -> tuple[Sheet, Area]:
    """`'Sheet1'!A1:B2`, `Sheet1`, `A1` (of the first sheet)."""
    title, cells = a1.split_title(text)
    sheet = area = None
    if title is None:
        sheet = _titled(book, cells)
        area = Area() if sheet else a1.cells(cells)
        sheet = sheet or book.sheets[0]
    else:
        sheet = _titled(book, title)
        area = a1.cells(cells) if cells else Area()
    if sheet is None or area is None:
        raise bad(f"Unable to parse range: {text}")
    return sheet, area


def checked(sheet: Sheet, area: Area, *, to_write: bool = False) -> Area:
    """The area, if it is on the grid. What is read is cut there; a write may not run past."""
    rows, columns = len(sheet.rows), len(sheet.columns)
    outside = area.top >= rows or area.left >= columns
    if to_write:
        outside |= (area.bottom or 0) > rows or (area.right or 0) > columns
    if outside:
        shown = a1.written(sheet.title, area).partition("!")[2]
        raise bad(
            f"Range ({a1.quoted(sheet.title)}!{shown}) exceeds grid limits. "
            f"Max rows: {rows}, max columns: {columns}"
        )
    return area


def by_grid(book: Book, said: Json) -> tuple[Sheet, Area]:
    """A GridRange."""
    sheet = by_id(book, said.get("sheetId", 0))
    area = Area(
        said.get("startRowIndex", 0),
        said.get("endRowIndex"),
        said.get("startColumnIndex", 0),
        said.get("endColumnIndex"),
    )
    if (area.bottom is not None and area.bottom <= area.top) or (
        area.right is not None and area.right <= area.left
    ):
        raise bad("GridRange: the end must be greater than the start")
    return sheet, area


def by_id(book: Book, number: int) -> Sheet:
    for one in book.sheets:
        if one.id == number:
            return one
    raise bad(f"No grid with id: {number}")


def lines(book: Book, said: Json) -> tuple[Sheet, str, int, int]:
    """A DimensionRange: rows or columns, from where to where."""
    sheet = by_id(book, said.get("sheetId", 0))
    dimension = said.get("dimension", "")
    if dimension not in (ROWS, COLUMNS):
        raise bad("dimension must be ROWS or COLUMNS")
    size = len(sheet.lines(dimension))
    start, end = said.get("startIndex", 0), said.get("endIndex", size)
    if not 0 <= start < end:
        raise bad(f"startIndex[{start}] must be less than endIndex[{end}]")
    return sheet, dimension, start, end


def described(sheet: Sheet, area: Area) -> Json:
    """An area as a GridRange in an answer: what is not bounded is left out, and a sheet 0 too."""
    said: Json = {"sheetId": sheet.id} if sheet.id else {}
    if area.bottom is not None:
        said |= {"startRowIndex": area.top, "endRowIndex": area.bottom}
    elif area.top:
        said["startRowIndex"] = area.top
    if area.right is not None:
        said |= {"startColumnIndex": area.left, "endColumnIndex": area.right}
    elif area.left:
        said["startColumnIndex"] = area.left
    return said


@dataclass(frozen=True, slots=True)
class Found:
    """Developer metadata and where it is: the list that holds it, and the place."""

    holder: list[Metadata]
    metadata: Metadata
    sheet: Sheet | None = None
    dimension: str = ""
    index: int = 0

    @property
    def kind(self) -> str:
        if self.sheet is None:
            return "SPREADSHEET"
        return {ROWS: "ROW", COLUMNS: "COLUMN"}.get(self.dimension, "SHEET")

    def described(self) -> Json:
        said: Json = {"metadataId": self.metadata.id, "metadataKey": self.metadata.key}
        if self.metadata.value is not None:
            said["metadataValue"] = self.metadata.value
        location: Json = {"locationType": self.kind}
        if self.sheet is None:
            location["spreadsheet"] = True
        elif not self.dimension:
            location["sheetId"] = self.sheet.id
        else:
            location["dimensionRange"] = {
                "sheetId": self.sheet.id,
                "dimension": self.dimension,
                "startIndex": self.index,
                "endIndex": self.index + 1,
            }
        return said | {"location": location, "visibility": self.metadata.visibility}

    def area(self) -> Area | None:
        if self.dimension == ROWS:
            return Area(self.index, self.index + 1)
        if self.dimension == COLUMNS:
            return Area(0, None, self.index, self.index + 1)
        return Area() if self.sheet else None


def all_metadata(book: Book) -> Iterator[Found]:
    """All developer metadata of a book."""
    for one in book.metadata:
        yield Found(book.metadata, one)
    for sheet in book.sheets:
        for one in sheet.metadata:
            yield Found(sheet.metadata, one, sheet)
        for dimension in (ROWS, COLUMNS):
            kept: list[tuple[int, Line]] = [
                (n, line) for n, line in enumerate(sheet.lines(dimension)) if line.metadata
            ]
            for n, line in kept:
                for one in line.metadata:
                    yield Found(line.metadata, one, sheet, dimension, n)


def looked_up(book: Book, lookup: Json) -> list[Found]:
    """A DeveloperMetadataLookup."""
    wanted = lookup.get("metadataLocation")
    place = _location(book, wanted) if wanted else None
    exact = lookup.get("locationMatchingStrategy") == "EXACT_LOCATION"
    return [
        one
        for one in all_metadata(book)
        if lookup.get("metadataId", one.metadata.id) == one.metadata.id
        and lookup.get("metadataKey", one.metadata.key) == one.metadata.key
        and lookup.get("metadataValue", one.metadata.value) == one.metadata.value
        and lookup.get("visibility", one.metadata.visibility) == one.metadata.visibility
        and lookup.get("locationType", one.kind) == one.kind
        and (place is None or _is_there(one, place, exact))
    ]


def holder(book: Book, location: Json) -> list[Metadata]:
    """The list where metadata of that location belongs."""
    sheet, dimension, start, end = _location(book, location)
    if sheet is None:
        return book.metadata
    if not dimension:
        return sheet.metadata
    if end != start + 1:
        raise bad("dimensionRange must represent a single row or column")
    if end > len(sheet.lines(dimension)):
        raise bad("dimensionRange is outside of the grid")
    return sheet.lines(dimension)[start].metadata


def _location(book: Book, said: Json) -> tuple[Sheet | None, str, int, int]:
    if said.get("dimensionRange") is not None:
        return lines(book, said["dimensionRange"])
    if said.get("sheetId") is not None:
        return by_id(book, said["sheetId"]), "", 0, 0
    if said.get("spreadsheet"):
        return None, "", 0, 0
    raise bad("A metadata location must be specified")


def _is_there(one: Found, place: tuple[Sheet | None, str, int, int], exact: bool) -> bool:
    sheet, dimension, start, end = place
    if exact or (sheet and dimension):
        inside = one.dimension == dimension and (not dimension or start <= one.index < end)
        return one.sheet is sheet and inside
    return sheet is None or one.sheet is sheet


def by_filter(book: Book, said: Json) -> list[tuple[Sheet, Area]]:
    """All that a DataFilter matches."""
    kinds = [one for one in ("developerMetadataLookup", "a1Range", "gridRange") if one in said]
    if len(kinds) != 1:
        raise bad("A DataFilter must have exactly one of its fields set")
    if "a1Range" in said:
        return [by_text(book, said["a1Range"])]
    if "gridRange" in said:
        return [by_grid(book, said["gridRange"])]
    found = looked_up(book, said["developerMetadataLookup"])
    return [(one.sheet, area) for one in found if one.sheet and (area := one.area())]


def _titled(book: Book, title: str) -> Sheet | None:
    exact = next((one for one in book.sheets if one.title == title), None)
    return exact or next((one for one in book.sheets if one.title.lower() == title.lower()), None)
