"""A sample before a large batch: the first rows are sent, the others wait until a person looked.

`[rules] sample` is the number of rows in a sample. It begins with the first new row after a person
looked at the sample before, and ends when a person looks at it. A row that was known when a person
looked needs no place in a later sample, unless its inputs change before it is sent. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from pipeline.core.language import NOTHING, Said, say, say_counted
from pipeline.core.model import Attempt, Job, State
from pipeline.core.planning.budgets import PERIODS, Left, awaited, over_budget, short_of_budget
from pipeline.core.planning.followers import with_waits
from pipeline.core.planning.lines import Line
from pipeline.core.states import state_of
from pipeline.core.statuses import Status
from pipeline.core.text import joined

#: The beginning of the note of a row that waits for a person to look at the sample.
_SAMPLE: Final = "Waiting: the first "


@dataclass(frozen=True, slots=True)
class Sample:
    """The present sample of a sheet."""

    #: How many rows it may have.
    size: int
    #: When a person looked at the sample before; None if never.
    looked_at: datetime | None = None
    #: Ids of the rows that were chosen for it, and of those that were sent.
    chosen: frozenset[str] = frozenset()
    sent: frozenset[str] = frozenset()
    #: The note of rows that are sent once they have not changed for a while; empty if none waits.
    settling: str = ""


class Sampled(NamedTuple):
    """Lines of which no more than the sample is sent."""

    lines: tuple[Line, ...]
    #: Ids of the rows that are in the sample: those that were sent, and those that may be.
    rows: frozenset[str] = frozenset()


def look_at_sample(size: int) -> Said:
    """The row waits until a person has looked at the rows that were sent first."""
    return say_counted(
        size,
        "Waiting: the first {number} new row is a sample. Look at its pictures, then press "
        "Continue on the page, or run promptsheet continue.",
        "Waiting: the first {number} new rows are a sample. Look at their pictures, then press "
        "Continue on the page, or run promptsheet continue.",
    )


def sample_waits(waiting: int) -> Said:
    """So many rows wait for a person to look at the sample, which is not done yet."""
    return say_counted(
        waiting,
        "{number} row waits for a look at the sample.",
        "{number} rows wait for a look at the sample.",
    )


def sample_done(waiting: int, sent: int, succeeded: int) -> Said:
    """The sample has ended, and so many rows wait for a person to look at it.

    `sent` is how many rows of it were sent, `succeeded` how many of them have results.
    """
    done = say_counted(
        waiting,
        "The sample is done, and {number} row waits.",
        "The sample is done, and {number} rows wait.",
    )
    look = say(
        "Look at its pictures. Then press Continue on the page, or run promptsheet continue."
    )
    see = say(
        "See their notes: a row that you correct runs again. To send the others, press Continue on "
        "the page, or run promptsheet continue."
    )
    return joined(done, results_of(sent, succeeded), look if succeeded else see)


def results_of(sent: int, succeeded: int) -> Said:
    """How many rows of the sample have results, as a sentence; empty if all of them have."""
    if succeeded == sent:
        return NOTHING
    if not succeeded:
        return say_counted(
            sent,
            "None of its {number} row has a result.",
            "None of its {number} rows has a result.",
        )
    return say_counted(
        succeeded,
        "{number} of its {sent} rows has a result.",
        "{number} of its {sent} rows have a result.",
        sent=sent,
    )


def rows_sent(jobs: Iterable[Job]) -> frozenset[str]:
    """Ids of the rows that the API may have received."""
    return frozenset(job.key.row_id for job in jobs if was_sent(job.attempts))


def rows_made(jobs: Iterable[Job]) -> frozenset[str]:
    """Ids of the rows that have a result."""
    return frozenset(job.key.row_id for job in jobs if state_of(job) is State.SUCCEEDED)


def was_sent(attempts: Collection[Attempt]) -> bool:
    """True if the API may have received one of these attempts."""
    return any(attempt.state is not State.RETURNED for attempt in attempts)


def within_sample(
    lines: Sequence[Line],
    sample: Sample,
    account_of: Callable[[Line], str],
    left: Mapping[str, Left],
) -> Sampled:
    """The lines, of which no more than the sample is sent.

    Rows that were chosen before keep their places, then others follow in the order of the sheet. A
    row that the budget does not cover takes no place. `account_of` says at which account a line is
    paid, and `left` what each may spend. Rows that follow others count, each after the row that it
    follows, and so do rows that settle.
    """
    if not any(_needs_place(line, sample) for line in lines):
        return Sampled(tuple(lines), sample.sent)
    places = _Places(sample, account_of, left)
    for line in _parents_first(lines, sample.chosen):
        places.decide(line)
    changed, chosen = places.changed, sample.sent | places.chosen
    if not changed:
        return Sampled(tuple(lines), chosen)
    return Sampled(with_waits([changed.get(one.identity, one) for one in lines]), chosen)


def is_held(line: Line) -> bool:
    """True if a row waits for a person to look at the sample."""
    return line.status == Status.WAITING and line.note.startswith(_SAMPLE)


def held_rows(lines: Iterable[Line]) -> int:
    """How many rows wait for a person to look at the sample, with all or a part of them."""
    return sum(any(map(is_held, line.each)) for line in lines)


class _Places:
    """The places that are left in a sample, given to one line after the other."""

    def __init__(
        self, sample: Sample, account_of: Callable[[Line], str], left: Mapping[str, Left]
    ) -> None:
        self.chosen: set[str] = set()
        #: Identity -> the line as it is instead.
        self.changed: dict[tuple[str, str], Line] = {}
        self._sample, self._account_of, self._left = sample, account_of, dict(left)
        self._places = max(sample.size - len(sample.sent), 0)
        #: Ids of the rows that have no task, and are not sent now.
        self._unsent: set[str] = set()

    def decide(self, line: Line) -> None:
        """Give the line a place if it needs one and can be sent."""
        row_id = line.seen.row_id
        if not _may_be_sent(line, self._sample):
            if line.job is None or state_of(line.job) in (State.PENDING, State.FAILED):
                self._unsent.add(row_id)
            return
        # The generations of one row have one place.
        needs_place = row_id not in self.chosen and _needs_place(line, self._sample)
        if line.parent and line.parent.row_id in self._unsent:
            self._unsent.add(row_id)
            if needs_place:
                self._wait_without_a_place(line)
        elif cap := self._missing(line):
            self._unsent.add(row_id)
            if needs_place:
                left = self._left[self._account_of(line)]
                self.changed[line.identity] = short_of_budget(line, cap, left)
        elif needs_place and not self._places:
            self._unsent.add(row_id)
            self._hold(line)
        else:
            self._take(line, needs_place=needs_place)

    def _wait_without_a_place(self, line: Line) -> None:
        """The line waits for a row that is not sent now. If that changes, a new plan decides."""
        parent = self.changed.get((line.parent.row_id, "")) if line.parent else None
        if parent and is_held(parent):
            self._hold(line)
        elif parent is None:
            # A task that failed may yet succeed, and rows that follow need no new plan then.
            self.changed[line.identity] = replace(line, parent=None)

    def _missing(self, line: Line) -> str:
        """The cap that does not cover a line; empty if all do."""
        its = self._left.get(self._account_of(line))
        if its is None or not over_budget([line], its.left):
            return ""
        return awaited([line], its.left).get(line.identity, PERIODS[0])

    def _take(self, line: Line, *, needs_place: bool) -> None:
        if needs_place:
            self._places -= 1
            self.chosen.add(line.seen.row_id)
        if its := self._left.get(name := self._account_of(line)):
            self._left[name] = its.after([line])

    def _hold(self, line: Line) -> None:
        note = joined(look_at_sample(self._sample.size), line.warning)
        self.changed[line.identity] = replace(
            line, status=Status.WAITING, note=note, endpoint="", parent=None
        )


def _parents_first(lines: Sequence[Line], before: Container[str]) -> Iterator[Line]:
    """These ids before the others, in the order of the sheet; each after the one it waits for."""
    by_id = {line.identity: line for line in lines}
    done: set[tuple[str, str]] = set()
    for line in sorted(lines, key=lambda line: line.seen.row_id not in before):
        path: list[Line] = []
        at: Line | None = line
        while at and at.identity not in done:
            done.add(at.identity)
            path.append(at)
            at = by_id.get((at.parent.row_id, "")) if at.waits_for_parent and at.parent else None
        yield from reversed(path)


def _may_be_sent(line: Line, sample: Sample) -> bool:
    """True if a row is sent now or later, without anything that a person does."""
    note = sample.settling
    settles = bool(note) and line.status == Status.WAITING and line.note.startswith(note)
    return bool(line.endpoint) or line.waits_for_parent or settles


def _needs_place(line: Line, sample: Sample) -> bool:
    """True if a row is sent only as a part of the sample.

    False if it was sent before, if a person has released it, or asked for another take.
    """
    if not _may_be_sent(line, sample) or line.seen.row_id in sample.sent:
        return False
    if line.job is not None and was_sent(line.job.attempts):
        return False
    if line.take is not None and line.take > line.memory.first_take:
        return False
    looked_at, since = sample.looked_at, line.memory.since
    return looked_at is None or since is None or since > looked_at
