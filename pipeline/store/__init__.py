"""What is known of every job, and the only place where it is kept.

    schema           the tables
    connection       opens the file, and checks that its disk can be trusted
    transactions     the two kinds of transaction; `errors`: a database's errors as sentences
    sheets           each sheet: its claim, its lease, its holds
    rows             what was written in each row when it was last read
    unchanged_rows   the rows that the last pass left with nothing to do
    jobs             the takes of each row, with their attempts and files; `history`: their events
    serialization    an attempt as a line of its table; `attempt_events`: an event as text
    admission        whether an attempt may begin now
    batch            one commit: record what came back, begin what may leave
    job_cache        jobs that are kept in memory between two batches
    callbacks        which attempt a webhook is about
    recording        records what answers, polls and webhooks report
    rescue_file      where that goes while the disk is full
    rate_limit       how many requests may leave; `budget`: how many credits may be spent
    stats            numbers about many jobs at once; `durations`: how long tasks took
    reported         what was reported about each sheet
    sessions         which sessions of the page were ended
    accounts         the balance of the API's account when it was last asked

Each of them adds methods to `Store`; nothing outside this package imports them. Every method is
one transaction (at most), may be called from any thread, and raises `StoreError` with a sentence
for people.
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
