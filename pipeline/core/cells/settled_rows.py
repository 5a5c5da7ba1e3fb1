"""Settled rows: rows that are plainly done, found by comparing cells with the store.

`unchanged_rows` compares a reading with a note of the last pass. Without a note (a new version of
the program, a changed configuration, a row that was noted since), most rows of a big sheet still
are what they were: done, with the cells that belong there. Such a row needs no objects and no plan.

A row is settled if planning could only find it done, with an empty note and without an out-of-date
cell: its one job has one attempt, a success that was made from what the row says now. Anything
unusual is left to the plan. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from pipeline.core.cells.row_digests import digest
from pipeline.core.invisible import visible
from pipeline.core.messages.row_notes import as_text
from pipeline.core.model import Grid
from pipeline.core.rows.chains import may_follow
from pipeline.core.rows.generations import has_several
from pipeline.core.rows.known import is_id
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import ALWAYS, PREVIEW, Columns
from pipeline.core.sheet.ticks import Tick, approval
from pipeline.core.statuses import Status

#: Columns of ours whose cells follow from a result alone.
_PICTURES: Final = tuple(f"image_{number}" for number in range(1, 5))
_OF_RESULT: Final = frozenset({*ALWAYS, *_PICTURES, "grid_url", PREVIEW})
_FIRST_TAKE: Final = frozenset({"", "1"})


class DoneRow(NamedTuple):
    """What the store knows of a row whose only attempt is a success of its first take.

    Nothing else was asked for: no other take, no feedback, no pick, no approval on the page.
    """

    row_id: str
    #: Canonical text of the row's inputs at the last reading; the attempt was sent with the same.
    inputs: str
    others: str
    approved: str
    approved_for: str
    #: The input columns of the sheet when it was sent.
    columns: tuple[str, ...]
    task_id: str
    #: The addresses of the results, and of those that are saved, one per line.
    urls: str
    saved: str
    grid_url: str


class Settled(NamedTuple):
    """The settled rows of a reading."""

    #: Id -> place, in the order of the reading.
    places: dict[str, int]
    #: Id -> digest of all cells.
    digests: dict[str, bytes]


def can_settle(columns: Columns, rules: Rules) -> bool:
    """Returns whether the cells of a done row follow from its result, under these rules."""
    return _OF_RESULT.issuperset(columns.ours) and not rules.links.own


def settled_rows(grid: Grid, columns: Columns, rules: Rules, done: Iterable[DoneRow]) -> Settled:
    """The settled rows of a reading, among those that the store knows as done."""
    at = columns.index["row_id"]
    places: dict[str, int] = {}
    for place, row in enumerate(grid):
        if at < len(row) and (mark := visible(row[at])):
            # An id that is there twice, or with invisible characters, is left to the matching.
            places[mark] = -1 if mark in places or mark != row[at] else place
    is_settled, digests = _rule(columns, rules), dict[str, bytes]()
    for one in done:
        place = places.get(one.row_id, -1)
        if place > 0 and is_settled(row := grid[place], one) and (mark_of := digest(row)):
            # The text of the grid: of a big sheet, a second one of each id takes much memory.
            digests[row[at]] = mark_of
    for mark in [mark for mark in places if mark not in digests]:
        del places[mark]
    return Settled(places, digests)


def _rule(columns: Columns, rules: Rules) -> Callable[[Sequence[str], DoneRow], bool]:
    """Returns a function that tells whether a row of a reading is settled."""
    inputs_of, others_of = columns.reader_of_inputs(), columns.reader_of_others()
    readable, words, saves = {*columns.inputs}, rules.approved_words, rules.saves_files
    index, width = columns.index, len(columns.header)
    pictures = [(n, index[name]) for n, name in enumerate(_PICTURES) if name in index]
    grid_url, controls = index.get("grid_url"), [index[n] for n in _UNUSED if n in index]
    takes, ticks = "take" in index, "approved" in index
    written = itemgetter(*(index[name] for name in _WRITTEN))

    def is_settled(row: Sequence[str], one: DoneRow) -> bool:
        if len(row) < width:
            row = (*row, *[""] * (width - len(row)))
        status, task_id, urls, note = written(row)
        links = one.urls.split("\n") if pictures or saves else ()
        return (
            status == Status.DONE
            and not note
            and urls == one.urls
            and _is_same_task(task_id, one.task_id)
            and inputs_of(row) == one.inputs
            and others_of(row) == one.others
            and not (controls and any(row[at] for at in controls))
            and not (takes and columns.control(row, "take") not in _FIRST_TAKE)
            and not (one.approved and not ticks)
            and (not ticks or _keeps_approval(columns.control(row, "approved"), one, words))
            and not (pictures and any(row[at] != "".join(links[n : n + 1]) for n, at in pictures))
            and (grid_url is None or row[grid_url] == one.grid_url)
            and not (saves and one.urls and not {*links} <= {*one.saved.split("\n")})
            and readable.issuperset(one.columns)
            and not may_follow(one.inputs)
            and not has_several(one.inputs)
            and is_id(one.row_id)
            and not rules.doubts(one.inputs)
        )

    return is_settled


_WRITTEN: Final = ("status", "task_id", "image_urls", "note")
#: What these cells ask for is left to the plan.
_UNUSED: Final = ("pick", "feedback")


def _is_same_task(cell: str, task_id: str) -> bool:
    # Most ids are cells as they are.
    is_plain = cell[:1].isalnum() and cell[-1:].isalnum() and cell.isascii() and cell.isprintable()
    return cell == (task_id if is_plain else as_text(task_id))


def _keeps_approval(cell: str, one: DoneRow, words: tuple[str, ...]) -> bool:
    """Returns whether the cell `approved` says what it said (see `rows.approval.approved`)."""
    if approval(cell, words) is not Tick.YES:
        return not one.approved
    return cell == one.approved and one.approved_for == f"1 {one.inputs}"
