"""Which results in the cells of a row are of which generation, where the store was lost.

Used by `doctor --adopt`. Every task and every address in the cells ends in one of the shares of its
row, so that none is lost when the cells are written again. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pipeline.core.model import MOST_RESULTS, Grid, State
from pipeline.core.pictures.cell_links import page_link_of
from pipeline.core.planning.lines import Line
from pipeline.core.rows.generations import Generation, made_with
from pipeline.core.sheet.header import Columns
from pipeline.core.statuses import Status


@dataclass(frozen=True, slots=True)
class Share:
    """What one generation of a row has of the results in the cells of its row."""

    line: Line
    task_id: str = ""
    urls: tuple[str, ...] = ()
    #: What its attempt becomes: with a task that is asked about, the addresses are shown until the
    #: API has answered.
    state: State = State.UNKNOWN
    #: False if the row does not say which of its generations this is.
    is_asked_for: bool = True
    #: True if the cells show results, so that no generation of the row is sent again.
    has_results: bool = True


class _Found(NamedTuple):
    """The tasks and the addresses of results in the cells of a row."""

    tasks: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


def has_results(grid: Grid, line: Line, columns: Columns) -> bool:
    """True if the cells of a row show a task or an address."""
    return _found(grid[line.seen.place], columns) != _Found()


def shares(grid: Grid, line: Line, columns: Columns) -> list[Share]:
    """The results that the cells of a row show, by its generations.

    Cells list them in the order of the generations, and those that were not sent have none. An
    address that names a task is of that task. Of a row that is not done, the other addresses are
    together a generation of their own, so that no answer about a task replaces them; and where it
    is not certain which task is whose, each task is one, without a ratio. All these tasks are asked
    about again.
    """
    row, each = grid[line.seen.place], line.each
    found = _found(row, columns)
    if found == _Found():
        return [Share(one, has_results=False) for one in each]
    is_done = columns.cell(row, "status").strip() == Status.DONE
    if exact := _exact(found, each, is_done=is_done):
        return exact
    tasks, urls = found.tasks, found.urls[: MOST_RESULTS * len(each)]
    own = {task: tuple(url for url in urls if _names(url, task)) for task in tasks}
    rest = tuple(url for url in urls if not any(url in its for its in own.values()))
    if rest and is_done:  # No answer comes any more: they stay together, in their order.
        own, rest = {}, urls
    is_kept = bool(rest) and not is_done
    is_full, is_alike = len(tasks) == len(each), len({one.inputs for one in each}) == 1
    if is_alike:
        fits = is_full or (len(tasks) < len(each) and (is_done or not urls))
    else:
        fits = is_full and not is_done
    fits = fits and not is_kept
    its = each if fits else _without_ratio(line, len(tasks) + is_kept or 1)
    named = (*tasks, *[""] * (len(its) - len(tasks)))
    most = max(map(len, own.values()), default=0)
    made = [
        Share(one, task, urls := own.get(task, ()), _state(task, len(urls), most, is_done), fits)
        for one, task in zip(its, named, strict=True)
    ]
    if rest:
        holder = len(made) - 1 if is_kept else 0
        made[holder] = replace(made[holder], urls=rest, state=State.SUCCEEDED)
    return made


def _names(url: str, task: str) -> bool:
    """True if an address has the id of a task in it, as most vendors make them."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(task)}(?![0-9A-Za-z])", url) is not None


def _found(row: Sequence[str], columns: Columns) -> _Found:
    tasks = columns.cell(row, "task_id").strip().removeprefix("'").split("\n")
    words = columns.cell(row, "image_urls").split()
    # Only the lost store knew which file an address of the page shows.
    urls = (u for u in words if u.startswith("http") and not page_link_of(u))
    return _Found(tuple(filter(None, map(str.strip, tasks))), tuple(urls))


def _exact(found: _Found, its: Sequence[Line], *, is_done: bool) -> list[Share]:
    """The share of each generation; empty if it is not certain which results are whose.

    If all are done, each has the same number of results.
    """
    tasks, urls = found
    if len(its) == 1 and len(tasks) <= 1:
        state = State.SUCCEEDED if urls else State.RUNNING
        return [Share(its[0], "".join(tasks), urls[:MOST_RESULTS], state)]
    each, rest = divmod(len(urls), len(its))
    if len(tasks) != len(its) or rest or bool(urls) != is_done:
        return []
    state = State.SUCCEEDED if urls else State.RUNNING
    return [
        Share(one, task, urls[at * each : (at + 1) * each], state)
        for at, (one, task) in enumerate(zip(its, tasks, strict=True))
    ]


def _state(task: str, urls: int, most: int, is_done: bool) -> State:
    """The state of a task with so many addresses; no other task of its row has more than `most`.

    One that has fewer may have lost some, and is asked about again.
    """
    if is_done or (urls and urls == most):
        return State.SUCCEEDED
    return State.RUNNING if task else State.UNKNOWN


def _without_ratio(line: Line, many: int) -> list[Line]:
    """So many generations of a row of which it is not known which ones they are."""
    inputs = made_with(line.memory.inputs, "{}")
    names = ["", *(f"_{copy}" for copy in range(2, many + 1))]
    jobs = {one.part: one.job for one in line.each if one.job}
    whole = replace(line, parts=(), revised="")
    return [
        replace(whole, generation=Generation(name, inputs, copy), job=jobs.get(name))
        for copy, name in enumerate(names, start=1)
    ]
