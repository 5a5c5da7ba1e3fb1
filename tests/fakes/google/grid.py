"""The state of a spreadsheet: sheets with rows, columns and cells, and the gestures that change
them.

A `Line` (a row or column) keeps what belongs to the place: its size, whether it is hidden, its
developer metadata. Its `identity` is the ledger of the tests: it goes where a person would say
that the row has gone, with moves of rows and with sorts of whole rows, and nothing in the API
shows it. A cell remembers in `origin` the identity of the row in which its content was entered,
and takes that along wherever the content goes, also when a single column is sorted.

Cells are never changed, only replaced; so a list of cells is copied cheaply.
"""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.fakes.google import a1, entering, formulas
from tests.fakes.google.a1 import Area
from tests.fakes.google.entering import Value
from tests.fakes.google.facts import Facts
from tests.fakes.google.refusals import TOO_LONG, TOO_MANY_CELLS, Json, bad

ROWS, COLUMNS = "ROWS", "COLUMNS"
MOST_CELLS = 10_000_000
MOST_LETTERS = 50_000


@dataclass(eq=False, slots=True)
class Identity:
    """The identity of a row, which never changes."""

    name: str = ""
    #: The row that it was copied from.
    copy_of: Identity | None = None


class Cell(NamedTuple):
    """The content of one cell; `pattern` is its number format."""

    value: Value = None
    formula: str | None = None
    pattern: str = ""
    format: Json | None = None
    note: str = ""
    rule: Json | None = None
    origin: Identity | None = None

    @property
    def is_empty(self) -> bool:
        return self.value is None and self.formula is None

    @property
    def is_checkbox(self) -> bool:
        return self.rule is not None and self.rule.get("condition", {}).get("type") == "BOOLEAN"


EMPTY = Cell()


class Metadata(NamedTuple):
    """Developer metadata; it is kept in the object to which it is attached."""

    id: int
    key: str
    value: str | None
    visibility: str


@dataclass(eq=False, slots=True)
class Line:
    """A column, or the properties of a row without its cells."""

    identity: Identity = field(default_factory=Identity)
    hidden: bool = False
    filtered: bool = False
    size: int | None = None
    metadata: list[Metadata] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Row(Line):
    cells: list[Cell] = field(default_factory=list)

    def copy(self) -> Row:
        return Row(
            self.identity, self.hidden, self.filtered, self.size, self.metadata[:], self.cells[:]
        )


@dataclass
class Protected:
    """Cells that only some may edit, or that warn before an edit."""

    area: Area
    said: Json

    def refuses(self, email: str) -> bool:
        users = (self.said.get("editors") or {}).get("users") or []
        return not self.said.get("warningOnly") and email not in users


@dataclass(eq=False)
class Sheet:
    """One tab."""

    id: int
    title: str
    rows: list[Row]
    columns: list[Line]
    hidden: bool = False
    frozen_rows: int = 0
    frozen_columns: int = 0
    #: Properties that are only kept: the colour of the tab, the direction of writing...
    more: Json = field(default_factory=dict)
    protected: dict[int, Protected] = field(default_factory=dict)
    conditional: list[tuple[list[Area], Json]] = field(default_factory=list)
    filter: tuple[Area, Json] | None = None
    #: Merged cells: only the first of each area holds something.
    merged: list[Area] = field(default_factory=list)
    metadata: list[Metadata] = field(default_factory=list)
    has_formulas: bool = False

    # ------------------------------------------------------------------ looking

    def cell(self, row: int, column: int) -> Cell:
        if row >= len(self.rows):
            return EMPTY
        cells = self.rows[row].cells
        return cells[column] if column < len(cells) else EMPTY

    def within(self, area: Area) -> Area:
        return area.within(len(self.rows), len(self.columns))

    def lines(self, dimension: str) -> Sequence[Line]:
        return self.rows if dimension == ROWS else self.columns

    @property
    def used(self) -> Area:
        """The smallest rectangle from A1 that holds everything."""
        bottom = self.filled
        right = max((_width(row.cells) for row in self.rows[:bottom]), default=0)
        return Area(0, bottom, 0, right)

    @property
    def filled(self) -> int:
        """How many rows there are, without the empty ones at the end."""
        rows = self.rows
        return next((n for n in range(len(rows), 0, -1) if _width(rows[n - 1].cells)), 0)

    def where(self, identity: Identity) -> int | None:
        """The current index of the row."""
        return next((n for n, row in enumerate(self.rows) if row.identity is identity), None)

    def areas(self) -> Iterator[Area]:
        """All objects that cover ranges of this sheet and move with them."""
        yield from (one.area for one in self.protected.values())
        for ranges, _ in self.conditional:
            yield from ranges
        if self.filter:
            yield self.filter[0]
        yield from self.merged

    def covers(self, row: int, column: int) -> bool:
        """True if the cell is part of merged cells, and not the first of them."""
        return any(
            one.meets(Area(row, row + 1, column, column + 1))
            and (row, column) != (one.top, one.left)
            for one in self.merged
        )

    # ------------------------------------------------------------------ cells

    def put(self, row: int, column: int, cell: Cell) -> None:
        if self.merged and self.covers(row, column):
            cell = cell._replace(value=None, formula=None, origin=None)
        cells = self.rows[row].cells
        if column >= len(cells):
            if cell is EMPTY:
                return
            cells.extend([EMPTY] * (column + 1 - len(cells)))
        cells[column] = cell
        if cell.formula is not None:
            self.has_formulas = True

    def enter(self, row: int, column: int, value: Value, *, locale: str | None = None) -> None:
        """Put a value into a cell: as a person types it if there is a locale, else RAW."""
        old = self.cell(row, column)
        if value is None or value == "":
            if not old.is_empty:
                self.put(row, column, old._replace(value=None, formula=None, origin=None))
            return
        formula, pattern = None, ""
        if isinstance(value, str):
            if len(value) > MOST_LETTERS:
                raise bad(TOO_LONG)
            if locale is not None:
                value, formula, pattern = entering.typed(value, locale)
        identity = self.rows[row].identity
        pattern = pattern or old.pattern
        self.put(
            row, column, Cell(value, formula, pattern, old.format, old.note, old.rule, identity)
        )

    # ------------------------------------------------------------------ gestures

    def insert(
        self, dimension: str, at: int, count: int, like_before: bool = False, *, fill: bool = True
    ) -> None:
        """New empty rows or columns before the one at `at`; their format is their neighbour's."""
        beside = at - 1 if like_before else at
        if dimension == ROWS:
            cells = self.rows[beside].cells if fill and 0 <= beside < len(self.rows) else []
            dress = [_dress(one) for one in cells]
            self.rows[at:at] = [Row(cells=dress[:]) for _ in range(count)]
            if at < self.frozen_rows:
                self.frozen_rows += count
        else:
            self.columns[at:at] = [Line() for _ in range(count)]
            for row in self.rows:
                if at < len(row.cells):
                    one = row.cells[beside] if fill and beside >= 0 else EMPTY
                    row.cells[at:at] = [_dress(one)] * count
            if at < self.frozen_columns:
                self.frozen_columns += count

    def delete(self, dimension: str, start: int, end: int) -> None:
        """Rows or columns go, with all that is in them."""
        if dimension == ROWS:
            del self.rows[start:end]
            self.frozen_rows -= max(0, min(end, self.frozen_rows) - start)
        else:
            del self.columns[start:end]
            for row in self.rows:
                del row.cells[start:end]
            self.frozen_columns -= max(0, min(end, self.frozen_columns) - start)

    def move(self, dimension: str, start: int, end: int, to: int) -> None:
        """Rows or columns go before the one that is at `to` now."""
        order = _moved_order(len(self.lines(dimension)), start, end, to)
        if dimension == ROWS:
            self.rows = [self.rows[n] for n in order]
        else:
            self.columns = [self.columns[n] for n in order]
            for row in self.rows:
                row.cells = _trimmed([_at(row.cells, n) for n in order])

    def clone(self) -> Sheet:
        """A copy that shares nothing that changes."""
        other = copy.copy(self)
        other.rows = [row.copy() for row in self.rows]
        other.columns = [
            Line(one.identity, one.hidden, one.filtered, one.size, one.metadata[:])
            for one in self.columns
        ]
        other.more = dict(self.more)
        other.protected = {
            key: Protected(one.area.copy(), one.said) for key, one in self.protected.items()
        }
        other.conditional = [([a.copy() for a in areas], said) for areas, said in self.conditional]
        other.filter = (self.filter[0].copy(), self.filter[1]) if self.filter else None
        other.merged = [area.copy() for area in self.merged]
        other.metadata = self.metadata[:]
        return other


@dataclass(eq=False)
class Book:
    """One spreadsheet."""

    title: str
    id: str = field(default_factory=lambda: "1" + secrets.token_urlsafe(33)[:43])
    locale: str = "en_US"
    time_zone: str = "Etc/GMT"
    facts: Facts = field(default_factory=Facts)
    sheets: list[Sheet] = field(default_factory=list)
    metadata: list[Metadata] = field(default_factory=list)
    #: Accounts that may edit, and that may only look. Anybody else gets 403.
    editors: set[str] = field(default_factory=set)
    viewers: set[str] = field(default_factory=set)
    #: Names of functions whose result has not come yet.
    loading: frozenset[str] = frozenset()
    #: How errors are shown in the spreadsheet's language, where that is another word.
    error_words: dict[str, str] = field(default_factory=dict)
    _ids: set[int] = field(default_factory=set)
    _under_way: set[tuple[int, int, int]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The address as it stands in a person's browser."""
        return f"https://docs.google.com/spreadsheets/d/{self.id}/edit#gid={self.sheets[0].id}"

    def sheet(self, which: int | str) -> Sheet:
        """By its id or its title; KeyError if there is none."""
        for one in self.sheets:
            if one.id == which or one.title == which:
                return one
        raise KeyError(which)

    def new_id(self) -> int:
        """A new id, as Google chooses it."""
        while (number := secrets.randbelow(2**31 - 1) + 1) in self._ids:
            pass
        self._ids.add(number)
        return number

    def add_sheet(
        self, title: str, rows: int = 1000, columns: int = 26, *, number: int | None = None
    ) -> Sheet:
        """A new empty tab after the others."""
        number = self.new_id() if number is None else number
        self._ids.add(number)
        sheet = Sheet(number, title, [Row() for _ in range(rows)], [Line() for _ in range(columns)])
        self.check_size(rows * columns)
        self.sheets.append(sheet)
        return sheet

    def check_size(self, more: int) -> None:
        """Raises Refused if this number of additional cells is too large."""
        if self.facts.empty_cells_count:
            there = sum(len(one.rows) * len(one.columns) for one in self.sheets)
        else:
            there = sum(_width(row.cells) for one in self.sheets for row in one.rows)
        if there + more > MOST_CELLS:
            raise bad(TOO_MANY_CELLS)

    # ------------------------------------------------------------------ what a cell shows

    def value(self, sheet: Sheet, row: int, column: int) -> Value:
        """The value of a cell, its formula computed."""
        cell = sheet.cell(row, column)
        return self.computed(sheet, row, column, cell)

    def computed(self, sheet: Sheet, row: int, column: int, cell: Cell) -> Value:
        if cell.formula is None:
            if cell.value is None and cell.is_checkbox and self.facts.untouched_checkbox_is_false:
                return False
            return cell.value
        key = sheet.id, row, column
        if key in self._under_way:
            return "#REF!"
        self._under_way.add(key)
        try:
            value = formulas.evaluate(
                cell.formula,
                lambda title, r, c: self._look(sheet, title, r, c),
                ";" if entering.has_comma(self.locale) else ",",
                self.loading,
            )
        finally:
            self._under_way.discard(key)
        return 0 if value is None else value

    def _look(self, sheet: Sheet, title: str | None, row: int, column: int) -> Value:
        try:
            other = sheet if title is None else self.sheet(title)
        except KeyError:
            return "#REF!"
        return self.value(other, row, column)

    def shown(self, sheet: Sheet, row: int, column: int) -> str:
        """The text that a person sees in the cell."""
        return self.shown_cell(sheet, row, column, sheet.cell(row, column))

    def shown_cell(self, sheet: Sheet, row: int, column: int, cell: Cell) -> str:
        value = self.computed(sheet, row, column, cell)
        if (
            cell.formula
            and self.facts.image_reads_empty
            and formulas.is_image(cell.formula)
            and not (
                isinstance(value, str) and (formulas.is_error(value) or value == formulas.LOADING)
            )
        ):
            return ""
        return entering.shown(value, cell.pattern, self.locale)

    # ------------------------------------------------------------------ gestures of the whole book

    def rename(self, sheet: Sheet, title: str) -> None:
        """Another title; formulas that name it follow."""
        old, sheet.title = sheet.title, title
        in_quotes = re.escape("'" + old.replace("'", "''") + "'")
        before = re.compile(rf"(?:{in_quotes}|(?<![\w']){re.escape(old)})!")
        new = a1.quoted(title) + "!"
        for other in self.sheets:
            for row in other.rows if other.has_formulas else ():
                for n, cell in enumerate(row.cells):
                    if cell.formula:
                        formula = before.sub(lambda _: new, cell.formula)
                        row.cells[n] = cell._replace(formula=formula)

    def insert(
        self, sheet: Sheet, dimension: str, at: int, count: int = 1, like_before: bool = False
    ) -> None:
        """New rows or columns; ranges and formulas follow."""
        other = len(sheet.columns) if dimension == ROWS else len(sheet.rows)
        self.check_size(count * other)
        sheet.insert(dimension, at, count, like_before)
        for area in sheet.areas():
            _stretch(area, dimension, lambda n: n + count if n >= at else n, opening=at)
        self._follow(sheet, dimension, lambda n: n + count if n >= at else n)

    def delete(self, sheet: Sheet, dimension: str, start: int, end: int) -> None:
        """Delete rows or columns; references to them break, and objects that cover only them are
        deleted.
        """
        sheet.delete(dimension, start, end)

        def edge(n: int) -> int:
            return n if n <= start else max(start, n - (end - start))

        for area in sheet.areas():
            _stretch(area, dimension, edge)
        self._drop_empty(sheet)

        def gone(n: int) -> int | None:
            return None if start <= n < end else edge(n)

        self._follow(sheet, dimension, gone)

    def move(self, sheet: Sheet, dimension: str, start: int, end: int, to: int) -> None:
        """Move rows or columns; objects that cover only them move along."""
        size = len(sheet.lines(dimension))
        sheet.move(dimension, start, end, to)
        order = _moved_order(size, start, end, to)
        now = {old: new for new, old in enumerate(order)}
        for area in sheet.areas():
            first, last = _edges(area, dimension)
            if last is not None and start <= first and last <= end:
                by = now[start] - start
                _set_edges(area, dimension, first + by, last + by)
        self._follow(sheet, dimension, lambda n: now.get(n, n))

    def sort(self, sheet: Sheet, area: Area, specs: Sequence[tuple[int, bool]]) -> None:
        """Sort the rows of an area; `specs` are columns (from 0) and whether they fall.

        Content goes, rows stay: heights, hidden rows and (as a switch says) metadata stay where
        they are.
        """
        area = sheet.within(area)
        assert area.bottom is not None
        assert area.right is not None
        order = list(range(area.top, area.bottom))
        for column, falling in reversed(specs):
            keys = {n: _rank(self.value(sheet, n, column)) for n in order}
            blank = [n for n in order if keys[n] is None]
            filled = [n for n in order if keys[n] is not None]
            # Python's sort keeps equal ones in their order, falling or not
            filled.sort(key=lambda n: keys[n] or (0, 0, ""), reverse=falling)
            order = filled + blank
        self.rearrange(sheet, area, order)

    def rearrange(self, sheet: Sheet, area: Area, order: Sequence[int]) -> None:
        """Put the content of the rows `order` (in an area) into its rows from the top."""
        area = sheet.within(area)
        assert area.right is not None
        left, right = area.left, area.right
        used = max((_width(sheet.rows[n].cells) for n in order), default=0)
        first = min((_first(sheet.rows[n].cells) for n in order), default=0)
        is_whole = left <= first and used <= right
        old = {n: (sheet.rows[n].cells[left:right], sheet.rows[n]) for n in order}
        kept = {n: (row.identity, row.metadata) for n, (_, row) in old.items()}
        for new, n in enumerate(order, area.top):
            if new == n:
                continue
            row, cells = sheet.rows[new], old[n][0]
            if sheet.has_formulas:
                cells = [
                    one._replace(formula=formulas.displaced(one.formula, new - n, 0))
                    if one.formula
                    else one
                    for one in cells
                ]
            rest = row.cells[right:]
            head = row.cells[:left] + [EMPTY] * (left - len(row.cells))
            if rest:
                cells = cells + [EMPTY] * (right - left - len(cells))
            row.cells = head + cells + rest
            if is_whole:
                row.identity = kept[n][0]
                if self.facts.sort_moves_row_metadata:
                    row.metadata = kept[n][1]

    def paste(
        self, sheet: Sheet, source: Area, onto: Sheet, target: Area, kind: str = "PASTE_NORMAL"
    ) -> None:
        """Copy cells; a larger target is filled with repetitions."""
        source, target = sheet.within(source), onto.within(target)
        assert source.bottom is not None
        assert source.right is not None
        high, wide = source.bottom - source.top, source.right - source.left
        down = max(high, ((target.bottom or 0) - target.top) // high * high)
        across = max(wide, ((target.right or 0) - target.left) // wide * wide)
        if target.top + down > len(onto.rows) or target.left + across > len(onto.columns):
            raise bad("The destination of the paste is outside of the grid.")
        block = [
            [sheet.cell(row, column) for column in range(source.left, source.right)]
            for row in range(source.top, source.bottom)
        ]
        values = [
            [self.value(sheet, row, column) for column in range(source.left, source.right)]
            for row in range(source.top, source.bottom)
        ]
        whole = wide >= max(_width(sheet.rows[n].cells) for n in range(source.top, source.bottom))
        origins = [sheet.rows[n].identity for n in range(source.top, source.bottom)]
        doubled = [sheet.rows[n].metadata[:] for n in range(source.top, source.bottom)]
        for r in range(down):
            row = target.top + r
            if whole and source.left == target.left == 0 and kind == "PASTE_NORMAL":
                onto.rows[row].identity = Identity(copy_of=origins[r % high])
                if self.facts.copy_doubles_row_metadata:
                    onto.rows[row].metadata = [
                        one._replace(id=self.new_id()) for one in doubled[r % high]
                    ]
            for c in range(across):
                column = target.left + c
                one = block[r % high][c % wide]
                onto.put(
                    row,
                    column,
                    _pasted(
                        one,
                        onto.cell(row, column),
                        kind,
                        values[r % high][c % wide],
                        (row - source.top - r % high, column - source.left - c % wide),
                    ),
                )

    def cut(self, sheet: Sheet, source: Area, onto: Sheet, row: int, column: int) -> None:
        """Cells go elsewhere, and leave their place empty; the rows stay."""
        source = sheet.within(source)
        assert source.bottom is not None
        assert source.right is not None
        block = [
            (r, c, sheet.cell(r, c))
            for r in range(source.top, source.bottom)
            for c in range(source.left, source.right)
        ]
        down, right = row - source.top, column - source.left
        if source.bottom + down > len(onto.rows) or source.right + right > len(onto.columns):
            raise bad("The destination of the paste is outside of the grid.")
        for r, c, _ in block:
            sheet.put(r, c, EMPTY)
        for r, c, cell in block:
            onto.put(r + down, c + right, cell)

    def saved(self) -> Callable[[], None]:
        """Remember everything; returns a function that restores it."""
        sheets = [(one, one.clone()) for one in self.sheets]
        metadata, title, locale = self.metadata[:], self.title, self.locale
        zone = self.time_zone

        def back() -> None:
            for sheet, before in sheets:
                sheet.__dict__.update(before.__dict__)
            self.sheets = [sheet for sheet, _ in sheets]
            self.metadata, self.title, self.locale = metadata, title, locale
            self.time_zone = zone

        return back

    def _drop_empty(self, sheet: Sheet) -> None:
        def there(area: Area) -> bool:
            return area.top != area.bottom and area.left != area.right

        sheet.protected = {k: one for k, one in sheet.protected.items() if there(one.area)}
        sheet.conditional = [
            (kept, said)
            for areas, said in sheet.conditional
            if (kept := [one for one in areas if there(one)])
        ]
        if sheet.filter and not there(sheet.filter[0]):
            sheet.filter = None
        sheet.merged = [area for area in sheet.merged if there(area)]

    def _follow(self, sheet: Sheet, dimension: str, now: Callable[[int], int | None]) -> None:
        """Make all formulas follow the cells that have moved in that sheet."""
        for other in self.sheets:
            if not other.has_formulas:
                continue

            def moved(
                title: str | None, row: int, column: int, other: Sheet = other
            ) -> tuple[int, int] | None:
                if (other.title if title is None else title) != sheet.title:
                    return row, column
                new = now(row if dimension == ROWS else column)
                if new is None:
                    return None
                return (new, column) if dimension == ROWS else (row, new)

            for line in other.rows:
                for n, cell in enumerate(line.cells):
                    if cell.formula:
                        line.cells[n] = cell._replace(
                            formula=formulas.rewritten(cell.formula, moved)
                        )


def _dress(cell: Cell) -> Cell:
    """An empty cell that looks like this one."""
    if not (cell.format or cell.rule or cell.pattern):
        return EMPTY
    return Cell(pattern=cell.pattern, format=cell.format, rule=cell.rule)


def _pasted(one: Cell, onto: Cell, kind: str, value: Value, by: tuple[int, int]) -> Cell:
    if kind == "PASTE_VALUES":
        return onto._replace(value=value, formula=None, origin=one.origin)
    if kind == "PASTE_FORMAT":
        return onto._replace(format=one.format, pattern=one.pattern)
    if kind == "PASTE_DATA_VALIDATION":
        return onto._replace(rule=one.rule)
    formula = formulas.displaced(one.formula, *by) if one.formula else None
    if kind == "PASTE_FORMULA":
        return onto._replace(value=one.value, formula=formula, origin=one.origin)
    return one._replace(formula=formula)


def _at(cells: list[Cell], n: int) -> Cell:
    return cells[n] if n < len(cells) else EMPTY


def _trimmed(cells: list[Cell]) -> list[Cell]:
    while cells and cells[-1] is EMPTY:
        cells.pop()
    return cells


def _width(cells: list[Cell]) -> int:
    """The number of filled cells of the row."""
    for n in range(len(cells) - 1, -1, -1):
        if cells[n].value is not None or cells[n].formula is not None:
            return n + 1
    return 0


def _first(cells: list[Cell]) -> int:
    for n, one in enumerate(cells):
        if not one.is_empty:
            return n
    return 10**9


def _rank(value: Value) -> tuple[int, float, str] | None:
    """Numbers, then text, then booleans; empty ones are always last."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return 2, float(value), ""
    if isinstance(value, str):
        return 1, 0, value.casefold()
    return 0, float(value), ""


def _moved_order(size: int, start: int, end: int, to: int) -> list[int]:
    """The old indexes in their new order."""
    moved = list(range(start, end))
    before = [n for n in range(to) if not start <= n < end]
    after = [n for n in range(to, size) if not start <= n < end]
    return before + moved + after


def _edges(area: Area, dimension: str) -> tuple[int, int | None]:
    return (area.top, area.bottom) if dimension == ROWS else (area.left, area.right)


def _set_edges(area: Area, dimension: str, first: int, last: int | None) -> None:
    if dimension == ROWS:
        area.top, area.bottom = first, last
    else:
        area.left, area.right = first, last


def _stretch(
    area: Area, dimension: str, edge: Callable[[int], int], opening: int | None = None
) -> None:
    """Move the edges of an area; rows that open up right behind its end are not part of it."""
    first, last = _edges(area, dimension)
    if last is not None and last != opening:
        last = edge(last)
    # An area that is open below begins where it began, also if rows open up at its very start:
    # it covers "all from here", as the whole-column ranges do that begin at row 1.
    if not (last is None and first == 0):
        first = edge(first)
    _set_edges(area, dimension, first, last)
