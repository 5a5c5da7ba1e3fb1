"""A tab of a Google Sheet as a sheet: results in the right row while people work in it.

`tab` finds and reads the tab, `writer` writes cells and checks what was hit, `formatting` has the
look of our columns.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.errors import MaybeWritten, SheetError
from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet import verified_writes
from pipeline.core.sheet.header import Columns
from pipeline.core.sheet.new_rows import NewRow
from pipeline.sheets.google import claim as google_claim
from pipeline.sheets.google import formatting
from pipeline.sheets.google.client import (
    GoogleBusy,
    GoogleRefused,
    Json,
    Pause,
    Spreadsheet,
    Unsure,
)
from pipeline.sheets.google.new_rows import Adding
from pipeline.sheets.google.preview import previews
from pipeline.sheets.google.protected_ranges import Fenced
from pipeline.sheets.google.tab import GoogleTab, TabHeader, TabReading, grid, header, trimmed
from pipeline.sheets.google.writer import ROUNDS, Writing

log = logging.getLogger("promptsheet")

MOST_LETTERS: Final = 50_000
_NOTE = "Last checked by Promptsheet: "


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
        self._tab = GoogleTab(spreadsheet, tab, gid)
        self._writing = Writing(spreadsheet, self._tab, columns_of, lambda: self.title)
        self._key = key
        self._now, self._pause = now, pause
        self.left_out = self.elsewhere = self.read_as = self.delimiter = ""

    @property
    def key(self) -> str:
        """The spreadsheet's id and the tab's: the same under any title."""
        if not self._key:
            self._key = f"google:{self._sheets.id}:{self._tab.gid}"
        return self._key

    @property
    def fingerprint(self) -> str:
        """A Google Sheet is no file."""
        return ""

    @property
    def title(self) -> str:
        """The titles of the spreadsheet and its tab."""
        return " / ".join(filter(None, (self._tab.book, self._tab.title))) or "the Google Sheet"

    @property
    def misplaced(self) -> int:
        """How many rows were misplaced by a write, and written again."""
        return self._writing.misplaced

    def read(self) -> Grid:
        """The tab as people see it."""
        self._writing.settle()
        return self._tab.look().grid

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """Write the patch of `patch_for`, each row where it is now, and check what was hit."""
        disturbed = 0
        troubles = 0
        while True:
            try:
                self._writing.settle()
                look = self._tab.look()
                self._writing.closed.listed = look.closed
                patch = self._open_cells(look, _changes(look.grid, patch_for(look.grid)))
                if not patch:
                    return self._with_left_out(look.grid)
                if disturbed == ROUNDS:
                    raise SheetError(
                        f"People keep moving rows in {self.title}, so not every row could be "
                        "written. The next run writes the rest."
                    )
                written = self._written(look, patch, stubborn=disturbed > 0)
            except GoogleBusy:
                troubles += 1
                if troubles > ROUNDS:
                    raise
                self._pause(min(2.0**troubles, 16.0) * random.uniform(0.5, 1.0))  # noqa: S311
                continue
            if written is not None:
                return self._with_left_out(written)
            disturbed += 1

    def append(self, rows_for: Callable[[Grid], Sequence[NewRow]]) -> Grid:
        """Read the tab, add the rows that `rows_for` names, and return the grid with them."""
        troubles = 0
        while True:
            try:
                self._writing.settle()
                look = self._tab.look()
                if not (rows := rows_for(look.grid)):
                    return look.grid
                if (added := self._adding().add(look, rows)) is not None:
                    return added
            except Unsure as e:
                # Such a request is never repeated: a reading shows whether the rows are there.
                if not rows_for((now := self._tab.look()).grid):
                    return now.grid
                raise MaybeWritten(
                    f"{e} Rows may have been added all the same. Look into {self.title} in a "
                    "minute, and start it again: it adds only what is missing."
                ) from e
            except GoogleBusy:
                troubles += 1
                if troubles > ROUNDS:
                    raise
                self._pause(min(2.0**troubles, 16.0) * random.uniform(0.5, 1.0))  # noqa: S311

    def objection(self, text: str) -> str:
        """Why a cell cannot hold this text, as the end of a sentence; else empty."""
        too_long = len(text) > MOST_LETTERS
        return f"is longer than the {MOST_LETTERS} characters of a cell" if too_long else ""

    def _adding(self) -> Adding:
        return Adding(self._sheets, self._tab, self._writing, self.title)

    def _open_cells(self, look: TabReading, patch: Patch) -> Patch:
        """The patch without what is protected; SheetError if nothing of ours can be written."""
        closed = self._writing.closed
        closed.left_out.clear()
        if not closed:
            return patch
        left, out = closed.split(patch)
        if any(row == 0 for row, _ in out):
            who = self._sheets.account.called
            titles = ", ".join(patch[at] for at in sorted(out) if at[0] == 0)
            raise SheetError(
                f"The header of {self.title} is protected against {who}, and these columns are "
                f"missing in it: {titles}. Write them there, or let {who} edit the first row."
            )
        ours = self._columns_of(look.grid[0] if look.grid else ()).ours
        if out and not left and closed.is_all(len(look.grid), ours.values()):
            raise self._writing.all_closed()
        return {at: patch[at] for at in left}

    def _with_left_out(self, grid: Grid) -> Grid:
        """The grid after the write; `left_out` then says what could not be written."""
        self.left_out = self._writing.left_out(grid[0] if grid else (), len(grid))
        return grid

    def _written(self, look: TabReading, patch: Patch, stubborn: bool) -> Grid | None:
        """Write the patch. Returns the grid after it; None if people moved rows meanwhile.

        If rows have moved since the reading, None is returned and nothing is written; a `stubborn`
        write goes to the rows that can be found.
        """
        named = self._with_columns(look, patch)
        if named is None:
            return None
        look, patch = named
        names = look.header.names
        columns = self._columns_of(look.grid[0] if look.grid else ())
        snapshot = self._tab.snapshot()
        same = verified_writes.agree(look.grid, snapshot)
        if not same and not stubborn:
            return None
        if same:
            snapshot = verified_writes.with_text_marked(look.grid, snapshot, columns)
        found, lost = verified_writes.row_writes(look.grid, patch, snapshot, columns)
        sent = self._writing.send(found, snapshot, names)
        pictures = previews(snapshot, found, columns)
        if pictures and not self._writing.unverified:
            self._writing.send(pictures, snapshot, names, entered=True)
        if not same or lost or self._writing.unverified:
            self._writing.settle()
            return None
        self._say_when(look, columns)
        return _patched(
            look.grid, ((one.row, at, str(t)) for one in sent for at, t in one.cells.items())
        )

    def _with_columns(self, look: TabReading, patch: Patch) -> tuple[TabReading, Patch] | None:
        """Add the new columns of the patch, and names for all columns that it writes.

        One request does this and shows the header afterwards. Returns None if the header is not as
        it was read, because a name may then be on a wrong column.
        """
        edge = max(map(len, look.grid), default=0)
        last = max(at for _, at in patch)
        titles = [patch.get((0, at), "") for at in range(edge, last + 1)]
        wide = [*(look.grid[0] if look.grid else ())]
        wide += [""] * (edge - len(wide)) + titles if titles else []
        index = self._columns_of(wide).index
        written = {at for _, at in patch if at < edge}
        written |= {index[name] for name in ("row_id", "preview") if name in index}
        unnamed = sorted(at for at in written if at < edge and at not in look.header.names)
        if not titles and not unnamed:
            return look, patch
        gid = self._tab.gid
        wanted = [formatting.named(gid, at) for at in unnamed]
        if titles:
            added = {name: at for name, at in index.items() if at >= edge}
            wanted += formatting.new_columns(gid, edge, titles, look.wide)
            wanted += [formatting.named(gid, at) for at in range(edge, edge + len(titles))]
            wanted += formatting.dressed(gid, added, look.frozen)
            if "status" in added:
                wanted.append(formatting.note(gid, added["status"], self._checked()))
        try:
            after = self._change_header(wanted)
        except Fenced:
            if titles:
                raise
            return look, patch  # columns that cannot be named are written where they stand
        if after is None or after.titles != trimmed(wide):
            return None
        rest = {(row, at): text for (row, at), text in patch.items() if row or at < edge}
        return replace(look, grid=(tuple(wide), *look.grid[1:]), header=after), rest

    def _change_header(self, wanted: list[Json]) -> TabHeader | None:
        """Change something that is addressed by column numbers. Returns the header after that."""
        said = self._writing.change(wanted, self._tab.first_line)
        for tab in said.get("updatedSpreadsheet", {}).get("sheets", []):
            if tab.get("properties", {}).get("sheetId", 0) == self._tab.gid:
                return header(tab)
        return None

    def _say_when(self, look: TabReading, columns: Columns) -> None:
        """Write the note on the status header, at most hourly, and never over a person's note."""
        at = columns.index.get("status")
        if at is None or self._writing.closed.holds(0, at):
            return
        note, now = look.header.notes.get(at, ""), self._now().astimezone()
        if note and not note.startswith(_NOTE):
            return
        try:
            before = datetime.fromisoformat(note.removeprefix(_NOTE).strip())
        except ValueError:
            before = now - timedelta(days=1)
        if now - before < timedelta(hours=1):
            return
        try:
            self._note(look.header, at, self._checked())
        except SheetError as e:
            log.info("the note on %s was not written: %s", self.title, e)

    def _checked(self) -> str:
        """The text of the note on the status header."""
        return f"{_NOTE}{self._now().astimezone().isoformat(sep=' ', timespec='minutes')}"

    def _note(self, before: TabHeader, at: int, text: str) -> None:
        """Put a note on a title.

        It goes by where the column stands: where that moves away in that moment the note is on
        another title, which the answer shows. That title gets its own back.
        """
        meant = {title: before.notes.get(n, "") for n, title in enumerate(before.titles)}
        meant[before.titles[at]] = text
        notes = {at: text}
        for _ in range(ROUNDS):
            wanted = [formatting.note(self._tab.gid, n, says) for n, says in notes.items()]
            after = self._change_header(wanted)
            if after is None:
                return
            stands = dict.fromkeys((*range(len(after.titles)), *notes), "") | {**after.notes}
            right = {
                n: meant.get(after.titles[n] if n < len(after.titles) else "", "") for n in stands
            }
            notes = {
                n: right[n]
                for n, says in stands.items()
                if says != right[n] and (n in notes or text in (says, right[n]))
            }
            if not notes:
                return

    # -- the claim -------------------------------------------------------------------------------

    def read_claim(self) -> Claim | None:
        """The claim of the last reading, or the one that we have written since."""
        gid = self._tab.gid
        if self._tab.claims is None:
            about = self._sheets.about(google_claim.FIELDS)
            self._tab.claims = about.get("developerMetadata", [])
        return google_claim.lying(self._tab.claims, gid, self.title)

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """Write the claim to the spreadsheet, if `instead_of` is the one there now."""
        gid = self._tab.gid
        self._tab.claims = None
        wanted = (
            google_claim.first(claim, gid)
            if instead_of is None
            else google_claim.instead(claim, instead_of, gid)
        )
        try:
            said = self._sheets.change([wanted])
        except Unsure:
            return self.read_claim() == claim
        except GoogleRefused as e:
            if e.code != 400:
                raise self._writing.unwritable(e) from e
            said = {}
        # The answer shows the present claims, so no further request is needed.
        if claims := google_claim.put(said):
            self._tab.claims = claims
            return self.read_claim() == claim
        if instead_of is not None:
            self.read_claim()  # raises SheetError for a damaged claim
        return False


def _changes(shown: Grid, patch: Patch) -> Patch:
    """The cells of a patch that differ from the grid."""
    return {
        (row, at): clipped
        for (row, at), text in patch.items()
        if (clipped := text[:MOST_LETTERS]) != _cell(shown, row, at)
    }


def _cell(shown: Grid, row: int, at: int) -> str:
    return shown[row][at] if row < len(shown) and at < len(shown[row]) else ""


def _patched(shown: Grid, cells: Iterable[tuple[int, int, str]]) -> Grid:
    """The grid with these cells in it, each in a row that is there; other rows are taken over."""
    touched: dict[int, list[str]] = {}
    for row, at, text in cells:
        line = touched.get(row)
        if line is None:
            line = touched[row] = list(shown[row])
        if at >= len(line):
            line += [""] * (at + 1 - len(line))
        line[at] = text
    return grid(touched.get(row, line) for row, line in enumerate(shown))
