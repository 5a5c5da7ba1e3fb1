"""One pass over one sheet: look, send, poll, download, look again.

A pass ends when nothing is left to do now. A pass that waits ends when every task has ended or is
overdue, and nothing more can be sent before a person acts.

The runner decides what comes next. Its parts do the work, each with its own state: `Lanes` the
requests, `Downloader` the pictures, `Tally` the outcome, `LookTimer` the time of the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from pipeline.core.errors import PromptsheetError, StoreError
from pipeline.core.pictures.name_templates import NameTemplate
from pipeline.sync.awaited import AwaitedJobs
from pipeline.sync.background import in_background
from pipeline.sync.clock import Clock
from pipeline.sync.closing import close, note_troubles
from pipeline.sync.downloader import Downloader
from pipeline.sync.file_keeper import Saver
from pipeline.sync.fresh_links import FreshLinks
from pipeline.sync.lanes import Lanes
from pipeline.sync.lease_keeper import keep_lease
from pipeline.sync.listener import listen
from pipeline.sync.look_timer import LookTimer
from pipeline.sync.looker import Looker
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.pass_events import PassEvents
from pipeline.sync.people_wrote import people_wrote
from pipeline.sync.ports import ApiAccess
from pipeline.sync.progress import Progress, Reporter
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions
from pipeline.sync.tally import Tally
from pipeline.sync.worker import Worker


class Runner:
    """One pass over one sheet: `run` it once, then drop it.

    `tell` is called with the progress, `shown` with the seconds from each result to its cells.
    `keep_lease` renews the lease; False if another pass has it.
    """

    def __init__(
        self,
        sync: SheetSync,
        submissions: Submissions,
        accesses: Sequence[ApiAccess],
        media: Saver | None,
        asked: Asked,
        clock: Clock,
        *,
        names: NameTemplate | None = None,
        tell: Callable[[Progress], None] = lambda progress: None,
        shown: Callable[[float], None] = lambda seconds: None,
        keep_lease: Callable[[], bool] = lambda: True,
    ) -> None:
        pace = accesses[0].pace
        self._sync, self._asked, self._keep_lease = sync, asked, keep_lease
        self._worker = Worker()
        self._tally = Tally(sync, clock)
        self._timer = LookTimer(clock, pace.write_every)
        self._downloader = Downloader(
            sync,
            self._worker,
            media,
            names,
            clock.now,
            links=FreshLinks(sync, self._worker, accesses, clock.now),
            on_saved=self._saved,
            on_lost=self._timer.changed,
            on_empty=self._timer.wake,
        )
        self._awaited = AwaitedJobs()
        events = PassEvents(self._tally, self._downloader, self._timer, self._awaited)
        self._lanes = Lanes(sync, submissions, self._worker, accesses, clock, asked, events)
        self._looker = Looker(
            sync,
            self._worker,
            self._timer,
            self._lanes,
            self._downloader,
            self._awaited,
            asked,
            shown=shown,
            give_up_after=pace.give_up_after,
        )
        self._reporter = Reporter(clock, self._tally, self._lanes, self._downloader, tell)
        self._is_interrupted = False

    @property
    def outcome(self) -> Outcome:
        """The outcome of the pass so far."""
        return self._tally.outcome

    @property
    def fingerprint(self) -> str:
        """A digest of the sheet's bytes as they were last read; without a file, of people's cells.

        Empty before the first look at a sheet that is not a file.
        """
        last = self._sync.last
        return self._sync.sheet.fingerprint or people_wrote(last.grid, last.columns)

    @property
    def awaits_look(self) -> bool:
        """True if no look has begun since `look_again` was called, or since something happened."""
        return self._timer.has_news

    def interrupt(self) -> None:
        """Stop sending; `run` ends once the answers to open requests are recorded."""
        self._is_interrupted = True
        self._timer.wake()
        self._lanes.end()

    def look_again(self) -> None:
        """Look at the sheet soon: a person asked for it."""
        self._timer.changed()

    async def run(self) -> Outcome:
        """The pass, from the first look to the last.

        What a pass can meet is in the outcome, with its exit code, and is not raised: a sheet that
        cannot be written, an unreachable API, a hold.
        """
        lease = keep_lease(self._keep_lease, self._lost_the_lease)
        try:
            async with in_background([lease], self.outcome.title):
                await self._looker.look(first=True)
                if self._lanes.waiting or self._lanes.expecting():
                    await self._lanes.prepare()
                await self._quote()
                await self._work()
        except PromptsheetError as e:
            self.outcome.worsen(e.exit_code, str(e))
        finally:
            await self._downloader.close()
            await self._lanes.drain()
            self._worker.close()
        close(self._sync, self._tally, detailed=self._asked.detailed)
        note_troubles(
            self.outcome,
            self._sync,
            stop=self._lanes.stop,
            places=self._lanes.all[0].submitter.in_flight.most,
            sheet=self._looker.trouble,
            api=self._lanes.troubles,
            unsaved=self._downloader.trouble,
        )
        self._looker.note_plan(self.outcome)
        self._tally.compare_quote()
        if self._is_interrupted:
            self.outcome.interrupt()
        return self.outcome

    async def _quote(self) -> None:
        """Quote what this pass is going to send, if that begins a batch."""
        speeds = [await lane.speed() for lane in self._lanes.all]
        limit = self._asked.limit if self._lanes.waiting else 0
        begin = partial(self._tally.quote.begin, self._looker.only, limit, speeds)
        with suppress(StoreError):  # The pass itself says what is wrong with the store.
            await self._worker.run(begin)

    async def _work(self) -> None:
        """Send, poll, download and look until nothing is left to do now."""
        async with (
            self._lanes.sending() as sending,
            in_background(self._background(), self.outcome.title),
        ):
            while True:
                await self._until_finished(sending)
                if not self._is_interrupted:
                    await self._downloader.finish()
                if self._timer.has_news:
                    await self._looker.look()
                if not self._has_more():
                    break
            await self._lanes.remember()

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the looks, until it is cancelled."""
        webhooks = listen(self._sync.state, self._worker, self._lanes)
        return [*self._lanes.background(self._timer.wake), webhooks]

    async def _until_finished(self, sending: asyncio.Task[None]) -> None:
        """Look whenever it is time, until nothing is left to do now."""
        while True:
            if sending.done():
                sending.result()  # An error of the store ends the pass, with its sentence.
            if self._is_interrupted or self._lanes.is_broken:
                if self._lanes.is_idle:
                    return
            elif self._awaited.has_done:
                await self._looker.send_followers()
                continue
            elif self._is_finished():
                # The pass does not wait for an overdue task, but its row must say so.
                if self._looker.trouble or not (self._asked.wait and self._timer.has_news):
                    return
                await self._looker.look()
                continue
            elif self._is_time_to_look():
                await self._looker.look()
                continue
            self._reporter.report()
            await self._timer.wait(0.25)

    def _is_finished(self) -> bool:
        if not self._lanes.is_idle:
            return False
        if not self._asked.wait or not self._lanes.has_polled:
            return self._lanes.has_polled and not self._timer.is_urgent
        is_busy = self._lanes.expecting() or self._downloader.pending
        return not (is_busy or self._sync.changes_by_waiting())

    def _has_more(self) -> bool:
        """True if the last look found pictures to save or, in a pass that waits, anything to do."""
        if self._is_interrupted or self._lanes.is_broken or self._looker.trouble:
            return False
        if not self._asked.wait:
            return bool(self._downloader.pending)
        return self._timer.has_news or not self._is_finished()

    def _is_time_to_look(self) -> bool:
        if not self._asked.wait:
            is_old = self._timer.is_old and self._lanes.waiting > 0
            return is_old or self._timer.is_overdue
        return self._timer.is_due

    def _lost_the_lease(self) -> None:
        self.outcome.worsen(0, f"Another pass took over {self.outcome.title}.")
        self._lanes.end()

    def _saved(self) -> None:
        self._tally.saved()
        self._timer.changed()
