"""What our cells should say, and which of them do not say it yet.

The sheet is a view: whatever stands in our columns is compared with what the store knows, and only
what differs is written. So a scribble, a sort of one column or an old save is put right by the next
pass, and a sheet that already says the truth is not written at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pipeline.core import notes
from pipeline.core.columns import ALWAYS, OURS, PREVIEW, STATUSES, Columns
from pipeline.core.model import Attempt, Grid, Job, Patch, State
from pipeline.core.plan import Line
from pipeline.core.states import shown

#: Where a word of ours may stand in a line that is no row; a number may be somebody's total.
ASTRAY = tuple(name for name in OURS if name not in ("credits", "progress", PREVIEW))


def patch(
    lines: Sequence[Line],
    grid: Grid,
    columns: Columns,
    jobs: Iterable[Job] | None = (),
    among: Iterable[int] | None = None,
) -> Patch:
    """Every cell that does not say the truth, with what it should say.

    `among` are the places that are looked at, where the others are known to say the truth.

    Missing columns of ours are added right of the widest row. Rows of strangers stay as they are;
    what is ours and stands in a line that is no row (an emptied or a total line) is taken away,
    also what one of `jobs` once said; not where `jobs` is None: the reading is not believed.
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
    for line in lines:
        if line.foreign:
            continue
        row = grid[line.seen.place]
        truth = cells_of(line)
        differing = {
            (line.seen.place, at): says
            for name, at in ours
            if (says := truth.get(name, "")) != (row[at] if at < len(row) else "")
        }
        if any(at >= len(row) for _, at in differing):
            # A row that grows grows whole, so that it is no shorter than its neighbours.
            beyond = {(line.seen.place, at): "" for _, at in ours if at >= len(row)}
            differing = beyond | differing
        cells.update(differing)
    if jobs is not None:
        looked_at = range(1, len(grid)) if among is None else among
        cells.update(_strays(lines, grid, columns, ours, jobs, looked_at))
    return cells


def _strays(
    lines: Sequence[Line],
    grid: Grid,
    columns: Columns,
    ours: list[tuple[str, int]],
    jobs: Iterable[Job],
    among: Iterable[int],
) -> dict[tuple[int, int], str]:
    """What is surely ours in lines that are no rows, to be taken away.

    A row with words in it is left alone, also one that has no line in this plan (a hold): without
    its marks a whole copy would look like words typed once more, and be paid for.
    """
    found = [
        (place, name, at)
        for place in among
        if not columns.is_row(grid[place])
        for name, at in ours
        if name in ASTRAY and at < len(grid[place]) and grid[place][at]
    ]
    if not found:
        return {}
    truths: set[tuple[str, str]] = {("status", word) for word in STATUSES}
    for line in lines:
        if not line.foreign:
            truths.update(cells_of(line).items())
    for job in jobs:
        truths.add(("row_id", job.key.row_id))
        for attempt in job.attempts:
            truths.update(_results_of(attempt).items())
    return {
        (place, at): ""
        for place, name, at in found
        if (name, grid[place][at]) in truths
        or (name == "status" and grid[place][at].startswith("in progress "))
    }


def cells_of(line: Line) -> dict[str, str]:
    """What our cells of the row should say, by column name."""
    cells = {"row_id": line.seen.row_id, "status": line.status, "note": notes.as_text(line.note)}
    attempt = shown(line.job) if line.job else None
    if line.job is None or attempt is None or attempt.state is State.RETURNED:
        return cells
    result = attempt.result
    # The last progress heard is seldom the last there was.
    progress = 100 if attempt.state is State.SUCCEEDED else attempt.progress
    cells |= _results_of(attempt)
    cells |= {
        "files": "\n".join(line.job.files[url] for url in result.urls if url in line.job.files),
        "credits": str(attempt.price if attempt.reported is None else attempt.reported),
        "progress": f"{progress}%" if progress is not None else "",
        "submitted_at": _moment(attempt.sent_at),
        "finished_at": _moment(attempt.ended_at),
    }
    if attempt.state is State.FAILED and not attempt.task_id:
        cells["credits"] = "0"
    return cells


def _results_of(attempt: Attempt) -> dict[str, str]:
    result = attempt.result
    cells = {
        "task_id": notes.as_text(attempt.task_id),
        "image_urls": "\n".join(result.urls),
        "grid_url": result.grid_url,
        "text": notes.as_text(result.text),
    }
    return cells | {f"image_{n}": url for n, url in enumerate(result.urls[:4], start=1)}


def _moment(at: datetime | None) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""
