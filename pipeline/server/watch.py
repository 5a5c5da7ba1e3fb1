"""The command `watch`: scheduled passes, the webhook receiver and the page, in one process.

The passes over a sheet run one after another, and each continues until the tasks that it sent have
ended. Between two passes, the sheet is not read until a pass is due or the store has changed: by a
webhook, a click on the page, or another process. If a pass is still running when the next one is
due, it reads the sheet again instead. `Watcher` owns the state of one sheet. Errors of a pass are
printed, and the next pass runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline import terminal, wiring
from pipeline.config import Settings
from pipeline.core.errors import PromptsheetError, unforeseen
from pipeline.core.repeats import is_news, trouble_of
from pipeline.delivering import delivering
from pipeline.reports import summary
from pipeline.scheduler import Schedule
from pipeline.server import event_loop
from pipeline.server.serve import campaigns, open_servers
from pipeline.server.signals import interrupting
from pipeline.sync import quick_check
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.lease import Busy
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.runner import Runner

if TYPE_CHECKING:
    from pipeline.server.metrics import Metrics

log = logging.getLogger("promptsheet")

#: Seconds between two checks of the store for changes.
CHECK_EVERY = 1.0


def watch(settings: Sequence[Settings], console: Console, quiet: bool = False) -> int:
    """Watch these sheets until a signal arrives. Returns 0, or 130 if that interrupted a pass.

    `quiet` reports only problems.
    """
    return event_loop.run(_watch(settings, console, quiet))


async def _watch(settings: Sequence[Settings], console: Console, quiet: bool) -> int:
    watchers: list[Watcher] = []

    def end() -> None:
        for watcher in watchers:
            watcher.end()

    with campaigns(settings) as all_of_them:
        watchers += (Watcher(one, console, quiet) for one in all_of_them)
        # The servers stay open while passes end, so that calls in the meantime are recorded.
        with interrupting(end), delivering(all_of_them):
            async with open_servers(all_of_them) as servers:
                for watcher in watchers:
                    watcher.metrics = servers.metrics
                lines = [*servers.lines, *(watcher.first_line for watcher in watchers)]
                lines.append("Restart it after a change to the configuration.")
                for words in () if quiet else lines:
                    console.print(words, markup=False)
                await asyncio.gather(*(watcher.run() for watcher in watchers))
    return 130 if any(watcher.interrupted for watcher in watchers) else 0


class Watcher:
    """The passes over one sheet."""

    def __init__(self, campaign: Campaign, console: Console, quiet: bool = False) -> None:
        settings = campaign.settings
        self.interrupted = False
        self.metrics: Metrics | None = None
        self._campaign, self._console, self._quiet = campaign, console, quiet
        self._schedule = Schedule(
            settings.schedule.cron, settings.schedule.every, settings.timezone
        )
        self._ending = asyncio.Event()
        self._runner: Runner | None = None
        self._began = wiring.now()
        self._numbers = count(1)
        #: The store's change counter when the last pass last read the sheet.
        self._cursor = 0
        #: True if a rule stopped the sending. It stays stopped until the program is restarted.
        self._stopped = False
        #: Problem -> when it was printed, so that a lasting problem is not printed after each pass.
        self._printed: dict[str, datetime] = {}

    @property
    def first_line(self) -> str:
        """The line about the sheet that is printed at the start."""
        schedule = self._campaign.settings.schedule
        every = schedule.every.total_seconds() if schedule.every else 0
        when = f"at {schedule.cron}" if schedule.cron else f"every {every:g} s"
        return f"Watching {self._campaign.settings.source.name}, {when}."

    def end(self) -> None:
        """Stop sending. `run` ends when the answers to open requests are recorded."""
        self._ending.set()
        if self._runner:
            self.interrupted = True
            self._runner.interrupt()

    async def run(self) -> None:
        """Run pass after pass, until `end` is called."""
        while not self._ending.is_set():
            await self._pass()
            await self._wait()

    async def _pass(self) -> None:
        counter = await self._change_counter()
        if await asyncio.to_thread(quick_check.was_a_pass, self._campaign.settings):
            self._cursor = counter
            return
        looking = asyncio.create_task(self._look_when_due())
        try:
            outcome = await self._outcome()
            # After a failed pass, the next one waits for a change, or until it is due.
            last_counter = outcome.version if isinstance(outcome, Outcome) else 0
            self._cursor = last_counter or counter
            self._print_outcome(outcome)
        finally:
            self._runner = None
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def _outcome(self) -> Outcome | Busy:
        """Run one pass and return its outcome. No error stops the next pass."""
        campaign = self._campaign
        outcome = Outcome(title=campaign.settings.source.name)
        try:
            return await wiring.run(
                campaign.settings,
                Asked(wait=True, limit=0 if self._stopped else None),
                store=campaign.store,
                start=f"{wiring.START}-{next(self._numbers)}",
                shown=self._shown,
                started=self._started,
            )
        except PromptsheetError as e:
            outcome.worsen(e.exit_code, str(e))
        except Exception as e:
            log.info("The traceback:", exc_info=e)
            outcome.worsen(3, unforeseen(e))
        return outcome

    def _shown(self, seconds: float) -> None:
        if self.metrics:
            self.metrics.shown(self._campaign, seconds)

    def _started(self, runner: Runner) -> None:
        self._runner = runner
        if self._ending.is_set():
            self.end()

    async def _look_when_due(self) -> None:
        """During a pass, make it read the sheet whenever another pass is due."""
        while True:
            await asyncio.sleep(self._until(self._due()))
            if self._runner:
                self._runner.look_again()

    async def _wait(self) -> None:
        """Wait until a pass is due, or there is something to write."""
        due, ended = self._due(), wiring.now()
        pause = self._campaign.settings.pace.write_every / 2
        while not self._ending.is_set() and (left := self._until(due)) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, CHECK_EVERY)):
                    await self._ending.wait()
            if wiring.now() - ended >= pause and await self._change_counter() > self._cursor:
                return

    async def _change_counter(self) -> int:
        """The store's change counter; 0 if it cannot be read (the next pass reports why)."""
        campaign = self._campaign
        try:
            return await asyncio.to_thread(campaign.store.jobs.version, campaign.key)
        except PromptsheetError:
            return 0

    def _due(self) -> datetime:
        return self._schedule.due(wiring.now(), self._began)

    def _until(self, moment: datetime) -> float:
        return (moment - wiring.now()).total_seconds()

    def _print_outcome(self, outcome: Outcome | Busy) -> None:
        """Print a line about a pass in which something happened, and each new problem."""
        if isinstance(outcome, Busy):
            self._print_problems(
                outcome.title, [f"Another run ({outcome.holder}) is working on it."]
            )
            return
        troubles = {*outcome.notices, *outcome.sentences}
        if outcome.stopped and not self._stopped:
            self._stopped = True
            troubles.add("Nothing more is sent until watch is restarted.")
        self._print_problems(outcome.title, troubles)
        if outcome.has_news and not self._quiet:
            self._print(outcome.title, summary.closing(outcome))
        if outcome.newly:
            first, *others = summary.attention(outcome, self._campaign.settings.path)
            self._print(outcome.title, first)
            for line in others:
                self._console.print(line, markup=False)
            with suppress(PromptsheetError):  # the next pass reports them again
                self._campaign.store.reports.keep_rows(outcome.key, ())

    def _print_problems(self, title: str, sentences: Collection[str]) -> None:
        """Print the problems of a pass: each one when it begins, and then once a day."""
        now, said = wiring.now(), {}
        for sentence in sorted(sentences):
            trouble = trouble_of(sentence)
            said[trouble] = self._printed.get(trouble, now)
            if is_news({trouble}, self._printed, now):
                self._print(title, sentence)
                said[trouble] = now
        self._printed = said

    def _print(self, title: str, sentence: str) -> None:
        at = wiring.now().astimezone().strftime("%H:%M:%S")
        self._console.print(f"{at}  {terminal.about(title, sentence)}", markup=False)
