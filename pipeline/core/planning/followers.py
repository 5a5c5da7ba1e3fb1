"""Rows that wait for another row: in which order they are sent, and which one may be sent now.

A row that waits for nothing but its parent needs no new plan once the parent is done: nothing else
has changed in the reading. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.core.model import Job, JobKey, State
from pipeline.core.planning.lines import Line
from pipeline.core.planning.plan import to_send
from pipeline.core.rows.following import Followed, held_by_parent, problems_of_parent, waiting
from pipeline.core.rows.rules import Rules
from pipeline.core.states import state_of
from pipeline.core.statuses import Status
from pipeline.core.text import joined

_AT_WORK = (State.SUBMITTING, State.RUNNING)


def after_parent(
    line: Line, parent: Line, jobs: Mapping[JobKey, Job], rules: Rules, now: datetime
) -> Line | None:
    """The line of a row that waits for `parent`, as it may be sent now.

    None if it may not be, or if only a new plan can say so. Both lines are of one reading; `jobs`
    are the jobs as they are now.
    """
    if not line.waits_for_parent or line.parent is None or line.take is None:
        return None
    job = jobs.get(line.key(line.parent.sheet))
    if job != line.job:
        return None
    key, inputs = line.parent, line.inputs
    of_it = key.take, jobs.get(key), parent.status, parent.remade, key.part
    followed = Followed("", key.row_id, parent.memory.inputs, *of_it)
    given, name = rules.values(inputs), rules.endpoint_name(inputs)
    if problems_of_parent(name, given, rules, followed) or held_by_parent(
        inputs, followed, rules, now
    ):
        return None
    # A failed job whose row waits was requested again by a change of the row.
    again = job is not None and state_of(job) is State.FAILED
    return to_send(line, rules, job.asked + again if job else 1)


def with_waits(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with true notes about the rows that they wait for.

    For lines of which some are not sent after all, because the budget does not cover them.
    """
    by_id = {line.seen.row_id: line for line in lines}
    return tuple(
        replace(line, note=joined(waiting(line.memory.inputs, parent.status), line.warning))
        if line.waits_for_parent
        and line.parent
        and (parent := by_id.get(line.parent.row_id))
        and parent.take == line.parent.take
        and parent.status == Status.OVER_BUDGET
        else line
        for line in lines
    )


def to_follow(lines: Sequence[Line]) -> list[Line]:
    """The lines that are sent once rows are done which are sent now, or are at the API.

    In the order in which they are sent: each after the line that it follows.
    """
    by_id = {line.identity: line for line in lines}
    turns: dict[tuple[str, str], int] = {}  # 0: at once, 1: after such a row, and so on; -1: never
    for line in lines:
        path: list[Line] = []
        at: Line | None = line
        while at and at.identity not in turns and at.waits_for_parent and at.parent:
            path.append(at)
            key = at.parent
            at = by_id.get((key.row_id, key.part))
            # Of another take than the row asks for there is no line.
            at = at if at and at.take == key.take else None
        turn = -1
        if at and (turn := turns.get(at.identity, -2)) == -2:
            state = state_of(at.job) if at.job else State.PENDING
            turn = 0 if at.endpoint or state in _AT_WORK else -1
            turns[at.identity] = turn
        for one in reversed(path):
            turn = turn + 1 if turn >= 0 else -1
            turns[one.identity] = turn
    coming = [line for line in lines if line.waits_for_parent and turns[line.identity] > 0]
    return sorted(coming, key=lambda line: turns[line.identity])
