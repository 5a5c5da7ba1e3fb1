"""A tab of a Google Sheet as a sheet: results in the right row while people work in it.

One reading shows the grid, the tab and the claim together. Before a write one more reading shows
what was *entered* (formulas as such), so that whatever has to be put back is what was there; then
the cells go out together with their proof. What is decided about that is in `core.placing`.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline.core import placing
from pipeline.core.columns import Columns, letters
from pipeline.core.errors import SheetError
from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.placing import Debt, Raw, Snapshot, Target
from pipeline.core.preview import previews
from pipeline.sheets import google_dress as dress
from pipeline.sheets.google_access import Busy, Json, Pause, Refused, Spreadsheet, Unsure

log = logging.getLogger("promptsheet")

#: So often a write is begun anew because people moved what it was meant for.
ROUNDS: Final = 5
#: Requests beyond this are split: Google advises 2 MB.
LARGEST: Final = 1_900_000
MOST_LETTERS: Final = 50_000
_LOOK = (
    "properties.title,developerMetadata(metadataId,metadataKey,metadataValue),"
    "sheets(properties(sheetId,title,gridProperties(rowCount,columnCount,frozenRowCount)),"
    "data.rowData.values(formattedValue,note))"
)
_TABS = "properties.title,sheets.properties(sheetId,title,sheetType)"
_CLAIMS = "developerMetadata(metadataId,metadataKey,metadataValue)"
_NOTE = "Last checked by Promptsheet: "


@dataclass(frozen=True, slots=True)
class _Look:
    """The tab in one moment."""

    grid: Grid
    wide: int
    frozen: int
    notes: Mapping[int, str]


class GoogleSheet:
    """One tab. `tab` is its title, `gid` its id where that is known; else the first tab.

    `columns_of` says which column of a header is what.
    """

    def __init__(
        self,
        spreadsheet: Spreadsheet,
        columns_of: Callable[[Sequence[str]], Columns],
        *,
        tab: str = "",
        gid: int | None = None,
        key: str = "",
        now: Callable[[], datetime],
        pause: Pause = time.sleep,
    ) -> None:
        self._sheets = spreadsheet
        self._columns_of = columns_of
        self._tab, self._gid, self._key = tab, gid, key
        self._found = bool(tab) or not gid
        self._now, self._pause = now, pause
        self._name = ""
        #: What lay with the sheet at the last reading, until somebody has asked.
        self._claims: list[Json] | None = None
        #: Rows that were written and not proved; paid before anything else is read.
        self._debts: list[Debt] = []
        #: Areas that refuse us, and whether that has been told.
        self._closed: list[tuple[range, range]] = []
        self.misplaced = 0

    @property
    def key(self) -> str:
        """The spreadsheet's id and the tab's: the same under any title."""
        if not self._key:
            if self._gid is None:
                self._find()
            self._key = f"google:{self._sheets.id}:{self._gid}"
        return self._key

    @property
    def fingerprint(self) -> str:
        """A Google Sheet is no file."""
        return ""

    @property
    def title(self) -> str:
        """The spreadsheet and its tab, as people call them."""
        return " / ".join(filter(None, (self._name, self._tab))) or "the Google Sheet"

    def read(self) -> Grid:
        """The tab as people see it."""
        self._settle_debts()
        return self._look().grid

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """Write what `patch_for` asks, each row where it is now, and prove it by what was hit."""
        disturbed = 0
        troubles = 0
        while True:
            try:
                self._settle_debts()
                look = self._look()
                patch = _changes(look.grid, patch_for(look.grid))
                patch = {at: text for at, text in patch.items() if not self._is_closed(*at)}
                if not patch:
                    return look.grid
                if disturbed == ROUNDS:
                    raise SheetError(
                        f"{self.title} is being rearranged all the time: not every row could be "
                        "written. The next run writes the rest."
                    )
                written = self._written(look, patch, stubborn=disturbed > 0)
            except Busy:
                troubles += 1
                if troubles > ROUNDS:
                    raise
                self._pause(min(2.0**troubles, 16.0) * random.uniform(0.5, 1.0))  # noqa: S311
                continue
            if written is not None:
                return written
            disturbed += 1

    # -- reading ---------------------------------------------------------------------------------

    def _look(self) -> _Look:
        """Read the tab; where it bears another title by now, find it first."""
        if not self._found:
            self._find()
        try:
            said = self._sheets.look(_LOOK, self._area())
        except Refused as e:
            if e.code != 400:
                raise
            self._find()
            said = self._sheets.look(_LOOK, self._area())
        tab = (said.get("sheets") or [{}])[0]
        properties = tab.get("properties", {})
        if self._gid is not None and properties.get("sheetId", 0) != self._gid:
            self._find()  # another tab has taken the title over
            return self._look()
        self._gid, self._tab = properties.get("sheetId", 0), str(properties.get("title", ""))
        self._found = True
        self._name = str(said.get("properties", {}).get("title", ""))
        self._claims = said.get("developerMetadata", [])
        size = properties.get("gridProperties", {})
        rows = [line.get("values", []) for line in _rows(tab)]
        shown = ([str(cell.get("formattedValue", "")) for cell in row] for row in rows)
        notes = {at: str(cell.get("note", "")) for at, cell in enumerate(rows[0] if rows else ())}
        return _Look(_grid(shown), size.get("columnCount", 0), size.get("frozenRowCount", 0), notes)

    def _snapshot(self) -> Snapshot:
        """What was entered."""
        try:
            said = self._sheets.values(self._area(), "FORMULA")
        except Refused as e:
            if e.code == 400:  # the tab was renamed in this very moment
                self._found = False
                raise Busy(str(e)) from e
            raise
        return tuple(_trimmed(row) for row in said.get("values", []))

    def _area(self) -> str:
        if not self._tab:
            return "A:ZZZ"
        quoted = self._tab.replace("'", "''")
        return f"'{quoted}'"

    def _find(self) -> None:
        """Look up the tab: by its id where that is known, else by its title, else the first."""
        said = self._sheets.about(_TABS)
        self._name = str(said.get("properties", {}).get("title", ""))
        tabs = {
            str(p.get("title", "")): int(p.get("sheetId", 0))
            for one in said.get("sheets", [])
            if (p := one.get("properties", {})).get("sheetType", "GRID") == "GRID"
        }
        if self._gid is not None:
            found = next((title for title, gid in tabs.items() if gid == self._gid), None)
        elif self._tab:
            found = next((t for t in tabs if t.casefold() == self._tab.casefold()), None)
        else:
            found = next(iter(tabs), None)
        if found is None:
            there = ", ".join(tabs)
            wanted = f'"{self._tab}"' if self._tab else f"with the number {self._gid}"
            raise SheetError(
                f"{self._name} has no tab {wanted}; there is {there}. Correct [sheet] tab."
            )
        self._tab, self._gid, self._found = found, tabs[found], True

    # -- writing ---------------------------------------------------------------------------------

    def _written(self, look: _Look, patch: Patch, stubborn: bool) -> Grid | None:
        """Write the patch: the grid as it then is, or None if people were in between.

        Where the rows are not where they were read, it is first read anew; a `stubborn` write goes
        to the rows that can be found.
        """
        grid, patch = self._with_columns(look, patch)
        columns = self._columns_of(grid[0] if grid else ())
        snapshot = self._snapshot()
        same = placing.agree(grid, snapshot)
        if not same and not stubborn:
            return None
        found, lost = placing.targets(grid, patch, snapshot, columns)
        sent = self._send(found, snapshot)
        pictures = previews(snapshot, found, columns)
        if pictures and not self._debts:
            self._send(pictures, snapshot, entered=True)
        if not same or lost or self._debts:
            self._settle_debts()
            return None
        self._say_when(look, columns)
        return _patched(
            grid, {(one.row, at): str(t) for one in sent for at, t in one.cells.items()}
        )

    def _with_columns(self, look: _Look, patch: Patch) -> tuple[Grid, Patch]:
        """Make the columns that the patch adds at the right, and dress them, all in one request."""
        edge = max(map(len, look.grid), default=0)
        new = {at: text for (row, at), text in patch.items() if row == 0 and at >= edge}
        if not new:
            return look.grid, patch
        titles = [new.get(at, "") for at in range(edge, max(new) + 1)]
        header = [*(look.grid[0] if look.grid else ())]
        header += [""] * (edge - len(header)) + titles
        assert self._gid is not None, "a tab that was read has an id"
        wanted = dress.new_columns(self._gid, edge, titles, look.wide)
        added = {n: at for n, at in self._columns_of(header).index.items() if at >= edge}
        self._change([*wanted, *dress.dressed(self._gid, added, look.frozen)])
        rest = {(row, at): text for (row, at), text in patch.items() if row or at not in new}
        return (tuple(header), *look.grid[1:]), rest

    def _change(self, wanted: list[Json]) -> None:
        try:
            self._sheets.change(wanted)
        except Refused as e:
            raise self._unwritable(e) from e

    def _send(
        self, found: Sequence[Target], snapshot: Snapshot, entered: bool = False
    ) -> list[Target]:
        """Send the cells of these rows: those that were written, proved or not; see `_debts`."""
        sent: list[Target] = []
        for part in _parts([one for one in map(self._open_part, found) if one.cells]):
            sent += self._send_part(part, snapshot, entered)
        return sent

    def _send_part(
        self, part: Sequence[Target], snapshot: Snapshot, entered: bool, turns: int = 24
    ) -> list[Target]:
        header = placing.header_target(snapshot)
        runs = [*([[header]] if header else []), *placing.runs(part)]
        try:
            said = self._sheets.write([self._range(run) for run in runs], entered)
        except Unsure:
            self._debts.append(Debt(snapshot, tuple(part)))
            raise
        except Refused as e:
            if e.code != 400 or "protected" not in e.reason.casefold() or turns <= 0:
                raise self._unwritable(e) from e
            return self._around_closed(part, snapshot, entered, e, turns)
        self._judge(part, runs, said, snapshot, header)
        return list(part)

    def _around_closed(
        self,
        part: Sequence[Target],
        snapshot: Snapshot,
        entered: bool,
        refused: Refused,
        turns: int,
    ) -> list[Target]:
        """Write what is not protected: as the sheet says what is, else by halving."""
        before = len(self._closed)
        if not before:
            self._closed = self._protected()
        if len(self._closed) > before:
            log.warning(
                "A part of %s is protected against %s. The rest is written; let it edit that part.",
                self.title,
                self._sheets.account.called,
            )
            open_parts = [one for one in map(self._open_part, part) if one.cells]
            return self._send_part(open_parts, snapshot, entered, turns) if open_parts else []
        if len(part) == 1:
            (one,) = part
            wide = range(one.left, one.right)
            self._closed.append((range(one.row, one.row + 1), wide))
            return []
        half = len(part) // 2
        turns = (turns - 1) // 2
        return [
            *self._send_part(part[:half], snapshot, entered, turns),
            *self._send_part(part[half:], snapshot, entered, turns),
        ]

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
            if tab.get("properties", {}).get("sheetId", 0) == self._gid
            for one in tab.get("protectedRanges", [])
            if not one.get("warningOnly") and not one.get("requestingUserCanEdit")
            for area in (one.get("range", {}),)
        ]

    def _is_closed(self, row: int, at: int) -> bool:
        return any(row in rows and at in columns for rows, columns in self._closed)

    def _open_part(self, one: Target) -> Target:
        if not self._closed:
            return one
        return replace(
            one,
            cells={at: v for at, v in one.cells.items() if not self._is_closed(one.row, at)},
            proof={at: v for at, v in one.proof.items() if not self._is_closed(one.row, at)},
        )

    def _judge(
        self,
        part: Sequence[Target],
        runs: Sequence[Sequence[Target]],
        said: Json,
        snapshot: Snapshot,
        header: Target | None,
    ) -> None:
        """Note the rows that were misplaced: by the answer or, if it tells nothing, a reading."""
        shown = _shown(runs, said)
        said_header = shown.get(0) if header and not any(one.row == 0 for one in part) else None
        if said_header is not None and not any(cell != "" for cell in said_header[1]):
            said_header = None
        shifted = bool(
            said_header and header and not header.is_proved_by(said_header[1], said_header[0])
        )
        proved = {
            one.row
            for one in part
            if (row := shown.get(one.row)) is not None and one.is_proved_by(row[1], row[0])
        }
        strays = tuple(one for one in part if shifted or one.row not in proved)
        at_write = _trimmed(said_header[1]) if said_header else None
        told = said_header is not None or (header is None and bool(proved))
        if strays and not told:
            strays, at_write = self._strays_by_reading(part, snapshot)
        if strays:
            self.misplaced += len(strays)
            log.info("%s: %d rows moved while they were written", self.title, len(strays))
            self._debts.append(Debt(snapshot, strays, at_write))

    def _strays_by_reading(
        self, part: Sequence[Target], snapshot: Snapshot
    ) -> tuple[tuple[Target, ...], tuple[Raw, ...] | None]:
        """The rows that a reading does not prove, and its header."""
        try:
            now = self._snapshot()
        except SheetError:
            return tuple(part), None
        header = now[0] if now else ()
        if not any(one.row == 0 for one in part) and header != snapshot[0]:
            return tuple(part), header
        whole = {
            one.row
            for one in part
            if one.row < len(now) and one.is_proved_by(now[one.row]) and one.stands_in(now[one.row])
        }
        return tuple(one for one in part if one.row not in whole), header

    def _settle_debts(self) -> None:
        """Put back what stood where rows of ours went astray, until nothing is left to put back."""
        for _ in range(ROUNDS):
            if not self._debts:
                return
            debts, now = tuple(self._debts), self._snapshot()
            here = self._columns_of([str(cell) for cell in (now[0] if now else ())])
            back: dict[int, Target] = {}
            for debt in debts:
                was = self._columns_of([str(c) for c in (debt.before[0] if debt.before else ())])
                for one in placing.put_back(debt, now, was, here):
                    earlier = back.get(one.row)
                    cells = {**one.cells, **(earlier.cells if earlier else {})}
                    proof = {a: v for a, v in one.proof.items() if a not in cells}
                    back[one.row] = Target(one.row, cells, proof)
            typed, plain = _by_kind(back.values())
            if plain:
                self._send(plain, now)
            if typed and len(self._debts) == len(debts):
                self._send(typed, now, entered=True)
            if len(self._debts) == len(debts):
                self._debts = []
        if self._debts:
            raise SheetError(
                f"{self.title} is being rearranged all the time: some cells that were written into "
                "a wrong row could not be put back yet. The next run puts them right."
            )

    def _say_when(self, look: _Look, columns: Columns) -> None:
        """A note on the status header: at most hourly, and never over a person's note."""
        at = columns.index.get("status")
        if at is None or self._is_closed(0, at):
            return
        note, now = look.notes.get(at, ""), self._now().astimezone()
        if note and not note.startswith(_NOTE):
            return
        try:
            before = datetime.fromisoformat(note.removeprefix(_NOTE).strip())
        except ValueError:
            before = now - timedelta(days=1)
        if now - before < timedelta(hours=1):
            return
        assert self._gid is not None, "a tab that was read has an id"
        text = f"{_NOTE}{now.isoformat(sep=' ', timespec='minutes')}"
        try:
            self._sheets.change([dress.checked_note(self._gid, at, text)])
        except SheetError as e:
            log.info("the note on %s was not written: %s", self.title, e)

    def _range(self, run: Sequence[Target]) -> Json:
        first, last = run[0], run[-1]
        start, end = letters(first.left), letters(first.right - 1)
        area = f"{self._area()}!{start}{first.row + 1}:{end}{last.row + 1}"
        return {"range": area, "majorDimension": "ROWS", "values": [one.values() for one in run]}

    def _unwritable(self, e: Refused) -> SheetError:
        who = self._sheets.account.called
        if e.code == 403 and "permission" in e.reason.casefold():
            return SheetError(
                f"{self.title} is view-only for {who}. Share the sheet with {who} as Editor."
            )
        if e.code == 400 and "Unable to parse range" in e.reason:
            self._found = False
            return Busy(f"The tab {self._tab} is there no longer. Correct [sheet] tab.")
        if e.code == 400 and "exceeds grid limits" in e.reason:
            return Busy(f"{self.title} became smaller just now. The next run writes it.")
        if e.code == 400 and "protected" in e.reason.casefold():
            return SheetError(
                f"{self.title} is protected against {who}. Let {who} edit the columns that "
                "Promptsheet writes."
            )
        return e

    # -- the claim -------------------------------------------------------------------------------

    def read_claim(self) -> Claim | None:
        """The claim that was there at the last reading; asked a second time, as it is now."""
        if self._claims is None:
            if self._gid is None:
                self._find()
            self._claims = self._sheets.about(_CLAIMS).get("developerMetadata", [])
        claims, self._claims = self._claims, None
        lying = [one for one in claims if one.get("metadataKey") == self._claim_key]
        if not lying:
            return None
        return self._parsed(str(lying[0].get("metadataValue", "")))

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """Put the claim on the spreadsheet, if `instead_of` is what lies there."""
        if self._gid is None:
            self._find()
        self._claims = None
        wanted = self._first(claim) if instead_of is None else self._next(claim, instead_of)
        try:
            replies = self._sheets.change([wanted]).get("replies", [{}])
        except Unsure:
            return self.read_claim() == claim
        except Refused as e:
            if e.code != 400:
                raise self._unwritable(e) from e
            replies = []
        if replies and (instead_of is None or _has_updated(replies[0])):
            return True
        if instead_of is not None:
            self.read_claim()  # a damaged claim is told
        return False

    @property
    def _claim_key(self) -> str:
        return f"promptsheet-{self._gid}"

    def _first(self, claim: Claim) -> Json:
        # A number can be used once in a spreadsheet: of two that create it, one is refused.
        return {
            "createDeveloperMetadata": {
                "developerMetadata": {
                    "metadataId": zlib.crc32(self._claim_key.encode()) & 0x7FFFFFFF or 1,
                    "metadataKey": self._claim_key,
                    "metadataValue": _as_text(claim),
                    "location": {"spreadsheet": True},
                    "visibility": "DOCUMENT",
                }
            }
        }

    def _next(self, claim: Claim, instead_of: Claim) -> Json:
        # The old value is a part of the search, so that nobody else's claim is replaced.
        lookup = {"metadataKey": self._claim_key, "metadataValue": _as_text(instead_of)}
        return {
            "updateDeveloperMetadata": {
                "dataFilters": [{"developerMetadataLookup": lookup}],
                "developerMetadata": {"metadataValue": _as_text(claim)},
                "fields": "metadataValue",
            }
        }

    def _parsed(self, text: str) -> Claim:
        try:
            fields = json.loads(text)
        except ValueError:
            fields = None
        match fields:
            case {
                "sheet": str(sheet),
                "store": str(store),
                "counter": int(counter),
                "word": str(word),
            }:
                return Claim(sheet, store, counter, word)
        raise SheetError(
            f"The claim on {self.title} is damaged: it should say which store owns the sheet. Run "
            "doctor --adopt, which makes this store the owner and pays nothing."
        )


def _as_text(claim: Claim) -> str:
    fields = {
        "sheet": claim.sheet,
        "store": claim.store,
        "counter": claim.counter,
        "word": claim.word,
    }
    return json.dumps(fields, separators=(",", ":"))


def _has_updated(reply: Json) -> bool:
    return bool(reply.get("updateDeveloperMetadata", {}).get("developerMetadata"))


def _rows(tab: Json) -> list[Json]:
    parts = tab.get("data") or [{}]
    found: list[Json] = parts[0].get("rowData", [])
    return found


def _grid(rows: Iterable[Sequence[str]]) -> Grid:
    grid = [tuple(str(cell) for cell in _trimmed(row)) for row in rows]
    while grid and not grid[-1]:
        grid.pop()
    # A row is as long as the header at least: other kinds of sheet know no shorter ones.
    wide = len(grid[0]) if grid else 0
    return tuple((*row, *[""] * (wide - len(row))) for row in grid)


def _trimmed(row: Sequence[Raw]) -> tuple[Raw, ...]:
    wide = len(row)
    while wide and row[wide - 1] == "":
        wide -= 1
    return tuple(row[:wide])


def _changes(grid: Grid, patch: Patch) -> Patch:
    """The cells of a patch that say something else than the grid."""
    return {
        (row, at): clipped
        for (row, at), text in patch.items()
        if (clipped := text[:MOST_LETTERS])
        != (grid[row][at] if row < len(grid) and at < len(grid[row]) else "")
    }


def _patched(grid: Grid, patch: Patch) -> Grid:
    rows = [list(row) for row in grid]
    for (row, at), text in patch.items():
        rows[row] += [""] * (at + 1 - len(rows[row]))
        rows[row][at] = text
    return _grid(rows)


def _parts(found: Sequence[Target]) -> list[list[Target]]:
    """Targets in as many requests as they need."""
    parts: list[list[Target]] = []
    size = LARGEST
    for one in found:
        length = 80 + sum(len(str(v)) * 2 + 4 for v in one.values() if v is not None)
        length += 5 * (one.right - one.left)
        if size + length > LARGEST:
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


def _shown(runs: Sequence[Sequence[Target]], said: Json) -> dict[int, tuple[int, tuple[Raw, ...]]]:
    """Row -> first column and cells, as the answer shows them."""
    shown: dict[int, tuple[int, tuple[Raw, ...]]] = {}
    for run, one in zip(runs, said.get("responses", []), strict=False):
        told: dict[str, Any] = one.get("updatedData", {})
        top, left = _corner(str(told.get("range", "")), run[0])
        rows = told.get("values", [])
        for target in run:
            at = target.row - top
            row = tuple(rows[at]) if 0 <= at < len(rows) else ()
            shown[target.row] = (left, row)
    return shown


def _corner(area: str, first: Target) -> tuple[int, int]:
    found = re.match(r"([A-Z]+)(\d+)", area.rpartition("!")[2])
    if not found:
        return first.row, first.left
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return int(found[2]) - 1, column - 1
