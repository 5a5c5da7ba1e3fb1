"""The rows of a sheet as the store remembers them, and which of them are unchanged.

Of a big sheet only the rows that changed are loaded at first, and others when a reading needs them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.core.cells.forgotten_results import InCells
from pipeline.core.cells.settled_rows import DoneRow
from pipeline.core.cells.unchanged_rows import Unchanged
from pipeline.core.model import Grid, Job, KnownRow
from pipeline.core.rows.forgetting import Recalled
from pipeline.core.rows.known import Memory, own_results
from pipeline.core.sheet.header import Columns, Marked
from pipeline.core.traces import Tracer
from pipeline.store import Store


class KnownRows:
    """The known rows during a pass. Only this class changes them."""

    def __init__(self, store: Store, sheet: str) -> None:
        #: Forgotten texts that stand in the sheet.
        self._recalled = Recalled(store.forgetting.tracer())
        self.memory = Memory({}, {}, {}, {})
        #: Every id that the store knows anything about.
        self.ids: set[str] = set()
        #: Ids of the rows that something happened to since `unchanged` was kept.
        self.changed_ids: set[str] = set()
        self._store, self._sheet = store, sheet
        #: The version of the known rows, and the rows that are unchanged since then.
        self._rows_version, self.unchanged = store.unchanged.get(sheet)
        self._is_kept = True
        #: The ids whose rows are loaded; None if all are.
        self._loaded: set[str] | None = None

    def look_for_forgotten(self) -> None:
        """Take notice if another process has forgotten rows for the first time."""
        if self.tracer is None:
            self._recalled = Recalled(self._store.forgetting.tracer())

    def load_all(self) -> None:
        """Load all rows."""
        rows_version = self._store.unchanged.rows_version(self._sheet)
        if rows_version != self._rows_version:
            self._rows_version, self.unchanged = rows_version, Unchanged()
        self.memory = self._recalled.memory(self._store.rows.memory(self._sheet))
        self.add_ids(self.memory.known)
        self._loaded = None

    def load_changed(self, changed: Collection[str]) -> Collection[str]:
        """Load the rows that are not unchanged, `changed` among them. Returns their ids."""
        left = self.unchanged
        self.changed_ids = {*changed}
        some = {*left.others, *changed}
        self.load_some(some, {*left.rows, *some})
        return some

    def load_some(self, some: set[str], ids: set[str]) -> None:
        """Load some of all rows that the store knows; `ids` are those of all."""
        self.ids, self._loaded = ids, some
        self.memory = self._recalled.memory(self._store.rows.memory(self._sheet, some))

    def load_unsettled(self) -> set[str] | None:
        """Load the rows that are not done at first sight, and return their ids.

        None, and nothing is loaded, if these are most: then all may as well be loaded.
        """
        ids, others = self._store.settled.ids(self._sheet)
        if len(ids) < 2 * len(others) or not ids:
            return None
        self.load_some(others, ids)
        self.ids = {one for one in self.memory.order if one in ids}  # Memory: one text for each.
        self.ids.update(ids - self.ids)
        return others

    def load(self, ids: Iterable[str]) -> set[str]:
        """Load these rows if they are not loaded. Returns the ids of those that were not."""
        if self._loaded is None or not (missing := {*ids} - self._loaded):
            return set()
        found, memory = self._store.rows.some(self._sheet, missing), self.memory
        found = self._recalled.memory(found)
        known, past = {**memory.known, **found.known}, {**memory.past, **found.past}
        self.memory = replace(memory, known=known, past=past)
        self._loaded |= missing
        return missing

    @property
    def tracer(self) -> Tracer | None:
        """What makes the traces of forgotten texts; None if nothing was ever forgotten."""
        return self._recalled.tracer

    @property
    def is_complete(self) -> bool:
        """True if all rows are loaded."""
        return self._loaded is None

    @property
    def digests(self) -> Collection[bytes]:
        """Those of the unchanged rows; none if something has happened to a row since."""
        return () if self.changed_ids else self.unchanged.rows.values()

    def was_changed_elsewhere(self) -> bool:
        """Returns whether another process changed the rows since they were loaded."""
        same = self._store.rows.memory(self._sheet, ()).order == self.memory.order
        return not (same and self._store.unchanged.rows_version(self._sheet) == self._rows_version)

    def forget_unchanged(self) -> None:
        """Look at every row in this pass."""
        self.unchanged = Unchanged()

    def recall(self, rows: Iterable[Marked]) -> Recalled | None:
        """Bring back the forgotten texts that stand in these rows; None if none are new."""
        if (recalled := self._recalled.reading(rows)) is self._recalled:
            return None
        self._recalled = recalled
        self.memory = recalled.memory(self.memory)
        return recalled

    def plainly_done(self) -> Iterable[DoneRow]:
        """What the store has of the rows that are plainly done."""
        return self._store.settled.all(self._sheet)

    def settle(self, settled: Unchanged) -> None:
        """These rows are unchanged, although no pass has kept that."""
        self.unchanged, self._is_kept = settled, False

    def add_ids(self, ids: Iterable[str]) -> None:
        """These ids are in the sheet."""
        self.ids.update(ids)

    def mark_changed(self, ids: Iterable[str]) -> None:
        """Something happened to these rows: the next reading has to look at them."""
        self.changed_ids.update(ids)

    def add(self, rows: Sequence[KnownRow]) -> None:
        """Remember rows that are about to be added to the sheet."""
        self._store.rows.note(self._sheet, rows)
        self._rows_version += 1
        ids = {row.row_id for row in rows}
        self.mark_changed(ids)
        self.add_ids(ids)
        if self._loaded is not None:
            self._loaded |= ids
        self.update({row.row_id: row for row in rows})

    def update(self, rows: Mapping[str, KnownRow]) -> None:
        """Take over these rows, as the store has them now."""
        if rows:
            known = {**self.memory.known, **self._recalled.rows(rows)}
            self.memory = replace(self.memory, known=known)

    def note(
        self,
        changed: Sequence[KnownRow],
        order: Mapping[str, int],
        columns: tuple[str, ...],
        height: int,
    ) -> None:
        """Remember a reading: the rows that changed, and the place of each id.

        `columns` are the columns that are accepted, `height` is the number of lines.
        """
        places = None
        if order != self.memory.order:
            places = [""] * height
            for row_id, place in order.items():
                places[place] = row_id
        self._store.rows.note(self._sheet, changed, places, columns)
        self._rows_version += bool(changed)
        self.mark_changed(row.row_id for row in changed)
        known, past = dict(self.memory.known), dict(self.memory.past)
        for row in changed:
            before = known.get(row.row_id)
            if before and before.inputs != row.inputs:
                earlier = past.get(row.row_id, ())
                past[row.row_id] = (before.inputs, *(t for t in earlier if t != before.inputs))
            known[row.row_id] = row
        self.memory = Memory(known, order, past, {}, frozenset(columns))

    def keep_unchanged(self, now: Unchanged) -> None:
        """Keep which rows need no look the next time, if that is not what was kept."""
        left = self.unchanged
        if not (now.rows or left.rows):
            return  # A sheet that is new: the next pass looks at all rows anyway.
        is_kept = self._is_kept and replace(now, version=left.version) == left
        if (self.changed_ids or not is_kept) and self._store.unchanged.keep(
            self._sheet, now, self._rows_version
        ):
            self.unchanged, self.changed_ids, self._is_kept = now, set(), True

    def memory_for(
        self,
        grid: Grid,
        columns: Columns,
        rows: Sequence[Marked],
        unchanged: Collection[str],
        jobs: Iterable[Job],
    ) -> Memory:
        """The known rows to match a reading with, without the ids that are `unchanged`."""
        memory, tracer = self.memory, self._recalled.tracer
        if tracer:
            jobs = map(InCells.of(grid, columns, tracer).job, jobs)
        if unchanged:
            known = {one: row for one, row in memory.known.items() if one not in unchanged}
            memory = replace(memory, known=known)
        unknown = {row.mark for row in rows if row.mark and row.mark not in memory.known}
        foreign = self._store.rows.foreign(self._sheet, unknown) if unknown else {}
        foreign = {one: self._recalled.inputs(inputs) for one, inputs in foreign.items()}
        before = memory.columns
        same = before is None or set(columns.inputs) <= before
        return replace(
            memory,
            foreign=foreign,
            columns=None if same else before,
            results=own_results(rows, grid, columns, jobs),
        )
