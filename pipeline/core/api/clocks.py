"""Whether this machine's clock agrees with that of an API. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from pipeline.core.model import Response
from pipeline.core.text import time_limit

#: A smaller difference is not worth a sentence: an answer takes its time, too.
MOST: Final = timedelta(minutes=1)


def difference(response: Response, now: datetime) -> timedelta:
    """How far this clock is ahead of the one that dated the response; 0 if that is not known.

    The header `Date` has whole seconds (RFC 9110, section 6.6.1).
    """
    try:
        at = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, OverflowError):
        return timedelta(0)
    return now - (at if at.tzinfo else at.replace(tzinfo=UTC))


def disagreement(api: str, ahead: timedelta) -> str:
    """A sentence about a clock that is more than a minute wrong; empty if it is not."""
    if abs(ahead) <= MOST:
        return ""
    side = "ahead of" if ahead > timedelta(0) else "behind"
    return (
        f"The clock of this machine is {time_limit(abs(ahead))} {side} that of {api}. Set the "
        "clock: a lost submission is sent again only while the API still knows its key."
    )
