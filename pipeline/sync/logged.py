"""What a pass logs besides the events that the store keeps: its end, and rows that were written."""

from __future__ import annotations

from datetime import datetime

from pipeline import event_log
from pipeline.core.states import cost_of_attempt
from pipeline.sync.lease import Busy
from pipeline.sync.look import RowEnd
from pipeline.sync.outcome import INTERRUPTED, Outcome


def log_written(sheet: str, end: RowEnd, seconds: float, at: datetime) -> None:
    """Log that the cells of a row show its end, so many seconds after it."""
    if not event_log.is_on():
        return
    attempt = end.attempt
    fields = {
        "sheet": sheet,
        "row_id": end.key.generation,
        "take": end.key.take,
        "attempt": attempt.number,
        "task_id": attempt.task_id,
        "endpoint": attempt.endpoint,
        "credits": cost_of_attempt(attempt),
        "seconds": round(seconds, 3),
        "by": "",
    }
    event_log.of_job("written", at, fields)


def result_of(outcome: Outcome | Busy) -> str:
    """How a pass ended, in the word of `event_log.PASS_FIELDS`."""
    if isinstance(outcome, Busy):
        return "busy"
    if outcome.code == INTERRUPTED:
        return "interrupted"
    return "failed" if outcome.code > 1 else "ok"


def log_pass(sheet: str, outcome: Outcome | Busy, seconds: float) -> None:
    """Log how a pass ended."""
    result, rounded = result_of(outcome), round(seconds, 3)
    if isinstance(outcome, Busy):
        event_log.pass_ended(sheet, result, seconds=rounded)
        return
    counts = outcome.counts
    event_log.pass_ended(
        sheet,
        result,
        outcome.code,
        new=counts.new,
        done=counts.done,
        refused=counts.refused,
        failed=counts.failed,
        lost=counts.lost,
        saved=counts.saved,
        need_a_person=outcome.needing,
        credits=counts.credits,
        seconds=rounded,
    )
