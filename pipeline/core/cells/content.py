"""The correct content of our cells, and which cells are out of date.

The sheet is a view of the store: our cells are compared with what the store knows, and only those
that differ are written. So the next pass corrects cells that people changed, sorted alone or
restored from an old file, and a sheet that is up to date is not written at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.core.credits import Credits, total
from pipeline.core.inputs import normalise
from pipeline.core.language import ENGLISH, Catalogue
from pipeline.core.messages import row_notes
from pipeline.core.model import Attempt, Grid, Job, Patch, State
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.pictures.picks import PICKED, addresses_of
from pipeline.core.planning.lines import Line
from pipeline.core.sheet.header import ALWAYS, OURS, PREVIEW, Columns
from pipeline.core.states import costs_nothing, shown, with_results
from pipeline.core.statuses import is_ours
from pipeline.core.text import printable
from pipeline.core.traces import has_traces

#: The text of a cell, for a job and the attempt of it that people see.
Says = Callable[[Job, Attempt], str]
#: Cells show the addresses of the API.
API_LINKS = CellLinks()
#: The same for a row of several generations that were sent, in the order of the row.
SaysOfSeveral = Callable[[Sequence[tuple[Job, Attempt]]], str]
#: The longest text in a cell, in bytes of UTF-16: less than the 32,767 letters that Excel allows.
MOST_BYTES = 2 * 32_000
#: Columns in which text of ours is removed from a line that is no row. A number may be a total.
ASTRAY = tuple(name for name in OURS if name not in ("credits", "progress", PREVIEW))


def patch(
    lines: Sequence[Line],
    grid: Grid,
    columns: Columns,
    jobs: Iterable[Job] | None = (),
    among: Iterable[int] | None = None,
    *,
    links: CellLinks = API_LINKS,
    catalogue: Catalogue = ENGLISH,
) -> Patch:
    """Every out-of-date cell, with the text that it should have.

    Missing columns of ours are added right of the widest row. Foreign rows stay unchanged.
    Text of ours is removed from lines that are no rows (emptied or total lines), also results of
    `jobs`. If `jobs` is None, the reading is not accepted, and nothing is removed. `among` are the
    places to compare; all others are known to be up to date. `links` says which addresses cells
    show, `catalogue` the language of notes.
    """
    places = dict(columns.index)
    cells: dict[tuple[int, int], str] = {}
    missing = [name for name in ALWAYS if name not in places]
    if missing:
        width = max((len(row) for row in grid), default=0)
        for name in missing:
            places[name] = width
            cells[0, width] = columns.title(name)
            width += 1
    ours = [(name, places[name]) for name in OURS if name in places and name != PREVIEW]
    names = [name for name, _ in ours]
    for line in lines:
        if line.foreign:
            continue
        row = grid[line.seen.place]
        truth = cells_of(line, names, links, catalogue)
        differing = {
            (line.seen.place, at): says
            for name, at in ours
            if (says := truth.get(name, "")) != (row[at] if at < len(row) else "")
        }
        if any(at >= len(row) for _, at in differing):
            # A row that gets longer gets all our cells, so that it is no shorter than others.
            beyond = {(line.seen.place, at): "" for _, at in ours if at >= len(row)}
            differing = beyond | differing
        cells.update(differing)
    if jobs is not None:
        looked_at = range(1, len(grid)) if among is None else among
        cells.update(_strays(lines, grid, columns, ours, jobs, looked_at, links, catalogue))
    return cells


def _strays(
    lines: Sequence[Line],
    grid: Grid,
    columns: Columns,
    ours: list[tuple[str, int]],
    jobs: Iterable[Job],
    among: Iterable[int],
    links: CellLinks,
    catalogue: Catalogue,
) -> dict[tuple[int, int], str]:
    """Text that is certainly ours in lines that are no rows, to be removed.

    A row with inputs is left unchanged, even if the plan has no line for it (during a hold):
    without our cells a copy of a whole row would look like a new row, and be paid for.
    """
    rows = {line.seen.place for line in lines}
    found = [
        (place, name, at)
        for place in among
        if place not in rows and not columns.is_row(grid[place])
        for name, at in ours
        if name in ASTRAY and at < len(grid[place]) and grid[place][at]
    ]
    if not found:
        return {}
    truths: set[tuple[str, str]] = set()
    for line in lines:
        if not line.foreign:
            for other in links.others():
                truths.update(cells_of(line, OURS, other, catalogue).items())
    for job in jobs:
        truths.add(("row_id", job.key.row_id))
        forms = [other.shown_in(job) for other in links.others()]
        for attempt in job.attempts:
            for one in forms:
                truths.update((name, says(one, attempt)) for name, says in _OF_RESULT.items())
    return {
        (place, at): ""
        for place, name, at in found
        if (name, grid[place][at]) in truths or (name == "status" and is_ours(grid[place][at]))
    }


def note_of(line: Line, catalogue: Catalogue) -> str:
    """The text of the row's note cell."""
    return row_notes.as_text(catalogue.text(line.note))


def cells_of(
    line: Line,
    names: Iterable[str] = OURS,
    links: CellLinks = API_LINKS,
    catalogue: Catalogue = ENGLISH,
) -> dict[str, str]:
    """The texts of our cells in the row, by column name; only of `names`."""
    # An id that we did not write could come back: then it must not stand in two rows.
    row_id = "" if line.is_unrecognized else line.seen.row_id
    cells = {"row_id": row_id, "status": line.status, "note": note_of(line, catalogue)}
    if line.picked and PICKED in names:
        cells[PICKED] = "\n".join(addresses_of(line.picked, links))
    made = [
        (links.shown_in(one.job), attempt)
        for one in line.each
        if one.job and (attempt := shown(one.job)) and attempt.state is not State.RETURNED
    ]
    if not made:
        return cells
    if len(made) == 1:
        ((job, attempt),) = made
        source = with_results(job, attempt)
        return cells | {
            name: _SAYS[name](job, source if name in _FROM_RESULT else attempt)
            for name in names
            if name in _SAYS
        }
    sources = [(job, with_results(job, attempt)) for job, attempt in made]
    return cells | {
        name: _OF_SEVERAL[name](sources if name in _FROM_RESULT else made)
        for name in names
        if name in _OF_SEVERAL
    }


def _listed(says: Says) -> SaysOfSeveral:
    """A text that lists what is said of each generation, a line or more each."""
    return lambda made: _cut("\n".join(filter(None, (says(*one) for one in made))))


def _nth_of_several(number: int) -> SaysOfSeveral:
    return lambda made: next(iter(_all_urls(made)[number - 1 :]), "")


def _all_urls(made: Sequence[tuple[Job, Attempt]]) -> list[str]:
    # After an adoption, two generations may have one address (see `taken_over`).
    return list(dict.fromkeys(url for one in made for url in _urls(*one)))


def _credits_of_several(made: Sequence[tuple[Job, Attempt]]) -> str:
    return str(total(_cost(attempt) for _, attempt in made))


def _progress_of_several(made: Sequence[tuple[Job, Attempt]]) -> str:
    known = [_percent(attempt) or 0 for _, attempt in made]
    return f"{sum(known) // len(known)}%" if any(known) else ""


def kept_in_cells(job: Job, attempt: Attempt) -> tuple[str, str]:
    """The texts of the cells `grid_url` and `text` of an attempt."""
    return attempt.result.grid_url, _text(job, attempt)


def texts_in(grid: Grid, columns: Columns) -> Iterator[str]:
    """Every text that cells of results hold: addresses, paths and whole texts."""
    places = [(n, at) for n, at in columns.index.items() if n in _FROM_RESULT or n == PICKED]
    for row in grid[1:]:
        for name, at in places:
            if at < len(row) and row[at]:
                yield from row[at].split("\n") if name in _LISTS else (row[at],)


def _urls(job: Job, attempt: Attempt) -> list[str]:
    texts = [job.links.get(url, url) for url in attempt.result.urls]
    return [text for text in texts if not has_traces(text)] if attempt.forgotten else texts


def _files(job: Job, attempt: Attempt) -> str:
    return "\n".join(job.files[url] for url in attempt.result.urls if url in job.files)


def _text(job: Job, attempt: Attempt) -> str:
    # Trimmed once more: control characters have become spaces.
    text = row_notes.as_text(printable(normalise(attempt.result.text)).strip())
    return _cut(text)


def _cut(text: str) -> str:
    """The text, shortened to what a cell holds."""
    units = text.encode("utf-16-le")
    if len(units) <= MOST_BYTES:
        return text
    return units[: MOST_BYTES - 2].decode("utf-16-le", "ignore").rstrip() + "…"


def _cost(attempt: Attempt) -> Credits:
    if attempt.state is State.FAILED and costs_nothing(attempt):
        return 0
    return attempt.price if attempt.reported is None else attempt.reported


def _percent(attempt: Attempt) -> int | None:
    # The last reported percentage is seldom 100.
    return 100 if attempt.state is State.SUCCEEDED else attempt.progress


def _progress(job: Job, attempt: Attempt) -> str:
    progress = _percent(attempt)
    return f"{progress}%" if progress is not None else ""


def _nth_url(number: int) -> Says:
    return lambda job, attempt: next(iter(_urls(job, attempt)[number - 1 : number]), "")


def _moment(at: datetime | None) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


#: Cells about the attempt that people see: first what the API delivered.
_OF_RESULT: Mapping[str, Says] = {
    "task_id": lambda job, attempt: row_notes.as_text(attempt.task_id),
    "image_urls": lambda job, attempt: "\n".join(_urls(job, attempt)),
    "grid_url": lambda job, attempt: attempt.result.grid_url,
    "text": _text,
    **{f"image_{number}": _nth_url(number) for number in range(1, 5)},
}
#: Cells that keep their content while the result is made again.
_FROM_RESULT = {*_OF_RESULT, "files"} - {"task_id"}
#: Cells that list results, one per line.
_LISTS = ("image_urls", "files", PICKED)
_SAYS: Mapping[str, Says] = {
    **_OF_RESULT,
    "files": _files,
    "credits": lambda job, attempt: str(_cost(attempt)),
    "progress": _progress,
    "submitted_at": lambda job, attempt: _moment(attempt.sent_at),
    "finished_at": lambda job, attempt: _moment(attempt.ended_at),
}
_OF_SEVERAL: Mapping[str, SaysOfSeveral] = {
    **{name: _listed(says) for name, says in _OF_RESULT.items()},
    "image_urls": lambda made: _cut("\n".join(_all_urls(made))),
    **{f"image_{number}": _nth_of_several(number) for number in range(1, 5)},
    "files": _listed(_files),
    "credits": _credits_of_several,
    "progress": _progress_of_several,
    "submitted_at": lambda made: _moment(min(attempt.sent_at for _, attempt in made)),
    "finished_at": lambda made: _moment(
        max((at for _, attempt in made if (at := attempt.ended_at)), default=None)
    ),
}
