"""The cells of a sheet beside its plain jobs, in columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import repeat, zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.core.invisible import visible
from pipeline.core.model import Grid
from pipeline.core.sheet.header import OURS, Columns
from pipeline.notebook import tables
from pipeline.notebook.columns import put, whole
from pipeline.reports.extras import needed

if TYPE_CHECKING:
    import pyarrow


#: So many rows are compared at a time.
_PART: Final = 50_000
#: Columns of ours that are not read here: the store has what belongs there.
_UNREAD: Final = frozenset(OURS) - {"row_id", "status", "note"}


class Sheet(NamedTuple):
    """A sheet as it is now, in columns of Arrow, and the order of its last accepted reading.

    The texts of a million rows as Python objects need five times as much memory.
    """

    columns: Columns
    #: Place of a column -> its texts below the header, "" where a row is short.
    texts: Mapping[int, pyarrow.ChunkedArray]
    #: The ids of the rows as they are compared; empty for none.
    marks: pyarrow.ChunkedArray
    #: The cells of rows of which Arrow cannot hold all that matters, by their places there.
    odd: Mapping[int, Sequence[str]]
    #: The ids by their places at the last reading, as texts; empty for a line that is no row.
    order: pyarrow.Array

    @classmethod
    def of(cls, grid: Grid, columns: Columns, order: Sequence[str]) -> Sheet:
        """The sheet of a reading. Nothing in it holds the grid."""
        pa = needed("pyarrow")
        unread = {columns.index.get(name) for name in _UNREAD}
        read = [at for at, title in enumerate(columns.header) if title.strip() and at not in unread]
        parts: dict[int, list[Any]] = {at: [] for at in read}
        odd: dict[int, Sequence[str]] = {}
        marks, row_id = [], columns.index.get("row_id")
        for begin in range(1, len(grid), _PART):
            # The header makes each column as long as the others.
            rows = grid[begin : begin + _PART]
            cells = [*zip_longest(columns.header, *rows, fillvalue="")]
            for at in read:
                _, *texts = cells[at]
                held, others = _held(texts)
                parts[at].append(held)
                odd |= {begin - 1 + other: rows[other] for other in others}
                if at == row_id:
                    marks.append(pa.array(map(tables.plain_text, map(visible, texts)), pa.string()))
        its = {at: pa.chunked_array(each, pa.string()) for at, each in parts.items()}
        ids = pa.chunked_array(marks, pa.string())
        return cls(columns, its, ids, odd, pa.array(order, pa.string()))

    def grid(self, ids: Collection[str] | None = None) -> Grid:
        """The header, and the rows with these ids, else all. Cells that are not read are empty."""
        pa, pc = needed("pyarrow"), needed("pyarrow.compute")
        length = max((len(texts) for texts in self.texts.values()), default=0)
        places = pa.array(range(length))
        if ids is not None:
            its = pc.is_in(self.marks, value_set=pa.array(ids, pa.string()))
            places = pc.indices_nonzero(its)
        return (self.columns.header, *self.rows(places))

    def rows(self, places: pyarrow.Array) -> list[tuple[str, ...]]:
        """The rows at these places."""
        cells = [
            self.texts[at].take(places).to_pylist() if at in self.texts else repeat("", len(places))
            for at in range(len(self.columns.header))
        ]
        rows = zip(places.to_pylist(), zip(*cells, strict=True), strict=True)
        return [tuple(self.odd.get(at, row)) for at, row in rows]


def _held(texts: list[str]) -> tuple[pyarrow.Array, list[int]]:
    """These texts in Arrow, and the places of those of which it does not hold all."""
    pa = needed("pyarrow")
    is_plain = {*map(type, texts)} <= {str}
    odd = [] if is_plain else [at for at, text in enumerate(texts) if type(text) is not str]
    try:
        return pa.array(texts, pa.string()), odd
    except UnicodeEncodeError:
        plain = [tables.plain_text(text) for text in texts]
        odd += [at for at, text in enumerate(texts) if plain[at] != text]
        return pa.array(plain, pa.string()), odd


def with_cells(made: pyarrow.Table, known: pyarrow.Table, sheet: Sheet) -> pyarrow.Table:
    """The table with the names of the rows and the team's own columns, from the cells now."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    its = pc.index_in(sheet.marks, value_set=known["row_id"])
    confirmed = pa.concat_arrays(
        # In parts, because each step is a copy of all texts.
        [
            _confirmed(begin, whole(known["inputs"].take(its.slice(begin, _PART))), sheet)
            for begin in range(0, max(len(its), 1), _PART)
        ]
    )[::-1]
    found = pc.index_in(made["row_id"], value_set=sheet.marks.take(confirmed))
    rows = confirmed.take(whole(found))
    for name, places in _titles(sheet.columns).items():
        # Of two columns with one title, the last one that is filled.
        column = pc.coalesce(*(_filled(sheet.texts[at].take(rows)) for at in reversed(places)))
        if name == "name":
            made = put(made, "name", pc.fill_null(column, ""))
        else:
            made = made.append_column(name, column)
    return made


def _confirmed(begin: int, known: Any, sheet: Sheet) -> pyarrow.Array:
    """The places of those rows, of some that begin here, that have the inputs of their ids.

    People may sort or copy ids without their rows, so an id counts only beside its inputs, which
    are `known`.
    """
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    columns = sheet.columns
    # Where the cells are the known texts to the letter, nothing of them needs to be made equal.
    cells = [pa.nulls(len(known), pa.string())]
    for name in sorted(columns.inputs):
        texts = pc.utf8_trim_whitespace(sheet.texts[columns.index[name]].slice(begin, len(known)))
        for sign, written in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n")):
            texts = pc.replace_substring(texts, sign, written)
        cell = pc.binary_join_element_wise(f'"{name}":"', texts, '"', "")
        cells.append(pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), cell))
    wrote = pc.binary_join_element_wise(*map(whole, cells), ",", null_handling="skip")
    wrote = pc.binary_join_element_wise("{", wrote, "}", "")
    same = pc.fill_null(pc.equal(known, wrote), False)
    # A cell with more than its text is for `reader_of_inputs`.
    odd = [at - begin for at in sheet.odd if begin <= at < begin + len(known)]
    same = pc.and_not(same, pc.is_in(pa.arange(0, len(known)), value_set=pa.array(odd, pa.int64())))
    inputs_of = columns.reader_of_inputs()
    others = pc.indices_nonzero(pc.and_(pc.invert(same), pc.is_valid(known))).cast(pa.int64())
    theirs = known.take(others).to_pylist()
    its = zip(others.to_pylist(), sheet.rows(pc.add(others, begin)), theirs, strict=True)
    equal = [at for at, row, text in its if inputs_of(row) == text]
    same = pc.or_(same, pc.is_in(pa.arange(0, len(known)), value_set=pa.array(equal, pa.int64())))
    return pc.add(pc.indices_nonzero(same).cast(pa.int64()), begin)


def _titles(columns: Columns) -> dict[str, list[int]]:
    """Column of the table -> its places in the sheet, of `name` and the team's own."""
    taken = {*columns.index.values()}
    at = columns.index.get("name")
    places = {"name": [at]} if at is not None else {}
    for place, title in enumerate(columns.header):
        if title.strip() and place not in taken:
            places.setdefault(f"{tables.OWN_COLUMN}{title}", []).append(place)
    return places


def _filled(texts: Any) -> Any:
    """The texts without white space around them, null for none."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
