"""When the next pass is due. Pure calculation with moments; the caller does the waiting.

Moments that passed while a pass was running are not made up for: the next one is always after the
given moment. A cron line is read in the clock of a time zone, as Debian's cron does: an hour that
the clock skips is met right after it, and an hour that it shows twice is met once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

#: Any moment, to try out a cron line.
_SOMETIME = datetime(2026, 1, 1, tzinfo=UTC)
_EXAMPLE = '"*/5 8-18 * * MON-FRI"'
_FIELDS = "five fields: minute, hour, day, month, weekday"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either a cron line with its time zone, or a time span."""

    cron: str = ""
    every: timedelta | None = None
    timezone: str = "UTC"

    def due(self, after: datetime, began: datetime) -> datetime:
        """The first moment after `after` at which a pass is due. Spans are counted from `began`.

        A cron line needs cronsim, and must be one for which `problem_with` returns an empty text.
        """
        if self.every is not None:
            return began + (max((after - began) // self.every, 0) + 1) * self.every
        from cronsim import CronSim

        for moment in CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))):
            # In an hour that the clock shows twice, cronsim names the first even from the second.
            if moment.astimezone(UTC) > after:
                return moment.astimezone(UTC)
        raise AssertionError("a cron line that is never due was refused when it was read")


def problem_with(cron: str) -> str:
    """What is wrong with a cron line, as a sentence; empty if nothing is, or cronsim is missing."""
    if len(cron.split()) != 5:
        return f"write {_FIELDS}, such as {_EXAMPLE}"
    try:
        from cronsim import CronSim, CronSimError
    except ModuleNotFoundError:
        return ""  # Only `watch` needs it, and says so itself.
    try:
        due = next(CronSim(cron, _SOMETIME), None)
    except CronSimError as e:
        field = str(e).removeprefix("Bad ")
        return f"the {field} cannot be read; write {_FIELDS}, such as {_EXAMPLE}"
    return "" if due else "there is no such day, so no pass would ever be due"
