"""Takes over a sheet whose store was lost, replaced by a backup, or is another one. Pays nothing.

It is unknown what the other store has sent since. So everything that this store would send
counts as sent without an answer, until a person picks what to send with `retry --unknown`; rows
that have a task or pictures become jobs with that task and those pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Final, NamedTuple

from pipeline.core.cell_links import page_link_of
from pipeline.core.generations import COUNT, RATIOS
from pipeline.core.header import OURS, Columns, Header
from pipeline.core.job_status import TAKEN_OVER
from pipeline.core.known_rows import new_id
from pipeline.core.lines import Line
from pipeline.core.model import (
    MOST_RESULTS,
    Attempt,
    Grid,
    Job,
    KnownRow,
    Result,
    RowKind,
    State,
)
from pipeline.core.planning import plan
from pipeline.core.row_matching import match
from pipeline.core.rules import Rules
from pipeline.core.states import state_of
from pipeline.core.statuses import Status
from pipeline.sheets import Sheet
from pipeline.store import NewFile, SavedFile, Store

#: The states of what is taken over, in the order of `Adopted`.
_COUNTED: Final = (State.SUCCEEDED, State.RUNNING, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Adopted:
    """How many rows were taken over with pictures, with a task to poll, or with neither."""

    pictures: int = 0
    tasks: int = 0
    unknown: int = 0


def take_over_columns(sheet: Sheet, store: Store, header: Header) -> list[str]:
    """Claim all columns with one of our names, even if they are filled. Returns their titles."""
    columns = header.read(sheet.read())
    ours = {name for name in OURS if name in columns.index}
    store.sheets.update(sheet.key, ours=store.sheets.get(sheet.key).ours | ours)
    return [columns.title(name) for name in OURS if name in ours]


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
    # A row with several generations counts once.
    counts: dict[State, set[str]] = {state: set() for state in _COUNTED}
    for line, found in _to_adopt(lines, grid, columns):
        if attempt := _attempt(line, found, columns, rules, now):
            key = line.key(rules.sheet)
            if store.jobs.adopt(key, attempt):
                saved = ((url, path_of(url)) for url in attempt.result.urls)
                store.files.save(
                    NewFile(key, attempt.number, url, SavedFile(path, url, ""))
                    for url, path in saved
                    if path
                )
            counts[attempt.state].add(line.seen.row_id)
    for job in store.jobs.all(sheet.key).values():
        if state_of(job) is State.PENDING and _close(job, store, now):
            counts[State.UNKNOWN].add(job.key.row_id)
    order = [""] * len(grid)
    for line in lines:
        order[line.seen.place] = line.seen.row_id
    store.rows.note(sheet.key, [line.memory for line in lines], order, None)
    # At the end: until then this store sends nothing, also if the adoption breaks off.
    word = f"{chance.getrandbits(64):016x}"
    mine = store.sheets.raise_claim(sheet.key, word, lying.counter if lying else 0)
    sheet.write_claim(mine, lying)
    store.sheets.update(sheet.key, config=config, hold="")
    return Adopted(*(len(counts[state]) for state in _COUNTED))


class _Results(NamedTuple):
    """What the cells of a row, or its share of them, show: tasks, and addresses of results."""

    tasks: Sequence[str] = ()
    urls: Sequence[str] = ()


def _to_adopt(
    lines: Sequence[Line], grid: Grid, columns: Columns
) -> Iterator[tuple[Line, _Results]]:
    """What may have been sent by another store, with its results.

    The results of a row with several generations are those of each one if it is certain which are
    whose; else they are taken over as one.
    """
    for line in lines:
        row = grid[line.seen.place]
        found = _results(row, columns)
        is_done = columns.cell(row, "status").strip() == Status.DONE
        if found == _Results():
            yield from ((one, found) for one in line.each)
        elif line.parts and (shares := _shares(found, len(line.parts), is_done=is_done)):
            yield from zip(line.parts, shares, strict=True)
        else:
            yield line, found


def _results(row: Sequence[str], columns: Columns) -> _Results:
    tasks = columns.cell(row, "task_id").strip().removeprefix("'").split("\n")
    words = columns.cell(row, "image_urls").split()
    # Only the lost store knew which file an address of the page shows.
    urls = (u for u in words if u.startswith("http") and not page_link_of(u))
    return _Results(tuple(filter(None, map(str.strip, tasks))), tuple(urls))


def _shares(found: _Results, many: int, *, is_done: bool) -> list[_Results]:
    """The results of each of so many generations; empty if it is not certain which are whose.

    The cells list them in the order of the generations. If all are done, each has the same number
    of results.
    """
    tasks, urls = found
    each, rest = divmod(len(urls), many)
    if len(tasks) != many or rest or bool(urls) != is_done:
        return []
    parts = enumerate(tasks)
    return [_Results((task,), urls[at * each : (at + 1) * each]) for at, task in parts]


def _lines(
    grid: Grid, columns: Columns, store: Store, rules: Rules, now: datetime, chance: Random
) -> list[Line]:
    """The rows that have an id, a task or pictures; from now on they are ordinary rows."""
    rows = list(columns.rows(grid))
    memory = store.rows.memory(rules.sheet)
    unknown = {row.mark for row in rows if row.mark and row.mark not in memory.known}
    memory = replace(memory, foreign=store.rows.foreign(rules.sheet, unknown), columns=None)
    seen = [
        replace(one, standing=RowKind.ROW) if one.standing is RowKind.UNRECOGNIZED else one
        for one in match(rows, memory, lambda: new_id(chance))
    ]
    marked = [one for one in seen if one.known or one.marked.mark or one.marked.has_results]
    lines = plan(marked, grid, columns, store.jobs.all(rules.sheet), rules, now).lines
    return [replace(line, memory=_ordinary(line)) for line in lines]


def _ordinary(line: Line) -> KnownRow:
    if line.seen.standing is RowKind.ROW:
        return replace(line.memory, standing=RowKind.ROW)
    return line.memory


def _attempt(
    line: Line, found: _Results, columns: Columns, rules: Rules, now: datetime
) -> Attempt | None:
    """The attempt that these results are of and the store does not know; None if there is none."""
    tasks, urls = found.tasks, tuple(found.urls[:MOST_RESULTS])
    jobs = [one.job for one in line.each if one.job]
    known = {attempt.task_id for job in jobs for attempt in job.attempts}
    task_id = next((one for one in tasks if one not in known), "")
    has_news = task_id or (urls and not jobs)
    # The other store may have sent a row that would only wait for its parent here.
    may_be_sent = line.endpoint or line.waits_for_parent
    if line.take is None or not (may_be_sent or (has_news and not jobs)):
        return None
    state = State.SUCCEEDED if urls else State.RUNNING if task_id else State.UNKNOWN
    if not has_news:
        task_id, urls, state = "", (), State.UNKNOWN
    # The results of several generations as one: without these columns, no generation is missing.
    left_out = (COUNT, RATIOS) if line.parts else ()
    return Attempt(
        number=len(line.job.attempts) + 1 if line.job else 1,
        state=state,
        inputs=line.inputs,
        columns=tuple(name for name in columns.inputs if name not in left_out),
        endpoint=line.endpoint or rules.endpoint_name(line.inputs),
        price=0,
        sent_at=now,
        deadline=now,
        task_id=task_id,
        result=Result(urls),
        reason=TAKEN_OVER,
        ended_at=now if urls else None,
    )


def _close(job: Job, store: Store, now: datetime) -> int:
    """Let a job that could still be sent count as sent: how often that had to be said (once)."""
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
    return int(store.jobs.adopt(job.key, attempt))
