"""The plan of a sheet, and a run of it, from a notebook.

Jupyter runs an event loop of its own, so both work in a thread. Jupyter shows each error as one
sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pipeline import passes, wiring
from pipeline.config import Settings, load
from pipeline.core.errors import PromptsheetError
from pipeline.core.money.costs import listed
from pipeline.core.planning.causes import BY_NOTEBOOK
from pipeline.core.planning.lines import Line
from pipeline.delivering import delivering
from pipeline.notebook import tables
from pipeline.reports import summary
from pipeline.reports.extras import as_sentence
from pipeline.reports.plan import figures, following, settling, to_send
from pipeline.sync.lease import Busy
from pipeline.sync.outcome import Asked
from pipeline.sync.row_reports import asked_for
from pipeline.sync.runner import Runner
from pipeline.sync.sheet_sync import SheetSync

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")


class Planned(NamedTuple):
    """What a run would send, as a table, and what it costs in all, as a sentence."""

    table: DataFrame
    sentence: str


def plan(settings: Settings) -> Planned:
    """What a run would send now. Raises SheetError, ColumnsError or StoreError."""

    def planned() -> Planned:
        with wiring.previewing(settings, ask_prices=settings.api_key is not None) as sync:
            sentence = str(
                figures(sync, settings, ask_balance=settings.api_key is not None).sentence
            )
            return Planned(tables.table(tables.PLAN, _rows(sync)), sentence)

    return _in_thread(planned)


def _rows(sync: SheetSync) -> Iterator[tuple[object, ...]]:
    for when, lines in (
        ("now", to_send(sync)),
        ("after another row", following(sync)),
        ("once settled", settling(sync)),
    ):
        for line in lines:
            yield (*_told(sync, line), when)


def _told(sync: SheetSync, line: Line) -> tuple[object, ...]:
    ((price, account),) = listed(sync.rules, [line.inputs]) or ((None, None),)
    return (
        *(line.seen.row_id, line.seen.place + 1, line.name, line.take or 1, line.part),
        asked_for(line.inputs, line.turn, sync.rules),
        sync.rules.endpoint_name(line.inputs),
        None if price is None else float(price),
        *((account.unit, account.name) if account else (None, None)),
    )


def run(config: Path) -> str:
    """Run one pass to its end, and return its closing line and messages.

    Raises ConfigError if the API key is missing.
    """
    running: list[tuple[asyncio.AbstractEventLoop, Runner]] = []

    async def one_pass(settings: Settings) -> str:
        loop = asyncio.get_running_loop()
        going = wiring.run(
            settings,
            Asked(wait=True),
            by=BY_NOTEBOOK,
            started=lambda runner: running.append((loop, runner)),
        )
        outcome = await passes.ended(settings, going)
        if isinstance(outcome, Busy):
            return (
                f"Another run ({outcome.holder}) is working on {outcome.title}. Nothing was done."
            )
        return "\n".join((summary.closing(outcome), *outcome.sentences))

    def interrupt() -> None:
        for loop, runner in running:
            loop.call_soon_threadsafe(runner.interrupt)

    def whole() -> str:
        settings = load(config, need_key=True)
        with ExitStack() as stack:
            if settings.outlets:
                # As it ends, it delivers what is due.
                campaigns = stack.enter_context(wiring.campaigns([settings]))
                stack.enter_context(delivering(campaigns, at_once=True))
            return asyncio.run(one_pass(settings))

    return _in_thread(whole, interrupt)


def _in_thread(work: Callable[[], T], interrupt: Callable[[], None] = lambda: None) -> T:
    """The result of a function that runs in a thread. An interrupt is raised once it has ended."""
    future: Future[T] = Future()

    def done() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = Thread(target=done, name="promptsheet-notebook", daemon=False)
    thread.start()
    try:
        return future.result()
    except KeyboardInterrupt:
        interrupt()
        thread.join()
        raise
    except PromptsheetError as error:
        raise as_sentence(error) from None
