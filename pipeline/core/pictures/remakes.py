"""Decides which results are set aside and made again, because none of their pictures is of use.

A person configures this (`[rules] remake`); each remake is paid like any other attempt. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.model import Attempt, Job, State
from pipeline.core.picture_findings import NONE
from pipeline.core.states import shown, state_of

#: A row waits so long for the check of its parent's pictures. Then it follows without one.
CHECKED_WITHIN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RemakeRule:
    """Which pictures are made again, and how often for each row."""

    #: `blank`, `damaged`, or both.
    looks: tuple[str, ...]
    limit: int


def remakes_in(jobs: Iterable[Job]) -> int:
    """How many results of these jobs were set aside and made again."""
    return sum(bool(attempt.remade) for job in jobs for attempt in job.attempts)


def cause(job: Job | None, others: int, rule: RemakeRule | None) -> str:
    """Why a job is made again now, such as "blank"; empty if it is not.

    `others` are the remakes in the other takes of the row. A result is set aside only if every
    picture of it is checked and of no use, and no other attempt can still bring one.
    """
    if rule is None or job is None or not job.findings or state_of(job) is not State.SUCCEEDED:
        return ""
    attempt = shown(job)
    if attempt is None or attempt.remade or remakes_in([job]) + others >= rule.limit:
        return ""
    if any(_may_bring_more(one) for one in job.attempts if one.number != attempt.number):
        return ""
    looks = [job.findings.get(url, NONE).look for url in attempt.result.urls]
    if not looks or not {*looks} <= {*rule.looks}:
        return ""
    return " or ".join(sorted({*looks}))


def is_awaited(job: Job | None, others: int, rule: RemakeRule | None, now: datetime) -> bool:
    """Returns whether a row that follows this success has to wait: it may be made again."""
    if rule is None or job is None or remakes_in([job]) + others >= rule.limit:
        return False
    attempt = shown(job)
    if attempt is None or attempt.remade:
        return False
    is_fresh = now - (attempt.ended_at or attempt.sent_at) < CHECKED_WITHIN
    return bool(cause(job, others, rule)) or (is_fresh and bool(_unsaved(job, attempt)))


def _unsaved(job: Job, attempt: Attempt) -> Collection[str]:
    return job.to_save(attempt)


def _may_bring_more(attempt: Attempt) -> bool:
    return not attempt.remade and attempt.state not in (State.FAILED, State.RETURNED)
