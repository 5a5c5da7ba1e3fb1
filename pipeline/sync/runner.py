"""One pass over one sheet: look, send, ask after, save, look again.

A pass ends when nothing is left to do now; a pass that waits, when every task has its final word
or is overdue, and nothing more can go without a person. In between the sheet is looked at again
and again: to write what has come, and because nothing is sent on a reading older than a minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from pipeline.core import messages
from pipeline.core.asking import Durations
from pipeline.core.errors import PromptsheetError, SheetError, StoreError
from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.protocol import Verdict
from pipeline.core.states import Accepted, Event, Failed, Succeeded, gives_back, is_open
from pipeline.sync import row_reports
from pipeline.sync.book import Book, Sending
from pipeline.sync.downloader import Downloader, Saver
from pipeline.sync.outcome import Asked, Outcome, Progress
from pipeline.sync.poller import Poller
from pipeline.sync.ports import Pace, Wire
from pipeline.sync.submitter import Submitter
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: The exit code of a pass that was interrupted.
INTERRUPTED = 130
#: A look may take a quarter of the time: a very big sheet is written less often.
SHARE = 3
#: While sending, the sheet is read anew well before a reading is too old to send on.
READ_EVERY = 40.0
#: So many rounds of questions at once: what becomes due waits for nobody else's answer.
ROUNDS = 2
#: Seconds between two rounds if no fixed interval is set.
TICK = 0.05
#: After a round, wait so many times as long as it took.
REST = 10
#: At least so many seconds between two looks into the store for calls of the API.
LISTEN_EVERY = 0.25
#: The lease on a sheet is renewed so often.
LEASE_EVERY = 10.0
#: How often a bar is moved: counting what is open for it costs as much as a request.
REPORT_EVERY = 0.1


class Runner:
    """One pass over one sheet: `run` once, then throw away."""

    def __init__(
        self,
        book: Book,
        wire: Wire,
        media: Saver | None,
        pace: Pace,
        asked: Asked,
        *,
        now: Callable[[], datetime],
        tell: Callable[[Progress], None] = lambda progress: None,
        shown: Callable[[float], None] = lambda seconds: None,
        keep_lease: Callable[[], bool] = lambda: True,
    ) -> None:
        self.outcome = Outcome(title=book.sheet.title)
        self._book, self._pace, self._asked, self._now, self._tell = book, pace, asked, now, tell
        self._keep_lease, self._shown = keep_lease, shown
        self._worker = Worker()
        self._submitter = Submitter(
            book,
            self._worker,
            wire,
            pace,
            now=now,
            limit=asked.limit,
            patient=asked.wait,
            on_answer=self._answered,
            on_stale=self._stale,
        )
        self._poller = Poller(
            *(book, self._worker, wire, pace, now, self._polled),
            on_pause=self._submitter.slow_down,
            on_stop=self._submitter.end,
            patient=asked.wait,
        )
        self._downloader = (
            Downloader(book, self._worker, media, now, self._saved, self.look_again)
            if media
            else None
        )
        #: Seconds between two rounds.
        self._every = min(pace.poll_every.total_seconds() / 20, 0.5) if pace.poll_every else TICK
        self._interrupted = False
        #: Listed price and reported charge of the tasks where they differ.
        self._charged: list[tuple[int, int]] = []
        self._news = asyncio.Event()
        self._changed = False
        #: Attempts of this pass that were answered or given up.
        self._sent: list[tuple[JobKey, int]] = []
        #: Jobs that something happened to in this pass.
        self._touched: set[JobKey] = set()
        #: The ends of attempts that were counted.
        self._ends: set[tuple[JobKey, int, type[Event]]] = set()
        #: Why the last look came to nothing, as a sentence.
        self._sheet_trouble: SheetError | None = None
        self._next_look = 0.0
        self._looked = 0.0
        self._told = 0.0
        #: When the next attempt becomes late by itself: its answer, or its task (overdue).
        self._late_at: datetime | None = None

    def interrupt(self) -> None:
        """Stop sending; `run` ends once the answers to open requests are recorded."""
        self._interrupted = True
        self._news.set()
        self._submitter.end()

    def look_again(self) -> None:
        """Look at the sheet soon: it is time, or somebody knows of something new."""
        self._changed = True
        self._news.set()

    async def run(self) -> Outcome:
        """The pass, from the first look to the last, and what came of it.

        What a pass can meet (a sheet that cannot be written, an API out of reach, a hold) is no
        exception: it stands in the outcome, with its exit code.
        """
        background: list[asyncio.Task[None]] = []
        try:
            await self._look(first=True)
            await self._recall()
            background = [
                asyncio.create_task(self._submitter.run()),
                *(asyncio.create_task(self._ask()) for _ in range(ROUNDS)),
                asyncio.create_task(self._listen()),
                asyncio.create_task(self._renew()),
            ]
            await self._stay(background)
            await self._finish()
        except Exception as e:
            # Whatever ends the pass: what is in the air may be paid for, so it is recorded first.
            self._submitter.end()
            while background and not (self._submitter.idle or background[0].done()):
                await asyncio.wait(background[:1], timeout=0.1)
            if not isinstance(e, PromptsheetError):
                raise
            self.outcome.worsen(e.exit_code, str(e))
        finally:
            # First of all: what lands while the pass ends gives its place to nobody.
            self._submitter.end()
            for task in background:
                task.cancel()
            for ended in await asyncio.gather(*background, return_exceptions=True):
                if isinstance(ended, Exception):
                    log.info("%s: a part of the pass ended: %r", self.outcome.title, ended)
            if self._downloader:
                await self._downloader.close()
            await self._submitter.drain()
            self._worker.close()
        self._close()
        return self.outcome

    async def _recall(self) -> None:
        """Load how long tasks took in earlier passes, if this pass has tasks to ask about."""
        if self._submitter.waiting or self._poller.expecting():
            kept = await self._worker.run(self._book.store.durations, self._book.limits.api_key)
            self._poller.durations = {name: Durations(seen) for name, seen in kept.items()}

    async def _finish(self) -> None:
        """Finish saving pictures, and write everything that the sheet does not show yet.

        A look may find more pictures to save, of results that other processes recorded. Each is
        tried once.
        """
        while True:
            if self._downloader and not self._interrupted:
                await self._downloader.finish()
            if self._changed:
                await self._look()
            pending = self._downloader.pending if self._downloader else 0
            if self._interrupted or self._sheet_trouble or not pending:
                break
        if self._poller.has_learnt:
            learnt = {name: one.seen for name, one in self._poller.durations.items()}
            key = self._book.limits.api_key
            await self._worker.run(self._book.store.keep_durations, key, learnt)

    async def _stay(self, background: list[asyncio.Task[None]]) -> None:
        """Until nothing is left to do now, looking again whenever it is time."""
        while True:
            self._news.clear()
            for task in background:
                if task.done():
                    task.result()  # a trouble of the store ends the pass, with its sentence
            if self._interrupted or self._submitter.broken:
                if self._submitter.idle:
                    return
            elif self._is_finished():
                # The pass does not wait for an overdue task, but its row must say so.
                self._changed |= self._is_late()
                if not (self._asked.wait and self._changed) or self._sheet_trouble:
                    return
                await self._look()
                continue  # at once: a pass that is finished ends before the next one is due
            elif self._is_time_to_look():
                await self._look()
                continue
            self._report()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await self._news.wait()

    def _is_finished(self) -> bool:
        if not self._submitter.idle:
            return False
        if not self._asked.wait:
            return self._poller.is_heard
        keeping = self._downloader.pending if self._downloader else 0
        return not (self._poller.expecting() or keeping or self._book.is_ripening())

    def _is_time_to_look(self) -> bool:
        now = time.monotonic()
        old = now - self._looked >= READ_EVERY
        if not self._asked.wait:
            return old and self._submitter.waiting > 0
        return old or ((self._changed or self._is_late()) and now >= self._next_look)

    def _is_late(self) -> bool:
        return self._late_at is not None and self._now() > self._late_at

    async def _look(self, first: bool = False) -> None:
        began = time.monotonic()
        changed, self._changed = self._changed, False
        try:
            plan = await self._worker.run(self._book.look)
        except SheetError as e:
            if e.exit_code != SheetError.exit_code and not self._looked:
                raise
            # Out of reach now, or emptied for a moment by a program that saves: what is at the API
            # is still followed, and written by a later look.
            log.info("%s: %s", self._book.sheet.title, e)
            self._sheet_trouble, self._changed = e, changed
            self._submitter.offer(())
        else:
            self._sheet_trouble = None
            title, rows, ready = self._book.sheet.title, plan.statuses.total(), len(plan.to_send)
            log.info("%s: read and written; rows: %d, ready to send: %d", title, rows, ready)
            for seconds in self._book.lags:
                self._shown(seconds)
            only = self._asked.only or (lambda line: True)
            wanted = () if self._book.hold else plan.to_send
            self._submitter.offer(line for line in wanted if line.job and only(line))
        self._submitter.found(self._book.known.at_work())
        self._late_at = self._book.known.late_at(self._pace.give_up_after)
        self._follow_up(soon=first)
        self._looked = time.monotonic()
        spent = self._looked - began
        every = self._pace.write_every.total_seconds()
        self._next_look = self._looked + max(every - spent, SHARE * spent)

    def _follow_up(self, *, soon: bool) -> None:
        """Ask about tasks of other passes, and save pictures that are not saved yet.

        At the first look, ask soon: tasks of earlier passes may have ended since, and a webhook
        about them may have been lost.
        """
        for key, attempt in self._book.known.open_attempts():
            self._poller.follow(key, attempt, soon)
        if self._downloader:
            for key, _, _ in self._book.known.unsaved():
                self._downloader.keep(key)

    async def _ask(self) -> None:
        """Ask about tasks, round by round."""
        while True:
            began = time.monotonic()
            if await self._poller.round():
                self._news.set()
            spent = time.monotonic() - began
            await asyncio.sleep(max(self._every - spent, min(REST * spent, self._every), 0.01))

    async def _listen(self) -> None:
        """Take over what webhooks reported, if the API sends any."""
        while self._book.known.is_called:
            self._overhear(await self._worker.run(self._book.known.overheard))
            self._news.set()
            await asyncio.sleep(max(self._every, LISTEN_EVERY))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_EVERY)
            if not await self._worker.run(self._keep_lease):
                break
        self.outcome.worsen(0, f"Another pass took over {self.outcome.title}.")
        self._submitter.end()
        await asyncio.Event().wait()

    def _answered(self, sending: Sending, told: Verdict) -> None:
        """A submission was answered, and the answer is recorded."""
        if not gives_back(told.event):
            self.outcome.credits += sending.attempt.price
        self._sent.append((sending.key, sending.attempt.number))
        if isinstance(told.event, Accepted):
            # The API may have called already, and have told how it ended.
            attempt = self._book.known.attempt(sending.key, sending.attempt.number)
            if attempt and is_open(attempt):
                self._poller.follow(sending.key, attempt)
        self._happened(sending.key, sending.attempt.number, told.event)

    def _overhear(self, moved: list[tuple[JobKey, Attempt]]) -> None:
        """What others recorded: the receiver of the API's calls, here or in another process."""
        for key, attempt in moved:
            self._changed = True
            if attempt.state in (State.SUCCEEDED, State.FAILED):
                self._poller.ended(attempt)
                succeeded = attempt.state is State.SUCCEEDED
                told: Event = (
                    Succeeded(attempt.result, reported=attempt.reported)
                    if succeeded
                    else Failed(attempt.reason, reported=attempt.reported)
                )
                self._polled(key, attempt.number, told)
            elif is_open(attempt):
                self._poller.follow(key, attempt)

    def _polled(self, key: JobKey, number: int, event: Event) -> None:
        """A poll or a webhook reported an event, and it is recorded."""
        if isinstance(event, Succeeded | Failed) and (key, number, type(event)) not in self._ends:
            self._submitter.ended(key, number, succeeded=isinstance(event, Succeeded))
        self._happened(key, number, event)

    def _happened(self, key: JobKey, number: int, event: Event) -> None:
        """Count what was recorded, and see to what follows from it.

        Each end counts once: a poll and a webhook may both report it, in either order.
        """
        self._changed = True
        if isinstance(event, Succeeded | Failed):
            end = key, number, type(event)
            if end in self._ends:
                return
            self._ends.add(end)
        self._touched.add(key)
        log.info("row %s, take %d: %s", key.row_id, key.take, type(event).__name__.lower())
        if isinstance(event, Succeeded | Failed) and event.reported is not None:
            attempt = self._book.known.attempt(key, number)
            if attempt and attempt.price not in (0, event.reported):
                self._charged.append((attempt.price, event.reported))
        match event:
            case Succeeded():
                self.outcome.done += 1
                if self._downloader:
                    self._downloader.keep(key)
            case Failed(refused=refused):
                self.outcome.refused += refused
                self.outcome.failed += not refused
            case _:
                pass
        self._news.set()

    def _stale(self) -> None:
        """Lines were refused that a look must say more about."""
        self.look_again()

    def _saved(self) -> None:
        self._changed = True
        self.outcome.saved += 1
        log.info("%s: pictures saved: %d", self._book.sheet.title, self.outcome.saved)

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._told < REPORT_EVERY:
            return
        self._told = now
        self._tell(
            Progress(
                sent=self._submitter.sent,
                to_send=self._submitter.sent + self._submitter.waiting,
                at_work=self._poller.expecting(),
                done=self.outcome.done + self.outcome.failed,
                saved=self.outcome.saved,
                saving=self._downloader.pending if self._downloader else 0,
                credits=self.outcome.credits,
            )
        )

    def _close(self) -> None:
        """What there is to say at the end."""
        outcome, book = self.outcome, self._book
        outcome.key = book.key
        outcome.title = book.sheet.title  # a Google Sheet is known by its title once it was read
        outcome.statuses = book.plan.statuses
        # Counted at the end: a call of the API may say more about an attempt than its answer did.
        states = {key: a.state for key, n in self._sent if (a := book.known.attempt(key, n))}
        outcome.new = sum(state is not State.RETURNED for state in states.values())
        outcome.lost = sum(state is State.UNKNOWN for state in states.values())
        # If the store cannot be read any more, that was reported before.
        with suppress(StoreError):
            attention = row_reports.needing(book)
            outcome.attention = sorted(attention, key=lambda row: row.row_id not in book.newly)
            outcome.newly = sum(row.row_id in book.newly for row in attention)
            if self._asked.detailed:
                outcome.changed = row_reports.rows(book, (), {key.row_id for key in self._touched})
        outcome.notices = [*book.notices]
        if self._charged:
            api = book.rules.provider.title
            outcome.notices.append(messages.charged_otherwise(api, self._charged))
        outcome.cursor = book.known.cursor
        if book.hold:
            outcome.worsen(book.hold.exit_code, book.hold.sentence)
        if left_out := book.sheet.left_out:
            outcome.worsen(1, left_out)
        if stop := self._submitter.breaker.stop:
            outcome.worsen(3 if stop.out_of_reach else 1, stop.sentence)
            outcome.stopped = not stop.out_of_reach
        if gone := self._sheet_trouble:
            outcome.worsen(gone.exit_code, str(gone))
        for trouble in filter(None, (self._submitter.trouble, self._poller.trouble)):
            outcome.worsen(3, trouble)
        if outcome.newly:
            outcome.worsen(1)
        if self._downloader and (unsaved := self._downloader.trouble):
            worst = max(unsaved, key=lambda trouble: trouble.exit_code)
            many = "1 picture was" if len(unsaved) == 1 else f"{len(unsaved)} pictures were"
            outcome.worsen(worst.exit_code, f"{many} not saved. {worst} A later run tries again.")
        if self._interrupted:
            outcome.code = INTERRUPTED
