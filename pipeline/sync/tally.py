"""Counts what happens in a pass, for its outcome. Each end counts once, however often reported."""

from __future__ import annotations

import logging
from contextlib import suppress

from pipeline.core.errors import StoreError
from pipeline.core.model import JobKey, State
from pipeline.core.money.costs import account_of, summed
from pipeline.core.states import (
    Charge,
    Event,
    Failed,
    Succeeded,
    cost_of_attempt,
    gives_back,
    higher_charge,
)
from pipeline.sync.clock import Clock
from pipeline.sync.kept_quote import KeptQuote
from pipeline.sync.outcome import Outcome
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Sending

log = logging.getLogger("promptsheet")


class Tally:
    """The counts of one pass; they go into `outcome`."""

    def __init__(self, sync: SheetSync, clock: Clock) -> None:
        self.outcome = Outcome(title=sync.sheet.title)
        #: Listed price and reported charge of the tasks that cost more than listed.
        self.charged: list[Charge] = []
        #: Jobs that something happened to.
        self.touched: set[JobKey] = set()
        #: The quote of the batch that is under way.
        self.quote = KeptQuote(sync, clock)
        self._sync = sync
        self._sent: list[tuple[JobKey, int]] = []
        self._ends: set[tuple[JobKey, int, type[Event]]] = set()

    def sent(self, sending: Sending, event: Event) -> None:
        """A submission was answered with this event, or given up."""
        if not gives_back(event):
            said = getattr(event, "reported", None)
            price = sending.attempt.price if said is None else said
            counts = self.outcome.counts
            more = (account_of(self._sync.rules, sending.attempt), price)
            counts.costs = summed([*((cost.account, cost.amount) for cost in counts.costs), more])
        self._sent.append((sending.key, sending.attempt.number))

    def count(self, key: JobKey, number: int, event: Event) -> bool:
        """Count an event that is recorded. False if this end was counted before.

        A poll and a webhook may both report the same end, in either order.
        """
        if isinstance(event, Succeeded | Failed):
            end = key, number, type(event)
            if end in self._ends:
                return False
            self._ends.add(end)
            self._compare_charge(key, number, event)
        self.touched.add(key)
        log.info("row %s, take %d: %s", key.generation, key.take, type(event).__name__.lower())
        match event:
            case Succeeded():
                self.outcome.counts.done += 1
            case Failed(refused=refused):
                self.outcome.counts.refused += refused
                self.outcome.counts.failed += not refused
            case _:
                pass
        return True

    def saved(self) -> None:
        """A picture was saved."""
        self.outcome.counts.saved += 1
        log.info("%s: pictures saved: %d", self._sync.sheet.title, self.outcome.counts.saved)

    def close(self) -> None:
        """Count what was sent, at the end of the pass.

        Not earlier: a webhook may say more about an attempt than the answer to its submission, and
        the API may report another charge than the listed one when the task ends.
        """
        sent = [self._sync.state.jobs.attempt(key, number) for key, number in self._sent]
        found = [attempt for attempt in sent if attempt]
        states = [attempt.state for attempt in found]
        self.outcome.counts.new = sum(state is not State.RETURNED for state in states)
        again = [key for key, number in self._sent if self._is_made_again(key, number)]
        self.outcome.counts.made_again = len(again)
        self.outcome.counts.lost = sum(state is State.UNKNOWN for state in states)
        rules = self._sync.rules
        self.outcome.counts.costs = summed(
            (account_of(rules, one), cost_of_attempt(one)) for one in found
        )

    def _is_made_again(self, key: JobKey, number: int) -> bool:
        job = self._sync.state.jobs.all.get(key)
        before = [one for one in job.attempts if one.number < number] if job else []
        return bool(before and before[-1].remade)

    def compare_quote(self) -> None:
        """If a batch has ended with this pass, say what was quoted and what it became."""
        with suppress(StoreError):  # Nothing depends on it.
            self.outcome.quote = self.quote.end(self.outcome)

    def _compare_charge(self, key: JobKey, number: int, event: Succeeded | Failed) -> None:
        attempt = self._sync.state.jobs.attempt(key, number)
        said = event.reported
        if said is None and attempt:  # The answer to the submission may have said it.
            said = attempt.reported
        if attempt and (charge := higher_charge(attempt, said)):
            self.charged.append(charge)
