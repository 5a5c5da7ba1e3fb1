"""A pass that carries out a plan of a file: exactly that plan, or nothing.

The first look of the pass is compared with the plan. If it fits, only the plan's rows are sent, and
each only as planned. `Agreement` owns the result. Raises StoreError.
"""

from __future__ import annotations

from pipeline.core.messages import row_notes
from pipeline.core.planning.files import Agreed, PlannedSheet, agreed, is_as_planned, refusal
from pipeline.core.planning.followers import to_follow
from pipeline.core.planning.lines import Line
from pipeline.core.statuses import Status
from pipeline.sync.look import Look
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.sheet_sync import SheetSync


def agreement_of(sync: SheetSync, asked: Asked) -> Agreement | None:
    """The plan that a pass is asked to carry out; None if it is given none."""
    return None if asked.plans is None else Agreement(sync, asked.plans.get(sync.key))


class Agreement:
    """The plan of one pass; None: the file has no plan for this sheet."""

    def __init__(self, sync: SheetSync, plan: PlannedSheet | None) -> None:
        self._sync, self._plan = sync, plan
        self._agreed: Agreed | None = None

    def check(self, look: Look) -> None:
        """Compare a look with the plan, unless that was done. A held sheet is not compared."""
        if self._plan is None or self._agreed or look.hold:
            return
        ids = {row.row_id for row in self._plan.rows}
        places = look.places()
        new = {row.row - 1 for row in self._plan.rows if not row.row_id}
        ids |= {row_id for row_id, place in places.items() if place in new}
        jobs = self._sync.store.jobs.of_rows(self._sync.key, ids - {""})
        lines = look.plan.each
        coming = {line.identity for line in to_follow(lines)}
        note = row_notes.settling(self._sync.rules.settle)
        coming |= {
            line.identity
            for line in lines
            if line.status == Status.WAITING and line.note.startswith(note)
        }
        self._agreed = agreed(self._plan, look.plan.lines, places, jobs, self._sync.rules, coming)

    def allows(self, line: Line) -> bool:
        """True if the plan says that this line is sent, just as it is."""
        row = self._agreed.rows.get(line.identity) if self._agreed else None
        return row is not None and is_as_planned(line, row, self._sync.rules)

    def note(self, outcome: Outcome) -> None:
        """Say in the outcome that nothing of the plan was sent, and why; or that it is used up."""
        if self._plan is None:
            title = self._sync.sheet.title
            outcome.worsen(1, f"Nothing was sent: the file has no plan for {title}.")
        elif self._agreed and self._agreed.problems:
            outcome.worsen(1, refusal(self._agreed.problems))
        elif self._agreed and not self._agreed.rows:
            outcome.notices.append("All rows of this plan were sent before. Nothing more was sent.")
