"""The command `run --plan`: prints what a run would do and cost, and changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from pipeline import terminal, wiring
from pipeline.cli import plan_file
from pipeline.cli.exit_codes import worst_code
from pipeline.cli.output import prompt_of, status_text
from pipeline.cli.run import checked
from pipeline.config import Settings
from pipeline.core.messages import row_notes
from pipeline.core.money.costs import own
from pipeline.core.money.currency import in_credits_and_money, in_json
from pipeline.core.planning.files import PlannedSheet, planned_rows, terms_of
from pipeline.core.planning.followers import to_follow
from pipeline.core.planning.lines import Line
from pipeline.core.rows.feedback import columns_in
from pipeline.core.rows.rules import Rules
from pipeline.core.statuses import Status
from pipeline.core.text import counted, one_line, time_limit
from pipeline.reports import rows_to_add
from pipeline.reports.plan import (
    Outlook,
    costs,
    following,
    narrowed,
    outlook,
    settling,
    to_send,
)
from pipeline.reports.summary import no_rows
from pipeline.sync import row_reports
from pipeline.sync.sheet_sync import SheetSync

#: Heading for the rows of a plan that the next run sends.
TO_SEND = "to send"
#: Most rows that a plan shows for each status.
EXAMPLES = 3
#: Indentation of the rows under their status.
_INDENT = 8


def show_plans(
    settings: list[Settings],
    console: Console,
    as_json: bool,
    strict: bool,
    row: str,
    limit: int | None,
    output: Path | None,
) -> int:
    """Print what runs would do and cost, without doing it, and return the worst exit code.

    With `output`, the plans are also written into that file, unless one of them cannot be made.
    """
    plans: list[PlannedSheet] = []

    def shown(one: Settings) -> int:
        with wiring.previewing(one, ask_prices=one.api_key is not None, whole=False) as sync:
            sync.restrict(narrowed(sync, row, limit))
            seen = outlook(sync, one, ask_balance=True)
            if as_json:
                terminal.write_json(_as_json(sync, seen))
            else:
                show_plan(console, sync, seen)
            needed = strict and bool(row_reports.needing(sync))
            hold = sync.last.hold
            if output and not hold:
                plans.append(_planned(sync, wiring.now().isoformat(timespec="seconds")))
            return max(needed, hold.exit_code if hold else bool(seen.full))

    code = worst_code(checked(settings, row), shown)
    if output and len(plans) == len(settings):
        plan_file.write(output, plans)
        if not as_json:
            rows = sum(len(plan.rows) for plan in plans)
            console.print(f"Written into {output}: {counted(rows, 'row')}.", markup=False)
    elif output:
        terminal.print_error(f"{output} was not written: not every sheet has a plan.")
    return code


def _planned(sync: SheetSync, made_at: str) -> PlannedSheet:
    """The plan of a sheet that was just previewed, without what is held back."""
    lines = [*to_send(sync), *to_follow(sync.last.plan.lines), *settling(sync)]
    rows = planned_rows(lines, sync.rules)
    return PlannedSheet(sync.key, sync.sheet.title, made_at, terms_of(sync.rules), rows)


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
                words += f": rows {row_notes.in_a_list(more)}"
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


def _as_json(sync: SheetSync, seen: Outlook) -> dict[str, object]:
    """What a run would do, for programs.

    Each of the `credits` counts the sheet's own account only, in its unit; the `costs` beside it
    has the amount of every account, with its unit.
    """
    now, after, later = to_send(sync), following(sync), settling(sync)
    return {
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
