"""Row matching: which row of a reading is which row that the store remembers.

People sort, insert, delete, copy and edit between any two readings, and sometimes a part of the
sheet only. A row is recognized by its id *and* its inputs, because each alone can be in the wrong
place: ids are copied or sorted without their rows, and the same words are typed twice. The rules,
in this order:

1. Id and inputs agree: it is that row. If several rows agree, it is the one at the old place, else
   the first one.
2. An id that is missing, or is in a row with other inputs, goes to a row without a confirmed id
   that has its inputs: those of now, or (if the id has no row that it can keep) earlier ones. If
   there are several such rows, one whose take and other cells agree is preferred, then the old
   order counts. An id that had other inputs before gives its row to an id that would get none, if a
   row without an id has those earlier inputs. A copy counts as a row without an id, so that it
   becomes the original when the original is deleted.
3. A known id that is still in a row: the same row, edited. But if the input column was sorted alone
   and one row was deleted, each id follows its inputs, and the id whose inputs are gone is gone.
4. Any further row with that id, or with an id of another sheet: a new id. It is a copy if the
   inputs are unchanged and another of our cells is filled, else a new row.
5. An unknown id, or no id but a task_id or URLs: unrecognized. This does not hold if one of these
   results is this sheet's own: then it was filled down, sorted alone, or written where a row had
   just been. Next to the inputs that it was made from it makes the row a copy; next to others it
   has no meaning.
6. Neither: a new row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from pipeline.core.inputs import over
from pipeline.core.model import RowKind
from pipeline.core.rows.known import Memory, Seen, is_id
from pipeline.core.sheet.header import Marked


def match(rows: Sequence[Marked], memory: Memory, mint: Callable[[], str]) -> list[Seen]:
    """Every row of the reading with its id; new ids are made in the order of the reading."""
    sorting = _Sorting(rows, memory)
    sorting.confirm()
    sorting.give_back()
    sorting.keep_edited()
    return [sorting.named(row, mint) for row in rows]


def match_by_id_alone(rows: Sequence[Marked], memory: Memory) -> list[Seen]:
    """The rows of a reading that is not accepted: only known ids that are there exactly once.

    Their inputs are taken as unchanged, so that nothing counts as edited.
    """
    bearers = _by_mark(rows)
    return [
        Seen(replace(row, inputs=known.inputs), known.row_id, known.standing, known)
        for row in rows
        if (known := memory.known.get(row.mark)) and len(bearers[row.mark]) == 1
    ]


class _Sorting:
    """The state of one matching: which place has which id so far."""

    def __init__(self, rows: Sequence[Marked], memory: Memory) -> None:
        self.rows = rows
        self.memory = memory
        self.bearers = _by_mark(rows)
        self.ids: dict[int, str] = {}  # place -> id
        self.places: dict[str, int] = {}  # id -> place
        self.inputs = {row.place: self._comparable(row.inputs) for row in rows}

    def confirm(self) -> None:
        """Rule 1."""
        for mark, bearers in self.bearers.items():
            if known := self.memory.known.get(mark):
                wanted = self._comparable(known.inputs)
                agreeing = [row for row in bearers if self.inputs[row.place] == wanted]
                if agreeing:
                    self._assign(mark, self._at_old_place(mark, agreeing))

    def give_back(self) -> None:
        """Rule 2, limited by rule 3: an id leaves its only row only if it finds another one.

        Whether it does depends on all other ids (for example if one column was sorted alone). So
        the ids are assigned as if every unconfirmed row were free. Each row whose own id found no
        other place is then locked, and the assignment starts again.
        """
        confirmed = dict(self.ids), dict(self.places)
        missing = sorted(
            (one for one in self.memory.known if one not in self.places), key=self._turn
        )
        at_home = self._at_home(missing)
        locked: set[int] = set()
        while missing:
            self._give(missing, locked, self._inputs_now)
            displaced = [one for one in confirmed[1] if one not in self.places]
            self._give(displaced, locked, self._inputs_now)
            gone = [m for m in missing if m not in self.places and m not in at_home]
            self._give(gone, locked, self._inputs_before)
            self._make_room([m for m in gone if m not in self.places], confirmed[1], locked)
            homeless = {
                row.place
                for one, row in at_home.items()
                if one not in self.places and self._keeps_its_row(row)
            } - locked
            if not homeless:
                return
            locked |= homeless
            self.ids, self.places = dict(confirmed[0]), dict(confirmed[1])

    def _make_room(self, gone: Iterable[str], settled: Mapping[str, int], locked: set[int]) -> None:
        """Move ids to other rows, so that ids without a row get theirs.

        Of two ids with the same inputs now, one may have had earlier inputs that are in a row
        without an id. If that row got no id, it would count as new and be paid again.
        """
        free = defaultdict(list)
        for row in self.rows:
            if row.place not in self.ids and row.place not in locked:
                free[self.inputs[row.place]].append(row)
        placed = defaultdict(list)
        for other, place in self.places.items() if free else ():
            if other not in settled and not self._is_copy(other):
                placed[self.inputs[place]].append(other)
        for one in gone:
            # A copy never takes the row of another id.
            words = "" if self._is_copy(one) else self._comparable(self.memory.known[one].inputs)
            for other in placed.get(words, ()):
                before = map(self._comparable, self._inputs_before(other))
                if rows := next((free[text] for text in before if free.get(text)), None):
                    placed[words].remove(other)
                    self._swap(one, other, rows.pop(0))
                    break

    def _swap(self, one: str, other: str, row: Marked) -> None:
        """Give `one` the place of `other`, which gets the row."""
        place = self.places[other]
        self.ids[place], self.places[one] = one, place
        self._assign(other, row)

    def _keeps_its_row(self, row: Marked) -> bool:
        """Returns whether an id that finds its inputs nowhere keeps this row.

        The id that found its inputs in this row left a row itself, which another id may have taken,
        and so on: a chain. If the chain ends at a row without an id, all its rows were edited. If
        it ends at an id that is in no row, the input column was sorted alone and a row was deleted:
        then every row has the id of its inputs.
        """
        for turn in count():
            found = self.ids.get(row.place)
            homes = self.bearers.get(found, []) if found else []
            if found is not None and not homes:
                return turn == 0  # one row for one: that is an edit
            if len(homes) != 1:
                return True
            row = homes[0]
        raise AssertionError("a line of ids has an end")

    def _at_home(self, missing: Sequence[str]) -> dict[str, Marked]:
        """Id -> the only row with this id, which it may keep although the inputs are others.

        Left out are rows that were empty or away at the last reading, and rows that agree with
        another id in inputs and other cells: there the id column was sorted alone, or the row is a
        copy with a sorted id.
        """
        known = self.memory.known
        whole = {(self._comparable(row.inputs), row.others) for row in known.values()}
        return {
            one: row
            for one in missing
            if one in self.memory.order and len(rows := self.bearers.get(one, [])) == 1
            for row in rows
            if row.others == known[one].others or (self.inputs[row.place], row.others) not in whole
        }

    def keep_edited(self) -> None:
        """Rule 3."""
        for mark, bearers in self.bearers.items():
            free = [row for row in bearers if row.place not in self.ids]
            if mark in self.memory.known and mark not in self.places and free:
                self._assign(mark, self._at_old_place(mark, free))

    def named(self, row: Marked, mint: Callable[[], str]) -> Seen:
        """Rules 1 to 3 as found, else 4 to 6."""
        if found := self.ids.get(row.place):
            known = self.memory.known[found]
            origin = self.memory.known.get(row.mark) if row.mark != found else None
            return Seen(row, found, known.standing, known, origin)
        if row.mark in self.memory.known or row.mark in self.memory.foreign:
            copy = row.has_marks and self.inputs[row.place] in self._inputs_beside(row.mark)
            kind = RowKind.COPY if copy else RowKind.ROW
            return Seen(row, mint(), kind, origin=self.memory.known.get(row.mark))
        if is_id(row.mark) and row.mark not in self.places:
            self._assign(row.mark, row)
            return Seen(row, row.mark, RowKind.UNRECOGNIZED)
        return Seen(row, mint(), self._standing_of_new(row))

    def _standing_of_new(self, row: Marked) -> RowKind:
        made_from = self.memory.results.get(row.place)
        if made_from is not None and not is_id(row.mark):
            copy = self.inputs[row.place] in map(self._comparable, made_from)
            return RowKind.COPY if copy else RowKind.ROW
        return RowKind.UNRECOGNIZED if is_id(row.mark) or row.has_results else RowKind.ROW

    def _give(
        self, ids: Iterable[str], locked: set[int], wanted: Callable[[str], Iterable[str]]
    ) -> None:
        ids = list(ids)
        copies = [one for one in ids if self._is_copy(one)]
        originals = [one for one in ids if not self._is_copy(one)]
        self._give_rows(originals, self._is_free, locked, wanted)
        # A copy never takes another one's place: the two would take turns for ever.
        self._give_rows(copies, lambda row: row.place not in self.ids, locked, wanted)

    def _give_rows(
        self,
        ids: Iterable[str],
        is_free: Callable[[Marked], bool],
        locked: set[int],
        wanted: Callable[[str], Iterable[str]],
    ) -> None:
        free = defaultdict(list)
        for row in self.rows:
            if is_free(row) and row.place not in locked:
                free[self.inputs[row.place]].append(row)
        claims: dict[str, list[str]] = defaultdict(list)
        for one in ids:
            asked = (self._comparable(text) for text in wanted(one))
            if text := next((text for text in asked if text in free), None):
                claims[text].append(one)
        for text, claimants in claims.items():
            self._pair(claimants, free[text])

    def _pair(self, claimants: list[str], rows: list[Marked]) -> None:
        """Give each claimant one of the rows: those that agree in all else first, then in order."""
        twins: dict[str, list[Marked]] = defaultdict(list)
        for row in rows:
            twins[row.others].append(row)
        late = []
        taken = set()
        for one in claimants:
            if same := twins.get(self.memory.known[one].others):
                taken.add(same[0].place)
                self._assign(one, same.pop(0))
            else:
                late.append(one)
        left = [row for row in rows if row.place not in taken]
        for one, row in zip(late, left, strict=False):
            self._assign(one, row)

    def _turn(self, one: str) -> tuple[bool, bool, int]:
        """The order in which ids get rows: originals first, then ids that are in no row."""
        order = self.memory.order
        return self._is_copy(one), one in self.bearers, order.get(one, len(order))

    def _is_copy(self, one: str) -> bool:
        return self.memory.known[one].standing is RowKind.COPY

    def _inputs_now(self, one: str) -> tuple[str, ...]:
        return (self.memory.known[one].inputs,)

    def _inputs_before(self, one: str) -> tuple[str, ...]:
        return tuple(self.memory.past.get(one, ()))

    def _is_free(self, row: Marked) -> bool:
        found = self.ids.get(row.place)
        return found is None or self._is_copy(found)

    def _assign(self, one: str, row: Marked) -> None:
        if (was := self.ids.get(row.place)) and was != one:
            del self.places[was]
        self.ids[row.place] = one
        self.places[one] = row.place

    def _at_old_place(self, one: str, rows: list[Marked]) -> Marked:
        old = self.memory.order.get(one)
        return next((row for row in rows if row.place == old), rows[0])

    def _inputs_beside(self, mark: str) -> set[str]:
        """The inputs of an id: as remembered, and those of its row now."""
        beside = {self.inputs[self.places[mark]]} if mark in self.places else set()
        if mark in self.memory.foreign:
            beside.add(self._comparable(self.memory.foreign[mark]))
        if mark in self.memory.known:
            beside.add(self._comparable(self.memory.known[mark].inputs))
        return beside

    def _comparable(self, inputs: str) -> str:
        columns = self.memory.columns
        return inputs if columns is None else over(columns, inputs)


def _by_mark(rows: Sequence[Marked]) -> dict[str, list[Marked]]:
    bearers: dict[str, list[Marked]] = defaultdict(list)
    for row in rows:
        if row.mark:
            bearers[row.mark].append(row)
    return bearers
