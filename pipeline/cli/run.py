"""The command `run`: concurrent passes over several sheets, their bars and final reports.

Returns the worst exit code of all sheets. The store keeps which problems were reported.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from pathlib import Path

from rich.console import Console

from pipeline import passes, terminal, wiring
from pipeline.cli import output as show
from pipeline.cli import plan_file
from pipeline.cli.deliveries import delivering_for
from pipeline.config import Settings
from pipeline.core.errors import ConfigError, SheetError, StoreError
from pipeline.core.messages.repeats import BUSY, is_news
from pipeline.core.planning.causes import BY_CRON, BY_RUN
from pipeline.core.planning.lines import Line
from pipeline.core.planning.named_rows import NamedRow, find_rows, no_row
from pipeline.core.statuses import Status
from pipeline.core.text import one_line
from pipeline.open_sheet import place_of
from pipeline.reports import summary
from pipeline.server import event_loop
from pipeline.server.signals import interrupting
from pipeline.sync.lease import Busy
from pipeline.sync.outcome import INTERRUPTED, Asked, Outcome
from pipeline.sync.progress import Progress
from pipeline.sync.runner import Runner


def run_all(
    settings: list[Settings],
    console: Console,
    *,
    wait: bool = False,
    limit: int | None = None,
    row: str = "",
    accept_columns: bool = False,
    strict: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    bars: bool = True,
    from_plan: Path | None = None,
) -> int:
    """Run one pass over each sheet, all at the same time. Returns the worst exit code.

    With `wait`, webhooks are received during the passes if a configuration asks for it. `quiet`
    reports only problems, as without a terminal.
    """
    only = _named_row(settings, row, console, quiet=as_json) if row else None
    plans = plan_file.read(from_plan) if from_plan else None
    asked = Asked(wait=wait, limit=limit, only=only, plans=plans, detailed=as_json)

    # The way cron starts it: no terminal and no options.
    is_plain = not (wait or row or accept_columns or strict or as_json or from_plan)
    is_plain = is_plain and limit is None
    once = is_plain and not console.is_terminal

    def report(of: Settings, outcome: Outcome | Busy) -> int:
        return report_outcome(
            outcome, console, of, strict=strict, as_json=as_json, quiet=quiet, once=once
        )

    async def all_of_them() -> list[Outcome | Busy]:
        return await run_passes(
            settings,
            asked,
            accept_columns,
            console,
            bars=bars and console.is_terminal,
            beside=_receiver(settings) if wait else None,
        )

    said: set[str] = set()

    def report_all(outcomes: list[Outcome | Busy]) -> int:
        for one in outcomes:
            said.update(() if isinstance(one, Busy) else one.troubles)
        code = max(map(report, settings, outcomes))
        run = {one.key for one in outcomes if isinstance(one, Outcome)}
        for key, plan in (plans or {}).items():
            if key not in run and len(run) == len(settings):
                terminal.print_error(
                    f"The plan of {plan.title} was not run: name its configuration, too."
                )
                code = max(code, 1)
        return code

    shown = console if console.is_terminal and not (quiet or as_json) else None
    with delivering_for(settings, shown, said) if wait else nullcontext():
        code = report_all(event_loop.run(all_of_them()))
    if not wait:
        with delivering_for(settings, shown, said):  # As it ends, it delivers what is due.
            pass
    return code


def _receiver(settings: list[Settings]) -> AbstractAsyncContextManager[object] | None:
    """The webhook receiver of `run --wait`; None if no configuration asks for it."""
    if not any(one.webhook.listen for one in settings):
        return None
    from pipeline.server.serve import receiving

    return receiving(settings)


async def run_passes(
    settings: list[Settings],
    asked: Asked,
    accept_columns: bool,
    console: Console,
    *,
    bars: bool = True,
    beside: AbstractAsyncContextManager[object] | None = None,
) -> list[Outcome | Busy]:
    """Run a pass over each sheet, all at the same time, with bars on a terminal.

    `beside` is open during the passes. A signal interrupts all of them.
    """
    runners: list[Runner] = []

    def end() -> None:
        for runner in runners:
            runner.interrupt()

    with interrupting(end), show.bars(console, bars and console.is_terminal) as progress:
        async with beside or nullcontext():
            return await asyncio.gather(
                *(_pass(one, asked, accept_columns, progress, runners.append) for one in settings)
            )


async def _pass(
    settings: Settings,
    asked: Asked,
    accept_columns: bool,
    progress: show.Place,
    started: Callable[[Runner], None],
) -> Outcome | Busy:
    """Run one pass. An error in one sheet, expected or not, does not stop the other sheets."""
    title, said = settings.source.name, set[str]()
    bars = show.Bars(progress, title)

    def tell(step: Progress) -> None:
        bars(step)
        # A pass that does not wait ends at once, and its report says it.
        if asked.wait and step.full not in {"", *said}:
            said.add(step.full)
            terminal.print_error(step.full, title)

    by = BY_RUN if sys.stdin.isatty() else BY_CRON
    run = wiring.run(
        settings, asked, accept_columns=accept_columns, by=by, tell=tell, started=started
    )
    return await passes.ended(settings, run)


def report_outcome(
    outcome: Outcome | Busy,
    console: Console,
    settings: Settings,
    *,
    strict: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    once: bool = False,
) -> int:
    """Print the outcome of one sheet, and return its exit code.

    Without a terminal, and when `quiet`, nothing is printed if the exit code is 0 and there is no
    notice (`Outcome.notices`). With `once`, a lasting problem is printed when it begins and then
    once a day. Reports are recorded after they were printed.
    """
    attended = console.is_terminal and not quiet
    if isinstance(outcome, Busy):
        since = outcome.since.astimezone().strftime("%H:%M:%S")
        words = (
            f"another run ({outcome.holder}) has been working on it since {since}. Nothing was done"
        )
        if as_json:
            terminal.write_json({"sheet": outcome.title, "messages": [f"{words}."], "exit_code": 0})
        elif not (once and _were_reported({BUSY}, settings)):
            console.print(f"{outcome.title}: {words}.", markup=False)
            if once:
                _record({BUSY}, settings, keep=True)
        return 0
    code = outcome.code or (1 if strict and outcome.needing else 0)
    if as_json:
        terminal.write_json({"api": settings.provider.full_title, **summary.as_json(outcome, code)})
    elif once and _is_repetition(outcome, settings):
        return code
    elif code or attended or outcome.notices:
        for line in _sentences(outcome, code, settings):
            console.print(terminal.about(outcome.title, line), markup=False, style="yellow")
        counts = outcome.counts
        if code < 2 or outcome.statuses or counts.new or counts.done or counts.lost:
            console.print(terminal.about(outcome.title, summary.closing(outcome)), markup=False)
            if attended and outcome.quote:
                console.print(terminal.about(outcome.title, outcome.quote), markup=False)
        show.show_attention(console, outcome, settings.path)
        if attended:
            console.print(f"API: {settings.provider.full_title}", markup=False)
        if attended and outcome.counts.saved and (place := _place(settings)):
            console.print(f"Pictures: {place}", markup=False)
    if once and outcome.troubles:
        _record(outcome.troubles, settings)
    if outcome.newly:
        _record_rows(outcome, settings)
    return code


def _is_repetition(outcome: Outcome, settings: Settings) -> bool:
    """Returns whether everything to report was already reported in the last day."""
    if outcome.newly or outcome.code == INTERRUPTED:
        return False
    return bool(outcome.troubles) and _were_reported(outcome.troubles, settings)


def _were_reported(troubles: Collection[str], settings: Settings) -> bool:
    # Without a usable store, everything is reported.
    with suppress(StoreError), wiring.open_store(settings) as store:
        return not is_news(troubles, store.reports.troubles(place_of(settings)), wiring.now())
    return False


def _place(settings: Settings) -> str:
    """Where pictures are saved; empty for nowhere."""
    if settings.remote:
        return settings.remote.address
    return summary.here(settings.media) if settings.media else ""


def _record(troubles: Collection[str], settings: Settings, *, keep: bool = False) -> None:
    """Record that only these problems were printed; `keep` keeps the earlier records too."""
    terminal.finish()
    with suppress(StoreError), wiring.open_store(settings) as store:
        place = place_of(settings)
        others = store.reports.troubles(place) if keep else {}
        store.reports.keep_troubles(place, others | dict.fromkeys(troubles, wiring.now()))


def _record_rows(outcome: Outcome, settings: Settings) -> None:
    """Record that the rows that began to need attention were printed."""
    terminal.finish()
    with suppress(StoreError), wiring.open_store(settings) as store:
        store.reports.keep_rows(outcome.key, ())


def _sentences(outcome: Outcome, code: int, of: Settings) -> Iterator[str]:
    yield from outcome.notices
    yield from outcome.sentences
    if number := outcome.statuses[Status.UNRECOGNIZED]:
        yield summary.unrecognized(number)
    if not code and not outcome.statuses:
        yield summary.no_rows(outcome.title, of.provider.endpoints[of.endpoint], of.prompt_columns)


def _named_row(
    settings: list[Settings], row: str, console: Console, quiet: bool
) -> Callable[[Line], bool]:
    """A filter for the named row, even if it moves. Raises ConfigError if there is none."""
    for line, prompt in the_row(settings, row):
        if not quiet:
            words = f"Row {line.seen.place + 1}: {one_line(prompt)}"
            console.print(words, markup=False)
    return NamedRow(row)


def the_row(settings: list[Settings], row: str) -> list[tuple[Line, str]]:
    """The line with this row_id, name or number, in any of these sheets, and its prompt.

    Empty if it may be in a sheet that cannot be read: the pass over that sheet reports why. Raises
    ConfigError if there is no such row, or several.
    """
    found: dict[str, list[tuple[Line, str]]] = {}
    unread = False
    for one in settings:
        try:
            with wiring.previewing(one) as sync:
                if lines := find_rows(sync.last.plan.lines, row):
                    prompts = [show.prompt_of(line, sync.rules) for line in lines]
                    found[sync.sheet.title] = list(zip(lines, prompts, strict=True))
        except (SheetError, StoreError):
            unread = True
    if len(found) > 1:
        raise ConfigError(
            f'"{row}" matches a row in {" and in ".join(found)}. Name one configuration, or give '
            "the row_id."
        )
    if not found and not unread:
        raise ConfigError(no_row(row))
    return [line for lines in found.values() for line in lines]


def checked(settings: list[Settings], row: str) -> list[Settings]:
    """The same configurations. Raises ConfigError unless exactly one sheet may have the row."""
    if row:
        the_row(settings, row)
    return settings
