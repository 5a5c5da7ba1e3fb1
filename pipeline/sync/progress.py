"""How far a pass is, for a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.core.money.costs import Cost
from pipeline.sync.clock import Clock
from pipeline.sync.downloader import Downloader
from pipeline.sync.lanes import Lanes
from pipeline.sync.tally import Tally

#: Seconds between two reports of progress.
REPORT_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass is: numbers of rows, of pictures (`saved`, `saving`), and costs."""

    sent: int = 0
    to_send: int = 0
    at_work: int = 0
    saved: int = 0
    saving: int = 0
    done: int = 0
    costs: tuple[Cost, ...] = ()
    #: That lost submissions take all places at an API that rows wait for; empty if they do not.
    full: str = ""


class Reporter:
    """Reports progress, but seldom: counting for one report costs as much as a request."""

    def __init__(
        self,
        clock: Clock,
        tally: Tally,
        lanes: Lanes,
        downloader: Downloader,
        tell: Callable[[Progress], None],
    ) -> None:
        self._clock, self._tell = clock, tell
        self._tally, self._lanes, self._downloader = tally, lanes, downloader
        self._reported_at = 0.0

    def report(self) -> None:
        """Report, unless the last report was a moment ago."""
        now = self._clock.monotonic()
        if now - self._reported_at >= REPORT_EVERY:
            self._reported_at = now
            self._tell(self._progress())

    def _progress(self) -> Progress:
        counts, sent = self._tally.outcome.counts, self._lanes.sent
        return Progress(
            sent=sent,
            to_send=sent + self._lanes.waiting,
            at_work=self._lanes.expecting(),
            done=counts.done + counts.failed,
            saved=counts.saved,
            saving=self._downloader.pending,
            costs=counts.costs,
            full=next(filter(None, self._full()), ""),
        )

    def _full(self) -> Iterator[str]:
        for lane in self._lanes.all:
            if lane.submitter.waiting:
                yield lane.submitter.in_flight.full
