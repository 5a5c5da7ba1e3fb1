"""What outlets are told of besides jobs: rows that need a person, stops, and silence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.messages.repeats import trouble_of
from pipeline.core.outlets.announcements import attention_body
from pipeline.core.outlets.outbox import MessageKind, NoticeRow
from pipeline.core.statuses import Status
from pipeline.core.text import rounded
from pipeline.store import Store
from pipeline.sync.lease import is_dead
from pipeline.sync.outcome import Outcome
from pipeline.sync.row_reports import Row
from pipeline.sync.sheet_sync import SheetSync

#: Between two messages about one reason: an API may be out of reach at every other pass.
APART: Final = timedelta(minutes=15)
#: How many passes in a row must fail before outlets hear of it: a service may be away for a moment.
FAILURES: Final = 3
_UNTIL: Final = "If watch runs the sheet, nothing more is sent until you run promptsheet resume."


def announce_pass(sync: SheetSync, outcome: Outcome, day: str) -> None:
    """Tell outlets of the rows that newly need a person, and of why the sending stopped.

    There is one message a day about a stop that lasts, and another one if it ends and begins
    again, `APART` at the earliest; about a row, one a day at most. Raises StoreError.
    """
    outbox, key = sync.store.outbox, sync.key
    for row in outcome.attention[: outcome.newly]:
        if not _is_told(row):
            told = NoticeRow(row.row_id, row.name or row.prompt, row.number, row.status, row.note)
            subject = f"{row.row_id} {_digest(row.status + row.note)} {day}"
            outbox.announce(key, MessageKind.ATTENTION, subject, attention_body(told), row.row_id)
    hold = sync.last.hold
    held = hold.sentence if hold and hold.kind != "paused" else ""
    stop = f"{outcome.stop} {_UNTIL}" if outcome.stopped else outcome.stop
    reasons = {"stop": stop, "sample": outcome.sample, "hold": held}
    if outcome.looked_at:
        reasons["failure"] = ""
    for name, sentence in reasons.items():
        _tell(sync.store, key, name, sentence, day)


def announce_failure(store: Store, sheet: str, why: Sequence[str], failures: int) -> None:
    """Tell outlets of a sheet whose passes fail, such as one that cannot be read, as of a stop.

    `failures` is how many passes in a row have failed now, `why` says why the last one did. Raises
    StoreError.
    """
    if why and failures >= FAILURES and store.outbox.states(sheet):
        sentence = f"{why[0]} The runs before failed, too."
        _tell(store, sheet, "failure", sentence, f"{store.now():%Y-%m-%d}")


def _tell(store: Store, sheet: str, name: str, sentence: str, day: str) -> None:
    state = f"{_digest(trouble_of(sentence))} {day}" if sentence else ""
    store.alarms.set(sheet, name, state, MessageKind.STOPPED, sentence, APART)


def announce_silence(store: Store, sheet: str, told_at: Callable[[datetime], datetime]) -> None:
    """Tell outlets if no pass over a sheet has ended for long, and when one has again.

    `told_at` is when that is long enough, by the time of the last pass. A pass that is running is
    no silence, however long it takes. All machines go by the time of the store, so that one whose
    clock is wrong reports nothing that the others take back. Raises StoreError.
    """
    now, last = store.now(), store.sheets.get(sheet).passed_at
    if last is None:
        return
    if now < told_at(last):
        sentence = f"Runs take place again: the last one ended at {last:%H:%M} UTC."
        store.alarms.set(sheet, "silence", "", MessageKind.SILENT, sentence)
        return
    lease = store.leases.of(sheet)
    if lease and lease.until > now and not is_dead(lease.holder):
        return
    sentence = (
        f"No run has taken place for {rounded((now - last).total_seconds())}: new rows are not "
        "sent, and results do not reach the sheet. See whether cron or watch still runs on its "
        "machine."
    )
    store.alarms.set(sheet, "silence", "silent", MessageKind.SILENT, sentence)


def _is_told(row: Row) -> bool:
    """True if outlets are told of the row because its task failed, or its answer was lost."""
    is_lost = row.status == Status.CHECK_NEEDED and not row.task_id
    return row.status == Status.FAILED or is_lost


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
