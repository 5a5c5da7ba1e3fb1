"""Results that were forgotten, and that stand in cells of the sheet.

Of a forgotten result, the store holds traces of what its cells showed. A text in a cell with one of
these traces is that result. So its cells stay as they are, and follow their rows, although the
store does not know them: what is in a wrong row is put back, and what is no result of the row is
removed. Nothing but cells is made of such results: no row is sent with one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.core.cells.content import kept_in_cells, texts_in
from pipeline.core.model import Attempt, Forgotten, Grid, Job, Result
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.planning.lines import Line
from pipeline.core.sheet.header import Columns
from pipeline.core.states import is_forgotten
from pipeline.core.traces import Tracer


def forgotten_now(
    job: Job, attempt: Attempt, tracer: Tracer, links: CellLinks, at: datetime
) -> Forgotten:
    """What stays of the result of an attempt. `links` says which addresses its cells show."""
    shown, urls = replace(links, own=True).shown_in(job), attempt.result.urls
    grid_url, text = kept_in_cells(job, attempt)
    return Forgotten(
        at,
        tuple(map(tracer.trace, urls)),
        tuple(tracer.trace(shown.links.get(url, "")) for url in urls),
        tuple(tracer.trace(job.files.get(url, "")) for url in urls),
        tracer.trace(grid_url),
        tracer.trace(text),
    )


@dataclass(frozen=True, slots=True)
class InCells:
    """The texts of cells of results, by their traces."""

    texts: Mapping[str, str]

    @staticmethod
    def of(grid: Grid, columns: Columns, tracer: Tracer) -> InCells:
        """Those of a reading."""
        return InCells({tracer.trace(text): text for text in {*texts_in(grid, columns)}})

    def lines(self, lines: Iterable[Line]) -> list[Line]:
        """Lines whose jobs have the results that stand in cells."""
        return [self._line(line) for line in lines]

    def _line(self, line: Line) -> Line:
        if line.parts:
            return replace(line, parts=tuple(map(self._line, line.parts)))
        return replace(line, job=self.job(line.job)) if line.job else line

    def job(self, job: Job) -> Job:
        """A job with the results that stand in cells."""
        if not is_forgotten(job):
            return job
        links, files = dict(job.links), dict(job.files)
        tried = []
        for attempt in job.attempts:
            its = attempt.forgotten
            if its is None:
                tried.append(attempt)
                continue
            urls = []
            for url, link, file in zip(its.urls, its.links, its.files, strict=True):
                found = self.texts.get(link, "")
                # Its own trace stands for an address that is in no cell; it is never shown.
                urls.append(self.texts.get(url) or found or url)
                links |= {urls[-1]: found} if found else {}
                files |= {urls[-1]: path} if (path := self.texts.get(file)) else {}
            grid_url, text = self.texts.get(its.grid_url, ""), self.texts.get(its.text, "")
            tried.append(replace(attempt, result=Result(tuple(urls), grid_url, text=text)))
        return replace(job, attempts=tuple(tried), links=links, files=files)


def with_results_in_cells(
    lines: Sequence[Line],
    jobs: Iterable[Job] | None,
    grid: Grid,
    columns: Columns,
    tracer: Tracer | None,
) -> tuple[Sequence[Line], Iterable[Job] | None]:
    """Lines and jobs for `content.patch`, with the forgotten results that stand in the sheet."""
    if tracer is None:
        return lines, jobs
    known = InCells.of(grid, columns, tracer)
    return known.lines(lines), None if jobs is None else [known.job(job) for job in jobs]
