"""Which addresses the cells of a row show for its pictures.

A saved picture has a lasting address of its own, if its place has one. Otherwise it has an address
of the page, which names its row, take and number, so that it stays the same wherever the file is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from pipeline.core.model import Job, JobKey
from pipeline.core.states import shown

#: Where the page shows a saved picture.
PATH: Final = "/saved"
_GENERATION: Final = r"r_[a-z0-9]{9}(?:-[a-z0-9_-]{1,40})?"
_OWN: Final = re.compile(rf"https?://[^/?#\s]+{PATH}/({_GENERATION})/(\d{{1,9}})/\d{{1,9}}")


@dataclass(frozen=True, slots=True)
class CellLinks:
    """What cells show: the API's addresses, or with `own` those of saved files."""

    own: bool = False
    #: The address of the page as people reach it; empty: it has none.
    page: str = ""

    def shown_in(self, job: Job) -> Job:
        """The job with the links that its cells show."""
        if not self.own:
            return replace(job, links={}) if job.links else job
        attempt = shown(job) if self.page and job.files else None
        if attempt is None:
            return job
        on_page = {
            url: f"{self.page}{PATH}/{job.key.generation}/{job.key.take}/{number}"
            for number, url in enumerate(attempt.result.urls, start=1)
            if url in job.files and not is_web(job.links.get(url, ""))
        }
        return replace(job, links={**job.links, **on_page}) if on_page else job

    def others(self) -> Iterator[CellLinks]:
        """What cells may show since an earlier configuration."""
        for page in ("", self.page):
            yield CellLinks(own=True, page=page)
        yield CellLinks()


def is_web(link: str) -> bool:
    """True for an address that a browser opens."""
    return link.startswith(("https://", "http://"))


def page_link_of(text: str) -> tuple[str, int] | None:
    """Row (with the part) and take of a picture, if this is its address on a page; else None."""
    found = _OWN.fullmatch(text)
    return (found[1], int(found[2])) if found else None


def row_and_take(key: JobKey) -> tuple[str, int]:
    """What the addresses of a job's pictures on the page have in common."""
    return key.generation, key.take
