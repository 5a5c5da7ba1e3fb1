"""What follows from an event of a pass once it is recorded.

It is counted, the pictures of a success are saved, and the sheet gets a new look. Owns nothing: the
tally owns the counts, the downloader the downloads, the timer the time of the next look, `awaited`
the jobs that rows wait for.
"""

from __future__ import annotations

from pipeline.core.model import JobKey
from pipeline.core.states import Event, Succeeded
from pipeline.sync.awaited import AwaitedJobs
from pipeline.sync.downloader import Downloader
from pipeline.sync.look_timer import LookTimer
from pipeline.sync.submissions import Sending
from pipeline.sync.tally import Tally


class PassEvents:
    """Takes each event of one pass, whether an answer, a poll or a webhook reported it."""

    def __init__(
        self, tally: Tally, downloader: Downloader, timer: LookTimer, awaited: AwaitedJobs
    ) -> None:
        self._tally, self._downloader, self._timer = tally, downloader, timer
        self._awaited = awaited

    @property
    def title(self) -> str:
        """The title of the sheet, for people."""
        return self._tally.outcome.title

    def look_again(self) -> None:
        """Look at the sheet soon: it does not show something that is known."""
        self._timer.changed()

    def answered(self, sending: Sending, event: Event) -> None:
        """A submission was answered with this event."""
        self._tally.sent(sending, event)
        self.happened(sending.key, sending.attempt.number, event)

    def happened(self, key: JobKey, number: int, event: Event) -> bool:
        """An attempt had this event. Returns False if this end was reported before."""
        is_new = self._tally.count(key, number, event)
        if is_new and isinstance(event, Succeeded):
            self._downloader.keep(key)
            self._awaited.succeeded(key)
        self._timer.changed()
        return is_new
