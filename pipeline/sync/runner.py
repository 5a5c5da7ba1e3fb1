"""One pass over one sheet: look, send, poll, download, look again.

A pass ends when nothing is left to do now. A pass that waits ends when every task has ended or is
overdue, and nothing more can be sent before a person acts.

The runner owns the order of things and the outcome. Its parts do the work, each with its own state:
`Lanes`, `Downloader`, `Tally`, `LookTimer`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from pipeline.core.errors import PromptsheetError
from pipeline.core.model import JobKey
from pipeline.core.protocol import Verdict
from pipeline.core.states import Accepted, Event, Failed, Succeeded, is_open
from pipeline.sync.clock import Clock
from pipeline.sync.closing import close, note_troubles
from pipeline.sync.downloader import Downloader, Saver
from pipeline.sync.lane import Lane, Lanes
from pipeline.sync.lease_keeper import keep_lease
from pipeline.sync.listener import Listener
from pipeline.sync.look_timer import LookTimer
from pipeline.sync.looker import Looker
from pipeline.sync.outcome import Asked, Outcome, Progress, Reporter
from pipeline.sync.ports import ApiAccess
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Sending, Submissions
from pipeline.sync.tally import Tally
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: The exit code of a pass that was interrupted.
INTERRUPTED = 130


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
        tell: Callable[[Progress], None] = lambda progress: None,
        shown: Callable[[float], None] = lambda seconds: None,
        keep_lease: Callable[[], bool] = lambda: True,
    ) -> None:
        pace = accesses[0].pace
        self._sync, self._asked, self._keep_lease = sync, asked, keep_lease
        self._reporter = Reporter(clock, tell)
        self._news = asyncio.Event()
        self._worker = Worker()
        self._tally = Tally(sync)
        self._timer = LookTimer(clock, pace.write_every)
        lanes = [
            Lane(
                sync,
                submissions,
                self._worker,
                access,
                clock,
                asked,
                on_answer=self._answered,
                on_event=self._reported,
                on_stale=self.look_again,
            )
            for access in accesses
        ]
        self._lanes = Lanes(sync, lanes, asked.limit)
        self._downloader = Downloader(
            sync,
            self._worker,
            media,
            clock.now,
            on_saved=self._saved,
            on_lost=self.look_again,
        )
        self._listener = Listener(
            sync.state,
            self._worker,
            self._lanes,
            on_event=self._reported,
            on_change=self.look_again,
        )
        self._looker = Looker(
            sync,
            self._worker,
            self._timer,
            self._lanes,
            self._downloader,
            only=asked.only,
            shown=shown,
            give_up_after=pace.give_up_after,
        )
        self._is_interrupted = False

    @property
    def outcome(self) -> Outcome:
        """The outcome of the pass so far."""
        return self._tally.outcome

    def interrupt(self) -> None:
        """Stop sending; `run` ends once the answers to open requests are recorded."""
        self._is_interrupted = True
        self._news.set()
        self._lanes.end()

    def look_again(self) -> None:
        """Look at the sheet soon: a person asked for it, or something new is known."""
        self._timer.changed()
        self._news.set()

    async def run(self) -> Outcome:
        """The pass, from the first look to the last.

        What a pass can meet is in the outcome, with its exit code, and is not raised: a sheet that
        cannot be written, an unreachable API, a hold.
        """
        try:
            await self._looker.look(first=True)
            if self._lanes.waiting or self._lanes.expecting():
                await self._lanes.prepare()
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
            sheet=self._looker.trouble,
            api=self._lanes.troubles,
            unsaved=self._downloader.trouble,
        )
        if self._is_interrupted:
            self.outcome.code = INTERRUPTED
        return self.outcome

    async def _work(self) -> None:
        """Send, poll, download and look until nothing is left to do now.

        Whatever ends this, the submitter ends by itself and is awaited: requests in flight may be
        paid for, so it is recorded first.
        """
        sending = asyncio.create_task(self._lanes.send())
        try:
            async with asyncio.TaskGroup() as group:
                lease = keep_lease(self._worker, self._keep_lease, self._lost_the_lease)
                jobs = [*self._lanes.helpers(self._news.set), self._listener.run(), lease]
                helpers = [group.create_task(job) for job in jobs]
                await self._until_finished(sending)
                await self._finish()
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as several:
            first, *others = several.exceptions
            for error in others:
                log.info("%s: a part of the pass ended: %r", self.outcome.title, error)
            raise first from None
        finally:
            self._lanes.end()
            await asyncio.wait([sending])
            if not sending.cancelled() and (error := sending.exception()):
                log.info("%s: the sending ended: %r", self.outcome.title, error)

    async def _finish(self) -> None:
        """Finish the downloads, and write everything that the sheet does not show yet.

        A look may find more pictures to save, of results that other processes recorded. Each is
        tried once.
        """
        while True:
            if not self._is_interrupted:
                await self._downloader.finish()
            if self._timer.has_news:
                await self._looker.look()
            if self._is_interrupted or self._looker.trouble or not self._downloader.pending:
                break
        await self._lanes.remember()

    async def _until_finished(self, sending: asyncio.Task[None]) -> None:
        """Look whenever it is time, until nothing is left to do now."""
        while True:
            self._news.clear()
            if sending.done():
                sending.result()  # An error of the store ends the pass, with its sentence.
            if self._is_interrupted or self._lanes.is_broken:
                if self._lanes.is_idle:
                    return
            elif self._is_finished():
                # The pass does not wait for an overdue task, but its row must say so.
                if self._looker.trouble or not (self._asked.wait and self._timer.has_news):
                    return
                await self._looker.look()
                continue
            elif self._is_time_to_look():
                await self._looker.look()
                continue
            self._reporter.report(self._progress)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await self._news.wait()

    def _is_finished(self) -> bool:
        if not self._lanes.is_idle:
            return False
        if not self._asked.wait or not self._lanes.is_heard:
            return self._lanes.is_heard and not self._timer.is_urgent
        is_busy = self._lanes.expecting() or self._downloader.pending
        return not (is_busy or self._sync.is_ripening())

    def _is_time_to_look(self) -> bool:
        if not self._asked.wait:
            is_old = self._timer.is_old and self._lanes.waiting > 0
            return is_old or self._timer.is_overdue
        return self._timer.is_due

    def _lost_the_lease(self) -> None:
        self.outcome.worsen(0, f"Another pass took over {self.outcome.title}.")
        self._lanes.end()

    def _answered(self, sending: Sending, told: Verdict) -> None:
        """A submission was answered, and the answer is recorded."""
        key, number = sending.key, sending.attempt.number
        self._tally.sent(sending, told.event)
        if isinstance(told.event, Accepted):
            # A webhook may have come before the answer, and have reported the end.
            attempt = self._sync.state.jobs.attempt(key, number)
            if attempt and is_open(attempt):
                self._lanes.follow(key, attempt)
        self._happened(key, number, told.event)

    def _reported(self, key: JobKey, number: int, event: Event) -> None:
        """A poll, a webhook or a repeated submission reported an event, and it is recorded."""
        attempt = self._sync.state.jobs.attempt(key, number)
        if isinstance(event, Accepted) and attempt and is_open(attempt):
            self._lanes.follow(key, attempt, soon=True)
        is_end = isinstance(event, Succeeded | Failed)
        if self._happened(key, number, event) and is_end and attempt:
            self._lanes.finished(key, attempt, succeeded=isinstance(event, Succeeded))

    def _happened(self, key: JobKey, number: int, event: Event) -> bool:
        """Count an event, and do what follows from it. False if it was counted before."""
        self.look_again()
        is_new = self._tally.count(key, number, event)
        if is_new and isinstance(event, Succeeded):
            self._downloader.keep(key)
            self._looker.ended(key)
        return is_new

    def _saved(self) -> None:
        self.outcome.counts.saved += 1
        log.info("%s: pictures saved: %d", self._sync.sheet.title, self.outcome.counts.saved)
        self._timer.changed()

    def _progress(self) -> Progress:
        return Progress(
            sent=self._lanes.sent,
            to_send=self._lanes.sent + self._lanes.waiting,
            at_work=self._lanes.expecting(),
            done=self.outcome.counts.done + self.outcome.counts.failed,
            saved=self.outcome.counts.saved,
            saving=self._downloader.pending,
            credits=self.outcome.counts.credits,
        )
