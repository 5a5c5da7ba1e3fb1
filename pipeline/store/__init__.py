"""The state of every job. It is kept only here.

A `Store` has parts, each with the methods about one subject:

    store.sheets       each sheet: its claim, its holds, its title and place
    store.leases       which process works on a sheet now
    store.turns        when each sheet was last looked at, and when it is tried again
    store.rows         what was written in each row when it was last read
    store.row_events   what people did to each row
    store.wanted_rows  rows that people asked for, which a pass adds to the sheet
    store.unchanged    the rows that the last pass left with nothing to do
    store.settled      the rows that are plainly done, without an object for each
    store.plain_jobs   all jobs in columns, likewise
    store.jobs         the takes of each row, with their attempts, files and history
    store.picks        the pictures that were picked on the page
    store.files        where the pictures of each take were saved, or why not
    store.attempts     begins attempts, and records what answers, polls and webhooks report
    store.callbacks    which attempt a webhook is about
    store.rate_limit   how many requests may leave
    store.budget       how many credits are spent
    store.stats        numbers about many jobs at once
    store.durations    how long tasks took
    store.listings     the history of all jobs at once
    store.quotes       what was quoted for the batch that is under way
    store.last_passes  what came of the last pass over each sheet
    store.reports      what was reported about each sheet
    store.heartbeats   when the service that watches over a configuration was last called
    store.alarms       what is wrong for some time, and was told to outlets
    store.sessions     which sessions of the page were ended
    store.accounts     the balance of the API's account when it was last asked
    store.charges      what each task cost: as listed, and as reported
    store.outlets      the outlets of each sheet
    store.filling      messages about what ended before an outlet was there
    store.outbox       the messages to them, and what became of each
    store.forgetting   removes words and results of old rows

The other modules: `schema` has the tables, `column_types` says how a value is kept in a column,
`migrations` makes the tables and upgrades them, `upgrading` runs the `revisions` for an older
store, `copying` copies one, `connection` opens the file and checks its disk, `postgresql` opens a
store on a server, `compiled` caches statements, `prepared` has those for single rows,
`transactions` has the two kinds of transaction, `errors` makes sentences of a database's errors,
`serialization` and `attempt_events` convert attempts and events, `admission` decides whether an
attempt may begin, `batch` commits, `job_cache` keeps jobs in memory between two commits,
`rescue_file` takes what is reported while the store cannot, and `integrity` checks the file.

Nothing outside this package imports its modules. Every method is at most one transaction, may be
called from any thread, and raises StoreError with a sentence for people.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

from pipeline.core.errors import StoreError
from pipeline.store.accounts import Accounts, Balance
from pipeline.store.admission import Intent, Limits, Refusal
from pipeline.store.alarms import Alarms
from pipeline.store.attempt_events import Fact
from pipeline.store.batch import BatchResult
from pipeline.store.budget import Budget, Spent
from pipeline.store.callbacks import Callbacks, Hooked
from pipeline.store.charges import Charges
from pipeline.store.clock import StoreClock, utc_now
from pipeline.store.connection import copied, network_file_system, opened, parsed_url, place_of
from pipeline.store.copying import CopiedStore, copy_store
from pipeline.store.durations import Durations
from pipeline.store.errors import store_errors, trouble
from pipeline.store.files import Files
from pipeline.store.forgetting import Forgetting, Terms
from pipeline.store.heartbeats import Heartbeats
from pipeline.store.history import HistoryLine
from pipeline.store.integrity import damage
from pipeline.store.jobs import Jobs
from pipeline.store.last_passes import LastPasses
from pipeline.store.leases import Lease, Leases
from pipeline.store.listings import Listings, ToldEvent
from pipeline.store.migrations import prepare, version_of
from pipeline.store.old_rows import OldRows
from pipeline.store.outbox import Delivery, Outbox, OutletState
from pipeline.store.outbox_filling import Filled, OutboxFilling
from pipeline.store.outbox_lines import Line
from pipeline.store.outlets import ALL_COLUMNS, OutletEntry, Outlets
from pipeline.store.picks import Picks
from pipeline.store.plain_jobs import SEPARATOR, WITHIN, JobTexts, PlainJobs, RowTexts
from pipeline.store.price_lists import PriceList, PriceLists
from pipeline.store.quotes import Quotes
from pipeline.store.rate_limit import RateLimit
from pipeline.store.recording import Attempts
from pipeline.store.reported import Reports
from pipeline.store.rescue_file import RescueFile, rescue_of
from pipeline.store.row_events import RowEvent, RowEventKind, RowEvents
from pipeline.store.rows import Rows, places_in
from pipeline.store.samples import Samples
from pipeline.store.saved_files import NewFile, SavedFile, Twin
from pipeline.store.scratch import Scratch
from pipeline.store.sessions import Sessions
from pipeline.store.settled_rows import SettledRows
from pipeline.store.sheets import SheetChanges, SheetRecord, Sheets
from pipeline.store.stats import Stats
from pipeline.store.styles import KeptStyles
from pipeline.store.transactions import Database
from pipeline.store.turns import Turn, Turns
from pipeline.store.unchanged_rows import UnchangedRows
from pipeline.store.wanted_rows import WantedRow, WantedRows

__all__ = [
    "ALL_COLUMNS",
    "SEPARATOR",
    "WITHIN",
    "Balance",
    "BatchResult",
    "CopiedStore",
    "Delivery",
    "Fact",
    "Filled",
    "HistoryLine",
    "Hooked",
    "Intent",
    "JobTexts",
    "Lease",
    "Limits",
    "Line",
    "NewFile",
    "OldRows",
    "OutletEntry",
    "OutletState",
    "PriceList",
    "Refusal",
    "RescueFile",
    "RowEvent",
    "RowEventKind",
    "RowTexts",
    "SavedFile",
    "SheetChanges",
    "SheetRecord",
    "Spent",
    "Store",
    "Terms",
    "ToldEvent",
    "Turn",
    "Twin",
    "WantedRow",
    "damage",
    "network_file_system",
    "places_in",
    "scratch_copy",
    "trouble",
    "utc_now",
    "version_of",
]


@contextmanager
def scratch_copy(url: str, file: Path | None, now: Callable[[], datetime]) -> Iterator[Store]:
    """The store at an address as it is now, so that a preview changes nothing.

    It is a temporary copy of `file`, or without one a transaction on the server that is never
    committed. Errors name the store itself.
    """
    if file is None:
        with Store(url, now=now, is_scratch=True) as store:
            yield store
        return
    with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
        copy = Path(folder) / "copy.db"
        try:
            if file.exists():
                copied(file, copy)
            with Store(f"sqlite:///{copy}", now=now) as store:
                yield store
        except StoreError as e:
            raise type(e)(str(e).replace(str(copy), str(file))) from e


class Store:
    """The store at an address such as `sqlite:///promptsheet.db`. It is made if it does not exist.

    `rescue` is the rescue file of a store on a server; that of a SQLite file is beside it.
    `patience` is how many seconds it waits for other processes before it gives up. `now` must
    return aware moments. With `is_scratch`, what is written to a store on a server stays nowhere.
    Close it after use, or use it in a `with`. Raises StoreError.
    """

    def __init__(
        self,
        url: str,
        now: Callable[[], datetime] = utc_now,
        patience: float = 30.0,
        rescue: Path | None = None,
        *,
        is_scratch: bool = False,
    ) -> None:
        address = parsed_url(url)
        place = place_of(address)
        if address.get_backend_name() == "sqlite":
            rescue = rescue_of(Path(place)).path
        clock = StoreClock(now)
        engine = opened(address, patience, clock)
        self._database = database = (
            Scratch(engine, place, clock.now)
            if is_scratch
            else Database(engine, place, rescue, clock.now)
        )
        try:
            with store_errors(place):
                database.id = prepare(engine, place)
        except BaseException:
            self.close()
            raise
        self.sheets = Sheets(database)
        self.leases = Leases(database)
        self.turns = Turns(database)
        self.rows = Rows(database)
        self.row_events = RowEvents(database)
        self.wanted_rows = WantedRows(database)
        self.unchanged = UnchangedRows(database)
        self.settled = SettledRows(database)
        self.plain_jobs = PlainJobs(database)
        self.jobs = Jobs(database)
        self.picks = Picks(database)
        self.files = Files(database)
        self.attempts = Attempts(database)
        self.callbacks = Callbacks(database)
        self.rate_limit = RateLimit(database)
        self.budget = Budget(database)
        self.stats = Stats(database)
        self.durations = Durations(database)
        self.listings = Listings(database)
        self.quotes = Quotes(database)
        self.last_passes = LastPasses(database)
        self.styles = KeptStyles(database)
        self.samples = Samples(database)
        self.price_lists = PriceLists(database)
        self.reports = Reports(database)
        self.heartbeats = Heartbeats(database)
        self.alarms = Alarms(database)
        self.sessions = Sessions(database)
        self.accounts = Accounts(database)
        self.charges = Charges(database)
        self.outbox = Outbox(database)
        self.outlets = Outlets(database)
        self.filling = OutboxFilling(database)
        self.forgetting = Forgetting(database)

    @property
    def id(self) -> str:
        """The store's own id, made with its tables. Every claim of the store holds it."""
        return self._database.id

    def now(self) -> datetime:
        """The present moment. A store on a server has the server's time, for all machines."""
        return self._database.now()

    @property
    def place(self) -> str:
        """Its path or its address, for messages."""
        return self._database.place

    def set_paused(self, sheet: str, paused: bool) -> None:
        """Pause or resume the sending of a sheet. To resume also ends the stop of a rule."""
        self.sheets.update(sheet, paused=paused)
        if not paused:
            self.turns.go_on(sheet)

    def snapshot(self) -> AbstractContextManager[None]:
        """Read as of one moment: all reads of this thread in the block share one transaction.

        Nothing may be written in the block.
        """
        return self._database.snapshot()

    def copy_to(self, other: Store) -> CopiedStore:
        """Move all contents into an empty store: see `copying.copy_store`."""
        self.attempts.rescued()
        return copy_store(self._database, other._database)

    def close(self) -> None:
        """Close the store; it must not be used afterwards."""
        self._database.close()
        self._database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
