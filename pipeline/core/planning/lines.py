"""Lines: what the program decides about each row of a reading, and a plan of them.

A row is one generation as a rule, and a line says all about it. A row that asks for several in
`count` or `ratios` has one line for each of them, its *parts*, and one that sums them up for the
cells. Pure values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from pipeline.core.credits import Credits, total
from pipeline.core.language import NOTHING, Said, say
from pipeline.core.model import Job, JobKey, KnownRow, RowKind
from pipeline.core.pictures.picks import NOTHING_PICKED, Picked, Picture
from pipeline.core.planning.earlier_lines import Made
from pipeline.core.rows.generations import Generation, labels
from pipeline.core.rows.known import Seen
from pipeline.core.states import shown
from pipeline.core.statuses import ON_THE_WAY, Status, in_progress
from pipeline.core.text import joined


@dataclass(frozen=True, slots=True)
class Line:
    """The decision about one row of one reading, or about one of its generations."""

    seen: Seen
    #: What the store should remember of the row.
    memory: KnownRow
    status: str
    note: Said = NOTHING
    #: The take that the row asks for, and the job that answers for it, if there is one. Where the
    #: take is a mistake, the latest job whose results can be shown.
    take: int | None = None
    job: Job | None = None
    #: Which endpoint it is for, if it may be sent once its turn comes.
    endpoint: str = ""
    #: Listed credits, if it may be sent.
    price: Credits = 0
    #: What its price is counted under besides run, day and month (see `money.shares`).
    shares: tuple[str, ...] = ()
    #: Number of attempts that must be requested before the job may be sent.
    asked: int = 0
    name: str = ""
    #: What looks like a mistake in its prompt, as a sentence; it is a part of the note.
    warning: Said = NOTHING
    #: Why its result is set aside and made again, such as "blank"; empty if it is not.
    remake: str = ""
    #: How many results of the row's other jobs were made again.
    remade: int = 0
    #: The job of the row that it follows, if it may be sent, or waits for nothing but that job.
    parent: JobKey | None = None
    #: Which generation it is about, where the row asks for them in `count` or `ratios`.
    generation: Generation | None = None
    #: Canonical text of what it is sent with, where that is more than the inputs of the row say
    #: (see `prompts.revisions`).
    revised: str = ""
    #: The picked pictures of its row.
    picked: tuple[Picture, ...] = ()
    #: What is picked of the pictures of the take before, if its take is made with feedback.
    before: Picked = NOTHING_PICKED
    #: The lines of its generations, if it is about a row with several. Then it has no job itself.
    parts: tuple[Line, ...] = ()

    @property
    def part(self) -> str:
        """Which part of its row it is about (see `rows.generations`); empty for the whole row."""
        return self.generation.part if self.generation else ""

    @property
    def inputs(self) -> str:
        """Canonical text of what it is sent with."""
        if self.revised:
            return self.revised
        return self.generation.inputs if self.generation else self.memory.inputs

    @property
    def turn(self) -> int:
        """Which one it is of all that are made of the same inputs: the take, and the copy in it."""
        return (self.take or 1) + (self.generation.copy - 1 if self.generation else 0)

    @property
    def each(self) -> tuple[Line, ...]:
        """The lines of its generations; the line itself if there are not several."""
        return self.parts or (self,)

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from all other lines of a plan: its row and its part."""
        return self.seen.row_id, self.part

    def key(self, sheet: str) -> JobKey:
        """The key of the job for the take that it asks for."""
        assert self.take is not None, "a row without a usable take is never sent"
        return JobKey(sheet, self.seen.row_id, self.take, self.part)

    @property
    def waits_for_parent(self) -> bool:
        """True if it is sent as soon as the row that it follows is done."""
        return self.parent is not None and self.status == Status.WAITING

    @property
    def is_unsent(self) -> bool:
        """True if it is sent now or later, unless its cells change."""
        if self.parts:
            return any(one.is_unsent for one in self.parts)
        return bool(self.endpoint) or Status.of(self.status) in _LATER

    @property
    def confirmed(self) -> bool:
        """True if the reading shows the row's id in its row."""
        return self.seen.marked.mark == self.seen.row_id

    def with_its_id(self) -> Line:
        """The line as it is once the row's id is written."""
        marked = replace(self.seen.marked, mark=self.seen.row_id)
        return self.at(replace(self.seen, marked=marked, origin=None))

    def at(self, seen: Seen) -> Line:
        """The same line for a row that is seen like this."""
        parts = tuple(replace(one, seen=seen) for one in self.parts)
        return replace(self, seen=seen, parts=parts)

    @property
    def foreign(self) -> bool:
        """True if the row has an id or results that we did not write; its cells stay unchanged."""
        return self.is_unrecognized and self.seen.marked.is_filled

    @property
    def is_unrecognized(self) -> bool:
        """True for a foreign row, also after the foreign id and results were removed from it."""
        return self.seen.standing is RowKind.UNRECOGNIZED and self.job is None


_LATER = (Status.WAITING, Status.NEEDS_APPROVAL, Status.OVER_BUDGET)


@dataclass(frozen=True, slots=True)
class Plan:
    """All lines of a reading, in its order, without unchanged rows (see `cells.unchanged_rows`)."""

    lines: tuple[Line, ...] = ()
    #: How many unchanged rows there are besides, by their status.
    unchanged: Counter[str] = field(default_factory=Counter)
    #: What it was made from; a later plan of the same pass may use its lines.
    made: Made = field(default_factory=Made, repr=False, compare=False)

    @property
    def each(self) -> tuple[Line, ...]:
        """The lines of all generations: one for a row that does not ask for several."""
        return each(self.lines)

    @property
    def to_send(self) -> tuple[Line, ...]:
        """The lines of generations that may be sent, in the order of the sheet."""
        return tuple(line for line in self.each if line.endpoint)

    def with_each(self, lines: Iterable[Line]) -> Plan:
        """The same with other lines of generations, in the same order."""
        return replace(self, lines=gathered(lines))

    @property
    def statuses(self) -> Counter[str]:
        """How many rows there are of each status."""
        found = self.unchanged.copy()
        for text, number in Counter(line.status for line in self.lines).items():
            found[Status.of(text)] += number
        return found


def each(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines of all generations of these rows."""
    return tuple(one for line in lines for one in line.each)


def gathered(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines of rows: those of generations of one row, which follow each other, become one."""
    rows = groupby(lines, key=lambda line: line.seen.row_id)
    return tuple(gathered_row(tuple(its)) for _, its in rows)


def gathered_row(its: Sequence[Line]) -> Line:
    """The line of one row with these generations."""
    first, *more = its
    if not more:
        return first
    return replace(
        first,
        status=_status(its),
        note=_note(its),
        warning=joined(*dict.fromkeys(one.warning for one in its)),
        price=total(one.price for one in its),
        job=None,
        endpoint="",
        asked=0,
        remake="",
        parent=None,
        generation=None,
        revised="",
        parts=tuple(its),
    )


def _status(its: Sequence[Line]) -> str:
    """The status of a row: what the API still works on comes first, then what needs attention."""
    found = {Status.of(one.status) for one in its}
    way = found & ON_THE_WAY
    if not way:
        return min(found, key=_ORDER.index)
    if Status.IN_PROGRESS in way or Status.DONE in found:
        return in_progress(sum(map(_percent, its)) // len(its))
    return Status.SENDING if Status.SENDING in way else Status.QUEUED


def _percent(line: Line) -> int:
    if Status.of(line.status) is Status.DONE:
        return 100
    attempt = shown(line.job) if line.job else None
    return (attempt.progress if attempt else None) or 0


def _note(its: Sequence[Line]) -> Said:
    """How many are done, and what is said of each; only that if it is the same of all."""
    notes: dict[Said, list[Line]] = {}
    for one in its:
        notes.setdefault(one.note, []).append(one)
    done = sum(Status.of(one.status) is Status.DONE for one in its)
    if len(notes) == 1 and done in (0, len(its)):
        return its[0].note
    said = [say("{done} of {all} are done.", done=done, all=len(its))]
    for note, lines in notes.items():
        names = labels(one.part for one in lines)
        if note:
            is_of_all = len(lines) == len(its)
            said.append(note if is_of_all else say("{which}: {note}", which=names, note=note))
    return joined(*said)


_ORDER = tuple(Status)
