"""The passes over one sheet, one after another, in one process.

Each pass continues until the tasks that it sent have ended. Between two passes, the sheet is not
read until a pass is due, a caller asks for one, a person edits the sheet, or the store has changed:
by a webhook, a click on the page, or another process. If a pass is still running then, it reads the
sheet again instead. Errors of a pass are printed. A sheet that cannot be read rests for a while
before the next pass, longer after each failure; a person who edits it or asks for a pass ends that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline import passes, wiring
from pipeline.config import Settings
from pipeline.core.errors import PromptsheetError, StoreError
from pipeline.core.messages.repeats import is_news, trouble_of
from pipeline.core.planning.causes import AFTER_EDIT
from pipeline.core.planning.named_rows import NamedRow
from pipeline.reports import summary
from pipeline.schedule import Schedule
from pipeline.server.drive_channel import channel_of, is_channel_token
from pipeline.server.edits import Edits, edits_of
from pipeline.server.pass_requests import PassRequest, PassRequests, Taken
from pipeline.server.serve import print_at
from pipeline.store import Turn
from pipeline.sync import quick_check
from pipeline.sync.background import in_background
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.lease import Busy
from pipeline.sync.logged import result_of
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.progress import Progress
from pipeline.sync.runner import Runner

if TYPE_CHECKING:
    from pipeline.server.metrics import Metrics

#: Seconds between two checks of the store for changes.
CHECK_EVERY = 1.0


class Watcher:
    """The passes over one sheet."""

    def __init__(self, campaign: Campaign, console: Console, quiet: bool = False) -> None:
        settings = campaign.settings
        self.interrupted = False
        self._metrics: Metrics | None = None
        self.running_since: datetime | None = None
        self.passes = 0
        #: True if a rule stopped the sending. It stays stopped until a person resumes it.
        self.is_stopped = False
        #: False if the store did not take the end of the last pass.
        self.is_noted = True
        #: The name of this machine in a fleet.
        self._machine = ""
        self._campaign, self._console, self._quiet = campaign, console, quiet
        self._configuration = quick_check.configuration_of(settings)
        self.schedule = Schedule(settings.schedule.cron, settings.schedule.every, settings.timezone)
        self._is_ending = False
        #: Ends the present wait between two passes.
        self._waker = asyncio.Event()
        self._requests = PassRequests(settings.trigger.apart.total_seconds())
        #: What notices edits, as long as this process watches for them.
        self._edits: Edits | None = None
        #: A digest of the sheet as a pass last saw it; empty if none did.
        self._last_fingerprint = ""
        self.has_edit = False
        #: What the pass may send that is running, or that ran last.
        self._running = PassRequest()
        #: True if a pass is running that was to read the sheet again.
        self._owes_look = False
        self._runner: Runner | None = None
        self._began = wiring.now()
        self._numbers = count(1)
        #: The store's change counter when the last pass last read the sheet.
        self._cursor = 0
        #: When the sheet has rested after failures; None if the last pass worked.
        self._rests_until: datetime | None = None
        #: Problem -> when it was printed, so that a lasting problem is not printed after each pass.
        self._printed: dict[str, datetime] = {}

    @property
    def first_line(self) -> str:
        """The line about the sheet that is printed at the start."""
        schedule = self._campaign.settings.schedule
        every = schedule.every.total_seconds() if schedule.every else 0
        when = f"at {schedule.cron}" if schedule.cron else f"every {every:g} s"
        if schedule.react:
            when += f", and within {schedule.react.total_seconds():g} s after an edit"
        return f"Watching {self._campaign.title}, {when}."

    @property
    def settings(self) -> Settings:
        """The configuration of the sheet."""
        return self._campaign.settings

    @property
    def is_shared(self) -> bool:
        """True if its store is on a server, where other machines may run passes over it."""
        return self._campaign.settings.store_file is None

    @property
    def key(self) -> str:
        """The sheet's name in the store."""
        return self._campaign.key

    def join(self, machine: str) -> None:
        """Run passes as this machine of a fleet."""
        self._machine = machine

    def report_to(self, metrics: Metrics | None) -> None:
        """Count in these metrics how long results take to their cells."""
        self._metrics = metrics

    def end(self) -> None:
        """Stop sending. `run` ends when the answers to open requests are recorded."""
        self._is_ending = True
        self._waker.set()
        if self._runner:
            self.interrupted = True
            self._runner.interrupt()

    def go_on(self) -> None:
        """Send again after a rule stopped it: the program was started. Raises StoreError.

        On a shared store nothing changes: the start of one machine is no decision of a person.
        """
        if not self.is_shared:
            self._campaign.store.turns.go_on(self.key)

    def learn(self, turn: Turn) -> None:
        """Learn from the store whether a rule stopped the sending, on whichever machine."""
        self.is_stopped = turn.stopped == self._configuration

    async def run(self) -> None:
        """Run pass after pass, until `end` is called."""
        async with self.watching_for_edits():
            while not self._is_ending:
                request = self.take_request()
                outcome = await self.turn(request or PassRequest())
                if isinstance(outcome, Busy) and request:
                    self._requests.put_back(request)  # Another run works on it: try again later.
                await self._wait()

    @asynccontextmanager
    async def watching_for_edits(self) -> AsyncIterator[None]:
        """Watch for edits during the block, as the configuration says."""
        channel = channel_of(self._campaign.settings, self._say_of_channel)
        checks = channel is not None and not self._machine
        edits = edits_of(self._campaign, self._fingerprint, is_told=checks)
        jobs = [edits.watch(self._edited)]
        if channel:
            jobs.append(channel.keep())
        self._edits = edits
        try:
            async with in_background(jobs, self.key):
                yield
        finally:
            self._edits = None

    # -- callers ---------------------------------------------------------------------------------

    def ask(self, request: PassRequest) -> Taken:
        """Ask for a pass. A pass that is running reads the sheet again, if it may send all rows."""
        if self.running_since is None or (request.is_plain and not self._running.is_plain):
            self._waker.set()
            return self._requests.add(request)
        if not request.is_plain:
            return Taken.REFUSED
        self.look_again()
        return Taken.RUNNING

    def waits(self) -> float | None:
        """Seconds until the pass begins that was asked for; None if none was."""
        return self._requests.waits()

    def take_request(self) -> PassRequest | None:
        """The pass that was asked for and begins now, or one after an edit; None if none was."""
        request, has_edit = self._requests.take(), self.has_edit
        self.has_edit = False
        return request or (PassRequest(by=AFTER_EDIT) if has_edit else None)

    def is_told_of_edit(self, token: str) -> bool:
        """Check soon for edits, if the token is that of our channel. Returns whether it is.

        Each machine of a fleet has this token. It asks for a pass instead, which reads as much as a
        check does: whichever machine watches for edits may stop doing so during a check.
        """
        if not is_channel_token(self._campaign.settings, token):
            return False
        if self._edits and not self._machine:
            self._edits.check_now()
        else:
            self._edited()
        return True

    def _say_of_channel(self, sentence: str) -> None:
        self._print(self._campaign.settings.source.name, sentence)

    def _edited(self) -> None:
        if self.running_since is not None and self._running.is_plain:
            self.look_again()
        else:
            self.has_edit = True
            self._waker.set()

    def look_again(self) -> None:
        """Have the pass that runs read the sheet again."""
        self._owes_look = True
        if self._runner:
            self._runner.look_again()

    def _fingerprint(self) -> str:
        return (self._runner.fingerprint if self._runner else "") or self._last_fingerprint

    # -- passes ----------------------------------------------------------------------------------

    async def turn(self, request: PassRequest) -> Outcome | Busy | None:
        """Run a pass, and return its outcome. Busy: another run is at work. None: nothing to do."""
        self._running = request
        self.running_since = wiring.now()
        self.passes += 1
        outcome: Outcome | Busy | None = None
        try:
            outcome = await self._outcome_of(self._running)
        finally:
            is_owed = self._owes_look and (self._runner is None or self._runner.awaits_look)
            self._runner, self.running_since, self._owes_look = None, None, False
        if is_owed:
            self._requests.add(PassRequest())
        return outcome

    async def _outcome_of(self, request: PassRequest) -> Outcome | Busy | None:
        """Run a pass, and print what came of it. None if nothing can have changed."""
        counter = await self._change_counter()
        settings = self._campaign.settings
        found = await asyncio.to_thread(quick_check.checked, settings.sources, lambda: settings)
        # Messages are delivered beside the passes. Only a real pass ends the rest of a sheet.
        if found is not quick_check.Found.CHANGED and self._rests_until is None:
            self._cursor = counter
            return None
        with suppress(PromptsheetError):  # the pass reports it
            self.learn(await asyncio.to_thread(self._campaign.store.turns.of, self.key))
        async with in_background([self._look_when_due()], self.key):
            outcome = await self._outcome(request)
            # After a failed pass, the next one waits for a change, or until it is due.
            last_counter = outcome.version if isinstance(outcome, Outcome) else 0
            self._cursor = last_counter or counter
            if isinstance(outcome, Outcome):
                await asyncio.to_thread(self._note, outcome)
            self._print_outcome(outcome)
        return outcome

    def _note(self, outcome: Outcome) -> None:
        """Note the end of a pass in the store, where the page and other machines see it."""
        self._last_fingerprint = self._fingerprint()
        store, was_noted, self.is_noted = self._campaign.store, self.is_noted, False
        turns = store.turns
        with suppress(StoreError):  # the next pass reports it
            if outcome.stopped:
                turns.stop(self.key, self._configuration, outcome.stop)
            if outcome.looked_at:
                self._rests_until = None
                turns.looked(self.key, outcome.looked_at, outcome.version, self._machine)
            elif result_of(outcome) == "failed":
                why = outcome.sentences[0] if outcome.sentences else ""
                if was_noted and store.place in why:
                    return  # The store was away for a moment: the sheet need not rest for that.
                self._rests_until = turns.failed(self.key, why)
            self.is_noted = True

    async def _outcome(self, request: PassRequest) -> Outcome | Busy:
        """Run one pass and return its outcome. No error stops the next pass."""
        campaign = self._campaign
        run = wiring.run(
            campaign.settings,
            Asked(
                wait=True,
                limit=0 if self.is_stopped else request.limit,
                only=NamedRow(request.row) if request.row else None,
            ),
            store=campaign.store,
            start=f"{wiring.START}-{next(self._numbers)}",
            by=request.by,
            tell=self._told,
            shown=self._shown,
            started=self._started,
        )
        return await passes.ended(campaign.settings, run, campaign.store)

    def _shown(self, seconds: float) -> None:
        if self._metrics:
            self._metrics.shown(self._campaign, seconds)

    def _started(self, runner: Runner) -> None:
        self._runner = runner
        self._owes_look = False  # its first look is still to come
        if self._is_ending:
            self.end()

    async def _look_when_due(self) -> None:
        """During a pass, make it read the sheet whenever another pass is due."""
        while True:
            await asyncio.sleep(self._until(self._due()))
            if self._runner:
                self._runner.look_again()

    async def _wait(self) -> None:
        """Wait until a pass is due or asked for, or there is something to read or to write."""
        due, ended = self._next_due(), wiring.CLOCK.monotonic()
        pause = self._campaign.settings.pace.write_every.total_seconds() / 2
        while not (self._is_ending or self.has_edit) and (left := self._until(due)) > 0:
            asked_in = self._requests.waits()
            if asked_in == 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, CHECK_EVERY, asked_in or left)):
                    await self._waker.wait()
            self._waker.clear()
            due = min(due, self._next_due())  # sooner, if the clock was set back
            if self._rests_until or wiring.CLOCK.monotonic() - ended < pause:
                continue
            if await self._change_counter() > self._cursor:
                return

    async def _change_counter(self) -> int:
        """The store's change counter; 0 if it cannot be read (the next pass reports why)."""
        campaign = self._campaign
        try:
            return await asyncio.to_thread(campaign.store.jobs.version, campaign.key)
        except PromptsheetError:
            return 0

    def _next_due(self) -> datetime:
        """When the next pass is due, once the sheet has rested."""
        due = self._due()
        return max(due, self._rests_until) if self._rests_until else due

    def _due(self) -> datetime:
        return self.schedule.due(wiring.now(), self._began)

    def _until(self, moment: datetime) -> float:
        return (moment - wiring.now()).total_seconds()

    def _print_outcome(self, outcome: Outcome | Busy) -> None:
        """Print a line about a pass in which something happened, and each new problem."""
        if isinstance(outcome, Busy):
            self._print_problems(
                outcome.title, [f"Another run ({outcome.holder}) is working on it."]
            )
            return
        troubles = [*outcome.notices, *outcome.sentences]
        if outcome.stopped and not self.is_stopped:
            self.is_stopped = True
            troubles.append("Nothing more is sent until you run promptsheet resume.")
        self._print_problems(outcome.title, troubles)
        if outcome.has_news and not self._quiet:
            self._print(outcome.title, summary.closing(outcome))
            if outcome.quote:
                self._print(outcome.title, outcome.quote)
        if outcome.newly:
            first, *others = summary.attention(outcome, self._campaign.settings.path)
            self._print(outcome.title, first)
            for line in others:
                self._console.print(line, markup=False)
            with suppress(PromptsheetError):  # the next pass reports them again
                self._campaign.store.reports.keep_rows(outcome.key, ())

    def _told(self, progress: Progress) -> None:
        """Print why the pass that runs cannot go on, unless that was printed, as at its end."""
        now, trouble = wiring.now(), trouble_of(progress.full)
        if trouble and is_news({trouble}, self._printed, now):
            self._print(self._campaign.settings.source.name, progress.full)
            self._printed[trouble] = now

    def _print_problems(self, title: str, sentences: Collection[str]) -> None:
        """Print the problems of a pass: each one when it begins, and then once a day."""
        now, said = wiring.now(), {}
        for sentence in dict.fromkeys(sentences):
            trouble = trouble_of(sentence)
            said[trouble] = self._printed.get(trouble, now)
            if is_news({trouble}, self._printed, now):
                self._print(title, sentence)
                said[trouble] = now
        self._printed = said

    def _print(self, title: str, sentence: str) -> None:
        print_at(self._console, title, sentence)
