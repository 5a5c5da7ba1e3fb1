"""The interfaces that a pass needs: access to the API, and the configured pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pipeline.core.api.accounts import Api
from pipeline.core.model import Request, Response

#: How often a pass that does not wait tries an API again: the next pass is minutes away.
HASTY_TRIES = 3
#: Seconds that a pass that does not wait spends waiting for the pace, at most.
PATIENCE = 60.0


class Wire(Protocol):
    """The interface to the API that a pass needs (`provider.lazy.LazyApiClient`)."""

    def open(self) -> None:
        """Load what a request needs, so that no request waits once it is on disk as sent."""

    async def submit(self, request: Request, within: float) -> Response:
        """One answer to one sending. Raises NotSent or NoAnswer."""

    async def uploaded(self, request: Request, within: float) -> Request:
        """The request with addresses instead of the files that the API takes as uploads.

        Raises PartUnread if a file cannot be read or uploaded; the request itself is not sent.
        """

    async def ask(self, request: Request, within: float) -> Response:
        """The answer to a request that is safe to repeat. Raises WireError."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, at most (`[pace]` and `[rules] stop_after`)."""

    concurrency: int = 20
    in_flight: int = 50
    #: None: ask when tasks have probably ended (see `core.api.poll_times`).
    poll_every: timedelta | None = None
    write_every: timedelta = timedelta(seconds=5)
    give_up_after: timedelta = timedelta(minutes=60)
    stop_after: int = 5


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """One API that a pass uses: the way to it, and how fast it may be used."""

    api: Api
    wire: Wire
    pace: Pace
