"""The requests that write cells into a tab, and the cells that an answer shows.

Pure functions: rows to write in, JSON of the Sheets API (v4, `values:batchUpdateByDataFilter`) out,
and back.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from pipeline.core.sheet import verified_writes
from pipeline.core.sheet.verified_writes import Raw, RowWrite
from pipeline.sheets.google.client import Json
from pipeline.sheets.google.protected_ranges import Closed

#: Requests beyond this are split: Google advises 2 MB.
LARGEST: Final = 1_900_000

#: Column -> by which name it is written.
Names = Mapping[int, int]


def by_columns(part: Sequence[RowWrite], names: Names, gid: int) -> list[Json]:
    """The columns to write, by name, and the columns that only prove the row, by position."""
    written = {at for one in part for at in one.cells}
    height = max(one.row for one in part) + 1
    wanted: list[Json] = []
    for at in sorted(written.union(*(one.proof for one in part))):
        values: list[Raw | None] = [None] * height
        for one in part:
            values[one.row] = one.cells.get(at)
        wanted.append(
            {
                "dataFilter": {"developerMetadataLookup": {"metadataId": names[at]}}
                if at in names
                else {"gridRange": _column(gid, at)},
                "majorDimension": "COLUMNS",
                "values": [values],
            }
        )
    return wanted


def by_blocks(part: Sequence[RowWrite], gid: int, closed: Closed) -> list[Json]:
    """The cells to write, in blocks of a column without a protected one in between."""
    by_column: dict[int, list[tuple[int, Raw]]] = defaultdict(list)
    for one in sorted(part, key=lambda one: one.row):
        for at, value in one.cells.items():
            by_column[at].append((one.row, value))
    wanted: list[Json] = []
    for at, cells in by_column.items():
        values: list[Raw | None] = []
        last = -1
        for row, value in cells:
            if last < 0 or closed.between(at, last, row):
                values = []
                area = _column(gid, at) | {"startRowIndex": row, "endRowIndex": row}
                block = {"dataFilter": {"gridRange": area}, "majorDimension": "COLUMNS"}
                wanted.append(block | {"values": [values]})
                last = row - 1
            values += [*[None] * (row - last - 1), value]
            area["endRowIndex"] = row + 1
            last = row
    return wanted


def _column(gid: int, at: int) -> Json:
    return {"sheetId": gid, "startColumnIndex": at, "endColumnIndex": at + 1}


def cells_shown(said: Json, names: Names) -> dict[int, Sequence[Raw]]:
    """Column -> its cells from the header down, as the answer shows them."""
    at_name = {name: at for at, name in names.items()}
    shown: dict[int, Sequence[Raw]] = {}
    for one in said.get("responses", []):
        asked: Json = one.get("dataFilter", {})
        name = asked.get("developerMetadataLookup", {}).get("metadataId")
        at = asked.get("gridRange", {}).get("startColumnIndex", 0) if name is None else None
        if at is None and (at := at_name.get(name)) is None:
            continue
        updated: dict[str, Any] = one.get("updatedData", {})
        values = updated.get("values", [])
        if updated.get("majorDimension") == "COLUMNS":
            shown[at] = values[0] if values else ()
        else:
            shown[at] = [row[0] if row else "" for row in values]
    return shown


def parts_of(found: Sequence[RowWrite]) -> list[list[RowWrite]]:
    """Divides the writes into as many requests as their size needs."""
    height = max((one.row for one in found), default=0) + 1
    written: set[int] = set()
    for one in found:
        written.update(one.cells, one.proof)
    empty = 5 * height * len(written)
    allowed = max(LARGEST - empty, LARGEST // 4)
    parts: list[list[RowWrite]] = []
    size = allowed
    for one in found:
        length = len(json.dumps(list(one.cells.values())))
        if size + length > allowed:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += length
    return parts


class ByKind(NamedTuple):
    """Cells to restore as if typed, because they hold formulas; and all others, as plain text."""

    typed: list[RowWrite]
    plain: list[RowWrite]


def by_kind(back: Iterable[RowWrite]) -> ByKind:
    """The writes divided by how their cells have to be sent."""
    typed: list[RowWrite] = []
    plain: list[RowWrite] = []
    for one in back:
        formulas = {at: v for at, v in one.cells.items() if verified_writes.is_formula(v)}
        rest = {at: _unquoted(v) for at, v in one.cells.items() if at not in formulas}
        if formulas:
            typed.append(replace(one, cells=formulas))
        if rest:
            plain.append(replace(one, cells=rest))
    return ByKind(typed, plain)


def _unquoted(value: Raw) -> Raw:
    """Text that looks like a formula may be shown with the sign that says it is none."""
    return value[1:] if isinstance(value, str) and value.startswith("'=") else value
