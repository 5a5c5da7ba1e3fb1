"""The last pass over a sheet, as each process that shares its store can tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.errors import PromptsheetError, StoreError, unforeseen
from pipeline.store import Lease, Store
from pipeline.sync.announcing import announce_failure
from pipeline.sync.in_flight import why_full
from pipeline.sync.outcome import Outcome
from pipeline.sync.quick_check import configuration_of

if TYPE_CHECKING:
    from pipeline.config import Settings

#: What `watch` obeys until a person decides.
_UNTIL: Final = "Nothing more is sent until you run promptsheet resume."
STOPPED: Final = f"A rule stopped the sending. {_UNTIL}"


@dataclass(frozen=True, slots=True)
class LastPass:
    """A pass that has ended."""

    began_at: datetime
    ended_at: datetime
    #: What it counted, as programs read it.
    counts: Mapping[str, Any]
    #: Why it stopped sending; empty if it did not.
    stop: str = ""

    def as_json(self) -> dict[str, object]:
        """The pass, for programs."""
        times = {"began_at": self.began_at.isoformat(), "ended_at": self.ended_at.isoformat()}
        return {**times, **self.counts}


@contextmanager
def ending(store: Store, lease: Lease) -> Iterator[list[Outcome]]:
    """End the lease after the block, and keep the outcome that is put into the list."""
    began_at, ended = store.now(), list[Outcome]()
    try:
        yield ended
    except Exception as e:
        failed = Outcome()
        if isinstance(e, PromptsheetError):
            failed.worsen(e.exit_code, str(e))
        else:
            failed.worsen(3, unforeseen(e))
        ended.append(failed)
        raise
    finally:
        # If the disk is full, the outcome is still reported. The next process takes over the lease
        # of a dead one.
        with suppress(StoreError):
            failures = _failures(store, lease.sheet, ended[0]) if ended else 0
            record = _record_of(ended[0], began_at, failures) if ended else None
            store.leases.release(lease, record)
            if failures:
                announce_failure(store, lease.sheet, ended[0].sentences, failures)


def _failures(store: Store, sheet: str, outcome: Outcome) -> int:
    """How many passes in a row have failed, with this one; 0 if it has not."""
    if outcome.looked_at or outcome.code not in (2, 3):
        return 0
    return int(store.last_passes.get(sheet).get("failures", 0)) + 1


def _record_of(outcome: Outcome, began_at: datetime, failures: int) -> dict[str, object]:
    its = {"began_at": began_at.isoformat(), "counts": counts_of(outcome), "stop": outcome.stop}
    return {**its, "failures": failures}


def counts_of(outcome: Outcome) -> dict[str, object]:
    """What a pass counted, for programs."""
    counts = outcome.counts
    return {
        "new": counts.new,
        "done": counts.done,
        "refused": counts.refused,
        "failed": counts.failed,
        "without_answer": counts.lost,
        "credits": counts.credits,
        "rows": dict(sorted(outcome.statuses.items())),
        "need_a_person": outcome.needing,
        "messages": [*outcome.notices, *outcome.sentences],
        "exit_code": outcome.code,
    }


def last_pass_of(store: Store, sheet: str) -> LastPass | None:
    """The last pass over a sheet, whichever process ran it; None if there was none.

    A pass that found nothing to do keeps no record: then the rows are those of the pass before.
    Raises StoreError.
    """
    passed_at, kept = store.sheets.get(sheet).passed_at, store.last_passes.get(sheet)
    if passed_at is None:
        return None
    if not kept:
        return LastPass(passed_at, passed_at, counts_of(Outcome()))
    ended_at = datetime.fromisoformat(kept["ended_at"])
    if passed_at <= ended_at:
        began_at = datetime.fromisoformat(kept["began_at"])
        return LastPass(began_at, ended_at, kept["counts"], kept["stop"])
    rows = {name: kept["counts"][name] for name in ("rows", "need_a_person")}
    return LastPass(passed_at, passed_at, {**counts_of(Outcome()), **rows})


def was_stopped(store: Store, sheet: str) -> bool:
    """Returns whether the last pass stopped sending. Raises StoreError."""
    return bool(store.last_passes.get(sheet).get("stop"))


def is_stopped(store: Store, sheet: str, settings: Settings) -> bool:
    """Returns whether a rule stopped the sending of `watch`, on whichever machine.

    Raises StoreError.
    """
    return store.turns.of(sheet).stopped == configuration_of(settings)


def stop_of_rule(store: Store, sheet: str, settings: Settings) -> str:
    """The sentence of the rule that stopped the sending; empty if none did. Raises StoreError."""
    if not is_stopped(store, sheet, settings):
        return ""
    why = store.turns.why_stopped(sheet)
    return f"{why} {_UNTIL}" if why else STOPPED


def why_stopped(store: Store, sheet: str, settings: Settings) -> str:
    """Which rule stopped the sending, or why the API did; empty if neither. Raises StoreError."""
    if stop := stop_of_rule(store, sheet, settings):
        return stop
    last = last_pass_of(store, sheet)
    return f"At the last run: {last.stop}" if last and last.stop else ""


def why_not_sent(store: Store, sheet: str, settings: Settings) -> str:
    """Why nothing is sent although the sheet has no hold; empty if there is no reason.

    The sending was stopped, or lost submissions take all places. Raises StoreError.
    """
    pace = settings.pace
    return why_stopped(store, sheet, settings) or why_all_taken(
        store, sheet, pace.in_flight, pace.give_up_after
    )


def why_all_taken(store: Store, sheet: str, most: int, patience: timedelta) -> str:
    """The same as `why_full`, of the lost submissions in the store. Raises StoreError."""
    each = store.stats.in_doubt(sheet, store.now() - patience)
    return next(filter(None, (why_full(lost, most, patience) for lost in each)), "")
