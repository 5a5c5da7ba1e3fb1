"""Google Sheets in memory: cells, quotas, and Drive's calls after a change.

`Tab` makes the requests that `GoogleSheet` makes, with the real client's waiting for the quota. A
test compares both (`tests/system/test_day.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from google.auth.credentials import AnonymousCredentials

from pipeline.core.errors import SheetError
from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet.new_rows import NewRow
from pipeline.sheets.google.client import PER_MINUTE, GoogleAccount, GoogleBusy, Kind, Spreadsheet
from pipeline.sheets.google.writer import ROUNDS
from pipeline.store import Store
from tests.benchmarks.day.clock import DayLoop, pause, travel
from tests.benchmarks.day.meter import Meter

#: Seconds for an answer.
ANSWERS_IN = 0.5
#: What Google allows in a minute, reads and writes each: an account, and a project.
OF_ACCOUNT, OF_PROJECT = 60, 300
#: Drive puts the changes of so many seconds together into one call.
GATHERED = 180.0
#: The most accounts of a project that may each use their quota in full.
ACCOUNTS = OF_PROJECT // PER_MINUTE
#: What people write.
HEADER = ("prompt", "aspect_ratio")


@dataclass
class Book:
    """A spreadsheet, as it is at Google."""

    key: str
    account: int
    rows: list[tuple[str, ...]] = field(default_factory=lambda: [HEADER])
    claim: Claim | None = None
    #: Columns that have a name by which they are found after a move.
    named: int = 0
    noted_at: float = -1e9
    #: Raised by each change.
    version: int = 0
    _shown: tuple[int, Grid] | None = None

    def grid(self) -> Grid:
        """All cells."""
        if self._shown is None or self._shown[0] != self.version:
            wide = len(self.rows[0])
            cells = (row + ("",) * (wide - len(row)) for row in self.rows)
            self._shown = self.version, tuple(cells)
        return self._shown[1]


class Google:
    """The quotas of all accounts and projects. `call` is Drive's call after a change of a book."""

    def __init__(
        self, loop: DayLoop, chance: Random, accounts: int, call: Callable[[Book], None] | None
    ) -> None:
        self._loop, self._chance, self._call = loop, chance, call
        each = range(accounts)
        self.of_account = [_meters(f"account {n + 1}", OF_ACCOUNT, loop) for n in each]
        projects = -(-accounts // ACCOUNTS)
        self.of_project = [_meters(f"project {n + 1}", OF_PROJECT, loop) for n in range(projects)]
        #: The books about which Drive will call.
        self._pending: set[str] = set()

    @property
    def meters(self) -> list[Meter]:
        """All of them."""
        return [one for its in (*self.of_account, *self.of_project) for one in its.values()]

    def take(self, account: int, kind: Kind) -> dict[str, Any]:
        """Answer one request. Raises GoogleBusy if a quota is used up.

        What a machine has sent arrives, also if the machine stands still meanwhile.
        """
        travel(ANSWERS_IN / 2)
        try:
            return self._answer(account, kind)
        finally:
            pause(ANSWERS_IN / 2)

    def _answer(self, account: int, kind: Kind) -> dict[str, Any]:
        its = self.of_account[account][kind], self.of_project[account // ACCOUNTS][kind]
        if full := [one for one in its if one.is_full]:
            full[0].refuse()
            raise GoogleBusy("Google asks to slow down.")
        for one in its:
            one.count()
        return {}

    def changed(self, book: Book) -> None:
        """Somebody, or we, changed a book."""
        book.version += 1
        if self._call and book.key not in self._pending:
            self._pending.add(book.key)
            self._loop.call_later(self._chance.uniform(0, GATHERED), self._tell, book)

    def _tell(self, book: Book) -> None:
        self._pending.discard(book.key)
        assert self._call, "only where Drive calls"
        self._call(book)


def _meters(of: str, quota: int, loop: DayLoop) -> dict[Kind, Meter]:
    return {kind: Meter(f"Google, {kind}s of {of}", quota, loop.time) for kind in Kind}


class Requests(Spreadsheet):
    """The requests of one machine as one account, which wait for the quota as the real ones do."""

    def __init__(self, google: Google, account: int, store: Store, loop: DayLoop) -> None:
        self.number, self._google = account, google
        who = GoogleAccount(AnonymousCredentials(), f"robot-{account}@example.com")  # type: ignore[no-untyped-call]

        def budget(kind: Kind) -> float:
            name = who.counted_as(kind)
            if store.rate_limit.permits(name, 1, PER_MINUTE):
                return 0.0
            return max(store.rate_limit.ready_in(name, PER_MINUTE), 0.1)

        super().__init__("", who, budget=budget, pause=pause, monotonic=loop.time)

    def read(self) -> None:
        """One reading."""
        self._read(lambda: self._google.take(self.number, Kind.READ))

    def put(self) -> None:
        """One write."""
        self._once(lambda: self._google.take(self.number, Kind.WRITE))


class Tab:
    """The tab of a book as a sheet of the program, for one pass."""

    fingerprint = left_out = read_as = delimiter = elsewhere = ""

    def __init__(
        self,
        book: Book,
        requests: Requests,
        loop: DayLoop,
        google: Google,
        shown: Callable[[Book, int, str], None],
    ) -> None:
        self.book, self._requests, self._loop, self._google = book, requests, loop, google
        #: Called with each result that is written: the book, the row, the addresses.
        self._shown = shown
        self._claim: Claim | None = None

    @property
    def key(self) -> str:
        return self.book.key

    @property
    def title(self) -> str:
        return self.book.key

    def read(self) -> Grid:
        self._requests.read()
        self._claim = self.book.claim
        return self.book.grid()

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        for _ in range(ROUNDS + 1):
            grid, version = self.read(), self.book.version
            wanted = patch_for(grid)
            patch = {at: text for at, text in wanted.items() if text != _cell(grid, *at)}
            if not patch:
                return grid
            wide = 1 + max(at for _, at in patch)
            if wide > self.book.named:  # new columns, or their names
                self._requests.put()
                self.book.named = wide
                self.book.noted_at = self._loop.time()  # the same request says when it was checked
            self._requests.read()  # what was entered
            if self.book.version != version:
                continue  # a person edits it
            self._requests.put()
            self._change(patch)
            if self._loop.time() - self.book.noted_at >= 3600:
                self.book.noted_at = self._loop.time()
                self._requests.put()
            # Rows that a person has added meanwhile are below these, and are in the next reading.
            return self.book.grid()[: len(grid)]
        raise SheetError("People keep moving rows.")

    def _change(self, patch: Patch) -> None:
        rows = self.book.rows
        for row, at in sorted(patch):
            line = list(rows[row])
            line += [""] * (at + 1 - len(line))
            line[at] = patch[row, at]
            rows[row] = tuple(line)
        titles = rows[0]
        if "image_urls" in titles:
            its = titles.index("image_urls")
            for row, at in patch:
                if at == its and row and patch[row, at]:
                    self._shown(self.book, row, patch[row, at])
        self._google.changed(self.book)

    def append(self, rows_for: Callable[[Grid], Sequence[NewRow]]) -> Grid:
        raise NotImplementedError("no row is asked for on the page")

    def objection(self, text: str) -> str:
        return ""

    def read_claim(self) -> Claim | None:
        return self._claim

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        self._requests.put()
        if self.book.claim != instead_of:
            self._claim = self.book.claim
            return False
        self.book.claim = self._claim = claim
        return True


def _cell(grid: Grid, row: int, at: int) -> str:
    return grid[row][at] if row < len(grid) and at < len(grid[row]) else ""


async def paste(google: Google, book: Book, prompts: Sequence[str], at: float) -> None:
    """A person adds rows at this moment of the day."""
    await asyncio.sleep(at)
    book.rows += [(prompt, "16:9") for prompt in prompts]
    google.changed(book)
