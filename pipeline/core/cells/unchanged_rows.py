"""Unchanged rows: which rows of a reading are exactly as the last pass left them.

Most rows of a big sheet are finished. Of these a pass keeps only the id and a digest of all cells.
The next pass compares the digests, and matches, plans and writes only the other rows.

The result is the same as if all rows were planned, for two reasons. A row counts as unchanged only
if its status depends on nothing but its own cells, its own jobs and the rules (`Unchanged.under`),
or on rows that it names or that name it, and these are unchanged too (`rows.chains.relatives`).
And matching could not give its id to another row: the id is in the sheet once, with the inputs that
are known of it (rule 1 of `rows.matching`), and the row is no copy.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import is_

from pipeline.core.cells.content import ASTRAY
from pipeline.core.cells.row_digests import digest
from pipeline.core.inputs import parsed
from pipeline.core.invisible import visible
from pipeline.core.model import Grid, Job, KnownRow, RowKind, State
from pipeline.core.planning.lines import Line
from pipeline.core.prompts.reference_images import named_row
from pipeline.core.rows.chains import relatives
from pipeline.core.rows.known import is_id
from pipeline.core.sheet.header import ALWAYS, Columns, Marked
from pipeline.core.states import is_open
from pipeline.core.statuses import INDEPENDENT, Status

_FINAL = (State.SUCCEEDED, State.FAILED, State.RETURNED)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The unchanged rows that a pass left, and everything else that they depend on."""

    #: A digest of the header, the rules and whatever else decides about all rows.
    under: str = ""
    #: The version of the sheet's jobs up to which changes were taken into account.
    version: int = 0
    #: Id -> digest of the row's cells.
    rows: Mapping[str, bytes] = field(default_factory=dict)
    #: All other ids that the store knows, whether they are in the sheet or not.
    others: frozenset[str] = frozenset()
    #: Digests of lines that are no rows, but have text in columns of ours that is not ours.
    lines: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Parted:
    """A reading in two parts: unchanged rows, and all other lines."""

    #: Id -> place, in the order of the reading.
    unchanged: Mapping[str, int]
    #: The status cells of the unchanged rows, counted.
    statuses: Counter[str]
    #: Places of all other lines.
    others: Sequence[int]


def depends(*on: object) -> str:
    """A digest of values that decide about all rows."""
    return hashlib.sha256(repr(on).encode("utf-8", "surrogatepass")).hexdigest()


def is_usual(columns: Columns, ours: Collection[str]) -> bool:
    """Returns whether all our columns are in the sheet and are known to be ours."""
    there = set(columns.ours)
    return there <= set(ours) and there >= set(ALWAYS) and not columns.doubled


def parted(
    grid: Grid,
    columns: Columns,
    left: Unchanged,
    changed_ids: Collection[str],
    earlier: tuple[Grid, Parted] | None = None,
) -> Parted:
    """The reading in two parts; `changed_ids` are ids whose jobs have changed since.

    `earlier` is a reading of the same pass, under the same rules. Rows that are the same objects as
    there need no new digest.
    """
    at = columns.index["row_id"]
    # As rows are matched: an id with an invisible character is the same id.
    # A known id has no invisible characters.
    known, cells = left.rows, (row[at] if at < len(row) else "" for row in grid)
    marks = [cell if cell in known else visible(cell) for cell in cells]
    marks[0] = ""
    unchanged, uncertain = dict(zip(marks, range(len(grid)), strict=True)), {*changed_ids}
    if len(unchanged) < len(marks):
        uncertain.update(mark for mark, times in Counter(marks).items() if times > 1)
    noted = [None if mark in uncertain else known.get(mark) for mark in marks]
    before, found = earlier or ((), None)
    there = found.unchanged if found else {}
    rows = enumerate(zip(marks, noted, grid, _same(grid, before), strict=True))
    others = [
        place
        for place, (mark, was, row, is_same) in rows
        if was is None or not ((is_same and there.get(mark) == place) or digest(row) == was)
    ][1:]
    for place in (0, *others):
        unchanged.pop(marks[place], None)
    return _without_relatives(grid, columns, unchanged, others)


def parted_by(grid: Grid, columns: Columns, places: dict[str, int]) -> Parted:
    """The reading in two parts, where the rows at these places are as a pass would leave them.

    Takes `places` over: id -> place.
    """
    is_other = bytearray(b"\1") * len(grid)
    is_other[0] = 0
    for place in places.values():
        is_other[place] = 0
    others = [place for place, one in enumerate(is_other) if one]
    return _without_relatives(grid, columns, places, others)


def _without_relatives(
    grid: Grid, columns: Columns, unchanged: dict[str, int], others: Sequence[int]
) -> Parted:
    """Both parts. Rows that are connected by names with those at the places `others` change, too.

    Changes `unchanged`: id -> place.
    """
    related = relatives(grid, columns, others)
    at, says = columns.index["row_id"], columns.index["status"]
    for place in related:
        unchanged.pop(visible(grid[place][at]), None)
    said = Counter(grid[place][says] for place in unchanged.values())
    return Parted(unchanged, said, sorted(related.union(others)))


def _same(grid: Grid, before: Grid) -> Iterator[bool]:
    """For each row, whether it is the same object as in the earlier reading."""
    return map(is_, grid, chain(before, repeat(None)))


def may_hold_results(
    grid: Grid, columns: Columns, parts: Parted, rows: Iterable[Marked], left: Unchanged
) -> bool:
    """Returns whether a line that is no row may hold misplaced results of an unchanged row."""
    taken = {row.place for row in rows}
    lines = (grid[place] for place in parts.others if place not in taken)
    return any(holds_results(row, columns) and digest(row) not in left.lines for row in lines)


def lines_with_results(
    grid: Grid,
    columns: Columns,
    lines: Iterable[Line],
    parts: Parted | None,
    untrue: Collection[int],
) -> frozenset[bytes]:
    """Digests of the lines that are no rows and have text in columns of ours."""
    taken = {line.seen.place for line in lines} | set(untrue)
    places = parts.others if parts else range(1, len(grid))
    rows = (grid[place] for place in places if place not in taken)
    return frozenset(mark for row in rows if holds_results(row, columns) if (mark := digest(row)))


def holds_results(row: Sequence[str], columns: Columns) -> bool:
    """Returns whether a line has text in our columns."""
    return any(columns.cell(row, name) for name in ASTRAY)


def needs_all_rows(rows: Iterable[Marked], known: Mapping[str, KnownRow]) -> bool:
    """Returns whether all known rows are needed to tell which rows these are.

    Results without an id may belong to any row. Where an id has both other inputs and other cells
    than before, these may be another row's.
    """
    return any(
        (row.has_results and not row.mark)
        or ((was := known.get(row.mark)) and was.inputs != row.inputs and was.others != row.others)
        for row in rows
    )


def unchanged_digests(
    lines: Iterable[Line],
    grid: Grid,
    jobs: Mapping[str, Sequence[Job]],
    untrue: Collection[int],
    saves_files: bool,
) -> dict[str, bytes]:
    """Id -> digest, for the rows that the next pass need not plan if they are unchanged.

    `jobs` are all jobs of each row, `untrue` the places of rows with an out-of-date cell.
    """
    return {
        line.seen.row_id: mark
        for line in lines
        if line.seen.place not in untrue
        and _needs_no_work(line, jobs.get(line.seen.row_id, ()), saves_files)
        and (mark := digest(grid[line.seen.place]))
    }


def _needs_no_work(line: Line, jobs: Sequence[Job], saves_files: bool) -> bool:
    return (
        all(one.status in INDEPENDENT for one in line.each)
        and line.memory.standing is RowKind.ROW
        and not line.memory.extra_takes
        and line.confirmed
        and is_id(line.seen.row_id)
        # It may be right to refuse a parent now, and not once another row is removed.
        and not (line.status == Status.INVALID and named_row(parsed(line.memory.inputs)))
        and all(_is_over(job, saves_files) for job in jobs)
    )


def _is_over(job: Job, saves_files: bool) -> bool:
    """Returns whether the job is finished, and its pictures are saved or given up."""
    return all(
        attempt.state in _FINAL
        and not is_open(attempt)
        and not (saves_files and job.to_save(attempt))
        for attempt in job.attempts
    )
