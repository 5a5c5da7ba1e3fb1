"""The commands `status` and `retry`: where things stand, and who may be sent once more."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.text import Text

from pipeline import show, wiring
from pipeline.book import Book
from pipeline.config import Settings
from pipeline.core import notes
from pipeline.core.errors import ConfigError
from pipeline.core.model import State
from pipeline.core.plan import NEEDS_A_PERSON, Line
from pipeline.core.states import state_of
from pipeline.running import find_rows, no_row

#: Rows that are listed one by one before it becomes a wall.
MOST_ROWS = 20


def tell(settings: Settings, console: Console, row: str = "") -> int:
    """Print where the rows of one sheet stand: 1 as long as any of them needs a person."""
    with wiring.previewing(settings) as book:
        if row:
            return _tell_row(book, console, row)
        statuses = book.plan.statuses
        title = f"{book.sheet.title}: {show.rows(len(book.plan.lines))}"
        console.print(Text(title, style="bold"))
        for name in show.ORDER:
            if statuses[name]:
                console.print(Text(f"{statuses[name]:>6}  ") + show.status_text(name))
        if not book.plan.lines and not book.hold:
            console.print(Text(show.no_rows(book.sheet.title), style="yellow"))
        if book.hold:
            console.print(Text(show.plain(book.hold.sentence), style="yellow"))
        if strangers := statuses["stranger"]:
            console.print(Text(show.strangers(strangers), style="yellow"))
        for sentence in _sentences(book, settings):
            console.print(Text(show.plain(sentence), style="dim"))
        needing = [line for line in book.plan.lines if line.status in NEEDS_A_PERSON]
        if needing:
            console.print()
            console.print(show.rows_table(needing[:MOST_ROWS], console.width))
        if len(needing) > MOST_ROWS:
            console.print(f"and {len(needing) - MOST_ROWS} more")
        return 1 if needing or book.hold else 0


def retry(settings: Settings, console: Console, rows: list[str], unknown: bool, yes: bool) -> int:
    """Ask for one more attempt of failed jobs that a row still asks for; 1 if a person says no."""
    with wiring.previewing(settings) as book:
        picked = list(_picked(book, rows, unknown))
        if not picked:
            console.print(_none_picked(book, unknown), markup=False)
            return 0
        prices = [_price(book, line) for line in picked]
        console.print(show.rows_table(picked, console.width, prices))
        words = f"{show.rows(len(picked))} to send once more, {notes.in_credits(sum(prices))}."
        console.print(words, markup=False)
        hold = show.plain(book.hold.sentence) if book.hold else ""
    if unknown and not yes and any(_state(line) is State.UNKNOWN for line in picked):
        if not sys.stdin.isatty():
            raise ConfigError(
                "Some of these may have been paid already. Add --yes if they shall be paid again."
            )
        if not typer.confirm("Some may have been paid already. Pay for them again?"):
            return 1
    with wiring.open_store(settings) as store:
        for line in picked:
            assert line.job is not None, "only jobs are picked"
            store.ask(line.job.key, line.job.asked + 1)
    them = "it" if len(picked) == 1 else "them"
    console.print(hold or f"The next run sends {them}.", markup=False)
    return 0


def _none_picked(book: Book, unknown: bool) -> str:
    lost = sum(_state(line) is State.UNKNOWN for line in book.plan.lines)
    if unknown or not lost:
        return "There is no row to send once more."
    return (
        f"No row has failed. {show.rows(lost)} may have been paid already (check needed): "
        "retry --unknown sends what you pick."
    )


def _picked(book: Book, rows: list[str], unknown: bool) -> Iterator[Line]:
    """The lines that may be retried; a row that was named and may not is a ConfigError."""
    wanted = (State.FAILED, State.UNKNOWN) if unknown else (State.FAILED,)
    if not rows:
        yield from (line for line in book.plan.lines if _state(line) in wanted)
        return
    for row in rows:
        found = find_rows(book.plan.lines, row)
        if not found:
            raise ConfigError(no_row(row))
        if _state(found[0]) not in wanted:
            raise ConfigError(_cannot_be_retried(row, found[0]))
        yield found[0]


def _cannot_be_retried(row: str, line: Line) -> str:
    if _state(line) is State.UNKNOWN:
        return f"Row {row} may have been paid already. Add --unknown to have it sent once more."
    why = f'Row {row} is "{line.status}", and only failed rows can be sent once more.'
    return f"{why} {show.plain(line.note)}".strip()


def _state(line: Line) -> State | None:
    return state_of(line.job) if line.job else None


def _price(book: Book, line: Line) -> int:
    assert line.job is not None, "only jobs are picked"
    endpoint = book.rules.provider.endpoints.get(line.job.attempts[-1].endpoint)
    return (endpoint.credits or 0) if endpoint else 0


def _sentences(book: Book, settings: Settings) -> Iterator[str]:
    """What there is to say of the sheet as a whole."""
    # Credits are counted for each API key: without it nobody can say.
    if settings.api_key is not None:
        spent = book.store.spent(book.limits.api_key, book.limits.run, book.limits.day)
        cap = settings.budget.per_day
        words = f"{spent.day} of {cap} credits" if cap is not None else notes.in_credits(spent.day)
        yield f"{words} spent today"
    lease = book.store.lease_of(book.key)
    if lease and not wiring.is_dead(lease.holder):
        since = lease.since.astimezone().strftime("%H:%M:%S")
        yield f"{lease.holder} is at work on it since {since}"
    if settings.api_key is None:
        yield "The API key is not set; nothing can be sent."


def _tell_row(book: Book, console: Console, row: str) -> int:
    found = find_rows(book.plan.lines, row)
    if not found:
        raise ConfigError(no_row(row))
    line = found[0]
    console.print(show.rows_table([line], console.width))
    console.print(f"\nrow_id {line.seen.row_id}, take {line.take or '?'}", markup=False)
    if line.job is not None:
        for one in book.store.history(line.job.key):
            at = one.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            words = f"{at}  attempt {one.number}  {one.kind}  {show.plain(one.text)}"
            console.print(words, markup=False)
    return 1 if line.status in NEEDS_A_PERSON else 0
