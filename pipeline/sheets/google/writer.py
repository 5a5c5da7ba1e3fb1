"""Writes cells into a tab that other people edit, checks which rows were hit, and restores others.

The decisions are in `core.verified_writes` and `core.misplaced`. A column is written by its name:
developer metadata, which moves with the column. So a write never goes into people's columns, even
if they move columns at that moment. Rows have no such name that a sort would keep: the answer to a
write shows which rows were hit.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pipeline.core import misplaced, verified_writes
from pipeline.core.errors import SheetError
from pipeline.core.header import Columns
from pipeline.core.verified_writes import Debt, Raw, Snapshot, Target
from pipeline.sheets.google.client import GoogleBusy, GoogleRefused, Json, Spreadsheet, Unsure
from pipeline.sheets.google.protected_ranges import Closed, Fenced, search, told
from pipeline.sheets.google.tab import GoogleTab

log = logging.getLogger("promptsheet")

#: How often a step is repeated because people moved rows or columns.
ROUNDS: Final = 5
#: Requests beyond this are split: Google advises 2 MB.
LARGEST: Final = 1_900_000

#: Column -> by which name it is written.
Names = Mapping[int, int]


class Writing:
    """Writes into one tab, and remembers what is still to be restored there."""

    def __init__(
        self,
        spreadsheet: Spreadsheet,
        tab: GoogleTab,
        columns_of: Callable[[Sequence[str]], Columns],
        title: Callable[[], str],
    ) -> None:
        self._sheets, self._tab, self._columns_of = spreadsheet, tab, columns_of
        self._title = title
        #: Rows that were written and not proved; they are restored before anything else is read.
        self.debts: list[Debt] = []
        self.closed = Closed()
        #: Names of columns that were deleted: nothing is to be restored there.
        self._gone: set[int] = set()
        #: How often in a row a write was refused because something is protected.
        self._fenced = 0
        self.misplaced = 0

    def change(self, wanted: list[Json], show: str = "") -> Json:
        """Change columns, formats or claims."""
        try:
            return self._sheets.change(wanted, show)
        except GoogleRefused as e:
            raise self.unwritable(e) from e

    def send(
        self, found: Sequence[Target], snapshot: Snapshot, names: Names, entered: bool = False
    ) -> list[Target]:
        """Send the cells of these rows. Returns the rows that were written, proved or not."""
        sent: list[Target] = []
        for part in _parts([one for one in map(self._open_part, found) if one.cells]):
            sent += self._send_part(part, snapshot, names, entered)
        return sent

    def settle(self) -> None:
        """Restore the cells that misplaced rows have overwritten, until none is left."""
        for _ in range(ROUNDS):
            if not self.debts:
                return
            debts, now = tuple(self.debts), self._tab.snapshot()
            header = now[0] if now else ()
            here = self._columns_of([str(cell) for cell in header])
            back: dict[int, Target] = {}
            names: dict[int, int] = {}
            for debt in debts:
                landed = misplaced.moved(debt.header, header)
                names |= {landed[at]: name for at, name in debt.names.items() if at in landed}
                for one in misplaced.put_back(debt, now, here):
                    earlier = back.get(one.row)
                    owed = {a: v for a, v in one.cells.items() if names.get(a) not in self._gone}
                    cells = {**owed, **(earlier.cells if earlier else {})}
                    proof = {a: v for a, v in one.proof.items() if a not in cells}
                    back[one.row] = Target(one.row, cells, proof)
            typed, plain = _by_kind(back.values())
            if plain:
                self.send(plain, now, names)
            if typed and len(self.debts) == len(debts):
                self.send(typed, now, names, entered=True)
            if len(self.debts) == len(debts):
                self.debts = []
        if self.debts:
            raise SheetError(
                f"People keep moving rows in {self._title()}, so some cells that were written into "
                "a wrong row are not restored yet. The next run restores them."
            )

    def unwritable(self, e: GoogleRefused) -> SheetError:
        """What a refused write means."""
        who, title = self._sheets.account.called, self._title()
        if e.code == 403 and "permission" in e.reason.casefold():
            return SheetError(
                f"{title} is view-only for {who}. Share the sheet with {who} as Editor."
            )
        if e.code != 400:
            return e
        if self.is_closed_to(e):
            return self.all_closed()
        if "Unable to parse range" in e.reason:
            self._tab.is_lost()
            return GoogleBusy(f"The tab {self._tab.title} no longer exists. Correct [sheet] tab.")
        # Rows or a column that were there are gone: what to write is worked out from a new look.
        return GoogleBusy(str(e))

    # -- one request -----------------------------------------------------------------------------

    def _send_part(
        self, part: Sequence[Target], snapshot: Snapshot, names: Names, entered: bool
    ) -> list[Target]:
        if self._fenced > 1 or (self._fenced and self.closed):
            return self._around_closed(part, snapshot, names, entered)
        try:
            said = self._sheets.write(_request(part, names, self._tab.gid), entered)
        except Unsure:
            self.debts.append(Debt(snapshot, tuple(part), snapshot[0] if snapshot else (), names))
            raise
        except GoogleRefused as e:
            if not self.is_closed_to(e):
                raise self.unwritable(e) from e
            # A new look lists what is protected by now; if it was listed already, or is not then,
            # the next write touches no other cell than those it is for.
            self._fenced += 1
            raise GoogleBusy(str(e)) from e
        shown = _shown(said, names)
        self._judge(part, shown, snapshot, names)
        missing = {at for one in part for at in one.cells if at not in shown}
        if missing:
            self._gone |= {names[at] for at in missing if at in names}
            raise GoogleBusy(
                f"A column of {self._title()} was deleted just now. The next run continues."
            )
        return list(part)

    def _judge(
        self,
        part: Sequence[Target],
        shown: Mapping[int, Sequence[Raw]],
        snapshot: Snapshot,
        names: Names,
    ) -> None:
        """Note the rows that were misplaced: by the answer or, if it tells nothing, a reading."""
        judged = verified_writes.judge(part, shown, snapshot)
        strays, header = judged if judged is not None else self._by_reading(part, snapshot)
        self._owe(strays, header, snapshot, names)

    def _owe(
        self, strays: tuple[Target, ...], header: tuple[Raw, ...], snapshot: Snapshot, names: Names
    ) -> None:
        if strays:
            self.misplaced += len(strays)
            log.info("%s: %d rows moved while they were written", self._title(), len(strays))
            self.debts.append(Debt(snapshot, strays, header, names))

    def _by_reading(
        self, part: Sequence[Target], snapshot: Snapshot
    ) -> tuple[tuple[Target, ...], tuple[Raw, ...]]:
        """The rows that a reading does not prove."""
        before = snapshot[0] if snapshot else ()
        try:
            now = self._tab.snapshot()
        except SheetError:
            return tuple(part), before
        if now and now[0] != before and not any(one.row == 0 for one in part):
            return tuple(part), before
        whole = {
            one.row
            for one in part
            if one.row < len(now) and one.is_proved_by(now[one.row]) and one.stands_in(now[one.row])
        }
        return tuple(one for one in part if one.row not in whole), before

    # -- what is protected -----------------------------------------------------------------------

    def is_closed_to(self, e: GoogleRefused) -> bool:
        """Whether a refusal is for a part that is protected."""
        return e.code == 400 and "protected" in e.reason.casefold()

    def left_out(self, titles: Sequence[str], height: int) -> str:
        """A sentence about cells that were not written because they are protected; else empty."""
        if not self.closed.left_out:
            return ""
        who = self._sheets.account.called
        return (
            f"{self._title()}: {told(self.closed.left_out, titles, height)} cannot be edited by "
            f"{who}; everything else is written. Let {who} edit that part: in the sheet, Data, "
            "Protect sheets and ranges."
        )

    def all_closed(self) -> Fenced:
        """Nothing of ours can be written."""
        who = self._sheets.account.called
        return Fenced(
            f"{self._title()} is protected against {who}. Let {who} edit the columns that "
            "Promptsheet writes: in the sheet, Data, Protect sheets and ranges."
        )

    def _around_closed(
        self, part: Sequence[Target], snapshot: Snapshot, names: Names, entered: bool
    ) -> list[Target]:
        """Write with no cell that is left alone in between, and what still is refused by halves.

        No answer proves that: a reading does, after all of it.
        """
        written: list[Target] = []

        def is_taken(piece: Sequence[Target]) -> bool:
            try:
                self._sheets.write(_blocks(piece, self._tab.gid, self.closed), entered)
            except Unsure:
                written.extend(piece)
                raise
            except GoogleRefused as e:
                if self.is_closed_to(e):
                    return False
                raise self.unwritable(e) from e
            written.extend(piece)
            return True

        try:
            sent = search(part, self.closed, is_taken)
        except SheetError:
            if written:
                header = snapshot[0] if snapshot else ()
                self.debts.append(Debt(snapshot, tuple(written), header, names))
            raise
        if sent:
            self._owe(*self._by_reading(sent, snapshot), snapshot, names)
        return sent

    def _open_part(self, one: Target) -> Target:
        if not self.closed:
            return one
        cells = {at: v for at, v in one.cells.items() if not self.closed.holds(one.row, at)}
        return replace(one, cells=cells)


def _request(part: Sequence[Target], names: Names, gid: int) -> list[Json]:
    """The columns to write, each by its name; those that only prove, by where they stand."""
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


def _blocks(part: Sequence[Target], gid: int, closed: Closed) -> list[Json]:
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


def _shown(said: Json, names: Names) -> dict[int, Sequence[Raw]]:
    """Column -> its cells from the header down, as the answer shows them."""
    at_name = {name: at for at, name in names.items()}
    shown: dict[int, Sequence[Raw]] = {}
    for one in said.get("responses", []):
        asked: Json = one.get("dataFilter", {})
        name = asked.get("developerMetadataLookup", {}).get("metadataId")
        at = asked.get("gridRange", {}).get("startColumnIndex", 0) if name is None else None
        if at is None and (at := at_name.get(name)) is None:
            continue
        told: dict[str, Any] = one.get("updatedData", {})
        values = told.get("values", [])
        if told.get("majorDimension") == "COLUMNS":
            shown[at] = values[0] if values else ()
        else:
            shown[at] = [row[0] if row else "" for row in values]
    return shown


def _parts(found: Sequence[Target]) -> list[list[Target]]:
    """Targets in as many requests as they need."""
    height = max((one.row for one in found), default=0) + 1
    written: set[int] = set()
    for one in found:
        written.update(one.cells, one.proof)
    empty = 5 * height * len(written)
    allowed = max(LARGEST - empty, LARGEST // 4)
    parts: list[list[Target]] = []
    size = allowed
    for one in found:
        length = len(json.dumps(list(one.cells.values())))
        if size + length > allowed:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += length
    return parts


def _by_kind(back: Iterable[Target]) -> tuple[list[Target], list[Target]]:
    """The cells that are restored as if typed (formulas), and the others."""
    typed: list[Target] = []
    plain: list[Target] = []
    for one in back:
        formulas = {at: v for at, v in one.cells.items() if verified_writes.is_formula(v)}
        rest = {at: _unquoted(v) for at, v in one.cells.items() if at not in formulas}
        if formulas:
            typed.append(replace(one, cells=formulas))
        if rest:
            plain.append(replace(one, cells=rest))
    return typed, plain


def _unquoted(value: Raw) -> Raw:
    """Text that looks like a formula may be shown with the sign that says it is none."""
    return value[1:] if isinstance(value, str) and value.startswith("'=") else value
