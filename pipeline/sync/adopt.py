"""Takes over a sheet whose store was lost, replaced by a backup, or is another one. Pays nothing.

It is unknown what the other store has sent since. So everything that this store would send
counts as sent without an answer, until a person picks what to send with `retry --unknown`; rows
that have a task or pictures become jobs with that task and those pictures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Final

from pipeline.core.cell_errors import is_value
from pipeline.core.cells.taken_over import Share, has_results, shares
from pipeline.core.model import (
    Attempt,
    Grid,
    Job,
    KnownRow,
    Result,
    RowKind,
    State,
)
from pipeline.core.planning.job_status import TAKEN_OVER
from pipeline.core.planning.lines import Line
from pipeline.core.planning.plan import plan
from pipeline.core.prompts.revisions import revised
from pipeline.core.rows.known import Seen, new_id
from pipeline.core.rows.matching import match
from pipeline.core.rows.rules import Rules
from pipeline.core.rows.takes import take_of
from pipeline.core.sheet.header import COUNT, RATIOS, Columns, Header
from pipeline.core.states import state_of
from pipeline.sheets import Sheet
from pipeline.store import NewFile, SavedFile, Store

#: The states of what is taken over: the first that a row has counts.
_COUNTED: Final = (State.RUNNING, State.SUCCEEDED, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Adopted:
    """How many rows were taken over with a task to poll, else with pictures, or with neither."""

    pictures: int = 0
    tasks: int = 0
    unknown: int = 0
    #: The numbers of rows with results that stay as they are: it is not known of which take.
    left: tuple[int, ...] = ()


def take_over_columns(sheet: Sheet, store: Store, header: Header) -> list[str]:
    """Claim all columns with one of our names, even if they are filled. Returns their titles."""
    columns = header.read(sheet.read())
    store.sheets.update(sheet.key, ours=store.sheets.get(sheet.key).ours.union(columns.ours))
    return [*map(columns.title, columns.ours)]


def adopt(
    sheet: Sheet,
    store: Store,
    rules: Rules,
    header: Header,
    config: str,
    now: datetime,
    chance: Random,
    path_of: Callable[[str], str] = lambda link: "",
) -> Adopted:
    """Make this store the owner of the sheet. Sends nothing; what was not sent counts as lost.

    `path_of` is the path of the saved file that a link of ours shows; empty for other links. Such
    a link is no result to download: the file is there.
    """
    take_over_columns(sheet, store, header)
    lying = sheet.read_claim()
    grid = sheet.read()
    columns = header.read(grid)
    lines = _lines(grid, columns, store, rules, now, chance)
    found: dict[str, set[State]] = defaultdict(set)
    left = [one for one in lines if one.is_unrecognized and has_results(grid, one, columns)]
    jobs = store.jobs.all(sheet.key).values()
    known = {attempt.task_id for job in jobs for attempt in job.attempts}
    for share in (one for line in lines for one in shares(grid, line, columns)):
        if attempt := _attempt(share, known, columns, rules, now):
            key = share.line.key(rules.sheet)
            if store.jobs.adopt(key, attempt):
                has_ended = attempt.state is State.SUCCEEDED
                urls = attempt.result.urls if has_ended else ()
                saved = ((url, path_of(url)) for url in urls)
                store.files.save(
                    NewFile(key, attempt.number, url, SavedFile(path, url, ""))
                    for url, path in saved
                    if path
                )
            found[key.row_id].add(attempt.state)
    for job in store.jobs.all(sheet.key).values():
        if state_of(job) is State.PENDING and _close(job, store, now):
            found[job.key.row_id].add(State.UNKNOWN)
    order = [""] * len(grid)
    for line in lines:
        order[line.seen.place] = line.seen.row_id
    store.rows.note(sheet.key, [_ordinary(line) for line in lines], order, None)
    # At the end: until then this store sends nothing, also if the adoption breaks off.
    word = f"{chance.getrandbits(64):016x}"
    mine = store.sheets.raise_claim(sheet.key, word, lying.counter if lying else 0)
    sheet.write_claim(mine, lying)
    store.sheets.update(sheet.key, config=config, hold="")
    numbers = tuple(line.seen.place + 1 for line in left)
    # A row with several generations counts once, by what is still to come.
    counts = Counter(next(state for state in _COUNTED if state in its) for its in found.values())
    tasks, pictures, unknown = (counts[state] for state in _COUNTED)
    return Adopted(pictures, tasks, unknown, numbers)


def _lines(
    grid: Grid, columns: Columns, store: Store, rules: Rules, now: datetime, chance: Random
) -> list[Line]:
    """The rows that have an id, a task or pictures; from now on they are ordinary rows."""
    rows = list(columns.rows(grid))
    memory = store.rows.memory(rules.sheet)
    unknown = {row.mark for row in rows if row.mark and row.mark not in memory.known}
    memory = replace(memory, foreign=store.rows.foreign(rules.sheet, unknown), columns=None)
    seen = [
        replace(one, standing=RowKind.ROW) if _can_be_taken_over(one) else one
        for one in match(rows, memory, lambda: new_id(chance))
    ]
    marked = [one for one in seen if one.known or one.marked.mark or one.marked.has_results]
    return [*plan(marked, grid, columns, store.jobs.all(rules.sheet), rules, now).lines]


def _can_be_taken_over(one: Seen) -> bool:
    """True for a row of another store, if it says which take its results are of."""
    return one.standing is RowKind.UNRECOGNIZED and take_of(one.marked.take, 0) is not None


def _ordinary(line: Line) -> KnownRow:
    if line.seen.standing is RowKind.ROW:
        return replace(line.memory, standing=RowKind.ROW)
    return line.memory


def _attempt(
    share: Share, known: Collection[str], columns: Columns, rules: Rules, now: datetime
) -> Attempt | None:
    """The attempt that made these results; None if the store knows it, or there is none.

    `known` are the tasks that the store knows.
    """
    line, task_id, urls = share.line, share.task_id, share.urls
    task_id = "" if task_id in known else task_id
    has_news = bool(task_id) or (share.has_results and not line.job)
    # The other store may have sent a row that would only wait for its parent here.
    may_be_sent = line.endpoint or line.waits_for_parent
    if line.take is None or not (may_be_sent or has_news):
        return None
    is_lost = not has_news or (share.state is State.RUNNING and not task_id)
    state = State.UNKNOWN if is_lost else share.state
    # A take after the first one was probably made with the feedback that its row has.
    feedback = line.memory.feedback if has_news and line.take > 1 else ""
    is_revised = bool(feedback) and is_value(feedback)
    left_out = () if share.is_asked_for else (COUNT, RATIOS)
    return Attempt(
        number=len(line.job.attempts) + 1 if line.job else 1,
        state=state,
        inputs=revised(line.inputs, feedback) if is_revised else line.inputs,
        columns=tuple(name for name in columns.inputs if name not in left_out),
        endpoint=line.endpoint or rules.endpoint_name(line.inputs),
        price=0,
        sent_at=now,
        deadline=now,
        task_id=task_id,
        result=Result(urls) if has_news else Result(),
        reason=TAKEN_OVER,
        ended_at=now if state is State.SUCCEEDED else None,
    )


def _close(job: Job, store: Store, now: datetime) -> bool:
    """Count a job that could still be sent as sent. Returns whether the store did not do so yet."""
    last = job.attempts[-1] if job.attempts else None
    attempt = Attempt(
        number=len(job.attempts) + 1,
        state=State.UNKNOWN,
        inputs=last.inputs if last else "{}",
        columns=last.columns if last else (),
        endpoint=last.endpoint if last else "",
        price=0,
        sent_at=now,
        deadline=now,
        reason=TAKEN_OVER,
    )
    return store.jobs.adopt(job.key, attempt)
