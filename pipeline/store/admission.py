"""Decides whether attempts may begin now. A batch is decided attempt by attempt.

It works on values only: `batch` hands it the locked sheets, pace and counters, and writes what it
admits. Raises nothing; a refusal is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pipeline.core.credits import Credits, exact
from pipeline.core.model import Attempt, JobKey, State
from pipeline.core.money.currency import Cap, Money, in_credits, spent
from pipeline.core.money.shares import column_of
from pipeline.core.states import state_of
from pipeline.store.budget import Budget, CounterName, at_price, counters_of
from pipeline.store.job_cache import KeptJob
from pipeline.store.rate_limit import RequestCounts
from pipeline.store.transactions import LockedSheet

#: What a counter holds at other prices of a credit than this one: price -> credits.
AtOtherPrices = Callable[[CounterName, str], Mapping[str, Credits]]


class Refusal(StrEnum):
    """Why an attempt may not begin now."""

    PAUSED = "paused"
    NOT_PENDING = "not pending"
    #: The API asked for a pause.
    SLOW = "slow"
    PACE = "pace"
    RUN_BUDGET = "run budget"
    DAY_BUDGET = "day budget"
    MONTH_BUDGET = "month budget"
    SHARE_BUDGET = "share budget"


_BUDGETS: Final = {
    "run": Refusal.RUN_BUDGET,
    "day": Refusal.DAY_BUDGET,
    "month": Refusal.MONTH_BUDGET,
    "share": Refusal.SHARE_BUDGET,
}


@dataclass(frozen=True, slots=True)
class Intent:
    """One attempt that is to begin."""

    key: JobKey
    #: Its number: one more than the last. If it is not, the job has changed since.
    number: int
    inputs: str
    columns: tuple[str, ...]
    endpoint: str
    price: Credits
    #: Seconds until others may record the answer as lost.
    deadline: float
    #: What will be asked, without secrets.
    body: Mapping[str, object] | None = None
    #: The API: its file and its address.
    provider: str = ""
    base_url: str = ""
    #: The idempotency key that it is sent with; empty where the API knows none.
    resend_key: str = ""
    #: The prompt that was made of the row's columns; empty if the inputs have it.
    prompt: str = ""
    #: The hook token; empty if the API is not asked to call back.
    hook: str = ""
    #: Why it is made, and who or what began the pass.
    because: str = ""
    by: str = ""
    #: What else it is counted under (`core.money.shares.share_of`).
    shares: tuple[str, ...] = ()
    #: The row's name and other cells that outlets tell of, as JSON.
    labels: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a batch, in credits or in money. A cap of 0 allows nothing; None is no cap."""

    #: A name for the API key (a digest), never the key.
    api_key: str
    #: This start of the program, and the date in the budget's timezone.
    run: str
    day: str
    per_run: Cap | None = None
    per_day: Cap | None = None
    per_minute: int | None = None
    per_month: Cap | None = None
    #: Column -> the cap of each of its values.
    per: Mapping[str, Cap] = field(default_factory=dict)
    #: The price of one credit, such as "0.01 USD"; empty where it is not known.
    credit_price: str = ""

    def counters(self, shares: Iterable[str] = ()) -> tuple[CounterName, ...]:
        """The counters that hold what is sent now; `shares` are those of a row."""
        return counters_of(self.api_key, self.run, self.day, shares)

    def counted(self, shares: Iterable[str] = ()) -> tuple[CounterName, ...]:
        """The same, and those that count the same at this price of a credit."""
        return at_price(self.counters(shares), self.credit_price)

    def credits_of(
        self, name: CounterName, at_other: AtOtherPrices | None = None
    ) -> Credits | None:
        """The cap of a counter in credits; None if it has none.

        With `at_other`, what was spent at other prices of a credit counts as what it cost then.
        """
        cap, price = self.cap_of(name), self.credit_price
        if not isinstance(cap, Money):
            return cap
        return in_credits(cap, price, at_other(name, price) if at_other else None)

    def spent_today(self, budget: Budget) -> Cap:
        """What is held or spent today, in the unit of the limit of the day."""
        name, price = self.counters()[1], self.credit_price
        (number,) = budget.held([name])
        if not isinstance(self.per_day, Money):
            return number
        return spent(number, price, budget.at_other_prices(name, price))

    def cap_of(self, name: CounterName) -> Cap | None:
        """The cap of a counter, as a person wrote it; None if it has none."""
        match name.kind:
            case "run":
                return self.per_run
            case "day":
                return self.per_day
            case "month":
                return self.per_month
        return self.per.get(column_of(name.name))


@dataclass(slots=True)
class Admission:
    """The room that is left in pace and budgets; each admitted attempt takes some of it."""

    at: datetime
    limits: Limits
    sheets: Mapping[str, LockedSheet]
    jobs: Mapping[JobKey, KeptJob]
    pace: RequestCounts
    #: The values of all counters that may change, and the caps of those that have one.
    held: dict[CounterName, Credits]
    caps: Mapping[CounterName, Credits | None]
    begun: dict[JobKey, tuple[Intent, Attempt]] = field(default_factory=dict)

    def answer(self, intent: Intent) -> Attempt | Refusal:
        """The attempt, counted; or why it may not begin."""
        if refusal := self._refusal(intent):
            return refusal
        attempt = Attempt(
            number=intent.number,
            state=State.SUBMITTING,
            inputs=intent.inputs,
            columns=intent.columns,
            endpoint=intent.endpoint,
            price=intent.price,
            sent_at=self.at,
            deadline=self.at + timedelta(seconds=intent.deadline),
            provider=intent.provider,
            base_url=intent.base_url,
            account=self.limits.api_key,
            resend_key=intent.resend_key,
            hook=intent.hook,
            prompt=intent.prompt,
        )
        self.begun[intent.key] = intent, attempt
        self.pace = self.pace.after(1)
        for name in self.limits.counters(intent.shares):
            self.held[name] = exact(self.held[name] + intent.price)
        return attempt

    def _refusal(self, intent: Intent) -> Refusal | None:
        sheet = self.sheets.get(intent.key.sheet)
        if sheet and sheet.paused:
            return Refusal.PAUSED
        if not self._may_begin(intent):
            return Refusal.NOT_PENDING
        if self.pace.is_slowed:
            return Refusal.SLOW
        if not self.pace.room(1, self.limits.per_minute):
            return Refusal.PACE
        for name in self.limits.counters(intent.shares):
            if not _fits(self.held[name], intent.price, self.caps[name]):
                return _BUDGETS[name.kind]
        return None

    def _may_begin(self, intent: Intent) -> bool:
        if intent.key not in self.jobs or intent.key in self.begun:
            return False
        job = self.jobs[intent.key]
        last = max(job.tried, default=0)
        return state_of(job.as_job()) is State.PENDING and intent.number == last + 1


def _fits(held: Credits, price: Credits, cap: Credits | None) -> bool:
    return cap is None or exact(held + price) <= cap
