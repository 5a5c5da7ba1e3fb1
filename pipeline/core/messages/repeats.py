"""When a trouble that lasts is reported again by later runs.

Cron mails what a program prints. A trouble that lasts (a file that is open elsewhere, a pause, an
API out of reach) is reported when it begins, and then once a day.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

#: A trouble that lasts is reported again after this time.
AGAIN_AFTER = timedelta(days=1)
#: The trouble that another run is working on the sheet; the same for every such run.
BUSY = "busy"
#: Amounts that differ from run to run while the trouble is the same.
_AMOUNT = re.compile(r"\d[\d,]* (s|min|h|of|credit|message|picture|row)s?\b")


def trouble_of(sentence: str) -> str:
    """The topic of a sentence: the sentence without its amounts."""
    return _AMOUNT.sub(r"# \1", sentence)


def is_news(troubles: Collection[str], reported: Mapping[str, datetime], now: datetime) -> bool:
    """Returns whether one of the troubles was not reported in the last day.

    `reported` says when each trouble was reported last. A time in the future does not count: the
    clock was set back since.
    """
    return any(
        not timedelta(0) <= now - reported[one] < AGAIN_AFTER if one in reported else True
        for one in troubles
    )
