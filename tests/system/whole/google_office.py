"""A team that edits a Google Sheet, and the correctness of each row at the end.

`python -m tests.system.whole.google_office --results 10000` runs it by hand.

People sort, insert, delete, move and copy rows, sort single columns and insert columns, mostly
between our reading and our write. The same people, with the same seeds, edit a sheet that is
written in the common way: row numbers are kept from the reading, and the results of a batch are
written together when they are ready.

Both are measured in the same way: every task and every picture has a mark of its prompt. It is
*wrong* if its line has another prompt or none, and the line's note does not name the prompt from
which it was made.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

from pipeline.core.errors import SheetError
from pipeline.core.inputs import parsed
from pipeline.core.model import JobKey, Result
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Header
from pipeline.core.states import Accepted, Succeeded
from pipeline.sheets.google.sheet import GoogleSheet
from pipeline.store import Fact, Limits, Store
from pipeline.sync.clock import Clock
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from tests.core.build import PROVIDER
from tests.fakes.google.grid import Book as Spreadsheet
from tests.fakes.google.grid import Identity, Sheet
from tests.fakes.google.person import Person
from tests.fakes.google_desk import columns_of, open_spreadsheet
from tests.fakes.google_sheets import Asked, GoogleSheets, google_sheets

#: Titles of columns that the program makes.
OURS = ("row_id", "status", "task_id", "image_urls", "note", "preview")
#: What people do, between any two requests.
ROW_GESTURES = (
    *("sort_rows", "shuffle_rows", "insert_row", "append_row", "append_row", "delete_row"),
    *("move_rows", "copy_row", "sort_one_column", "hide_row", "set_filter"),
)
#: Results in one batch.
AT_A_TIME = 10
GESTURES = (*ROW_GESTURES, "insert_column", "move_column")


# -- measuring -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a sheet, with the cells that are measured."""

    words: str
    task: str = ""
    picture: str = ""
    note: str = ""

    @property
    def is_elsewhere(self) -> bool:
        """True if it shows a task or a picture that was made from another prompt."""
        return not self._all_bear(self.words)

    @property
    def is_explained(self) -> bool:
        """True if its note quotes the prompt from which all its pictures were made."""
        return any(self._all_bear(words) for words in re.findall(r'"([^"]*)"', self.note))

    @property
    def is_wrong(self) -> bool:
        """True if a person would wrongly take its picture for one of its prompt."""
        return self.is_elsewhere and not self.is_explained

    @property
    def is_served(self) -> bool:
        """True if it shows its picture."""
        return bool(self.picture) and not self.is_elsewhere

    def _all_bear(self, words: str) -> bool:
        return all(mark_of(words) in shown for shown in (self.task, self.picture) if shown)


def mark_of(words: str) -> str:
    """The mark in everything that is made from this prompt."""
    return hashlib.sha256(words.strip().encode()).hexdigest()[:16]


def lines(sheet: Sheet) -> dict[Identity, Line]:
    """Every line below the header that has something in it."""
    titles = [str(cell.value or "") for cell in sheet.rows[0].cells]
    judged = ("prompt", "task_id", "image_urls", "note")
    at = [titles.index(title) if title in titles else len(titles) for title in judged]
    return {
        sheet.rows[row].identity: Line(*(str(sheet.cell(row, n).value or "") for n in at))
        for row in range(1, sheet.filled)
    }


def wrong(judged: Iterable[Line]) -> int:
    """How many lines show results of another prompt."""
    return sum(line.is_wrong for line in judged)


# -- the people ------------------------------------------------------------------------------------


@dataclass
class Team:
    """A person who edits a sheet while a program writes to it, and checks of people's cells."""

    google: GoogleSheets
    spreadsheet: Spreadsheet
    person: Person
    most: int
    chance: Random
    #: Gestures by when they happened: before the first request of a turn, or after it.
    before: int = 0
    in_between: int = 0
    #: Lines that were wrong immediately after a write.
    misplaced: int = 0
    #: Content of people's cells -> how often it was lost, minus how often it appeared.
    lost: Counter[object] = field(default_factory=Counter)
    _has_read: bool = False
    _wrote_at: set[Identity] | None = None

    @property
    def sheet(self) -> Sheet:
        """The tab."""
        return self.spreadsheet.sheets[0]

    def lines(self) -> list[Line]:
        """The sheet as it is."""
        return list(lines(self.sheet).values())

    def turn(self, quiet: bool) -> None:
        """Start a turn of the program, with people editing or away."""
        self._has_read = False
        self.google.between(self._look if quiet else self._act)

    def end(self) -> None:
        """End the editing; the last writes are checked, too."""
        self.google.between(None)
        self._judge()
        self.person.look()
        self._count_lost()

    def _look(self, asked: Asked) -> None:
        self._at_request(asked, 0)

    def _act(self, asked: Asked) -> None:
        # Mostly right before a write: then nothing shows that the rows have moved.
        often = 0.6 if asked.is_write else 0.3
        self._at_request(asked, self.most if self.chance.random() < often else 0)

    def _at_request(self, asked: Asked, most: int) -> None:
        self._judge()
        done = self.person.done.total()
        self.person.most = most
        self.person.act()
        done = self.person.done.total() - done
        if self._has_read:
            self.in_between += done
        else:
            self.before += done
        self._has_read = True
        self._count_lost()
        if asked.is_write:
            self._wrote_at = self._wrong_lines()

    def _judge(self) -> None:
        if self._wrote_at is not None:
            self.misplaced += len(self._wrong_lines() - self._wrote_at)
            self._wrote_at = None

    def _wrong_lines(self) -> set[Identity]:
        return {one for one, line in lines(self.sheet).items() if line.is_wrong}

    def _count_lost(self) -> None:
        for one in self.person.changed:
            self.lost[one.before] += 1
            self.lost[one.now] -= 1
        self.person.changed.clear()

    @property
    def changed(self) -> int:
        """How many of people's cells were changed, and not put back."""
        return sum(n for content, n in self.lost.items() if content is not None and n > 0)


def team(
    google: GoogleSheets, rows: int, seed: int, most: int, gestures: tuple[str, ...] = GESTURES
) -> Team:
    """A sheet with this number of prompts, and a person who edits it and has formulas in it."""
    table = [["prompt", "remark"]]
    table += [[f"a tree, number {n}", f'=UPPER("r{n}")' if most else ""] for n in range(rows)]
    book = google.new_book("Prompts", table, rows=rows * 3 if most else rows + 10)
    person = Person(
        book,
        seed=seed,
        ours=OURS,
        most=most,
        gestures=gestures,
        fewest=rows // 2,
        greatest=rows * 2,
        widest=12,
    )
    return Team(google, book, person, most, Random(seed))


# -- the program -----------------------------------------------------------------------------------


@dataclass
class Office:
    """A team, and the program with its store."""

    team: Team
    store: Store
    now: datetime = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    pause: Callable[[float], None] = lambda _: None
    #: How many tasks are finished in one turn, at most.
    at_a_time: int = 1000
    #: Results of the API; each has to be written back.
    results: int = 0
    refused: int = 0
    _open: list[tuple[JobKey, int, str]] = field(default_factory=list)
    _tasks: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the program again; it keeps nothing but the store."""
        access = open_spreadsheet(self.team.google, self.team.spreadsheet, pause=self.pause)
        self.sheet = GoogleSheet(access, columns_of, key="sheet", now=self.clock, pause=self.pause)
        self.sync = SheetSync(
            self.sheet,
            self.store,
            Rules(sheet="sheet", provider=PROVIDER, endpoint="imagine"),
            Header(frozenset({"prompt"})),
            Limits(api_key="key", run="run", day="today"),
            config="promptsheet.toml",
            clock=Clock(self.clock),
            chance=self.team.chance,
        )
        self.submissions = Submissions(self.sync, clock=Clock(self.clock), chance=self.team.chance)

    def clock(self) -> datetime:
        return self.now

    def pass_by(self, quiet: bool = False) -> None:
        """One sync, with people editing or away; then the API answers the requests."""
        self.now += timedelta(seconds=30)
        self.team.turn(quiet)
        try:
            self.sync.look()
        except SheetError:
            self.refused += 1
        else:
            self._send()
        self.team.end()
        self._finish()

    def answer_all(self) -> None:
        """Send all rows that may be sent, with answers of the API."""
        self._send()
        self._finish()

    def _send(self) -> None:
        ready = [line for line in self.sync.last.plan.to_send if line.job]
        begun = self.submissions.commit_batch((), ready).begun
        accepted = []
        for one in begun:
            mark = mark_of(parsed(one.attempt.inputs)["prompt"])
            task = f"task-{mark}-{next(self._tasks)}"
            accepted.append(Fact(one.key, one.attempt.number, Accepted(task)))
            self._open.append((one.key, one.attempt.number, task))
        self.submissions.record(accepted)

    def _finish(self) -> None:
        ready, self._open = self._open[: self.at_a_time], self._open[self.at_a_time :]
        self.results += len(ready)
        done = [
            Fact(key, number, Succeeded(Result((f"https://cdn.example/{task[5:]}.png",))))
            for key, number, task in ready
        ]
        self.submissions.record(done)

    def statuses(self) -> Counter[str]:
        """The number of lines with each status, and of lines with a prompt and no status."""
        header, *rows = self.team.google.table(self.team.spreadsheet) or [[]]
        at = {title: header.index(title) for title in ("prompt", "status")}
        said = ([*row, *[""] * (len(header) - len(row))] for row in rows)
        return Counter(row[at["status"]] for row in said if row[at["prompt"]])


def office(
    google: GoogleSheets,
    folder: Path,
    rows: int,
    seed: int,
    most: int,
    gestures: tuple[str, ...] = GESTURES,
    at_a_time: int = 1000,
) -> Office:
    """A team, and a program with a new store."""
    store = Store(f"sqlite:///{folder / f'{seed}.db'}", now=lambda: made.now)
    made = Office(team(google, rows, seed, most, gestures), store, at_a_time=at_a_time)
    return made


# -- the common way --------------------------------------------------------------------------------


@dataclass
class CommonWay:
    """A typical script: read, send, wait, write to the row numbers that were read."""

    team: Team
    at_a_time: int
    results: int = 0

    def __post_init__(self) -> None:
        self._client = self.team.google.client()
        self._sheet = self._client.open_by_key(self.team.spreadsheet.id).sheet1
        self._sheet.update([["status", "task_id", "image_urls"]], "C1:E1")

    def pass_by(self, quiet: bool = False) -> None:
        """Send every row without a status, and write its result where the row was read."""
        self.team.turn(quiet)
        header, *rows = self._sheet.get_all_values()
        at = {title: header.index(title) for title in ("prompt", "status")}
        new = [
            (number, row[at["prompt"]])
            for number, row in enumerate(rows, start=2)
            if row[at["prompt"]] and not row[at["status"]]
        ][: self.at_a_time]
        first = at["status"]
        if new:
            data = []
            for number, words in new:
                made = f"{mark_of(words)}-{self.results}"
                self.results += 1
                cells = ["done", f"task-{made}", f"https://cdn.example/{made}.png"]
                area = f"{_letter(first)}{number}:{_letter(first + 2)}{number}"
                data.append({"range": area, "values": [cells]})
            self._sheet.batch_update(data)
        self.team.end()


def _letter(column: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[column]


# -- both ------------------------------------------------------------------------------------------


@dataclass
class Score:
    """The result, for one or many sheets."""

    results: int = 0
    gestures: int = 0
    in_between: int = 0
    #: Lines that a write made wrong for a moment.
    misplaced: int = 0
    #: Lines that were wrong after a pass without editing; lines whose note names the prompt shown.
    wrong: int = 0
    explained: int = 0
    changed: int = 0
    #: Lines at the end: with their picture, and with a prompt and without a picture, by status.
    served: int = 0
    unserved: Counter[str] = field(default_factory=Counter)
    common_results: int = 0
    common_wrong: int = 0
    common_changed: int = 0
    #: Seeds with something wrong.
    seeds: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.results:,} results written back; {self.gestures:,} gestures, "
            f"{self.in_between:,} of them ({self.in_between / max(self.gestures, 1):.0%}) between "
            "our reading and our write; "
            f"{self.misplaced:,} rows misplaced for a moment and repaired; in a wrong row after "
            f"the next quiet pass {self.wrong}, people's cells changed {self.changed}. "
            f"The common way, same people: {self.common_results:,} results, "
            f"{self.common_wrong:,} in a wrong row"
        )


def one_sheet(
    folder: Path,
    seed: int,
    score: Score,
    *,
    rows: int,
    rounds: int,
    gestures: tuple[str, ...],
) -> None:
    """One sheet with our program and one in the common way, each for this number of rounds."""
    found = score.wrong, score.changed
    with google_sheets(reads=10**9, writes=10**9) as google:
        made = office(google, folder, rows, seed, 3, gestures, at_a_time=AT_A_TIME)
        people = made.team
        for _ in range(rounds):
            made.pass_by()
            made.pass_by()
            made.pass_by(quiet=True)
            score.wrong += wrong(people.lines())
            score.explained += sum(
                line.is_elsewhere and line.is_explained for line in people.lines()
            )
        while made._open or any(line.status == "queued" for line in made.sync.last.plan.lines):
            made.pass_by(quiet=True)
        made.pass_by(quiet=True)
        judged = people.lines()
        score.wrong += wrong(judged)
        score.served += sum(line.is_served for line in judged)
        score.unserved += made.statuses() - Counter(done=sum(line.is_served for line in judged))
        score.results += made.results
        score.gestures += people.before + people.in_between
        score.in_between += people.in_between
        score.misplaced += people.misplaced
        score.changed += people.changed
        made.store.close()
        common = CommonWay(team(google, rows, seed, 3, gestures), at_a_time=AT_A_TIME)
        for _ in range(rounds * 3):
            if common.results < made.results:
                common.pass_by()
                common.pass_by()
                common.pass_by(quiet=True)
        score.common_results += common.results
        score.common_wrong += wrong(common.team.lines())
        score.common_changed += common.team.changed
    if (score.wrong, score.changed) != found:
        score.seeds.append(seed)


def play(
    results: int,
    *,
    first: int = 1,
    gestures: tuple[str, ...] = GESTURES,
    rows: int = 100,
    rounds: int = 6,
    tell: Callable[[str], None] = lambda said: None,
) -> Score:
    """Play sheet after sheet until there are enough results."""
    score = Score()
    with tempfile.TemporaryDirectory(prefix="promptsheet-office-") as folder:
        for seed in count(first):
            one_sheet(Path(folder), seed, score, rows=rows, rounds=rounds, gestures=gestures)
            tell(str(score))
            if score.results >= results:
                return score
    raise AssertionError("seeds do not end")


def main() -> None:
    """Play, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--no-columns", action="store_true", help="leave column inserts out")
    asked = parser.parse_args()
    os.nice(10)
    began = time.monotonic()
    score = play(
        asked.results,
        first=asked.first_seed,
        gestures=ROW_GESTURES if asked.no_columns else GESTURES,
        tell=lambda said: print(said, flush=True),
    )
    print(f"lines at the end: {score.served} with their picture, others {dict(score.unserved)}")
    print(f"lines that truly said from which other words their picture was made: {score.explained}")
    print(f"seeds with something wrong: {score.seeds}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
