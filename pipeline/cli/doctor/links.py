"""What `doctor` says about links to pictures that are saved nowhere: whether they still work."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pipeline.cli.doctor.case import Case, Finding
from pipeline.config import Settings
from pipeline.core.errors import DeadLink, NotSaved
from pipeline.core.model import State
from pipeline.core.states import shown
from pipeline.core.text import counted
from pipeline.server import event_loop
from pipeline.sync.sheet_sync import SheetSync

#: How many links are tried, from the oldest to the newest; the most bytes and seconds for each.
TRIED, MOST_BYTES, WITHIN = 5, 20_000_000, 20.0


class _Link(NamedTuple):
    """The first link of a result, and when that came."""

    at: datetime
    url: str


def dead(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Try some links of results of which no file is saved, because `[media] save_to` is empty."""
    if case.settings.saves_files:
        return  # What is not saved is another finding, and a repair tries it again.
    attempts = (shown(job) for job in sync.state.jobs.all.values() if not job.files)
    links = sorted(
        _Link(one.ended_at or one.sent_at, one.result.urls[0])
        for one in attempts
        if one and one.state is State.SUCCEEDED and one.result.urls
    )
    if not links:
        return
    last = len(links) - 1
    tried = [links[at] for at in sorted({last * n // (TRIED - 1) for n in range(TRIED)})]
    if gone := event_loop.run(_dead(case.settings, tried)):
        until = f"{gone[-1].at.astimezone():%Y-%m-%d %H:%M}"
        yield Finding(
            "person",
            f"{len(gone)} of {counted(len(tried), 'link')} that were tried do not work any more, "
            f"the newest of {until}. No file is saved: set [media] save_to, then the next run "
            "saves what can still be had.",
        )


async def _dead(settings: Settings, links: Sequence[_Link]) -> list[_Link]:
    """Those links that do not work. One whose server gives no clear answer counts as working."""
    from pipeline.provider.downloads.fetching import Fetcher

    allowed = [one.base_url for one in settings.apis]
    found = []
    with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
        fetcher = Fetcher(Path(folder), allowed=allowed, most_bytes=MOST_BYTES, within=WITHIN)
        try:
            for link in links:
                try:
                    async with fetcher.fetched(link.url):
                        pass
                except DeadLink:
                    found.append(link)
                except NotSaved:
                    continue
        finally:
            await fetcher.close()
    return found
