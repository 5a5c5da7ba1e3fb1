"""The cells of a sheet beside its plain jobs, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.core.header import Columns
from pipeline.core.invisible import visible
from pipeline.core.model import Grid
from pipeline.notebook import tables
from pipeline.notebook.columns import put, whole
from pipeline.reports.extras import needed

if TYPE_CHECKING:
    import pyarrow


#: So many rows are compared at a time.
_PART: Final = 50_000


class Sheet(NamedTuple):
    """A sheet as it is now, and the order of its last accepted reading."""

    grid: Grid
    columns: Columns
    #: The ids by their places at the last reading, as texts; empty for a line that is no row.
    order: pyarrow.Array


def with_cells(made: pyarrow.Table, known: pyarrow.Table, sheet: Sheet) -> pyarrow.Table:
    """The table with the names of the rows and the team's own columns, from the cells now."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    if (at := sheet.columns.index.get("row_id")) is None:
        return made
    rows = [row for row in sheet.grid[1:] if at < len(row) and row[at]]
    marks = pa.array([visible(row[at]) for row in rows], pa.string())
    its = pc.index_in(marks, value_set=known["row_id"])
    confirmed = [
        begin + at
        # In parts, because each step is a copy of all texts.
        for begin in range(0, len(rows), _PART)
        for at in _confirmed(
            rows[begin : begin + _PART],
            whole(known["inputs"].take(its.slice(begin, _PART))),
            sheet.columns,
        )
    ][::-1]
    rows = [rows[n] for n in confirmed]
    found = pc.index_in(made["row_id"], value_set=marks.take(pa.array(confirmed, pa.int64())))
    for name, texts in _cells(rows, sheet.columns).items():
        column = pa.array(texts, pa.string()).take(whole(found))
        if name == "name":
            column = pc.fill_null(column, "")
            made = put(made, "name", column)
        else:
            empty = pa.scalar(None, pa.string())
            made = made.append_column(name, pc.if_else(pc.equal(column, ""), empty, column))
    return made


def _confirmed(rows: Sequence[Sequence[str]], known: Any, columns: Columns) -> list[int]:
    """The places of these rows that have the inputs of their ids, which are `known`, in order.

    People may sort or copy ids without their rows, so an id counts only beside its inputs.
    """
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    # Where the cells are the known texts to the letter, nothing of them needs to be made equal.
    cells = [pa.nulls(len(rows), pa.string())]
    for name in sorted(columns.inputs):
        at = columns.index[name]
        its = [row[at] if at < len(row) else "" for row in rows]
        # A cell with more than its text is for `reader_of_inputs`.
        texts = [tables.plain_text(cell) if type(cell) is str else "\0" for cell in its]
        texts = pc.utf8_trim_whitespace(pa.array(texts, pa.string()))
        for sign, written in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n")):
            texts = pc.replace_substring(texts, sign, written)
        cell = pc.binary_join_element_wise(f'"{name}":"', texts, '"', "")
        cells.append(pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), cell))
    wrote = pc.binary_join_element_wise(*cells, ",", null_handling="skip")
    wrote = pc.binary_join_element_wise("{", wrote, "}", "")
    same = pc.fill_null(pc.equal(known, wrote), False)
    inputs_of = columns.reader_of_inputs()
    others = pc.indices_nonzero(pc.invert(same)).to_pylist()
    equal = [at for at in others if inputs_of(rows[at]) == known[at].as_py()]
    return sorted([*pc.indices_nonzero(same).to_pylist(), *equal])


def _cells(rows: Sequence[Sequence[str]], columns: Columns) -> dict[str, list[str | None]]:
    """Column of the table -> texts, of the columns `name` and the team's own."""
    taken = {*columns.index.values()}
    at = columns.index.get("name")
    places = {"name": [at]} if at is not None else {}
    for place, title in enumerate(columns.header):
        if title.strip() and place not in taken:
            places.setdefault(f"{tables.OWN_COLUMN}{title}", []).append(place)
    return {
        # Of two columns with one title, the last one that is filled.
        name: [tables.plain_text(_filled(row, its)) for row in rows]
        for name, its in places.items()
    }


def _filled(row: Sequence[str], places: Sequence[int]) -> str:
    for at in reversed(places):
        if at < len(row) and (text := row[at].strip()):
            return text
    return ""
