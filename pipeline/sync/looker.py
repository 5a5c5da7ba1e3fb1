"""Looks at the sheet during a pass, and passes on what it shows.

In: a sheet, whenever the runner says so. Out: lines and tasks for the lanes of their APIs, pictures
for the downloader. The looker owns the reason why the last look failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline import telemetry
from pipeline.core.errors import SheetError
from pipeline.core.model import State
from pipeline.core.states import state_of
from pipeline.sync.agreement import agreement_of
from pipeline.sync.awaited import AwaitedJobs
from pipeline.sync.downloader import Downloader
from pipeline.sync.lanes import Lanes
from pipeline.sync.logged import log_written
from pipeline.sync.look import Look
from pipeline.sync.look_timer import LookTimer
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.wanted_rows import add_wanted_rows
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")


class Looker:
    """The looks of one pass.

    `asked` picks the lines that may be sent, or sent again after a lost answer; a plan of a file,
    only once a look was compared with it. `shown` is called with the seconds from each result to
    its cells. A task older than `give_up_after` is overdue.
    """

    def __init__(
        self,
        sync: SheetSync,
        worker: Worker,
        timer: LookTimer,
        lanes: Lanes,
        downloader: Downloader,
        awaited: AwaitedJobs,
        asked: Asked,
        *,
        shown: Callable[[float], None],
        give_up_after: timedelta,
    ) -> None:
        #: Why the last look failed; None if it did not.
        self.trouble: SheetError | None = None
        self._sync, self._worker, self._timer = sync, worker, timer
        self._lanes, self._downloader, self._awaited = lanes, downloader, awaited
        self._agreement = agreement_of(sync, asked)
        #: Picks the lines that may be sent.
        self.only = asked.only or (lambda line: True)
        if self._agreement:
            self.only = self._agreement.allows
        #: The rows of the last reading that `only` picks. A row that was deleted is none of them.
        self._rows: frozenset[str] = frozenset()
        self._shown, self._give_up_after = shown, give_up_after

    def note_plan(self, outcome: Outcome) -> None:
        """If the pass carries out a plan of a file, say why nothing was sent, if so."""
        if self._agreement:
            self._agreement.note(outcome)

    async def look(self, first: bool = False) -> None:
        """Look once. Raises SheetError if the first look of a pass cannot use the header."""
        had_news = self._timer.has_news
        began = self._timer.begin()
        try:
            with telemetry.span("write", sheet=self._sync.sheet.title):
                look = await self._worker.run(self._look)
            if self._agreement:
                await self._worker.run(self._agreement.check, look)
        except SheetError as e:
            if e.exit_code != SheetError.exit_code and not self._timer.has_looked:
                raise
            # The sheet cannot be read now, or a program that saves has emptied it for a moment:
            # open tasks are still followed, and a later look writes what they become.
            log.info("%s: %s", self._sync.sheet.title, e)
            self.trouble = e
            if had_news:
                self._timer.changed()
            self._lanes.offer(())
        else:
            self.trouble = None
            self._pass_on(look)
        self._lanes.found(self._sync.state.jobs.at_work(), self._rows)
        self._follow_up(soon=first)
        self._timer.end(began, self._changes_at())

    def _look(self) -> Look:
        """Look, and once more if rows were added that people asked for on the page."""
        look = self._sync.look()
        return self._sync.look() if add_wanted_rows(self._sync) else look

    def _changes_at(self) -> datetime | None:
        """When the sheet shows something false by the time alone; None if that does not happen."""
        sync, now = self._sync, self._sync.now()
        late = sync.state.jobs.late_at(self._give_up_after)
        settled = sync.last.settled_at(now, sync.rules.settle)
        return min(filter(None, (late, settled)), default=None)

    async def send_followers(self) -> None:
        """Send the rows whose parents are done, without a new look if the last one allows it."""
        ready = await self._worker.run(self._sync.ready_after, self._awaited.take_done())
        if ready is None:
            self._timer.hurry()
        else:
            self._lanes.add(line for line in ready if self.only(line))

    def _pass_on(self, look: Look) -> None:
        plan, title = look.plan, self._sync.sheet.title
        rows, ready = plan.statuses.total(), len(plan.to_send)
        log.info("%s: read and written; rows: %d, ready to send: %d", title, rows, ready)
        for end, seconds in look.written:
            self._shown(seconds)
            log_written(title, end, seconds, self._sync.now())
        self._rows = frozenset(line.seen.row_id for line in plan.each if self.only(line))
        wanted = () if look.hold else plan.to_send
        self._lanes.offer(line for line in wanted if line.job and self.only(line))
        # Others saved while it was written: their new rows have no ids yet, or cells of ours are
        # gone.
        self._timer.disturbed(by_others=bool(look.outdated and not self._sync.sheet.left_out))
        keys, jobs = self._sync.waiting.awaited, self._sync.state.jobs.all
        # It may have ended while the sheet was read.
        done = {key for key in keys if key in jobs and state_of(jobs[key]) is State.SUCCEEDED}
        self._awaited.replace(keys, done)

    def _follow_up(self, *, soon: bool) -> None:
        """Poll tasks of other passes, and save pictures that are not saved yet.

        At the first look, poll soon: tasks of earlier passes may have ended since, and a webhook
        about them may have been lost.
        """
        for key, attempt in self._sync.state.jobs.open_attempts():
            self._lanes.follow(key, attempt, soon)
        for key in self._sync.state.jobs.unsaved():
            self._downloader.keep(key)
