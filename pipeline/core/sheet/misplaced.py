"""Which cells to put back after a write went into the wrong rows (see `verified_writes`).

In: what was written and not proved (`Unverified`), and the sheet as it is now. Out: the writes that
put back what was there before. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from pipeline.core.sheet.header import Columns
from pipeline.core.sheet.verified_writes import (
    Raw,
    RowWrite,
    Snapshot,
    Unverified,
    at_column,
    proof_of,
)


def put_back(written: Unverified, now: Snapshot, columns: Columns) -> list[RowWrite]:
    """The writes that restore cells which still hold text meant for another row.

    `columns` are those of the present snapshot.
    """
    header = now[0] if now else ()
    landed = moved(written.header, header)
    came_from = moved(header, written.before[0] if written.before else ())
    wrong: dict[int, set[Raw]] = defaultdict(set)
    for meant in written.unproved:
        for at, says in meant.cells.items():
            if (here := landed.get(at)) is not None:
                wrong[here].add(says)
    rows = _Counterparts(written, now, columns, came_from, wrong)
    back: list[RowWrite] = []
    for place, row in enumerate(now):
        hit = [at for at, words in wrong.items() if at_column(row, at) in words]
        if not hit:
            continue
        was = rows.of(place)
        restored: dict[int, Raw] = {}
        for at in hit:
            old = came_from.get(at)
            stood: Raw = "" if was is None or old is None else at_column(written.before[was], old)
            if stood != at_column(row, at) and not rows.is_meant(row, was, old, landed):
                restored[at] = stood
        if restored:
            back.append(RowWrite(place, restored, proof_of(place, restored, now, columns, {})))
    return back


def moved(old: Sequence[Raw], new: Sequence[Raw]) -> dict[int, int]:
    """Where each column of one header is in another; a column that is gone is left out."""
    places = {title: at for at, title in enumerate(new) if title != "" and new.count(title) == 1}
    moved = {
        at: places[title]
        for at, title in enumerate(old)
        if title in places and old.count(title) == 1
    }
    same = SequenceMatcher(None, [*map(str, old)], [*map(str, new)], autojunk=False)
    for block in same.get_matching_blocks():
        for step in range(block.size):
            if block.b + step not in moved.values():
                moved.setdefault(block.a + step, block.b + step)
    # Beyond the headers cells keep their distance to the last title.
    for beyond in range(64):
        moved.setdefault(len(old) + beyond, len(new) + beyond)
    return moved


class _Counterparts:
    """Which row of the present snapshot is which earlier row: by id, else by people's cells."""

    def __init__(
        self,
        written: Unverified,
        now: Snapshot,
        columns: Columns,
        came_from: Mapping[int, int],
        wrong: Mapping[int, set[Raw]],
    ) -> None:
        self._now = now
        self._height = len(written.before)
        self._id = columns.index.get("row_id", -1)
        #: Ids that were written now: they do not identify the rows that they are in.
        self._written = wrong.get(self._id, set())
        ours = set(columns.ours.values())
        #: People's columns that were not hit, now and before.
        self._theirs = [
            (at, came_from[at])
            for at, title in enumerate(now[0] if now else ())
            if title != "" and at not in ours and at not in wrong and at in came_from
        ]
        self._words: dict[tuple[Raw, ...], list[int]] = defaultdict(list)
        ids: dict[Raw, list[int]] = defaultdict(list)
        for place in range(1, len(written.before)):
            row = written.before[place]
            ids[at_column(row, came_from.get(self._id, -1))].append(place)
            self._words[tuple(_plain(at_column(row, old)) for _, old in self._theirs)].append(place)
        self._ids = {mark: rows[0] for mark, rows in ids.items() if mark != "" and len(rows) == 1}
        self._present = {
            self._ids[mark]
            for row in now[1:]
            if (mark := at_column(row, self._id)) in self._ids and mark not in self._written
        }
        self._meant = {meant.row: meant for meant in written.unproved}

    def of(self, place: int) -> int | None:
        """The place that this row had before, or None if it is a new one."""
        if (known := self._known(place)) is not None or place >= len(self._now):
            return known
        # Other words and no id: the row that was between its neighbours, if there was one. The end
        # of the sheet counts as a neighbour: a line of totals may have words in our columns only.
        above, below = self._known(place - 1), self._known(place + 1)
        if place + 1 == len(self._now):
            below = self._height
        between = above is not None and below is not None and below == above + 2
        return above + 1 if above is not None and between else None

    def _known(self, place: int) -> int | None:
        """By the id, unless it was written now; else by people's cells."""
        if place == 0:
            return 0
        if place >= len(self._now):
            return None
        mark = at_column(self._now[place], self._id)
        if mark != "" and mark not in self._written:
            return self._ids.get(mark)
        words = self._words_of(place)
        if not any(word != "" for word in words):
            return None
        same = self._words.get(words, [])
        free = [was for was in same if was not in self._present] or same
        nearest = sorted(free, key=lambda was: abs(was - place))
        return nearest[0] if nearest else None

    def _words_of(self, place: int) -> tuple[Raw, ...]:
        row = self._now[place]
        return tuple(_plain(at_column(row, at)) for at, _ in self._theirs)

    def is_meant(
        self, row: Sequence[Raw], was: int | None, at: int | None, landed: Mapping[int, int]
    ) -> bool:
        """Returns whether the text that was written into that column was meant for this row."""
        meant = None if was is None else self._meant.get(was)
        if meant is None or at is None or at not in meant.cells:
            return False
        return at_column(row, landed.get(at, -1)) == meant.cells[at] and all(
            at_column(row, landed[column]) == wanted
            for column, wanted in meant.proof.items()
            if column in landed
        )


def _plain(value: Raw) -> Raw:
    # The text of a formula changes when its row moves.
    return "=" if isinstance(value, str) and value.startswith("=") else value
