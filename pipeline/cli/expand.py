"""The command `expand`: all combinations of some lists become new rows of the sheet.

It shows the rows and their price first, and asks. A combination that is in the sheet already is
never added, so a call that was interrupted can be repeated. Nothing is sent.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from pipeline import wiring
from pipeline.cli.output import prompt_of
from pipeline.cli.plan import show_plan
from pipeline.cli.questions import confirm
from pipeline.config import Settings, load
from pipeline.core.errors import ConfigError, SheetError
from pipeline.core.inputs import PROMPT
from pipeline.core.model import Grid
from pipeline.core.money.currency import in_credits_and_money
from pipeline.core.planning.lines import Line, each
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.combinations import (
    Combinations,
    ValueList,
    in_words,
    many,
    missing,
    value_list,
    values_in,
)
from pipeline.core.sheet.header import folded
from pipeline.core.sheet.new_rows import NewRow, place_below, with_rows
from pipeline.core.statuses import Status
from pipeline.core.text import counted, is_or_are, one_line, quoted
from pipeline.open_sheet import grid_in, is_marked_open, open_sheet
from pipeline.reports.plan import costs, following, outlook, settling, to_send
from pipeline.sheets import Sheet
from pipeline.store import Lease, Store
from pipeline.sync.lease import take_lease_on
from pipeline.sync.sheet_sync import SheetSync

#: More new rows than this are probably a mistake.
MOST_ROWS: Final = 10_000
#: Seconds after which another call may write, if this one has not ended.
_LEASE_SECONDS: Final = 600.0


class Choice(NamedTuple):
    """What the person chose besides the lists."""

    #: True: only show the rows. True: do not ask.
    plan: bool = False
    yes: bool = False
    #: The most rows that may be added; None: `MOST_ROWS`.
    limit: int | None = None


def lists_in(words: Sequence[str]) -> tuple[Path | None, list[ValueList]]:
    """The configuration and the lists on a command line. Raises ConfigError."""
    configs = [word for word in words if "=" not in word or word.endswith(".toml")]
    if len(configs) > 1:
        raise ConfigError(f"{configs[1]} is not a list: write one such as product=fox,owl.")
    lists = [word for word in words if word not in configs]
    if not lists:
        raise ConfigError(
            "Name the lists to combine, such as product=fox,owl aspect_ratio=1:1,9:16."
        )
    try:
        return (Path(configs[0]) if configs else None), [value_list(word) for word in lists]
    except ValueError as why:
        raise ConfigError(str(why)) from None


def expand(path: Path, lists: Sequence[ValueList], console: Console, choice: Choice) -> int:
    """Add the combinations that the sheet lacks. Returns the exit code, 1 if the person declines.

    Raises ConfigError and SheetError: nothing is written then, or whole rows of a Google Sheet.
    """
    settings = load(path)
    wanted = _Wanted(settings, _with_values(settings, lists), choice.limit or MOST_ROWS)
    ask_prices = settings.api_key is not None
    with wiring.previewing(settings, ask_prices=ask_prices, change=wanted.added) as sync:
        title, hold = sync.sheet.title, sync.last.hold
        if hold and hold.kind == "columns":
            raise SheetError(hold.sentence)
        if not wanted.found.lacking:
            console.print(f"{title}: nothing to add. {wanted.there}", markup=False)
            return 0
        _refuse(sync.sheet, wanted.found)
        _refuse_open_file(settings)
        next_step = _show(console, sync, wanted, settings)
    number = len(wanted.found.lacking)
    if choice.plan:
        console.print("\nNothing was written.", markup=False)
        return 0
    if not choice.yes:
        if not sys.stdin.isatty():
            raise ConfigError("Nothing was written. Add --yes to write these rows into the sheet.")
        console.print()
        if not confirm(f"Add {counted(number, 'row', ',')} to {title}?"):
            return 1
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        with _alone(store, sheet):
            number = wanted.write(sheet)
    were = "was" if number == 1 else "were"
    console.print(
        f"{counted(number, 'row', ',')} {were} added to {title}. {next_step}", markup=False
    )
    return 0


def _with_values(settings: Settings, lists: Sequence[ValueList]) -> list[ValueList]:
    """The lists with the values of files and tabs. Raises ConfigError and SheetError."""
    if not any(one.source for one in lists):
        return [*lists]
    found = []
    with wiring.scratch_store(settings) as store:
        for one in lists:
            if source := one.source:
                file = Path(source.file) if source.file else None
                grid = grid_in(settings, store, file, source.tab)
                place = f"{source.file}, tab {source.tab}" if file and source.tab else source.file
                try:
                    values = values_in(grid, one, place or f"The tab {source.tab}")
                except ValueError as why:
                    raise ConfigError(str(why)) from None
                one = one._replace(values=values)
            found.append(one)
    return found


class _Wanted:
    """The combinations of some lists, and which of them a sheet lacks."""

    def __init__(self, settings: Settings, lists: Sequence[ValueList], most: int) -> None:
        self._settings, self.lists, self._most = settings, lists, most
        #: What the sheet lacked when it was shown.
        self.found = Combinations((), 0, ())
        #: The places of the new rows in the planned grid.
        self.places = range(0)

    @property
    def there(self) -> str:
        """A sentence about combinations that the sheet has; empty if there are none."""
        number = self.found.there
        if not number:
            return ""
        return f"{counted(number, 'combination', ',')} {is_or_are(number)} in the sheet already."

    def more_of(self, number: int, shown: Collection[str]) -> str:
        """The texts of one combination that are not in the `shown` columns, and differ."""
        texts = iter(self.found.lacking[number])
        found = []
        for one in self.lists:
            its = [next(texts) for _ in one.columns]
            if len(one.values) > 1 and {*map(folded, one.columns)}.isdisjoint(map(folded, shown)):
                found += its
        return ", ".join(filter(None, found))

    def added(self, grid: Grid) -> Grid:
        """A grid with the missing rows. Raises ConfigError if there are too many."""
        self._check(many(self.lists) - len(grid))
        self.found = self._missing(grid)
        self._check(len(self.found.lacking))
        at = place_below(grid)
        self.places = range(at, at + len(self.found.lacking))
        return with_rows(grid, self.found.rows())

    def write(self, sheet: Sheet) -> int:
        """Add the rows that were shown and are still missing. Returns their number."""
        shown = frozenset(self.found.lacking)
        before: list[int] = []

        def rows_for(grid: Grid) -> list[NewRow]:
            rows = self._missing(grid).rows(shown)
            before.append(len(rows))
            return rows

        grid = sheet.append(rows_for)
        return before[0] - len(self._missing(grid).rows(shown))

    def _missing(self, grid: Grid) -> Combinations:
        columns = self._settings.header.read(grid)
        try:
            return missing(grid, columns, self.lists, self._settings.source.name)
        except ValueError as why:
            raise ConfigError(str(why)) from None

    def _check(self, number: int) -> None:
        if number > self._most:
            raise ConfigError(
                f"{in_words(self.lists)} are {many(self.lists):,} rows, and at most "
                f"{self._most:,} are added at once. Shorten a list, or allow more with --limit."
            )


def _refuse(sheet: Sheet, found: Combinations) -> None:
    """Raise ConfigError if the sheet cannot hold one of the texts."""
    for text in dict.fromkeys(text for texts in found.lacking for text in texts):
        if why := sheet.objection(text):
            raise ConfigError(f"{quoted(text, 60)} {why}.")


def _refuse_open_file(settings: Settings) -> None:
    """Raise SheetError if the file is open: rows would not be written later, as results are."""
    if isinstance(settings.source, Path) and is_marked_open(settings.source):
        raise SheetError(
            f"{settings.source.name} is open in another program. Close it there, and start this "
            "again. Nothing was written."
        )


def _show(console: Console, sync: SheetSync, wanted: _Wanted, settings: Settings) -> str:
    """Print the new rows, what becomes of them, and what they cost.

    Returns a sentence about what happens once they are written.
    """
    lines = [line for line in sync.last.plan.lines if line.seen.place in wanted.places]
    sync.restrict(replace(sync.last.plan, lines=tuple(lines)))
    number = len(wanted.found.lacking)
    about = f"{counted(number, 'new row', ',')}, {in_words(wanted.lists)}: {_price(sync, lines)}."
    said = f"{about} {wanted.there}".rstrip()

    def words(line: Line, rules: Rules) -> str:
        # Rows with one prompt differ in other cells.
        more = wanted.more_of(
            line.seen.place - wanted.places.start, (PROMPT, *rules.prompt_columns)
        )
        return ", ".join(filter(None, (more, prompt_of(line, rules))))

    show_plan(console, sync, outlook(sync, settings, ask_balance=True), said, words)
    if len(to_send(sync)) + len(following(sync)) + len(settling(sync)) == len(each(lines)):
        return f"The next run sends {'it' if number == 1 else 'them'}."
    return "Not all of them are sent by the next run: see above."


def _price(sync: SheetSync, lines: Sequence[Line]) -> str:
    """What all new rows cost that can be sent, now or later."""
    return in_credits_and_money(
        costs(sync, [line for line in each(lines) if line.status != Status.INVALID])
    )


@contextmanager
def _alone(store: Store, sheet: Sheet) -> Iterator[None]:
    """Only one call adds rows at a time: two would both find the same combinations missing."""
    key = f"{sheet.key} expand"
    lease = take_lease_on(store, key, _LEASE_SECONDS)
    if not isinstance(lease, Lease):
        who = f" ({lease.name})" if lease else ""
        raise SheetError(
            f"Another call of expand{who} adds rows to {one_line(sheet.title)}. Nothing was added. "
            "Start this one again when that one has ended."
        )
    try:
        yield
    finally:
        store.leases.end(key, lease.word)
