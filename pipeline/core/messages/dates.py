"""Times for people, as their language writes them. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from pipeline.core.language import NOTHING, Said, say

_MONTHS: Final = (
    *(say("Jan"), say("Feb"), say("Mar"), say("Apr"), say("May"), say("Jun")),
    *(say("Jul"), say("Aug"), say("Sep"), say("Oct"), say("Nov"), say("Dec")),
)


def month_of(day: datetime) -> Said:
    """The short name of its month, such as Nov."""
    return _MONTHS[day.month - 1]


def moment(at: datetime | None, zone: tzinfo, form: str = "%H:%M:%S") -> Said:
    """A time in this time zone, with its name: 28 Nov 2026, 14:05:00 UTC. Empty for None."""
    if at is None:
        return NOTHING
    there = at.astimezone(zone)
    name = there.tzname() or ""
    return say(
        "{day} {month} {year}, {time} {zone}",
        day=there.day,
        month=month_of(there),
        year=there.year,
        time=there.strftime(form),
        # Zones without a name have their offset as name: "+03".
        zone=f"UTC{name}" if name[:1] in ("+", "-") else name,
    )
