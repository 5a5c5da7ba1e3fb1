"""When a failed download is tried again, and when its row needs attention."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pipeline.core.errors import BadLink, DeadLink, NotSaved
from pipeline.core.model import Unsaved

#: A file that cannot be downloaded is tried again after the first pause, then after twice as long,
#: and so on up to the longest; after the last try (in about two days) it is given up.
FIRST_PAUSE, LONGEST_PAUSE, LAST_TRY = timedelta(minutes=1), timedelta(hours=6), 16
#: The longest wait that a server may ask for.
LONGEST_WAIT: Final = timedelta(days=1)
#: A link that is dead although its task is recent is tried again after these pauses, because a file
#: may appear later than its address. Links live for a day at Apiframe, and for an hour at least at
#: other vendors.
DEAD_PAUSES: Final = (timedelta(minutes=10), timedelta(hours=2))
LINK_LIFE: Final = timedelta(days=1)


def missed(error: NotSaved, before: Unsaved | None, sent_at: datetime, now: datetime) -> Unsaved:
    """The record of a picture that was not saved; `before` is the earlier record, if any.

    `sent_at` is when its task was submitted: its link is not older than that.
    """
    tries = 1 + (before.tries if before else 0)
    pause: timedelta | None = None
    if isinstance(error, DeadLink):
        if now - sent_at < LINK_LIFE and tries <= len(DEAD_PAUSES):
            pause = DEAD_PAUSES[tries - 1]
    elif not isinstance(error, BadLink) and tries < LAST_TRY:
        pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
        pause = max(pause, min(timedelta(seconds=error.wait), LONGEST_WAIT))
    lost = pause is None or isinstance(error, DeadLink)
    return Unsaved(str(error), tries, now + pause if pause else None, lost)
