"""Terminal output: tables of rows, what needs attention, progress bars and closing lines.

Each function takes what it shows as an argument. Nothing is kept between two calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from pipeline.core.credits import Credits
from pipeline.core.money.costs import in_words
from pipeline.core.planning.lines import Line
from pipeline.core.rows.rules import Rules
from pipeline.core.statuses import Status
from pipeline.core.text import one_line
from pipeline.reports.summary import attention
from pipeline.sync.outcome import Outcome
from pipeline.sync.progress import Progress as Step
from pipeline.sync.row_reports import Row, asked_for

COLOURS = {
    Status.DONE: "green",
    Status.IN_PROGRESS: "cyan",
    Status.SENDING: "cyan",
    Status.QUEUED: "blue",
    Status.WAITING: "blue",
    Status.FAILED: "red",
    Status.INVALID: "red",
    Status.CHECK_NEEDED: "bold yellow",
    Status.OVER_BUDGET: "yellow",
    Status.EDITED: "yellow",
}
#: Terminals narrower than this show no notes and no extra figures.
NARROW = 60
#: Indentation of the second and later lines of a note.
_HANGING = 4
#: Columns that the lines of a note leave free.
_FREE = 8


def prompt_of(line: Line, rules: Rules) -> str:
    """The prompt of the row; its other inputs if it has none."""
    return asked_for(line.memory.inputs if line.parts else line.inputs, line.turn, rules)


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=COLOURS.get(Status.of(status), ""))


def show_attention(console: Console, outcome: Outcome, config: Path) -> None:
    """Print the rows that need attention. On a terminal, long notes are wrapped and indented."""
    for line in attention(outcome, config):
        words = Text(line)
        if not console.is_terminal or not line.startswith(" "):
            console.print(words)
            continue
        first, *others = words.wrap(console, max(console.width - _FREE, 20))
        console.print(first)
        for one in others:
            console.print(Padding(one, (0, 0, 0, _HANGING), expand=False))


def rows_table(shown: Sequence[Row], width: int, prices: Sequence[Credits] = ()) -> Table:
    """Rows as a table: number, name or prompt, status, credits if `prices` are given, note.

    The table is never wider than `width`, and has no notes if there is too little space.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", width=min(width, 160))
    numbers = [str(row.number) for row in shown]
    longest = max((len(row.status) for row in shown), default=6)
    table.add_column("row", justify="right", style="dim", width=max(3, *map(len, numbers), 0))
    table.add_column("prompt", ratio=2, overflow="ellipsis", no_wrap=True)
    table.add_column("status", width=max(6, longest), no_wrap=True)
    if prices:
        table.add_column("credits", justify="right", width=7)
    noted = width >= NARROW and any(row.note for row in shown)
    if noted:
        table.add_column("note", ratio=3, overflow="fold")
    for at, row in enumerate(shown):
        cells: list[str | Text] = [
            numbers[at],
            Text(one_line(row.prompt) or "–"),
            status_text(row.status),
        ]
        if prices:
            cells.append(str(prices[at]))
        if noted:
            cells.append(Text(one_line(row.note), style="dim"))
        table.add_row(*cells)
    return table


_WAITING = "waiting"
#: The display for the bars; None without a terminal.
Place = Progress | None


class Bars:
    """A bar for each stage of a pass: sent, finished, saved. Draws nothing without a terminal."""

    def __init__(self, progress: Progress | None, title: str) -> None:
        self._progress = progress
        self._title = title
        self._tasks: dict[str, TaskID] = {}
        self._totals: Counter[str] = Counter()

    def __call__(self, step: Step) -> None:
        """Show the progress of the pass."""
        if self._progress is None:
            return
        cost = in_words(step.costs)
        if not self._tasks:
            self._waiting(self._progress)
        at_api = step.done + step.at_work
        self._bar("sent", step.sent, step.to_send, cost)
        self._bar("made", step.done, at_api, f"{step.at_work} in progress" if step.at_work else "")
        self._bar("saved", step.saved, step.saved + step.saving, "")
        if len(self._tasks) > 1 and (task := self._tasks.pop(_WAITING, None)) is not None:
            self._progress.remove_task(task)

    def _waiting(self, progress: Progress) -> None:
        """Show that the pass goes on, such as while a row must not have changed for some time."""
        name = escape(f"{self._title} {_WAITING}")
        self._tasks[_WAITING] = progress.add_task(name, total=None, extra="")

    def _bar(self, stage: str, done: int, total: int, extra: str) -> None:
        assert self._progress is not None
        # Rows that are being sent are in neither count, so without `max` the total could shrink.
        total = self._totals[stage] = max(total, self._totals[stage])
        if stage not in self._tasks:
            if not total:
                return
            name = f"{self._title} {stage}"
            self._tasks[stage] = self._progress.add_task(escape(name), total=total, extra="")
        self._progress.update(self._tasks[stage], completed=done, total=total, extra=extra)


@contextmanager
def bars(console: Console, shown: bool) -> Iterator[Progress | None]:
    """The progress display during a pass; None if it is not wanted."""
    if not shown:
        yield None
        return
    columns: list[Any] = [
        # Most spinners need Unicode characters.
        SpinnerColumn("dots" if console.encoding.casefold().startswith("utf") else "line"),
        TextColumn("{task.description}"),
        BarColumn(
            bar_width=None if console.width < NARROW else 30,
            # The default colour, red, would look like an error.
            complete_style="cyan",
            finished_style="green",
        ),
        MofNCompleteColumn(),
    ]
    if console.width >= NARROW:
        columns += [_Rate(), TimeRemainingColumn(compact=True), TextColumn("{task.fields[extra]}")]
    with Progress(*columns, console=console, transient=True) as progress:
        yield progress


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Any) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")
