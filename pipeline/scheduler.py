"""When the next pass is due: pure arithmetic on moments; whoever watches does the waiting.

Moments that went by while a pass was under way are not made up for: the next one is always after
the moment that is asked from. A cron line is read by the clock of a time zone, as Debian's cron
reads it: an hour that the clock leaves out is met right after it, one that it shows twice once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

#: An instant for which a cron line is tried out. Any would do.
_SOMETIME = datetime(2026, 1, 1, tzinfo=UTC)
_EXAMPLE = '"*/5 8-18 * * MON-FRI"'
_FIELDS = "five fields: minute, hour, day, month, weekday"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either a cron line, or a span; the time zone is the cron line's."""

    cron: str = ""
    every: timedelta | None = None
    timezone: str = "UTC"

    def due(self, after: datetime, began: datetime) -> datetime:
        """The first moment after `after` at which a pass is due; spans count from `began`.

        Needs cronsim for a cron line, and one that `problem_with` finds no fault in.
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
        return ""  # only `watch` needs it, and says so itself
    try:
        due = next(CronSim(cron, _SOMETIME), None)
    except CronSimError as e:
        field = str(e).removeprefix("Bad ")
        return f"the {field} cannot be read; write {_FIELDS}, such as {_EXAMPLE}"
    return "" if due else "there is no such day, so no pass would ever be due"
