"""Which rows need the attention of a person. The page and the terminal count them by this rule.

A row needs attention if its status is in `statuses.NEEDS_ATTENTION` and it was not dismissed on the
page. A dismissed row counts again as soon as something new happens to it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.core.model import Job
from pipeline.core.states import shown

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def is_dismissed(job: Job | None) -> bool:
    """Returns whether a person dismissed the job, and nothing has happened to it since."""
    if job is None or job.dismissed is None:
        return False
    attempt = shown(job)
    return attempt is None or (attempt.ended_at or attempt.sent_at) <= job.dismissed


def said_by(since: datetime | None, status: str, note: str) -> str:
    """The text that the store keeps when a row without a job is dismissed.

    The row is dismissed only while this text stays the same. `since` is when its inputs were first
    seen.
    """
    return f"{(since or _LONG_AGO).isoformat()} {status}: {note}"
