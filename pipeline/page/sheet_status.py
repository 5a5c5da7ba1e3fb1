"""The state of a sheet as a whole: what is spent, whether it is held, whether a run works on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline import wiring
from pipeline.core.money.costs import OWN, Account, Cost, accounts, summed
from pipeline.core.money.currency import Cap
from pipeline.core.planning.samples import results_of
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.kept_sample import KeptSample
from pipeline.sync.last_pass import is_stopped, why_not_sent, why_stopped
from pipeline.sync.lease import is_dead
from pipeline.sync.outlet_states import troubles


@dataclass(frozen=True, slots=True)
class SheetStatus:
    """The state of the sheet as a whole."""

    #: Empty as long as the store was not read.
    title: str = ""
    #: Credits spent today, and the limit. The budget counts by API key and store, so other sheets
    #: with the same key are included. None without a limit or a key. Both are in the unit in which
    #: a person wrote the limit.
    spent: Cap | None = None
    budget: Cap | None = None
    #: What the credits are: the account of the sheet's own API.
    account: Account = OWN
    #: What is spent today at other accounts.
    elsewhere: tuple[Cost, ...] = ()
    paused: bool = False
    #: True if a rule stopped the sending until a person resumes it.
    stopped: bool = False
    #: Why nothing is sent, as a sentence: a hold, or what the rule says that stopped the sending.
    hold: str = ""
    #: Why the last reading of the sheet failed; empty if it did not.
    trouble: str = ""
    #: Why saved files on another machine cannot be read; empty if they can.
    unread: str = ""
    #: How many runs in a row could not use the sheet (0: the last one could), why the last one
    #: could not, and when the next one begins (HH:MM).
    failures: int = 0
    failed: str = ""
    retry_at: str = ""
    #: When the run that is working on the sheet began; None if there is none.
    running_since: datetime | None = None
    #: How many rows wait until a person has looked at the sample.
    sample_waits: int = 0
    #: How many rows of the sample have results, as a sentence; empty if all have, or none waits.
    sample_results: str = ""
    #: A sentence for each outlet that needs a person.
    outlets: tuple[str, ...] = ()

    @property
    def is_at_rest(self) -> bool:
        """True if nothing is sent before a person presses Resume."""
        return self.paused or self.stopped


def sheet_status_of(
    campaign: Campaign, trouble: str, unread: str = "", checks: int = 0
) -> SheetStatus:
    """The present state, from the store.

    `trouble` is why the sheet could not be read, and `unread` why saved files could not. `checks`
    is how many rows are `check needed` or dismissed: only these can be lost submissions.
    """
    settings, store, key = campaign.settings, campaign.store, campaign.key
    record = store.sheets.get(key)
    lease, turn = store.leases.of(key), store.turns.of(key)
    # A lease expires by itself, so the holder of a valid lease is working.
    alive = lease and not (store.leases.has_ended(lease) or is_dead(lease.holder))
    stopped = is_stopped(store, key, settings)
    why = why_not_sent if checks >= settings.pace.in_flight else why_stopped
    hold = store.turns.why_stopped(key) if stopped else record.hold or why(store, key, settings)
    limits, *more_limits = wiring.all_limits(settings, at=store.now())
    has_key = settings.api_key is not None
    own, *others = accounts(wiring.rules(settings, key).apis)
    sample, waits = settings.rules.sample, record.sample_waits if settings.rules.sample else 0
    apis = zip(settings.others, more_limits, others, strict=True)
    return SheetStatus(
        title=record.title if record.passed_at else "",
        spent=limits.spent_today(store.budget) if has_key else None,
        budget=limits.per_day,
        account=own,
        elsewhere=summed(
            (account, store.budget.spent(its.api_key, its.run, its.day).day)
            for other, its, account in apis
            if other.sends
        ),
        paused=record.paused,
        stopped=stopped,
        hold="" if record.paused else hold,
        trouble=trouble,
        unread=unread,
        failures=turn.failures,
        failed=turn.trouble,
        retry_at=_time_of_day(turn.retry_at, settings.timezone) if turn.retry_at else "",
        running_since=lease.since if lease and alive else None,
        sample_waits=waits,
        sample_results=results_of(*KeptSample(store, key, sample).results()) if waits else "",
        outlets=tuple(troubles(store, key, settings, wiring.now())),
    )


def _time_of_day(moment: datetime, timezone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(timezone)):%H:%M}"
