"""Computes when the next pass is due. Pure functions; the caller does the waiting.

Times that passed during a pass are skipped: the next one is always after the given time. A cron
line is read in a time zone, with the rules of Debian's cron: a time in an hour that the clock skips
is due right after that hour, and a time in an hour that occurs twice is due once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

#: An arbitrary time, used to validate a cron line.
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
        """The first time after `after` at which a pass is due. Spans are counted from `began`.

        A cron line requires cronsim, and `problem_with` must have returned an empty text for it.
        """
        if self.every is not None:
            return began + ((after - began) // self.every + 1) * self.every
        from cronsim import CronSim

        for moment in CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))):
            # In an hour that occurs twice, cronsim may return the first one again.
            if moment.astimezone(UTC) > after:
                return moment.astimezone(UTC)
        raise AssertionError("a cron line that is never due was refused when it was read")


def problem_with(cron: str) -> str:
    """The problem of a cron line, as a sentence; empty if it is valid, or without cronsim."""
    if len(cron.split()) != 5:
        return f"write {_FIELDS}, such as {_EXAMPLE}"
    try:
        from cronsim import CronSim, CronSimError
    except ModuleNotFoundError:
        return ""  # Only `watch` needs cronsim, and reports it itself.
    try:
        due = next(CronSim(cron, _SOMETIME), None)
    except CronSimError as e:
        field = str(e).removeprefix("Bad ")
        return f"the {field} cannot be read; write {_FIELDS}, such as {_EXAMPLE}"
    return "" if due else "there is no such day, so no pass would ever be due"
