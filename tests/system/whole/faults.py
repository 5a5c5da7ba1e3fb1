"""Faults to plant: each breaks one rule of the product, by a patch of one of its functions.

A machine that does not find these faults would not find real ones either. `FAULTS` names them after
the rules of the design; each value is a context manager that patches the fault in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from pipeline.core import states
from pipeline.core.api.accounts import Api
from pipeline.core.api.fields import Parent
from pipeline.core.api.webhook import new_token
from pipeline.core.cells import content
from pipeline.core.model import Attempt, Grid, Job, JobKey, Patch, Request, State
from pipeline.core.planning.lines import Line
from pipeline.core.rows import matching
from pipeline.core.rows.following import Followed, parent_of
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns
from pipeline.core.states import Failed, state_of
from pipeline.sheets.google.writer import Writing
from pipeline.store import Intent, Refusal
from pipeline.store import admission as store_sending
from pipeline.store import batch as store_turns
from pipeline.store.recording import Attempts
from pipeline.sync.ownership import Ownership
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions

Fault = Callable[[], AbstractContextManager[Any]]


def row_numbers_kept() -> AbstractContextManager[Any]:
    """Cells are written at the row numbers of the previous sync."""
    right = content.patch
    places: dict[str, int] = {}

    def where_they_were(
        lines: Sequence[Line], grid: Grid, columns: Columns, *more: Any, **named: Any
    ) -> Patch:
        moved = []
        if all(line.seen.known is None for line in lines):
            places.clear()  # another sheet
        for line in lines:
            place = places.get(line.seen.row_id, line.seen.place)
            places[line.seen.row_id] = line.seen.place
            marked = replace(line.seen.marked, place=min(place, len(grid) - 1))
            moved.append(replace(line, seen=replace(line.seen, marked=marked)))
        return right(moved, grid, columns, *more, **named)

    return patch.object(content, "patch", where_they_were)


def sent_is_not_recorded_first() -> AbstractContextManager[Any]:
    """The request leaves without being recorded first."""
    return patch.object(store_turns, "_write_begun", lambda connection, jobs, batch: [])


def a_lost_answer_is_sent_again() -> AbstractContextManager[Any]:
    """A request that may have been accepted counts as not sent."""

    def counted(job: Job) -> int:
        return sum(a.state not in (State.RETURNED, State.UNKNOWN) for a in job.attempts)

    return patch.object(states, "counted", counted)


def equal_rows_are_merged() -> AbstractContextManager[Any]:
    """Two rows with the same words share one job."""

    def key_of(self: SheetSync, line: Line) -> JobKey:
        lines = self.last.plan.lines
        first = next(one for one in lines if one.memory.inputs == line.memory.inputs)
        assert line.take is not None
        return JobKey(self.key, first.seen.row_id, line.take)

    return patch.object(SheetSync, "job_key", key_of)


def a_failure_undoes_a_success() -> AbstractContextManager[Any]:
    """A later answer "failed" replaces a success."""
    return patch.dict(states.TABLE[State.SUCCEEDED], {Failed: State.FAILED})


def the_number_of_an_attempt_is_ignored() -> AbstractContextManager[Any]:
    """A job that another pass has started meanwhile is started again."""
    answer = store_sending.Admission.answer

    def anyway(self: store_sending.Admission, intent: Intent) -> Attempt | Refusal:
        result = answer(self, intent)
        if result is not Refusal.NOT_PENDING or intent.key not in self.jobs:
            return result
        job = self.jobs[intent.key]
        next_one = max(job.tried, default=0) + 1
        free = replace(job, tried={})
        self.jobs = {**self.jobs, intent.key: free}
        attempt = answer(self, replace(intent, number=1))
        if isinstance(attempt, Attempt):
            attempt = replace(attempt, number=next_one)
            self.begun[intent.key] = replace(intent, number=next_one), attempt
        return attempt

    return patch.object(store_sending.Admission, "answer", anyway)


def an_id_goes_to_the_wrong_row() -> AbstractContextManager[Any]:
    """An id that is missing goes to the first row without one, whatever its words."""

    def give(
        self: matching._Sorting,
        ids: Iterable[str],
        locked: set[int],
        wanted: Callable[[str], Iterable[str]],
    ) -> None:
        free = [row for row in self.rows if self._is_free(row) and row.place not in locked]
        for one, row in zip(ids, free, strict=False):
            self._assign(one, row)

    return patch.object(matching._Sorting, "_give", give)


def old_words_are_sent() -> AbstractContextManager[Any]:
    """A row that was edited before it was sent is sent with its first prompt."""
    intent_of = Submissions._intent

    def as_it_was(
        self: Submissions, line: Line, api: Api, parent: Parent | None
    ) -> tuple[Intent, Request]:
        past = self._state.rows.memory.past.get(line.seen.row_id)
        if past:
            line = replace(line, memory=replace(line.memory, inputs=past[-1]))
        return intent_of(self, line, api, parent)

    return patch.object(Submissions, "_intent", as_it_was)


def an_older_save_makes_new_rows() -> AbstractContextManager[Any]:
    """Rows that lost their ids are taken for new ones."""
    return patch.object(matching._Sorting, "give_back", lambda self: None)


def nobody_claims_the_sheet() -> AbstractContextManager[Any]:
    """Two stores work on one sheet and ignore each other's claim."""

    def whoever_it_is(self: Ownership) -> str:
        self._found = self.sheet.read_claim()
        return ""

    return patch.object(Ownership, "_not_the_owner", whoever_it_is)


def stuck_jobs_stay_stuck() -> AbstractContextManager[Any]:
    """Attempts whose answer can no longer arrive do not expire."""
    return patch.object(Attempts, "expired", lambda self, key: [])


def columns_keep_their_places() -> AbstractContextManager[Any]:
    """Cells of a Google Sheet are written to the former position of the column, not by its name."""
    send = Writing.send

    def without_names(
        self: Writing, found: Any, snapshot: Any, names: Any, entered: bool = False
    ) -> Any:
        return send(self, found, snapshot, {}, entered)

    return patch.object(Writing, "send", without_names)


def a_new_key_for_each_request() -> AbstractContextManager[Any]:
    """A lost submission is sent again under a new idempotency key."""
    again = Submissions.again

    def under_a_new_key(self: Submissions, key: JobKey, attempt: Attempt, api: Api) -> Request:
        return again(self, key, replace(attempt, resend_key=new_token(self._chance)), api)

    return patch.object(Submissions, "again", under_a_new_key)


def keys_never_expire() -> AbstractContextManager[Any]:
    """A lost submission is sent again after its key is forgotten."""

    def at_any_time(self: Rules, attempt: Attempt, now: datetime) -> bool:
        return attempt.state is State.UNKNOWN and bool(attempt.resend_key)

    return patch.object(Rules, "may_be_resent", at_any_time)


@contextmanager
def children_do_not_wait() -> Iterator[None]:
    """A row is sent as soon as the row that it follows has a task."""

    def has_a_task(self: Followed) -> bool:
        return self.job is not None and state_of(self.job) in (State.RUNNING, State.SUCCEEDED)

    def parents(self: Submissions, keys: Collection[JobKey], api: Api) -> dict[JobKey, Parent]:
        jobs = self._store.jobs.all(self._sync.key, only=keys) if keys else {}
        rules = self._sync.rules
        return {
            key: parent_of(job.attempts[-1], api, rules)
            for key, job in jobs.items()
            if job.attempts
        }

    with (
        patch.object(Followed, "is_done", property(has_a_task)),
        patch.object(Submissions, "_parents", parents),
    ):
        yield


def all_tasks_at_the_first_api() -> AbstractContextManager[Any]:
    """Tasks of the former API are polled at the present one."""
    return patch.object(Rules, "api_of", lambda self, attempt: self.apis[0])


FAULTS: Mapping[str, Fault] = {
    "row numbers kept from an earlier reading": row_numbers_kept,
    "Sent not recorded first": sent_is_not_recorded_first,
    "a lost answer sent again": a_lost_answer_is_sent_again,
    "equal rows merged": equal_rows_are_merged,
    "a failure undoing a success": a_failure_undoes_a_success,
    "attempt number ignored": the_number_of_an_attempt_is_ignored,
    "an id given back to the wrong row": an_id_goes_to_the_wrong_row,
    "pending of an edited row sent with old words": old_words_are_sent,
    "an older save accepted as new rows": an_older_save_makes_new_rows,
    "no claim between two passes": nobody_claims_the_sheet,
    "stuck jobs not recovered": stuck_jobs_stay_stuck,
    "a new key for each request": a_new_key_for_each_request,
    "a key used after a day": keys_never_expire,
    "a child sent before its parent": children_do_not_wait,
    "a task polled at another API": all_tasks_at_the_first_api,
}
#: Which machine of `test_whole` finds a fault; `Machine` finds all others.
FOUND_BY: Mapping[str, str] = {
    "a new key for each request": "Keyed",
    "a key used after a day": "Keyed",
    "a child sent before its parent": "Chained",
    "a task polled at another API": "Keyed",
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with one fault in it."""
    with FAULTS[name]():
        yield
