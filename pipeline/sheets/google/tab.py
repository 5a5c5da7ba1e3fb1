"""Finds and reads a tab of a Google Sheet, even after its title has changed.

One reading shows the grid, the tab, the claim and the names of its columns. Before a write, another
reading shows what was *entered* (a formula as its text), so that it can be restored exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pipeline.core.cell_errors import NOT_COMPUTED, error_text
from pipeline.core.errors import SheetError
from pipeline.core.model import Grid
from pipeline.core.sheet.verified_writes import Raw, Snapshot
from pipeline.sheets.google.client import GoogleBusy, GoogleRefused, Json, Spreadsheet
from pipeline.sheets.google.protected_ranges import Area, listed

#: Names of columns: developer metadata with this key goes wherever its column goes.
COLUMN_KEY: Final = "promptsheet"
_LOOK = (
    "properties.title,developerMetadata(metadataId,metadataKey,metadataValue),"
    "sheets(properties(sheetId,title,gridProperties(rowCount,columnCount,frozenRowCount)),"
    "protectedRanges(range,unprotectedRanges,warningOnly,requestingUserCanEdit),"
    "data(rowData.values(formattedValue,note,effectiveValue(boolValue,errorValue.type)),"
    "columnMetadata.developerMetadata(metadataId,metadataKey)))"
)
Cell = TypeVar("Cell", bound=Raw)
_TABS = "properties.title,sheets.properties(sheetId,title,sheetType)"


@dataclass(frozen=True, slots=True)
class TabHeader:
    """The header as of one moment: titles, notes, and the name of each column."""

    titles: tuple[str, ...]
    notes: Mapping[int, str]
    names: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class TabReading:
    """The tab as of one moment."""

    grid: Grid
    header: TabHeader
    wide: int
    high: int
    frozen: int
    #: What of it is protected against us.
    closed: tuple[Area, ...] = ()


class GoogleTab:
    """One tab: by its title, or its number where that is known; else the first."""

    def __init__(self, spreadsheet: Spreadsheet, title: str = "", gid: int | None = None) -> None:
        self._sheets = spreadsheet
        self._gid = gid
        self.title = title
        #: What the spreadsheet is called, once it has been read.
        self.book = ""
        #: The claims of the last reading, until they are asked for.
        self.claims: list[Json] | None = None
        self._found = bool(title) or not gid

    @property
    def gid(self) -> int:
        """Its number, which stays when it is renamed."""
        if self._gid is None:
            self._find()
        assert self._gid is not None, "a tab that was found has a number"
        return self._gid

    @property
    def area(self) -> str:
        """All of it, for a request that knows titles only."""
        if not self.title:
            return "A:ZZZ"
        quoted = self.title.replace("'", "''")
        return f"'{quoted}'"

    @property
    def first_line(self) -> str:
        """Its header, for a request that knows titles only."""
        return f"{self.area}!1:1"

    def is_lost(self) -> None:
        """Forget the title: the tab was renamed or deleted, and the next reading looks for it."""
        self._found = False

    def look(self) -> TabReading:
        """Read the tab; find it first if it was renamed."""
        if not self._found:
            self._find()
        try:
            said = self._sheets.look(_LOOK, self.area)
        except GoogleRefused as e:
            if e.code != 400:
                raise
            self._find()
            said = self._sheets.look(_LOOK, self.area)
        tab = (said.get("sheets") or [{}])[0]
        properties = tab.get("properties", {})
        if self._gid is not None and properties.get("sheetId", 0) != self._gid:
            self._find()  # another tab has taken the title over
            return self.look()
        self._gid, self.title = properties.get("sheetId", 0), str(properties.get("title", ""))
        self._found = True
        self.book = str(said.get("properties", {}).get("title", ""))
        self.claims = said.get("developerMetadata", [])
        size = properties.get("gridProperties", {})
        shown = (
            [
                # Titles are compared with those of later answers, which show texts alone.
                _shown(cell) if place and cell.get("effectiveValue") else _text(cell)
                for cell in line.get("values", ())
            ]
            for place, line in enumerate(_part(tab).get("rowData", ()))
        )
        wide, high = size.get("columnCount", 0), size.get("rowCount", 0)
        frozen = size.get("frozenRowCount", 0)
        return TabReading(grid(shown), header(tab), wide, high, frozen, listed(tab))

    def snapshot(self) -> Snapshot:
        """The text that was entered."""
        if not self._found:
            self._find()
        try:
            said = self._sheets.values(self.area, "FORMULA")
        except GoogleRefused as e:
            if e.code == 400:  # the tab was renamed in this very moment
                self.is_lost()
                raise GoogleBusy(str(e)) from e
            raise
        return tuple(trimmed(row) for row in said.get("values", []))

    def _find(self) -> None:
        """Look up the tab: by its number where that is known, else by its title, else the first."""
        said = self._sheets.about(_TABS)
        self.book = str(said.get("properties", {}).get("title", ""))
        tabs = {
            str(p.get("title", "")): int(p.get("sheetId", 0))
            for one in said.get("sheets", [])
            if (p := one.get("properties", {})).get("sheetType", "GRID") == "GRID"
        }
        if self._gid is not None:
            found = next((title for title, gid in tabs.items() if gid == self._gid), None)
        elif self.title:
            found = next((t for t in tabs if t.casefold() == self.title.casefold()), None)
        else:
            found = next(iter(tabs), None)
        if found is None:
            there = ", ".join(tabs)
            wanted = f'"{self.title}"' if self.title else f"with the number {self._gid}"
            raise SheetError(
                f"{self.book} has no tab {wanted}; there is {there}. Correct [sheet] tab."
            )
        self.title, self._gid, self._found = found, tabs[found], True


def header(tab: Json) -> TabHeader:
    """The header of a tab in an answer."""
    part = _part(tab)
    cells = (part.get("rowData") or [{}])[0].get("values", [])
    names = {
        at: int(one["metadataId"])
        for at, column in enumerate(part.get("columnMetadata", []))
        for one in column.get("developerMetadata", [])
        if one.get("metadataKey") == COLUMN_KEY
    }
    return TabHeader(
        trimmed([_text(cell) for cell in cells]),
        {at: str(cell.get("note", "")) for at, cell in enumerate(cells)},
        names,
    )


def _shown(cell: Json) -> str:
    value, text = cell.get("effectiveValue", {}), _text(cell)
    # A box is called otherwise in each language: WAHR, VRAI.
    if (ticked := value.get("boolValue")) is not None:
        return "TRUE" if ticked else "FALSE"
    if (error := value.get("errorValue")) is not None:
        return NOT_COMPUTED if error.get("type") == "LOADING" else error_text(text)
    return text


def _text(cell: Json) -> str:
    return str(cell.get("formattedValue", ""))


def _part(tab: Json) -> Json:
    first: Json = (tab.get("data") or [{}])[0]
    return first


def grid(rows: Iterable[Sequence[str]]) -> Grid:
    """Rows as all kinds of sheet return them: without empty ends, none shorter than the header."""
    cells = [trimmed(row) for row in rows]
    while cells and not cells[-1]:
        cells.pop()
    wide = len(cells[0]) if cells else 0
    return tuple(row if len(row) >= wide else (*row, *[""] * (wide - len(row))) for row in cells)


def trimmed(row: Sequence[Cell]) -> tuple[Cell, ...]:
    """A row without its empty end."""
    wide = len(row)
    while wide and row[wide - 1] == "":
        wide -= 1
    return tuple(row[:wide])
