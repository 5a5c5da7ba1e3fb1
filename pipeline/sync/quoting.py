"""When the rows of a plan will be finished: the tasks, the limits and the history for a quote.

In: a look, and how fast each API may be used. Out: a `Forecast`, which is a frozen value. Reads the
store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from statistics import fmean, median
from typing import Final, NamedTuple

from pipeline.core.api.accounts import Api
from pipeline.core.api.poll_times import EXACT
from pipeline.core.language import NOTHING as NOTHING_SAID
from pipeline.core.language import Said, figures, say, say_counted, together
from pipeline.core.messages.dates import month_of
from pipeline.core.model import State
from pipeline.core.planning.job_status import is_overdue
from pipeline.core.planning.lines import Line
from pipeline.core.planning.quotes import TASKS, Place, Quote, Task, quote
from pipeline.core.text import joined
from pipeline.sync.in_flight import why_full
from pipeline.sync.ports import Pace
from pipeline.sync.sheet_sync import SheetSync

#: So many earlier tasks of the sheet itself are enough; with fewer, those of the account count if
#: there are more of them.
ENOUGH: Final = 20
#: A task that took so many times longer than all that passes have watched was found late: no pass
#: ran when it ended.
FOUND_LATE: Final = 3.0
#: Requests for each row, where the API calls back, where one poll is about many tasks, and where
#: each task is polled alone.
CALLED, TOGETHER, ALONE = 1.1, 1.2, 2.5


class Speed(NamedTuple):
    """How fast an API may be used."""

    pace: Pace
    #: How many tasks the account may have at once; None if that is not known.
    at_once: int | None = None

    @property
    def most(self) -> int:
        """How many tasks it has at once at most."""
        return min(self.pace.in_flight, self.at_once or self.pace.in_flight)


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the rows of a plan will be finished, if a run begins at `at` and waits."""

    at: datetime
    #: None if it is not known, or if nothing is to be done.
    quote: Quote | None = None
    #: The endpoints of which no task has ended yet.
    unknown: tuple[str, ...] = ()

    @property
    def finished_at(self) -> datetime | None:
        """The quoted time; None if there is none."""
        return self.at + timedelta(seconds=self.quote.seconds) if self.quote else None

    def sentence(self, zone: tzinfo | None = None) -> Said:
        """The quoted time or span, or why there is none; empty if nothing is to be done.

        Times are those of `zone`, with its name; without it, those of this machine.
        """
        if self.unknown:
            return say(
                "When it will be finished is not known yet: no task of {names} has ended.",
                names=", ".join(self.unknown),
            )
        if self.quote is None:
            return NOTHING_SAID
        its = self.quote
        when = in_words(self.at, its, zone, exact=its.latest < 600)
        shown = figures(f"{its.tasks:,}")
        many = say_counted(
            its.tasks, "{number} earlier task", "{number} earlier tasks", number=shown
        )
        until = joined(when, (self.at.astimezone(zone).tzname() or "") if zone else "")
        if its.is_near:
            return say(
                "Finished about {time} (from {tasks}), if it starts now.", time=until, tasks=many
            )
        return say("Finished {time} (from {tasks}), if it starts now.", time=until, tasks=many)


#: The forecast of a plan that sends nothing.
NOTHING: Final = Forecast(datetime.min.replace(tzinfo=UTC))


def in_words(start: datetime, its: Quote, zone: tzinfo | None, *, exact: bool) -> Said:
    """Such as "14:20, at the latest 14:21"; "between 14:18 and 14:24" if no single time is near."""
    about, latest = (
        by_clock(start, seconds, zone, exact=exact) for seconds in (its.seconds, its.latest)
    )
    if its.is_near:
        return say("{time}, at the latest {latest}", time=about, latest=latest)
    earliest = by_clock(start, its.earliest, zone, exact=exact, up=False)
    return say("between {earliest} and {latest}", earliest=earliest, latest=latest)


def by_clock(
    start: datetime, seconds: float, zone: tzinfo | None, *, exact: bool, up: bool = True
) -> Said:
    """The time of day so many seconds after `start`; with the day if that is another one.

    With `exact` it has seconds. Minutes are rounded up, or down.
    """
    begin, end = start.astimezone(zone), (start + timedelta(seconds=seconds)).astimezone(zone)
    if up and not exact and (end.second or end.microsecond):
        end += timedelta(minutes=1)
    time = end.strftime("%H:%M:%S" if exact else "%H:%M")
    if end.date() == begin.date():
        return together([time])
    return say("{day} {month} {time}", day=end.day, month=month_of(end), time=time)


def forecast(
    sync: SheetSync,
    speeds: Sequence[Speed],
    now: datetime,
    *,
    lines: Sequence[Line],
    settling: Sequence[Line] = (),
    most: int = TASKS,
) -> Forecast:
    """When these lines will be finished, and the tasks that are at the APIs now.

    `lines` are those to send, each after the one that it follows; `settling` are sent once they
    have not changed for `settle`. `speeds` are those of the APIs of the sheet, in their order.
    """
    if not lines and not settling:
        return Forecast(now)
    history, answered = _history(sync)
    places, place_of = _places(sync, speeds, history, answered, now)
    tasks = _tasks(sync, place_of, now, lines, settling)
    unknown = tuple(sorted({task.kind for task in tasks} - history.keys()))
    if unknown:
        return Forecast(now, unknown=unknown)
    return Forecast(now, quote(tasks, places, history, most))


def _tasks(
    sync: SheetSync,
    place_of: Mapping[str, int],
    now: datetime,
    lines: Sequence[Line],
    settling: Sequence[Line],
) -> list[Task]:
    rules = sync.rules
    tasks: list[Task] = []
    numbers: dict[str, int] = {}  # of rows that others can follow
    for key, attempt in sync.state.jobs.open_attempts():
        api = rules.api_of(attempt)
        if api and not is_overdue(attempt, rules.give_up_after, now):
            numbers[key.row_id] = len(tasks)
            age = max((now - attempt.sent_at).total_seconds(), 0.0)
            tasks.append(Task(place_of[api.prefix], attempt.endpoint, age=age))
    for each in (lines, settling):
        for line in each:
            name = line.endpoint or rules.endpoint_name(line.inputs)
            after = (
                numbers.get(line.parent.row_id) if line.waits_for_parent and line.parent else None
            )
            begins = 0.0
            if each is settling:
                since = line.memory.since or now
                begins = max((since + rules.settle - now).total_seconds(), 0.0)
            numbers[line.seen.row_id] = len(tasks)
            tasks.append(Task(place_of[rules.api_named(name).prefix], name, after, begins))
    return tasks


def _history(sync: SheetSync) -> tuple[dict[str, tuple[float, ...]], dict[str, float]]:
    """Endpoint -> how long its tasks took; and account -> seconds until it answers."""
    own: dict[tuple[str, str], list[float]] = defaultdict(list)
    answers: dict[str, list[float]] = defaultdict(list)
    for ended in sync.store.durations.of_sheet(sync.key):
        own[ended.account, ended.endpoint].append(ended.seconds)
        if ended.answered is not None:
            answers[ended.account].append(ended.answered)
    history: dict[str, tuple[float, ...]] = {}
    for api in sync.rules.apis:
        watched = sync.store.durations.get(api.account)
        names = {*watched, *(name for account, name in own if account == api.account)}
        for name in names:
            # A span is a little wider than what was seen.
            spans = [by / (1 + EXACT) for _, by in watched.get(name, ())]
            seen = own.get((api.account, name), [])
            if spans:
                seen = [seconds for seconds in seen if seconds <= FOUND_LATE * max(spans)]
            found = seen if len(seen) >= ENOUGH or len(seen) >= len(spans) else spans
            if found:
                history[api.prefix + name.removeprefix(api.prefix)] = tuple(found)
    return history, {account: median(seconds) for account, seconds in answers.items()}


def _places(
    sync: SheetSync,
    speeds: Sequence[Speed],
    history: Mapping[str, Sequence[float]],
    answered: Mapping[str, float],
    now: datetime,
) -> tuple[list[Place], dict[str, int]]:
    """The limits of each account; and prefix of an API -> the number of its account."""
    lost, patience = _lost(sync, now), sync.rules.give_up_after
    places: list[Place] = []
    place_of: dict[str, int] = {}
    by_account: dict[str, int] = {}
    for api, speed in zip(sync.rules.apis, speeds, strict=True):
        number = by_account.setdefault(api.account or api.prefix, len(places))
        place_of.setdefault(api.prefix, number)
        if number < len(places):
            continue  # Two APIs of one account share its places.
        pace = speed.pace
        per_minute = sync.spending.of(api).per_minute
        lasts = [s for name, its in history.items() for s in its if name.startswith(api.prefix)]
        if per_minute:
            each = _requests_per_row(api, pace, sync.state.is_called, fmean(lasts or [0.0]))
            per_minute = max(int(per_minute / each), 1)
        ends = ((at + patience - now).total_seconds() for at in lost[api.account or api.prefix])
        wait = answered.get(api.account, 0.0)
        places.append(Place(speed.most, pace.concurrency, wait, per_minute, tuple(ends)))
    return places, place_of


def _lost(sync: SheetSync, now: datetime) -> Mapping[str, Sequence[datetime]]:
    """Account -> when each of its submissions without an answer was sent that takes a place."""
    lost: dict[str, list[datetime]] = defaultdict(list)
    for attempt in sync.state.jobs.at_work().values():
        api = sync.rules.api_of(attempt)
        is_young = attempt.sent_at > now - sync.rules.give_up_after
        is_lost = attempt.state is State.UNKNOWN and not attempt.task_id
        if api and is_young and is_lost and not sync.rules.may_be_resent(attempt, now):
            lost[api.account or api.prefix].append(attempt.sent_at)
    return lost


def why_no_place(
    sync: SheetSync, speeds: Sequence[Speed], now: datetime, lines: Sequence[Line]
) -> str:
    """That lost submissions take all places at an account of these lines; empty if they do not."""
    rules, lost = sync.rules, _lost(sync, now)
    prefixes = {rules.api_named(line.endpoint).prefix for line in lines}
    each = (
        why_full(lost[api.account or api.prefix], speed.most, rules.give_up_after)
        for api, speed in zip(rules.apis, speeds, strict=True)
        if api.prefix in prefixes
    )
    return next(filter(None, each), "")


def _requests_per_row(api: Api, pace: Pace, is_called: bool, lasts: float) -> float:
    """About how many requests of a minute one row takes; `lasts` is how long its task takes."""
    poll = api.provider.poll
    together = poll.most if poll.many or poll.list else 1
    if is_called and api.provider.webhook:
        return CALLED
    if pace.poll_every:
        polls = max(lasts / max(pace.poll_every.total_seconds(), 0.01), 1.0)
        return 1 + polls / together
    return TOGETHER if together > 1 else ALONE
