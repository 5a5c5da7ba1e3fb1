"""Which cells of a reading are out of date, and what to write into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.core.cells import content
from pipeline.core.cells.forgotten_results import with_results_in_cells
from pipeline.core.model import Grid, Patch, State, patched
from pipeline.core.planning.lines import Line
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns
from pipeline.core.states import shown, state_of
from pipeline.core.statuses import Status
from pipeline.sync.changed_rows import ChangedRows
from pipeline.sync.look import Look, RowEnd
from pipeline.sync.new_attention import NewAttention
from pipeline.sync.sheet_state import SheetState


@dataclass(frozen=True, slots=True)
class Draft:
    """A look, and the cells to write so that the sheet agrees with it."""

    look: Look
    patch: Patch
    #: The ends that are written into the cells of their rows now.
    ends: tuple[RowEnd, ...] = ()

    def as_written(self, grid: Grid, columns: Columns) -> Look | None:
        """The look at the sheet after the write, without planning again.

        None unless the sheet now has our changes and no others. Only then is each row where it was,
        with its id, so that planning again would find the same.
        """
        look = self.look
        if columns.inputs != look.columns.inputs or grid != patched(look.grid, self.patch):
            return None
        ids = columns.index.get("row_id")
        lines = tuple(
            line.with_its_id() if (line.seen.place, ids) in self.patch else line
            for line in look.plan.lines
        )
        return replace(look.with_lines(lines), grid=grid, columns=columns, outdated=frozenset())


class Corrections:
    """Compares readings with what the store knows."""

    def __init__(
        self,
        state: SheetState,
        changed_rows: ChangedRows,
        new_attention: NewAttention,
        *,
        rules: Rules,
    ) -> None:
        self._state, self._changed_rows, self._rules = state, changed_rows, rules
        self._new_attention = new_attention

    def draft(self, look: Look) -> Draft:
        """The cells to write. A held sheet gets no ids; one of another store only our results."""
        lines = look.plan.lines
        if look.hold and look.hold.kind == "owner":
            lines = tuple(line for line in lines if _is_plainly_ours(line, look))
        if not (lines or look.plan.unchanged):
            return Draft(look, {})  # A sheet without rows keeps its header as it is.
        self._state.make_ours(look.columns)
        self._new_attention.compare(look, lines)
        patch = self._out_of_date(look, lines)
        outdated = frozenset(place for place, _ in patch)
        return Draft(replace(look, outdated=outdated), patch, tuple(_ends(lines, patch, look)))

    def out_of_date(self, look: Look) -> Patch:
        """The cells that differ from what the store knows, with the text that belongs there."""
        return self._out_of_date(look, look.plan.lines)

    def checked(self, look: Look) -> Look:
        """The look with the places of rows that have an out-of-date cell."""
        patch = self.out_of_date(look)
        return replace(look, outdated=frozenset(place for place, _ in patch))

    def _out_of_date(self, look: Look, lines: Sequence[Line]) -> Patch:
        is_accepted = not look.hold or look.hold.kind not in ("owner", "columns")
        grid, columns = look.grid, look.columns
        lines, jobs = with_results_in_cells(
            lines,
            self._state.jobs.all.values() if is_accepted else None,
            grid,
            columns,
            self._state.rows.tracer,
        )
        return content.patch(
            lines,
            grid,
            columns,
            jobs,
            self._changed_rows.others,
            links=self._rules.links,
            catalogue=self._rules.catalogue,
        )


def _is_plainly_ours(line: Line, look: Look) -> bool:
    """True if a row may be written although another store owns the sheet: a success of ours."""
    if not all(one.job and state_of(one.job) is State.SUCCEEDED for one in line.each):
        return False
    said = look.cell(line.seen.place, "task_id").strip()
    return said in ("", content.cells_of(line, ("task_id",))["task_id"])


def _ends(lines: Sequence[Line], patch: Patch, look: Look) -> Iterator[RowEnd]:
    at = look.columns.index.get("status")
    if not patch or at is None:
        return
    for line in lines:
        is_over = line.status in (Status.DONE, Status.FAILED)
        if is_over and (line.seen.place, at) in patch:
            tried = [(one.job.key, shown(one.job)) for one in line.each if one.job]
            ends = [RowEnd(key, one) for key, one in tried if one and one.ended_at]
            if ends:
                yield max(ends, key=lambda end: end.attempt.ended_at or end.attempt.sent_at)
