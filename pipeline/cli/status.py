"""The commands `status`, `retry`, `pause`, `resume` and `gallery`: the state of a sheet.

Each prints to the console and returns an exit code. `retry`, `pause` and `resume` leave a note in
the store for the next run. Raises ConfigError for a row that does not fit.
"""

from __future__ import annotations

import sys
import webbrowser
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline import terminal, wiring
from pipeline.cli import output as show
from pipeline.cli.questions import confirm
from pipeline.config import Settings
from pipeline.core.credits import Credits
from pipeline.core.errors import ConfigError
from pipeline.core.model import State
from pipeline.core.money.costs import Cost, accounts, in_words, listed, own
from pipeline.core.money.currency import Money, of_budget
from pipeline.core.planning.causes import WITH_RETRY
from pipeline.core.planning.lines import Line
from pipeline.core.planning.named_rows import find_rows, no_row
from pipeline.core.rows.generations import label
from pipeline.core.states import state_of
from pipeline.core.statuses import Status
from pipeline.core.text import counted, is_or_are, one_line, printable
from pipeline.open_sheet import open_sheet
from pipeline.reports import summary
from pipeline.store import HistoryLine, Limits
from pipeline.sync import outlet_states, row_reports
from pipeline.sync.last_pass import stop_of_rule, why_not_sent
from pipeline.sync.lease import is_dead
from pipeline.sync.row_reports import Row
from pipeline.sync.sheet_sync import SheetSync

#: Most rows of each kind that `status` lists. The JSON has all rows.
MOST_ROWS = 20


def print_status(settings: Settings, console: Console, row: str = "") -> int:
    """Print the state of one sheet. Returns 1 if a row needs attention, a hold's code, or 0."""
    with wiring.previewing(settings) as sync:
        if row:
            return _print_row(sync, console, row)
        statuses = sync.last.plan.statuses
        title = f"{sync.sheet.title}: {counted(len(sync.last.plan.lines), 'row')}"
        console.print(Text(title, style="bold"))
        for name in Status:
            if statuses[name]:
                console.print(Text(f"{statuses[name]:>6}  ") + show.status_text(name))
        for sentence in _troubles(sync, settings):
            console.print(Text(one_line(sentence), style="yellow"))
        for sentence in _sentences(sync, settings):
            console.print(Text(one_line(sentence), style="dim"))
        rows = row_reports.rows(sync)
        needing = [one for one in rows if one.needs_attention]
        _list(console, "", needing)
        stuck = [one for one in rows if one.is_stuck]
        _list(console, "Waiting until a cell is corrected:", stuck)
        edited = [one for one in rows if one.status == Status.EDITED]
        _list(console, "Edited after they were made:", edited)
        wrong = [one for one in rows if one.findings and not one.needs_attention]
        _list(console, "With pictures to look at:", wrong)
        _list(console, "Copies of other rows:", [one for one in rows if one.status == Status.COPY])
        return max(int(bool(needing)), _code_of_hold(sync, settings))


def _list(console: Console, heading: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    console.print(f"\n{heading}" if heading else "", markup=False)
    console.print(show.rows_table(rows[:MOST_ROWS], console.width))
    if len(rows) > MOST_ROWS:
        console.print(f"and {len(rows) - MOST_ROWS} more")


def print_status_json(settings: Settings, _: Console, row: str = "") -> int:
    """Print the state of one sheet as one line of JSON. Returns the same codes as `print_status`.

    The fields: `sheet` (title); `rows` (number of rows by status); `need_a_person` (number of rows
    that need attention); `credits_today` (at the sheet's own account, in its unit; null without an
    API key) and `per_day` (its limit; null without a budget, and a text such as "5.00 USD" if it is
    in money); `money_today` (what is spent of such a limit: `amount`, `currency`); `costs_today`
    (for each account: its name, unit, amount, and whether it is the sheet's own); `running` (which
    run is working on the sheet, or empty); `hold` (why nothing is sent, or empty); `messages`;
    `details` (every row: `row`, the number that spreadsheets show, `row_id`, `name`, `status`,
    `note`, `take`, `task_id`, `urls`, `text`, `credits`, `needs_attention`, `pictures`: what is
    wrong with which);
    `exit_code`. With `row`, `details` has only that row, and `history` has its events (`at` in ISO
    8601, `generation`, `attempt`, `kind`, `text`).
    """
    with wiring.previewing(settings) as sync:
        found = [_found(sync, row)] if row else []
        picked = {line.seen.row_id for line in found}
        rows = row_reports.rows(sync, (), picked) if row else row_reports.rows(sync)
        needing = row_reports.needing(sync)
        is_needed = found and any(one.needs_attention for one in rows)
        hold = 0 if row else _code_of_hold(sync, settings)
        code = max(int(bool(is_needed if row else needing)), hold)
        today = [cost for cost, _ in _spent_today(sync, settings)]
        per_day, spent = settings.budget.per_day, sync.spending.own.spent_today(sync.store.budget)
        shown_row: dict[str, object] = {
            "sheet": sync.sheet.title,
            "rows": dict(sorted(sync.last.plan.statuses.items())),
            "need_a_person": len(needing),
            "credits_today": own(today) if settings.api_key is not None else None,
            "per_day": per_day.in_words() if isinstance(per_day, Money) else per_day,
            "money_today": spent.as_json() if isinstance(spent, Money) else None,
            "costs_today": [cost.as_json() for cost in today],
            "running": _worker(sync),
            "hold": _hold(sync, settings),
            "messages": [*_troubles(sync, settings), *_sentences(sync, settings)],
            "details": [one.as_json() for one in rows],
            "exit_code": code,
        }
        if row:
            shown_row["history"] = [
                {
                    "at": one.at.astimezone().isoformat(),
                    "generation": generation,
                    "attempt": one.number,
                    "kind": one.kind,
                    "text": one.text,
                }
                for line in found
                for generation, one in _history(sync, line)
            ]
    terminal.write_json(shown_row)
    return code


def set_paused(settings: Settings, console: Console, paused: bool) -> int:
    """Pause or resume the sending of a sheet."""
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        store.set_paused(sheet.key, paused)
        words = (
            "is paused; nothing more is sent"
            if paused
            else "is no longer paused; the next run sends again"
        )
        console.print(f"{sheet.title} {words}.", markup=False)
    return 0


def sample_seen(settings: Settings, console: Console) -> int:
    """Release the rows of a sheet that wait until a person has looked at the sample."""
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        waits = store.sheets.get(sheet.key).sample_waits
        store.sheets.update(sheet.key, sample_seen=wiring.now(), sample_waits=0)
        words = (
            f"the next run sends {counted(waits, 'row')} that waited for a look at the sample"
            if waits
            else "no row waits for a look at a sample; rows that a run has read need none"
        )
        console.print(f"{sheet.title}: {words}.", markup=False)
    return 0


def write_gallery(settings: Settings, console: Console, to: Path | None, open_it: bool) -> int:
    """Write the gallery of the sheet, and open it in a browser if requested."""
    from pipeline.reports import gallery

    def tell(sentence: str) -> None:
        console.print(Text(one_line(sentence), style="yellow"))

    page = gallery.write_gallery(settings, to or Path("gallery.html"), tell=tell)
    console.print(f"Pictures: {summary.here(page)}", markup=False)
    if open_it and not webbrowser.open(page.as_uri()):
        console.print("No browser could be opened. Open the file yourself.")
    return 0


def retry(settings: Settings, console: Console, rows: list[str], unknown: bool, yes: bool) -> int:
    """Request one more attempt for these rows. Returns 1 if the person declines, else 0."""
    with wiring.previewing(settings) as sync:
        picked = list(_picked(sync, rows, unknown))
        if not picked:
            console.print(_none_picked(sync, unknown), markup=False)
            return 0
        prices: dict[str, Credits] = defaultdict(int)
        for line in picked:
            prices[line.seen.row_id] += _price(sync, line)
        shown = row_reports.rows(sync, (), prices)
        of_each = [prices[row.row_id] for row in shown]
        console.print(show.rows_table(shown, console.width, of_each))
        costs = listed(sync.rules, (line.job.attempts[-1].inputs for line in picked if line.job))
        words = f"{counted(len(shown), 'row')} to send again, {in_words(costs)}."
        console.print(words, markup=False)
        hold = one_line(_lasting_hold(sync, settings))
    if unknown and not yes and any(_state(line) is State.UNKNOWN for line in picked):
        if not sys.stdin.isatty():
            raise ConfigError(
                "Some of these may have been paid already. Add --yes to pay for them again."
            )
        if not confirm("Some may have been paid already. Pay for them again?"):
            return 1
    with wiring.open_store(settings) as store:
        for line in picked:
            assert line.job is not None, "only jobs are picked"
            store.jobs.ask(line.job.key, line.job.asked + 1, WITH_RETRY)
    them = "it" if len(picked) == 1 else "them"
    console.print(hold or f"The next run sends {them}.", markup=False)
    return 0


def _none_picked(sync: SheetSync, unknown: bool) -> str:
    lost = sum(_state(line) is State.UNKNOWN for line in sync.last.plan.each)
    if unknown or not lost:
        return "There is no row to send again."
    return (
        f"No row has failed. {counted(lost, 'row')} may have been paid already (check needed): "
        "promptsheet retry --unknown sends those that you choose."
    )


def _picked(sync: SheetSync, rows: list[str], unknown: bool) -> Iterator[Line]:
    """The lines to retry. Raises ConfigError for a named row that cannot be retried."""
    wanted = (State.FAILED, State.UNKNOWN) if unknown else (State.FAILED,)
    if not rows:
        yield from (line for line in sync.last.plan.each if _state(line) in wanted)
        return
    for row in rows:
        found = _found(sync, row)
        its = [line for line in found.each if _state(line) in wanted]
        if not its:
            raise ConfigError(_cannot_be_retried(row, found))
        yield from its


def _cannot_be_retried(row: str, line: Line) -> str:
    if any(_state(one) is State.UNKNOWN for one in line.each):
        return f"Row {row} may have been paid already. Add --unknown to send it again."
    why = f'Row {row} is "{line.status}", and only failed rows can be sent again.'
    return f"{why} {one_line(line.note)}".strip()


def _state(line: Line) -> State | None:
    """The state of the job of the requested take; None if there is no such job.

    A lost submission that is sent again by itself counts as being sent: a second attempt would be
    paid for as well.
    """
    if line.job is None or line.job.key.take != line.take:
        return None
    state = state_of(line.job)
    is_resent = state is State.UNKNOWN and line.status is Status.SENDING
    return State.SUBMITTING if is_resent else state


def _price(sync: SheetSync, line: Line) -> Credits:
    assert line.job is not None, "only jobs are picked"
    return sync.rules.price(line.job.attempts[-1].inputs) or 0


def _troubles(sync: SheetSync, settings: Settings) -> Iterator[str]:
    """Problems of the whole sheet, and what to do about them."""
    if not sync.last.plan.lines and not sync.last.hold:
        usual = sync.rules.provider.endpoints[sync.rules.endpoint]
        yield summary.no_rows(sync.sheet.title, usual, sync.rules.prompt_columns)
    if hold := _hold(sync, settings):
        yield hold
    yield from outlet_states.troubles(sync.store, sync.key, settings, wiring.now())
    if number := sync.last.plan.statuses[Status.UNRECOGNIZED]:
        yield summary.unrecognized(number)
    if sentence := sync.planner.sample.sentence(sync.last.plan):
        yield sentence


def _hold(sync: SheetSync, settings: Settings) -> str:
    """Why nothing is sent; empty if there is no reason."""
    return _lasting_hold(sync, settings) or why_not_sent(sync.store, sync.key, settings)


def _lasting_hold(sync: SheetSync, settings: Settings) -> str:
    """Why the next run sends nothing either; empty if there is no reason."""
    if sync.last.hold:
        return sync.last.hold.sentence
    return stop_of_rule(sync.store, sync.key, settings)


def _code_of_hold(sync: SheetSync, settings: Settings) -> int:
    """The exit code of a hold or a stop; 0 without one."""
    return sync.last.hold.exit_code if sync.last.hold else int(bool(_hold(sync, settings)))


def _sentences(sync: SheetSync, settings: Settings) -> Iterator[str]:
    """Other messages about the whole sheet."""
    for cost, limits in _spent_today(sync, settings):
        if cost.amount or cost.account.is_own:
            used = limits.spent_today(sync.store.budget)
            yield f"{of_budget(used, limits.per_day, cost.account)} spent today"
    if (unsaved := _unsaved(sync)) and settings.saves_files:
        were = f"{counted(unsaved, 'picture')} {is_or_are(unsaved)}"
        yield f"{were} not saved yet. The next run tries again."
    if worker := _worker(sync):
        yield worker
    if settings.api_key is None:
        yield "The API key is not set; nothing can be sent."


def _spent_today(sync: SheetSync, settings: Settings) -> Iterator[tuple[Cost, Limits]]:
    """What is spent today at each account with a key, and its limits."""
    apis = sync.rules.apis
    for api, its, account in zip(apis, settings.apis, accounts(apis), strict=True):
        if api.sends and its.api_key is not None:
            limits = sync.spending.of(api)
            spent = sync.store.budget.spent(limits.api_key, limits.run, limits.day).day
            yield Cost(spent, account), limits


def _unsaved(sync: SheetSync) -> int:
    """The number of pictures that have arrived but are not saved."""
    return sum(map(len, sync.state.jobs.unsaved().values()))


def _worker(sync: SheetSync) -> str:
    """Which run is working on the sheet; empty if none is."""
    lease = sync.store.leases.of(sync.key)
    if not lease or sync.store.leases.has_ended(lease) or is_dead(lease.holder):
        return ""
    since = lease.since.astimezone().strftime("%H:%M:%S")
    return f"a run ({lease.holder}) has been working on it since {since}"


def _found(sync: SheetSync, row: str) -> Line:
    """The named row. Raises ConfigError if there is none, or several."""
    found = find_rows(sync.last.plan.lines, row)
    if not found:
        raise ConfigError(no_row(row))
    return found[0]


def _history(sync: SheetSync, line: Line) -> list[tuple[str, HistoryLine]]:
    """The events of a row, oldest first; before each, which generation it is about, if several."""
    found = [
        (label(one.part) if one.generation else "", event)
        for one in line.each
        if one.job
        for event in sync.store.jobs.history(one.job.key)
    ]
    return sorted(found, key=lambda pair: pair[1].at)


def _print_row(sync: SheetSync, console: Console, row: str) -> int:
    line = _found(sync, row)
    (shown_row,) = row_reports.rows(sync, (), {line.seen.row_id})
    console.print(show.rows_table([shown_row], console.width))
    take = next((one.job.key.take for one in line.each if one.job), line.take or "?")
    console.print(f"\nrow_id {line.seen.row_id}, take {take}", markup=False)
    if shown_row.text:
        console.print(f"\n{printable(shown_row.text)}\n", markup=False, highlight=False)
    for generation, one in _history(sync, line):
        at = f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}"
        which = f"{generation}, attempt" if generation else "attempt"
        words = f"{at}  {which} {one.number}  {one.kind}  {one_line(one.text)}"
        console.print(words, markup=False)
    return int(shown_row.needs_attention)
