"""Writing into a tab that others edit: by column, proved by what was hit, put back where it went
astray. What is decided about that is in `core.placing`.

A column is written by its name, developer metadata that goes wherever the column goes; so what
people do to columns in that very moment makes us write into none of theirs. Rows have no such name
that a sort would respect: they are proved by the answer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pipeline.core import placing
from pipeline.core.columns import Columns
from pipeline.core.errors import SheetError
from pipeline.core.placing import Debt, Raw, Snapshot, Target
from pipeline.sheets.google_access import Busy, Json, Refused, Spreadsheet, Unsure
from pipeline.sheets.google_tab import Tab

log = logging.getLogger("promptsheet")

#: So often something is begun anew because people moved what it was meant for.
ROUNDS: Final = 5
#: Requests beyond this are split: Google advises 2 MB.
LARGEST: Final = 1_900_000

#: Column -> by which name it is written.
Names = Mapping[int, int]


class Writing:
    """What is written into one tab, and what is still to be put back there."""

    def __init__(
        self,
        spreadsheet: Spreadsheet,
        tab: Tab,
        columns_of: Callable[[Sequence[str]], Columns],
        title: Callable[[], str],
    ) -> None:
        self._sheets, self._tab, self._columns_of = spreadsheet, tab, columns_of
        self._title = title
        #: Rows that were written and not proved; paid before anything else is read.
        self.debts: list[Debt] = []
        #: Areas that refuse us, once that has been told.
        self._closed: list[tuple[range, range]] = []
        self.misplaced = 0

    def is_closed(self, row: int, at: int) -> bool:
        """Whether the cell is known to be protected against us."""
        return any(row in rows and at in columns for rows, columns in self._closed)

    def change(self, wanted: list[Json], show: str = "") -> Json:
        """Change what is not a value."""
        try:
            return self._sheets.change(wanted, show)
        except Refused as e:
            raise self.unwritable(e) from e

    def send(
        self, found: Sequence[Target], snapshot: Snapshot, names: Names, entered: bool = False
    ) -> list[Target]:
        """Send the cells of these rows: those that were written, proved or not; see `debts`."""
        sent: list[Target] = []
        for part in _parts([one for one in map(self._open_part, found) if one.cells]):
            sent += self._send_part(part, snapshot, names, entered)
        return sent

    def settle(self) -> None:
        """Put back what stood where rows of ours went astray, until nothing is left to put back."""
        for _ in range(ROUNDS):
            if not self.debts:
                return
            debts, now = tuple(self.debts), self._tab.snapshot()
            header = now[0] if now else ()
            here = self._columns_of([str(cell) for cell in header])
            back: dict[int, Target] = {}
            names: dict[int, int] = {}
            for debt in debts:
                landed = placing.moved(debt.header, header)
                names |= {landed[at]: name for at, name in debt.names.items() if at in landed}
                for one in placing.put_back(debt, now, here):
                    earlier = back.get(one.row)
                    cells = {**one.cells, **(earlier.cells if earlier else {})}
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
                f"{self._title()} is being rearranged all the time: some cells that were written "
                "into a wrong row could not be put back yet. The next run puts them right."
            )

    def unwritable(self, e: Refused) -> SheetError:
        """What a refused write means."""
        who, title = self._sheets.account.called, self._title()
        if e.code == 403 and "permission" in e.reason.casefold():
            return SheetError(
                f"{title} is view-only for {who}. Share the sheet with {who} as Editor."
            )
        if e.code != 400:
            return e
        if "protected" in e.reason.casefold():
            return SheetError(
                f"{title} is protected against {who}. Let {who} edit the columns that "
                "Promptsheet writes."
            )
        if "Unable to parse range" in e.reason:
            self._tab.is_lost()
            return Busy(f"The tab {self._tab.title} is there no longer. Correct [sheet] tab.")
        # Rows or a column that were there are gone: what to write is worked out from a new look.
        return Busy(str(e))

    # -- one request -----------------------------------------------------------------------------

    def _send_part(
        self, part: Sequence[Target], snapshot: Snapshot, names: Names, entered: bool
    ) -> list[Target]:
        try:
            said = self._sheets.write(_request(part, names, self._tab.gid), entered)
        except Unsure:
            self.debts.append(Debt(snapshot, tuple(part), snapshot[0] if snapshot else (), names))
            raise
        except Refused as e:
            if e.code != 400 or "protected" not in e.reason.casefold() or self._closed:
                raise self.unwritable(e) from e
            return self._around_closed(part, snapshot, names, entered)
        shown = _shown(said, names)
        self._judge(part, shown, snapshot, names)
        if any(at not in shown for one in part for at in one.cells):
            raise Busy(f"A column of {self._title()} was deleted just now. The next run goes on.")
        return list(part)

    def _judge(
        self,
        part: Sequence[Target],
        shown: Mapping[int, Sequence[Raw]],
        snapshot: Snapshot,
        names: Names,
    ) -> None:
        """Note the rows that were misplaced: by the answer or, if it tells nothing, a reading."""
        judged = placing.judge(part, shown, snapshot)
        strays, header = judged if judged is not None else self._by_reading(part, snapshot)
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

    def _around_closed(
        self, part: Sequence[Target], snapshot: Snapshot, names: Names, entered: bool
    ) -> list[Target]:
        """Write what is not protected."""
        self._closed = self._protected()
        log.warning(
            "A part of %s is protected against %s. The rest is written; let it edit that part.",
            self._title(),
            self._sheets.account.called,
        )
        open_parts = [one for one in map(self._open_part, part) if one.cells]
        return self._send_part(open_parts, snapshot, names, entered) if open_parts else []

    def _protected(self) -> list[tuple[range, range]]:
        """The areas of the tab that we may not edit."""
        said = self._sheets.about(
            "sheets(properties.sheetId,protectedRanges(range,warningOnly,requestingUserCanEdit))"
        )
        return [
            (
                range(area.get("startRowIndex", 0), area.get("endRowIndex", 10_000_000)),
                range(area.get("startColumnIndex", 0), area.get("endColumnIndex", 20_000)),
            )
            for tab in said.get("sheets", [])
            if tab.get("properties", {}).get("sheetId", 0) == self._tab.gid
            for one in tab.get("protectedRanges", [])
            if not one.get("warningOnly") and not one.get("requestingUserCanEdit")
            for area in (one.get("range", {}),)
        ]

    def _open_part(self, one: Target) -> Target:
        if not self._closed:
            return one
        cells = {at: v for at, v in one.cells.items() if not self.is_closed(one.row, at)}
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
    empty = 5 * height * len(frozenset().union(*(one.columns for one in found)))
    allowed = max(LARGEST - empty, LARGEST // 4)
    parts: list[list[Target]] = []
    size = allowed
    for one in found:
        length = sum(len(json.dumps(v)) for v in one.cells.values())
        if size + length > allowed:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += length
    return parts


def _by_kind(back: Iterable[Target]) -> tuple[list[Target], list[Target]]:
    """What goes back as if typed (formulas), and what goes back as it is."""
    typed: list[Target] = []
    plain: list[Target] = []
    for one in back:
        formulas = {at: v for at, v in one.cells.items() if placing.is_formula(v)}
        rest = {at: _unquoted(v) for at, v in one.cells.items() if at not in formulas}
        if formulas:
            typed.append(replace(one, cells=formulas))
        if rest:
            plain.append(replace(one, cells=rest))
    return typed, plain


def _unquoted(value: Raw) -> Raw:
    """Text that looks like a formula may be shown with the sign that says it is none."""
    return value[1:] if isinstance(value, str) and value.startswith("'=") else value
