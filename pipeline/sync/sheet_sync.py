"""A sheet and its store, kept in step: `look` reads, plans and writes.

Each step either happened or did not. A crash between any two leaves a difference that the next look
finds. Ids are noted in the store before they are written into the sheet, and read back from the
sheet before anything is sent; a job is written down before its request leaves.

Owns the last look; its parts own the rest. Not for two threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random

from pipeline.core.messages import reasons
from pipeline.core.model import Grid, JobKey, Patch
from pipeline.core.planning.lines import Line, Plan
from pipeline.core.planning.samples import held_rows
from pipeline.core.rows.endings import warnings
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Header
from pipeline.core.states import Lost
from pipeline.core.statuses import UNCHANGING
from pipeline.sheets import Sheet
from pipeline.store import Fact, Limits, Store
from pipeline.sync.clock import Clock
from pipeline.sync.corrections import Corrections
from pipeline.sync.look import Look
from pipeline.sync.new_attention import NewAttention
from pipeline.sync.ownership import Ownership
from pipeline.sync.planner import Planner
from pipeline.sync.sheet_state import SheetState
from pipeline.sync.sheet_updater import SheetUpdater
from pipeline.sync.spending import Spending
from pipeline.sync.waiting_lines import WaitingLines


class SheetSync:
    """One sheet, for the length of a pass.

    `limits` are those of the sheet's own API, `more_limits` those of the others. `config` is the
    resolved path of the configuration. `accept_columns` accepts a reading that lost a column.
    `is_called` is whether the API sends webhooks. `today` returns the day to spend on.
    """

    def __init__(
        self,
        sheet: Sheet,
        store: Store,
        rules: Rules,
        header: Header,
        limits: Limits,
        *,
        config: str,
        clock: Clock,
        chance: Random,
        accept_columns: bool = False,
        is_called: bool = False,
        today: Callable[[], str] | None = None,
        more_limits: Sequence[Limits] = (),
    ) -> None:
        self.sheet, self.store, self.rules = sheet, store, rules
        self.spending = Spending(limits, more_limits, today)
        #: What the last look found; before the first look, an empty sheet.
        self.last = Look()
        #: The rows of the last look that wait for other rows.
        self.waiting = WaitingLines(rules)
        self._clock = clock
        store.sheets.add(self.key)  # A snapshot only reads.
        with store.snapshot():
            self.new_attention = NewAttention(store, self.key)
            self.state = SheetState(
                store, self.key, clock, whole=accept_columns, is_called=is_called
            )
        self.ownership = Ownership(
            sheet, store, self.state, config=config, accept_columns=accept_columns, chance=chance
        )
        self.planner = Planner(
            sheet,
            store,
            rules,
            header,
            self.state,
            self.ownership,
            clock=clock,
            chance=chance,
            limits_of=self.spending.of,
        )
        self._updater = SheetUpdater(
            sheet,
            store,
            self.state,
            self.ownership,
            self.planner,
            Corrections(self.state, self.planner.changed_rows, self.new_attention, rules=rules),
            clock,
            self._planned,
        )

    @property
    def key(self) -> str:
        """The sheet's name in the store."""
        return self.rules.sheet

    def now(self) -> datetime:
        """The present moment."""
        return self._clock.now()

    def endings(self) -> list[str]:
        """Sentences about what will end on a known day and is asked for by rows not sent yet."""
        unsent = (line.inputs for line in self.last.plan.each if line.is_unsent)
        return warnings(self.rules, unsent, self._clock.now().date())

    def look(self) -> Look:
        """Read the sheet, write into it whatever is out of date, and read it back.

        Afterwards jobs are written down for the rows whose ids are in the sheet. Raises SheetError
        if the sheet cannot be read or written: results that were to be written stay in the store,
        and nothing may be sent.

        Rows that the store does not know get ids only under a claim of this pass. So if a first
        reading has such rows, nothing is written yet: the claim is raised, and the sheet is read
        again.
        """
        self.last = replace(self.last, plan=Plan(), began_at=None)
        self.spending.begin_look()
        self._take_over()
        began_at = self._clock.now()
        look = self._updater.update()
        self.state.note_title(self.sheet.title)
        if self.ownership.must_claim(look):
            refused = self.ownership.own()
            is_same = not self.state.reload_if_changed()
            again = self._updater.update(refused, look if is_same else None)
            look = replace(again, written=look.written + again.written)
        if (look.plan.to_send or self.ownership.has_sent) and not look.hold:
            look = look.with_hold(self.ownership.own())
        if not look.hold:
            self.planner.changed_rows.keep(look)
            self.planner.sample.keep(look.sample, look.sampled)
            look = self._with_jobs(look)
        self._planned(look)
        self.last = replace(self.last, began_at=began_at)
        self.waiting.replace(() if look.hold else look.plan.each)
        # A pause is not noted: it ends when a person resumes the sheet, not with a look.
        lasting = look.hold if look.hold and look.hold.kind != "paused" else None
        self.state.note_hold(lasting.sentence if lasting else "")
        self.state.note_sample(held_rows(look.plan.lines) if self.rules.sample else 0)
        return self.last

    def ready_after(self, done: Collection[JobKey]) -> list[Line] | None:
        """The lines that may be sent now that these jobs are done, with their jobs written down.

        None if only a new look can say: the last one is too old, or the pass has no claim yet.
        """
        now = self._clock.now()
        if not (self.last.is_fresh(now) and self.ownership.has_claimed):
            return None
        return list(self._with_their_jobs([*self.waiting.ready(done, self.state.jobs.all, now)]))

    def preview(
        self, change: Callable[[Grid], Grid] = lambda grid: grid, *, whole: bool = True
    ) -> Look:
        """The look at the sheet as it is now, after `change`; nothing is written into the sheet.

        Only for a scratch copy of the store. Without `whole`, rows that are done and unchanged are
        counted, and have no line.
        """
        if whole:
            self.state.complete()
            self.state.rows.forget_unchanged()
        self.state.refresh()
        self.state.take_over_extra_takes()
        self.last = self.planner.with_all_but_done(self.planner.look(change(self.sheet.read())))
        return self.last

    def out_of_date(self) -> Patch:
        """The cells of the last look that differ from what the store knows, with the right text."""
        return self._updater.out_of_date(self.last)

    def restrict(self, plan: Plan) -> None:
        """Show only this part of the plan, after `preview`."""
        self.last = replace(self.last, plan=plan)

    def changes_by_waiting(self) -> bool:
        """True if something changes if one only waits: rows that settle, answers that are due."""
        settles = self.last.is_settling(self._clock.now(), self.rules.settle)
        return settles or self.state.jobs.awaits_answers

    def is_up_to_date(self) -> bool:
        """True if nothing is left to do, and nothing changes by waiting, until a person acts."""
        # A row that waits for another one changes when that one does, which is among the lines.
        lines = self.last.plan.each
        still = all(line.status in UNCHANGING or line.waits_for_parent for line in lines)
        unsaved = self.rules.saves_files and self.state.jobs.unsaved()
        waits = self.state.jobs.open_attempts() or self.changes_by_waiting()
        return still and not (self.last.hold or waits or unsaved)

    def _planned(self, look: Look) -> None:
        """Keep a look. Columns that became ours stay in its notices for the whole pass."""
        self.last = replace(look, notices=self.last.notices or look.notices)

    def _take_over(self) -> None:
        """Take over what others did since the last look."""
        with self.store.snapshot():
            self.state.read_record()
            self.state.refresh()
            self.state.take_over_extra_takes()
            late = self.store.attempts.expired(self.key)
        # Attempts whose answer can no longer come are lost: the process that sent them is gone.
        if late:
            self.store.attempts.record([Fact(k, n, Lost(reasons.STOPPED)) for k, n in late])
            self.state.refresh()

    def _with_jobs(self, look: Look) -> Look:
        """Write down a job for each row that may be sent and whose id is in the sheet."""
        ready = [line for line in look.plan.to_send if line.confirmed and line.take]
        written = {line.identity: line for line in self._with_their_jobs(ready)}
        lines = (written.get(line.identity, line) for line in look.plan.each)
        return replace(look, plan=look.plan.with_each(lines)) if ready else look

    def _with_their_jobs(self, ready: Sequence[Line]) -> Iterator[Line]:
        """The lines with the jobs that are written down for them. All of them may be sent."""
        jobs = self.state.jobs
        if new := [self.job_key(line) for line in ready if line.job is None]:
            jobs.write_down(new)
        for line in ready:
            if line.job is not None and line.asked > line.job.asked:
                jobs.ask_for(line.job, line.asked, line.remake, self.rules.remake)
        return (replace(line, job=jobs.all.get(self.job_key(line))) for line in ready)

    def job_key(self, line: Line) -> JobKey:
        """The key of the job that a line is about."""
        return line.key(self.key)
