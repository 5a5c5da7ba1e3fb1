"""The quote of a batch, and what became of it.

A batch begins with the pass that sends its first row, and ends when no row of the sheet is on its
way any more. Over cron these are different passes, so the quote is in the store. `KeptQuote` owns
it during a pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, Final

from pipeline.core.credits import Credits
from pipeline.core.model import State
from pipeline.core.money.costs import Account, Cost, account_of, in_words, listed, summed
from pipeline.core.planning.followers import to_follow
from pipeline.core.planning.lines import Line
from pipeline.core.planning.quotes import Quote
from pipeline.core.states import cost_of_attempt
from pipeline.core.statuses import Status
from pipeline.core.text import counted
from pipeline.sync.clock import Clock
from pipeline.sync.outcome import Outcome
from pipeline.sync.quoting import Speed, by_clock, forecast
from pipeline.sync.quoting import in_words as when
from pipeline.sync.sheet_sync import SheetSync

#: How much is simulated for the quote of a run: it must cost no time that counts.
TASKS: Final = 20_000
#: A row in one of these is on its way.
_ON_ITS_WAY: Final = (Status.QUEUED, Status.SENDING, Status.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class QuotedBatch:
    """What was quoted."""

    at: datetime
    rows: int
    costs: tuple[Cost, ...]
    #: Seconds from `at` to the end, and the bounds; None where nothing was known.
    seconds: float | None = None
    earliest: float | None = None
    latest: float | None = None

    def compared(
        self, sent: int, paid: Sequence[Cost], now: datetime, zone: tzinfo | None = None
    ) -> str:
        """Quote and result in one short sentence. Times are those of this machine.

        `sent` is how many rows were sent since the quote, and `paid` what they cost.

        Empty if no time was quoted and the rest became as quoted.
        """
        if self.seconds is None and (self.rows, self.costs) == (sent, paid):
            return ""
        took = (now - self.at).total_seconds()
        exact = max(took, self.latest or 0.0) < 600
        quoted: str
        became: str
        quoted, became = in_words(self.costs), in_words(paid)
        if self.seconds is not None and self.latest is not None:
            # An earlier program kept no early bound.
            early = self.seconds if self.earliest is None else self.earliest
            quote = Quote(self.seconds, early, self.latest, self.rows)
            quoted = f"{when(self.at, quote, zone, exact=exact)}, {quoted}"
            became = f"{by_clock(self.at, took, zone, exact=exact)}, {became}"
        if sent != self.rows:
            became += f", {counted(sent, 'row')} instead of {self.rows}"
        return f"Quoted: {quoted}. It became: {became}."

    def to_text(self) -> str:
        """The batch, as the store keeps it."""
        return json.dumps(
            {
                "at": self.at.isoformat(),
                "rows": self.rows,
                "costs": self.costs,
                "seconds": self.seconds,
                "earliest": self.earliest,
                "latest": self.latest,
            }
        )

    @classmethod
    def of_text(cls, text: str) -> QuotedBatch | None:
        """The batch behind such a text; None if it is not one."""
        try:
            its: dict[str, Any] = json.loads(text)
            at = datetime.fromisoformat(its.pop("at"))
            costs = _costs(its.pop("costs"))
            for counted_by_an_earlier_program in ("paid", "sent"):
                its.pop(counted_by_an_earlier_program, None)
            return cls(at=at, costs=costs, **its)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def _costs(kept: Sequence[tuple[Credits, Sequence[Any]]]) -> tuple[Cost, ...]:
    return tuple(Cost(amount, Account(*account)) for amount, account in kept)


class KeptQuote:
    """The quote of a sheet's batch during one pass. Raises StoreError."""

    def __init__(self, sync: SheetSync, clock: Clock) -> None:
        self._sync, self._clock = sync, clock
        self._batch: QuotedBatch | None = None

    def begin(
        self,
        only: Callable[[Line], bool] | None,
        limit: int | None,
        speeds: Sequence[Speed],
    ) -> None:
        """Go on with the batch that is under way, or quote the lines of the last look.

        Of those that `only` picks, at most `limit`. Without any, there is no batch.
        """
        plan, now = self._sync.last.plan, self._clock.now()
        wanted = (*plan.to_send, *to_follow(plan.each)) if limit != 0 else ()
        lines = [line for line in wanted if only is None or only(line)][:limit]
        store, key = self._sync.store, self._sync.key
        with store.snapshot():
            self._batch = QuotedBatch.of_text(store.quotes.get(key))
            if self._batch or not lines:
                return
            quote = forecast(self._sync, speeds, now, lines=lines, most=TASKS).quote
        costs = listed(self._sync.rules, (line.inputs for line in lines))
        batch = QuotedBatch(now, len(lines), costs)
        if quote:
            batch = replace(
                batch, seconds=quote.seconds, earliest=quote.earliest, latest=quote.latest
            )
        self._batch = batch
        store.quotes.keep(key, batch.to_text())

    def end(self, outcome: Outcome) -> str:
        """Quote and result as a sentence, if the batch has ended with this pass; else empty."""
        if self._batch is None or self._is_under_way(outcome):
            return ""
        store, rules = self._sync.store, self._sync.rules
        store.quotes.keep(self._sync.key, "")
        # Not what each pass counted: one may have been killed, and a task may report its charge to
        # a later pass.
        since = store.charges.paid_since(self._sync.key, self._batch.at)
        sent = sum(one.state is not State.RETURNED for one in since)
        if not sent:
            return ""
        paid = summed((account_of(rules, one), cost_of_attempt(one)) for one in since)
        return self._batch.compared(sent, paid, self._clock.now())

    def _is_under_way(self, outcome: Outcome) -> bool:
        if not outcome.looked_at:  # The last look failed: nothing is known of the rows.
            return True
        waits = any(line.waits_for_parent for line in self._sync.last.plan.each)
        return waits or any(outcome.statuses[status] for status in _ON_ITS_WAY)
