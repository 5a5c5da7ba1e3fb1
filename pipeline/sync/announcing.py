"""What outlets are told of besides jobs: rows that need a person, stops, and silence."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from pipeline.core.announcements import attention_body
from pipeline.core.outbox import MessageKind, NoticeRow
from pipeline.core.repeats import trouble_of
from pipeline.core.statuses import Status
from pipeline.store import Store
from pipeline.sync.lease import is_dead
from pipeline.sync.outcome import Outcome
from pipeline.sync.row_reports import Row
from pipeline.sync.sheet_sync import SheetSync


def announce_pass(sync: SheetSync, outcome: Outcome, day: str) -> None:
    """Tell outlets of the rows that newly need a person, and of why the sending stopped.

    The same is told once a day at most. Raises StoreError.
    """
    outbox, key = sync.store.outbox, sync.key
    for row in outcome.attention[: outcome.newly]:
        if not _is_told(row):
            told = NoticeRow(row.row_id, row.name or row.prompt, row.number, row.status, row.note)
            subject = f"{row.row_id} {_digest(row.status + row.note)} {day}"
            outbox.announce(key, MessageKind.ATTENTION, subject, attention_body(told), row.row_id)
    hold = sync.last.hold
    sentences = [sentence for sentence in (outcome.stop, outcome.sample) if sentence]
    if hold and hold.kind != "paused":
        sentences.append(hold.sentence)
    for sentence in dict.fromkeys(sentences):
        subject = f"{_digest(trouble_of(sentence))} {day}"
        outbox.announce(key, MessageKind.STOPPED, subject, {"sentence": sentence})


def announce_silence(store: Store, sheet: str, after: timedelta, now: datetime) -> None:
    """Tell outlets once if no pass over a sheet has ended for this time. Raises StoreError.

    A pass that is running is no silence, however long it takes.
    """
    last = store.sheets.get(sheet).passed_at
    if last is None or now - last < after:
        return
    lease = store.leases.of(sheet)
    if lease and lease.until > now and not is_dead(lease.holder):
        return
    hours = int((now - last) / timedelta(hours=1))
    sentence = (
        f"No run has taken place for {hours} h: new rows are not sent, and results do not reach "
        "the sheet. See whether cron or watch still runs on its machine."
    )
    store.outbox.announce(sheet, MessageKind.SILENT, last.isoformat(), {"sentence": sentence})


def _is_told(row: Row) -> bool:
    """True if outlets are told of the row because its task failed, or its answer was lost."""
    is_lost = row.status == Status.CHECK_NEEDED and not row.task_id
    return row.status == Status.FAILED or is_lost


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
