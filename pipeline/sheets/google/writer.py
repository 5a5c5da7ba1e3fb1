"""Writes cells into a tab that other people edit, checks which rows were hit, and restores others.

The decisions are in `core.sheet.verified_writes` and `core.sheet.misplaced`. A column is written by
its name: developer metadata, which moves with the column. So a write never goes into people's
columns, even if they move columns at that moment. Rows have no such name that a sort would keep:
the answer to a write shows which rows were hit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pipeline.core.errors import SheetError
from pipeline.core.sheet import misplaced, verified_writes
from pipeline.core.sheet.header import Columns
from pipeline.core.sheet.verified_writes import Judgement, Raw, RowWrite, Snapshot, Unverified
from pipeline.sheets.google.client import GoogleBusy, GoogleRefused, Json, Spreadsheet, Unsure
from pipeline.sheets.google.protected_ranges import Closed, Fenced, cells_in_words, search
from pipeline.sheets.google.tab import GoogleTab
from pipeline.sheets.google.write_requests import (
    Names,
    by_blocks,
    by_columns,
    by_kind,
    cells_shown,
    parts_of,
)

log = logging.getLogger("promptsheet")

#: How often a step is repeated because people moved rows or columns.
ROUNDS: Final = 5


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
        self.unverified: list[Unverified] = []
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
        self, found: Sequence[RowWrite], snapshot: Snapshot, names: Names, entered: bool = False
    ) -> list[RowWrite]:
        """Send the cells of these rows. Returns the rows that were written, proved or not."""
        sent: list[RowWrite] = []
        for part in parts_of([one for one in map(self._open_part, found) if one.cells]):
            sent += self._send_part(part, snapshot, names, entered)
        return sent

    def settle(self) -> None:
        """Restore the cells that misplaced rows have overwritten, until none is left."""
        for _ in range(ROUNDS):
            if not self.unverified:
                return
            unverified, now = tuple(self.unverified), self._tab.snapshot()
            header = now[0] if now else ()
            here = self._columns_of([str(cell) for cell in header])
            back: dict[int, RowWrite] = {}
            names: dict[int, int] = {}
            for written in unverified:
                landed = misplaced.moved(written.header, header)
                names |= {landed[at]: name for at, name in written.names.items() if at in landed}
                for one in misplaced.put_back(written, now, here):
                    earlier = back.get(one.row)
                    owed = {a: v for a, v in one.cells.items() if names.get(a) not in self._gone}
                    cells = {**owed, **(earlier.cells if earlier else {})}
                    proof = {a: v for a, v in one.proof.items() if a not in cells}
                    back[one.row] = RowWrite(one.row, cells, proof)
            typed, plain = by_kind(back.values())
            if plain:
                self.send(plain, now, names)
            if typed and len(self.unverified) == len(unverified):
                self.send(typed, now, names, entered=True)
            if len(self.unverified) == len(unverified):
                self.unverified = []
        if self.unverified:
            raise SheetError(
                f"People keep moving rows in {self._title()}, so some cells that were written into "
                "a wrong row are not restored yet. The next run restores them."
            )

    def unwritable(self, e: GoogleRefused) -> SheetError:
        """The error for a refused write."""
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
        self, part: Sequence[RowWrite], snapshot: Snapshot, names: Names, entered: bool
    ) -> list[RowWrite]:
        if self._fenced > 1 or (self._fenced and self.closed):
            return self._around_closed(part, snapshot, names, entered)
        try:
            said = self._sheets.write(by_columns(part, names, self._tab.gid), entered)
        except Unsure:
            self.unverified.append(
                Unverified(snapshot, tuple(part), snapshot[0] if snapshot else (), names)
            )
            raise
        except GoogleRefused as e:
            if not self.is_closed_to(e):
                raise self.unwritable(e) from e
            # A new look lists what is protected now; if it was listed already, or is not then,
            # the next write touches no other cell than those it is for.
            self._fenced += 1
            raise GoogleBusy(str(e)) from e
        shown = cells_shown(said, names)
        self._judge(part, shown, snapshot, names)
        missing = {at for one in part for at in one.cells if at not in shown}
        if missing:
            self._gone |= {names[at] for at in missing if at in names}
            raise GoogleBusy(
                f"A column of {self._title()} was deleted during the write. The next run continues."
            )
        return list(part)

    def _judge(
        self,
        part: Sequence[RowWrite],
        shown: Mapping[int, Sequence[Raw]],
        snapshot: Snapshot,
        names: Names,
    ) -> None:
        """Note the rows that were misplaced: by the answer or, if it tells nothing, a reading."""
        judged = verified_writes.judge(part, shown, snapshot)
        self._note_unproved(judged or self._by_reading(part, snapshot), snapshot, names)

    def _note_unproved(self, judged: Judgement, snapshot: Snapshot, names: Names) -> None:
        unproved, header = judged
        if unproved:
            self.misplaced += len(unproved)
            log.info("%s: %d rows moved while they were written", self._title(), len(unproved))
            self.unverified.append(Unverified(snapshot, unproved, header, names))

    def _by_reading(self, part: Sequence[RowWrite], snapshot: Snapshot) -> Judgement:
        """The rows that a reading does not prove."""
        before = snapshot[0] if snapshot else ()
        try:
            now = self._tab.snapshot()
        except SheetError:
            return Judgement(tuple(part), before)
        if now and now[0] != before and not any(one.row == 0 for one in part):
            return Judgement(tuple(part), before)
        whole = {
            one.row
            for one in part
            if one.row < len(now) and one.is_proved_by(now[one.row]) and one.stands_in(now[one.row])
        }
        return Judgement(tuple(one for one in part if one.row not in whole), before)

    # -- what is protected -----------------------------------------------------------------------

    def is_closed_to(self, e: GoogleRefused) -> bool:
        """Returns whether a refusal is for a part that is protected."""
        return e.code == 400 and "protected" in e.reason.casefold()

    def left_out(self, titles: Sequence[str], height: int) -> str:
        """A sentence about cells that were not written because they are protected; else empty."""
        if not self.closed.left_out:
            return ""
        who = self._sheets.account.called
        cells = cells_in_words(self.closed.left_out, titles, height)
        return (
            f"{self._title()}: {cells} cannot be edited by "
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
        self, part: Sequence[RowWrite], snapshot: Snapshot, names: Names, entered: bool
    ) -> list[RowWrite]:
        """Write with no cell that is left alone in between, and what still is refused by halves.

        No answer proves that: a reading does, after all of it.
        """
        written: list[RowWrite] = []

        def is_taken(piece: Sequence[RowWrite]) -> bool:
            try:
                self._sheets.write(by_blocks(piece, self._tab.gid, self.closed), entered)
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
                self.unverified.append(Unverified(snapshot, tuple(written), header, names))
            raise
        if sent:
            self._note_unproved(self._by_reading(sent, snapshot), snapshot, names)
        return sent

    def _open_part(self, one: RowWrite) -> RowWrite:
        if not self.closed:
            return one
        cells = {at: v for at, v in one.cells.items() if not self.closed.holds(one.row, at)}
        return replace(one, cells=cells)
