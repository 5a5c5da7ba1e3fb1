"""Terminal output: plans, tables of rows, progress bars and closing lines.

Each function takes what it shows as an argument. Nothing is kept between two calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
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

from pipeline import terminal
from pipeline.core import messages
from pipeline.core.costs import in_words, own
from pipeline.core.credits import Credits
from pipeline.core.feedback import columns_in
from pipeline.core.lines import Line
from pipeline.core.money import in_credits_and_money, in_json
from pipeline.core.rules import Rules
from pipeline.core.statuses import Status
from pipeline.core.text import counted, one_line, time_limit
from pipeline.reports import rows_to_add
from pipeline.reports.plan import Outlook, costs, following, settling, to_send
from pipeline.reports.summary import attention, no_rows
from pipeline.sync.outcome import Outcome
from pipeline.sync.progress import Progress as Step
from pipeline.sync.row_reports import Row, asked_for
from pipeline.sync.sheet_sync import SheetSync

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
#: Heading for the rows of a plan that the next run sends.
TO_SEND = "to send"
#: Terminals narrower than this show no notes and no extra figures.
NARROW = 60
#: Most rows that a plan shows for each status.
EXAMPLES = 3
#: Indentation of the second and later lines of a note.
_HANGING = 4
#: Indentation of a plan's rows under their status.
_INDENT = 8


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
        first, *others = words.wrap(console, max(console.width - _INDENT, 20))
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


def show_plan(
    console: Console,
    sync: SheetSync,
    seen: Outlook,
    about: str = "",
    words_of: Callable[[Line, Rules], str] = prompt_of,
) -> None:
    """Print what a run would do: rows by planned action, requests, credits, examples.

    `about` is what to say of the sheet in the first line, `words_of` what to show of a row.
    """
    title, api = Text(sync.sheet.title, style="bold"), sync.rules.provider.full_title
    about = about or f"what a run would do now with {api}. Nothing was changed."
    console.print(title + Text(f": {about}\n", style="not bold"))
    if sync.sheet.read_as:
        console.print(Text(f"Read as {sync.sheet.read_as}.\n", style="dim"))
    if sync.last.hold:
        console.print(Text(one_line(sync.last.hold.sentence) + "\n", style="yellow"))
    noted: set[int] = set()
    for name, number, lines in _groups(sync):
        noted.update(line.seen.place for line in lines[:EXAMPLES])
        title = Text(name, style="bold") if name == TO_SEND else status_text(name)
        console.print(Text(f"{number:>6}  ", style="bold") + title)
        for note, alike in groupby(lines[:EXAMPLES], lambda line: line.note):
            for line in alike:
                words = f"row {line.seen.place + 1}: {one_line(words_of(line, sync.rules))}"
                row = Text(" " * _INDENT + words, overflow="ellipsis", no_wrap=True, style="dim")
                console.print(row, overflow="ellipsis", no_wrap=True)
            if note:
                said = Padding(
                    Text(one_line(note), style="dim"), (0, 0, 0, _INDENT + 2), expand=False
                )
                console.print(said, soft_wrap=False)
        if number > EXAMPLES:
            words = f"{' ' * _INDENT}and {number - EXAMPLES} more"
            if name == Status.OVER_BUDGET:
                more = [line.seen.place + 1 for line in lines[EXAMPLES:]]
                words += f": rows {messages.in_a_list(more)}"
            console.print(Text(words, style="dim"))
    if not sync.last.plan.statuses and not sync.last.hold:
        usual = sync.rules.provider.endpoints[sync.rules.endpoint]
        console.print(
            Text(no_rows(sync.sheet.title, usual, sync.rules.prompt_columns), style="yellow")
        )
    now, after, later = to_send(sync), following(sync), settling(sync)
    console.print(Text(f"\n{_price(sync, now, after)}", style="bold"))
    if later:
        unchanged = f"once its rows have not changed for {time_limit(sync.rules.settle)}"
        console.print(Text(f"then, {unchanged}: {_price(sync, later)}", style="bold"))
    for added in rows_to_add.sentences(sync):
        console.print(Text(one_line(added), style="bold"))
    for one in seen.balances:
        style = "" if one.covers else "yellow"
        console.print(Text(one_line(one.sentence), style=style))
    if seen.full:
        console.print(Text(one_line(seen.full), style="yellow"))
    if finished := seen.forecast.sentence():
        console.print(Text(finished))
    if now or after or later:
        sent = {name for line in (*now, *after, *later) for name in columns_in(line.inputs)}
        console.print(Text(f"Sent from the sheet: {', '.join(sorted(sent))}.", style="dim"))
    for sentence in _plan_warnings(sync, noted):
        console.print(Text(one_line(sentence), style="yellow"))


def _plan_warnings(sync: SheetSync, noted: Collection[int] = ()) -> Iterator[str]:
    """Warnings before the run: odd prompts, columns not sent, columns that become ours.

    `noted` contains the places of rows whose notes were already shown.
    """
    doubtful = [one for one in sync.last.plan.lines if one.warning and one.seen.place not in noted]
    for line in doubtful[:EXAMPLES]:
        yield f"Row {line.seen.place + 1}: {line.warning}"
    if len(doubtful) > EXAMPLES:
        yield f"{counted(len(doubtful) - EXAMPLES, 'row')} more with a warning."
    for title, name in sync.planner.near_misses(sync.last.columns):
        yield (
            f"{title}: did you mean {name}? This column is not sent. Rename it, or set "
            f'[columns] {name} = "{title}"; if it is your own, ignore = ["{title}"].'
        )
    if sentence := sync.planner.unsent_image(sync.last.columns, sync.last.grid):
        yield sentence
    yield from sync.endings()
    yield from sync.last.notices


def plan_as_json(console: Console, sync: SheetSync, seen: Outlook) -> None:
    """Print what a run would do, for programs, as one line of JSON.

    Each of the `credits` counts the sheet's own account only, in its unit; the `costs` beside it
    has the amount of every account, with its unit.
    """
    now, after, later = to_send(sync), following(sync), settling(sync)
    noted = {
        "sheet": sync.sheet.title,
        "api": sync.rules.provider.full_title,
        "rows": {name: number for name, number, _ in _groups(sync)},
        "requests": len(now),
        "credits": own(its := costs(sync, now)),
        "costs": [cost.as_json() for cost in its],
        "requests_after_another_row": len(after),
        "credits_after_another_row": own(its := costs(sync, after)),
        "costs_after_another_row": [cost.as_json() for cost in its],
        "requests_once_settled": len(later),
        "credits_once_settled": own(its := costs(sync, later)),
        "costs_once_settled": [cost.as_json() for cost in its],
        "rows_to_add": len(added := rows_to_add.rows_to_add(sync)),
        "credits_to_add": own(rows_to_add.costs_of_added(added, sync.rules)),
        "money": in_json(costs(sync, (*now, *after, *later))),
        **seen.as_json(),
        "rows_over_budget": [
            line.seen.place + 1
            for line in sync.last.plan.lines
            if line.status == Status.OVER_BUDGET
        ],
        "hold": sync.last.hold.sentence if sync.last.hold else seen.full,
        "warnings": list(_plan_warnings(sync)),
        "read_as": sync.sheet.read_as,
    }
    terminal.write_json(noted)


def _groups(sync: SheetSync) -> Iterator[tuple[str, int, list[Line]]]:
    """What is planned, or a status; how many rows there are of it; and their lines.

    Of the rows that have no line in the plan, only the first have one here.
    """
    look = sync.last
    groups: dict[str, list[Line]] = defaultdict(list)
    first = [*islice(look.unchanged.values(), EXAMPLES)]
    unseen = sync.planner.lines_at(look, first) if first else ()
    for line in sorted((*look.plan.lines, *unseen), key=lambda line: line.seen.place):
        sends = any(one.endpoint for one in line.each) and not look.hold
        groups[TO_SEND if sends else Status.of(line.status)].append(line)
    left = look.plan.unchanged.total() - len(unseen)
    for name in (TO_SEND, *Status):
        if lines := groups[name]:
            yield name, len(lines) + (left if name == Status.DONE else 0), lines


def _price(sync: SheetSync, lines: Sequence[Line], after: Sequence[Line] = ()) -> str:
    both = [*lines, *after]
    chained = f", {len(after)} of them after another row" if after else ""
    return f"{counted(len(both), 'request')}{chained}, {in_credits_and_money(costs(sync, both))}"


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
