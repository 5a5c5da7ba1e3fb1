"""What a run would do: which rows it would send, what they cost, and how long they take."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from pipeline.core import messages
from pipeline.core.costs import Cost, in_words, listed, own
from pipeline.core.credits import Credits
from pipeline.core.errors import ConfigError
from pipeline.core.followers import to_follow
from pipeline.core.planning import Line, Plan
from pipeline.core.statuses import Status
from pipeline.core.text import counted, is_or_are, rounded, time_limit
from pipeline.sync.row_reports import needing
from pipeline.sync.sheet_sync import SheetSync


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """Numbers of rows and credits of what a run would send, and why it would send nothing."""

    #: Rows that are sent at once. All credits are those of the sheet's own account, in its unit.
    rows: int = 0
    credits: Credits = 0
    #: Rows that are sent once the row that they follow is done.
    rows_after_another_row: int = 0
    credits_after_another_row: Credits = 0
    #: Rows that are sent once they have not changed for `settle`.
    rows_once_settled: int = 0
    credits_once_settled: Credits = 0
    settle: str = ""
    #: About how long it takes, in seconds, as earlier tasks took; None if that is not known.
    seconds: int | None = None
    #: Why nothing is sent, as a sentence; empty if nothing is in the way.
    hold: str = ""
    is_paused: bool = False
    #: What the rows cost at each account, without those that have to settle, and those.
    costs: tuple[Cost, ...] = ()
    costs_once_settled: tuple[Cost, ...] = ()
    #: Sentences about rows that are not sent because a person or the budget is in the way.
    others: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The plan in a few sentences. For a paused sheet, what is sent once it resumes."""
        if self.hold and not self.is_paused:
            return self.hold
        rows = self.rows + self.rows_after_another_row
        parts = []
        if rows:
            parts.append(f"{counted(rows, 'row')} to send, for {in_words(self.costs)}.")
        if self.rows_once_settled:
            parts.append(
                f"{counted(self.rows_once_settled, 'row')} to send, for "
                f"{in_words(self.costs_once_settled)}, once unchanged for {self.settle}."
            )
        if self.seconds is not None:
            parts.append(f"This takes about {rounded(self.seconds)}.")
        ready = " ".join(parts) or "No row is ready to be sent."
        if self.is_paused:
            ready = f"The sheet is paused. Once it resumes: {ready[0].lower()}{ready[1:]}"
        return " ".join((ready, *self.others))

    def as_json(self) -> dict[str, object]:
        """The numbers, for programs. A run sends nothing from a paused sheet."""
        if self.is_paused:
            return PlanFigures(settle=self.settle).as_json()
        return {
            "rows": self.rows,
            "credits": self.credits,
            "rows_after_another_row": self.rows_after_another_row,
            "credits_after_another_row": self.credits_after_another_row,
            "rows_once_settled": self.rows_once_settled,
            "credits_once_settled": self.credits_once_settled,
            "costs": [one.as_json() for one in self.costs],
            "costs_once_settled": [one.as_json() for one in self.costs_once_settled],
            "seconds": self.seconds,
        }


def figures(sync: SheetSync, in_flight: int) -> PlanFigures:
    """The numbers of a plan that was just made. `in_flight` is how many tasks run at a time."""
    hold = sync.last.hold
    is_paused = hold is not None and hold.kind == "paused"
    if is_paused:
        sync.last = replace(sync.last, hold=None)  # what is sent once it resumes
    now, after, later = to_send(sync), following(sync), settling(sync)
    return PlanFigures(
        len(now),
        own(costs(sync, now)),
        len(after),
        own(costs(sync, after)),
        len(later),
        own(costs(sync, later)),
        time_limit(sync.rules.settle),
        _seconds(sync, (*now, *after, *later), in_flight),
        hold.sentence if hold else "",
        is_paused,
        costs(sync, (*now, *after)),
        costs(sync, later),
        tuple(_others(sync)),
    )


def _others(sync: SheetSync) -> Iterator[str]:
    """Sentences about rows that wait for a person, or for more budget."""
    statuses = sync.last.plan.statuses
    if number := statuses[Status.NEEDS_APPROVAL]:
        yield f"{counted(number, 'row')} {'waits' if number == 1 else 'wait'} for approval."
    if number := statuses[Status.OVER_BUDGET]:
        yield f"{counted(number, 'row')} {is_or_are(number)} over budget."
    if number := len(needing(sync)):
        need, its = ("needs", "its note") if number == 1 else ("need", "their notes")
        yield f"{counted(number, 'row')} {need} attention: see {its}."


def _seconds(sync: SheetSync, lines: Sequence[Line], in_flight: int) -> int | None:
    """About how long these rows take; None without any, or if an endpoint never ended a task.

    A half of the tasks of an endpoint took longer than the time that is used for it.
    """
    known = {
        api.prefix + name.removeprefix(api.prefix): median(
            (begin + end) / 2 for begin, end in spans
        )
        for api in sync.rules.apis
        for name, spans in sync.store.durations.get(api.account).items()
    }
    numbers = Counter(sync.rules.endpoint_name(line.memory.inputs) for line in lines)
    if not numbers or not numbers.keys() <= known.keys():
        return None
    rounds = math.ceil(len(lines) / in_flight)
    mean = sum(number * known[name] for name, number in numbers.items()) / len(lines)
    return math.ceil(max(rounds * mean, *(known[name] for name in numbers), 1))


def to_send(sync: SheetSync) -> Sequence[Line]:
    """The rows that a run would send now; none if the sheet is held."""
    return () if sync.last.hold else sync.last.plan.to_send


def following(sync: SheetSync) -> Sequence[Line]:
    """Rows that a run sends once other rows are done, which are sent now or are at the API."""
    return () if sync.last.hold else to_follow(sync.last.plan.lines)


def settling(sync: SheetSync) -> Sequence[Line]:
    """The rows that wait only because they changed a short time ago."""
    note = messages.settling(sync.rules.settle)
    lines = () if sync.last.hold else sync.last.plan.lines
    return [line for line in lines if line.status == Status.WAITING and line.note.startswith(note)]


def costs(sync: SheetSync, lines: Sequence[Line]) -> tuple[Cost, ...]:
    """What these rows cost at each account, as listed."""
    return listed(sync.rules, (line.memory.inputs for line in lines))


def narrowed(sync: SheetSync, row: str, limit: int | None) -> Plan:
    """The plan of a run that sends only this row, and at most `limit` rows.

    Rows that follow others are within the budget too. Without such a row nothing is sent. Raises
    ConfigError if several rows match.
    """
    plan = sync.last.plan
    chosen, following = plan.to_send, to_follow(plan.lines)
    if row:
        named = find_rows(plan.lines, row)
        chosen = tuple(line for line in chosen if line in named)
        following = [line for line in following if line in named]
    chosen = chosen[:limit]
    plan = sync.planner.with_followers_within_budget(_of_these(plan, [*chosen, *following]))
    if limit is None:
        return plan
    return _of_these(plan, [*chosen, *to_follow(plan.lines)[: limit - len(chosen)]])


def _of_these(plan: Plan, sent: Sequence[Line]) -> Plan:
    """The plan in which no other rows are sent than these."""
    leaving = {line.seen.place for line in sent}
    lines = (
        line
        if line.seen.place in leaving or not (line.endpoint or line.parent)
        else replace(line, endpoint="", parent=None)
        for line in plan.lines
    )
    return replace(plan, lines=tuple(lines))


class NamedRow:
    """Matches the named row. A line number counts only in the first reading, later the id."""

    def __init__(self, row: str) -> None:
        self._row = row
        self._pinned = ""

    def __call__(self, line: Line) -> bool:
        if self._pinned:
            return line.seen.row_id == self._pinned
        if is_named(line, self._row):
            self._pinned = line.seen.row_id
            return True
        return False


def find_rows(lines: tuple[Line, ...], row: str) -> list[Line]:
    """The line with this row_id, name or number. Raises ConfigError if several match."""
    found = [line for line in lines if is_named(line, row)]
    if len(found) > 1:
        numbers = ", ".join(str(line.seen.place + 1) for line in found)
        # The number is a line number and also the name of a row, so a line number does not help.
        cure = "its row_id, or rename it" if row.isdecimal() else "one of these numbers"
        raise ConfigError(f'"{row}" matches several rows: lines {numbers}. Give {cure}.')
    return found


def no_row(row: str) -> str:
    """The message that there is no such row, and what to do."""
    return f'There is no row "{row}": give its row_id, name or line number.'


def is_named(line: Line, row: str) -> bool:
    """Returns whether `row` is the row_id, the name or the line number of this line."""
    return row in (line.seen.row_id, line.name) or row == str(line.seen.place + 1)
