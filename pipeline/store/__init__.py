"""What is known of every job, and the only place where it is kept.

    opening     where the store lies, and whether it can be trusted to lie there
    tables      what it is made of
    sheets      how each sheet stands, its claim, who works on it
    rows        what was written in each row when it was last read
    resting     which rows the last pass left at rest
    jobs        the takes of each row, with their attempts, files and history
    attempts    an attempt as a line of its table; `history`: what happened to it, line by line
    sending     what somebody means to send, and whether it may begin now
    turns       one commit for what has come back and what may leave; `kept`: jobs in between
    calling     which attempt the API calls back about
    recording   what answers, polls and webhooks tell
    rescue      where that goes while the disk is full
    pace        how many requests may leave; `budget`: how many credits may be spent
    counting    numbers about many jobs at once
    sessions    which sessions of the page were ended
    accounts    what was left in the API's account when it was last asked

Each of them adds its questions to `Store`. Every method is one transaction (at most), may be called
from any thread, and raises `StoreError` with a sentence for people.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.store.accounts import Accounts, Balance
from pipeline.store.admission import Intent, Limits, Refusal
from pipeline.store.attempt_events import Fact
from pipeline.store.batch import Turn
from pipeline.store.budget import Budget, Spent
from pipeline.store.callbacks import Calling, Hooked
from pipeline.store.connection import copied, network_file_system, opened, parsed_url, prepare
from pipeline.store.durations import KeptDurations
from pipeline.store.errors import told
from pipeline.store.history import HistoryLine
from pipeline.store.jobs import Jobs
from pipeline.store.rate_limit import Paces
from pipeline.store.recording import Recording
from pipeline.store.reported import Reported
from pipeline.store.rows import Rows, places_in
from pipeline.store.sessions import Sessions
from pipeline.store.sheets import Lease, SheetChanges, SheetRecord, Sheets
from pipeline.store.stats import Counting
from pipeline.store.transactions import uncollected
from pipeline.store.unchanged_rows import Rests

__all__ = [
    "Balance",
    "Fact",
    "HistoryLine",
    "Hooked",
    "Intent",
    "Lease",
    "Limits",
    "Refusal",
    "SheetChanges",
    "SheetRecord",
    "Spent",
    "Store",
    "Turn",
    "copied",
    "network_file_system",
    "places_in",
    "uncollected",
    "utc_now",
]


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


class Store(
    Sheets,
    Rows,
    Rests,
    Jobs,
    Paces,
    Budget,
    Calling,
    Recording,
    Counting,
    Sessions,
    Accounts,
    KeptDurations,
    Reported,
):
    """The store at an address such as `sqlite:///promptsheet.db`, made where there is none.

    `patience` is how many seconds it waits for other processes before it gives up. `now` must
    return aware moments. To be closed after use, or used in a `with`.
    """

    def __init__(
        self, url: str, now: Callable[[], datetime] = utc_now, patience: float = 30.0
    ) -> None:
        address = parsed_url(url)
        is_file = address.get_backend_name() == "sqlite"
        file = Path(address.database or "") if is_file else None
        place = str(file) if file else address.render_as_string(hide_password=True)
        engine = opened(address, patience)
        super().__init__(engine, place, file, now)
        try:
            with told(place):
                self.id = prepare(engine, place)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the store; it must not be used afterwards."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
