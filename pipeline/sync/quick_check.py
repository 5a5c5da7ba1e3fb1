"""A quick check before a pass: whether anything can have changed since the last one.

Most scheduled passes find everything as the last one left it. A pass that leaves nothing to do
(every row has ended, every picture is saved) notes what it saw. The next one compares that note
with the files, before it loads anything slow. If a digest differs or a file cannot be read, a real
pass runs. A pass that ended with the quick check records its time, so that monitoring sees it. If
people have only sorted the rows of a CSV file, it records their order as well.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import event_log
from pipeline.core.errors import StoreError
from pipeline.plain_files import open_plain, read_plain
from pipeline.sync.sorted_rows import LeftRows, digest_of_all, order_of, sum_of

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.config.sources import Sources
    from pipeline.store import Store
    from pipeline.sync.sheet_sync import SheetSync

# The store is too slow to load for this. A process that works on the sheet has a lease. A run also
# delivers messages to outlets, and says what is wrong with them.
_QUESTION = """
    select sheets.moved, sheets.counter, note.value, exists (
        select 1 from outbox join outlets on outlets.id = outbox.outlet
        where outlets.sheet = sheets.id and outbox.state in ('waiting', 'sending')
        and outlets.name in (select value from json_each(note.value, '$.outlets'))
        and coalesce(outbox.not_before, 0) <= :now and coalesce(outlets.not_before, 0) <= :now
    )
    from sheets join promptsheet as note on note.name = 'rest of ' || sheets.id
    where sheets.place = :place and not sheets.paused and sheets.hold = ''
    and not exists (select 1 from leases where leases.sheet = sheets.key)
    and not exists (select 1 from promptsheet where name = 'unreported of ' || sheets.id)
    and not exists (
        select 1 from outbox join outlets on outlets.id = outbox.outlet
        where outlets.sheet = sheets.id and (outbox.state = 'parked' or outlets.closed <> '')
        and outlets.name in (select value from json_each(note.value, '$.outlets'))
    )
"""

_LEFT = "select ids, digests from resting join sheets on id = sheet where place = :place"
_NOTE = "update sheets set passed_at = max(coalesce(passed_at, 0), :now) where place = :place"
# A process that works on the sheet notes both itself.
_SORTED = """
    update promptsheet set value = :after where value = :before and exists (
        select 1 from sheets where place = :place and name = 'rest of ' || sheets.id
        and not exists (select 1 from leases where leases.sheet = sheets.key)
    )
"""
_ORDER = "update orders set ids = :order where sheet = (select id from sheets where place = :place)"
# As `store.heartbeats` does it.
_BEAT = """
    insert into promptsheet (name, value) values (:name, :now)
    on conflict (name) do update set value = excluded.value
    where cast(value as integer) <= :now - :least or cast(value as integer) > :now
"""


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The state that a pass left behind when nothing was left to do."""

    #: Digests: of the sheet's bytes, of the claim beside it, of the configuration.
    sheet: str
    claim: str
    settings: str
    #: The names of the outlets that the configuration has.
    outlets: tuple[str, ...]
    #: The version of the sheet's jobs, and how often its claim was raised.
    version: int
    counter: int
    #: What `sorted_rows` needs: the delimiter of a CSV file, the sum of its bytes and a digest of
    #: its rows. Empty if it is none, or has rows that need work.
    delimiter: str = ""
    sum: str = ""
    rows: str = ""

    def to_text(self) -> str:
        """The note, as the store keeps it."""
        return json.dumps(asdict(self))


class Found(Enum):
    """What the quick check found."""

    #: Something may have changed: a pass is needed.
    CHANGED = "changed"
    #: Nothing has changed, but messages to outlets may be delivered now.
    MESSAGES = "messages"
    UNCHANGED = "unchanged"


class Sorted(NamedTuple):
    """Rows that people sorted: the note of the last pass, the one for now, the ids by place."""

    before: str
    after: str
    order: Sequence[str]


class Check(NamedTuple):
    """The result of a quick check."""

    found: Found
    sorted: Sorted | None = None


def check(sources: Sources) -> Check:
    """What has certainly not changed since the last pass over the sheet of a configuration."""
    if not sources.digest or sources.sheet is None or sources.store is None:
        return Check(Found.CHANGED)
    try:
        for kept in _asked(sources.store, str(sources.sheet)):
            content, noted = read_plain(sources.sheet), json.loads(kept.note)
            seen = UpToDate(
                noted["sheet"],
                claim_of(sources.sheet),
                settings_of(sources),
                tuple(noted.get("outlets", ())),
                kept.version,
                kept.counter,
                noted.get("delimiter", ""),
                noted.get("sum", ""),
                noted.get("rows", ""),
            )
            has_rescued = read_plain(Path(f"{sources.store}.rescue")).strip(b"\0")
            if kept.note != seen.to_text() or has_rescued:
                break
            now = replace(seen, sheet=digest(content))
            order = None if now == seen else _order(sources, content, seen)
            if now == seen or order:
                found = Found.MESSAGES if kept.has_messages else Found.UNCHANGED
                return Check(found, Sorted(kept.note, now.to_text(), order) if order else None)
    except (OSError, ValueError, LookupError, sqlite3.Error):
        pass
    return Check(Found.CHANGED)


def _order(sources: Sources, content: bytes, seen: UpToDate) -> Sequence[str] | None:
    """The ids of a sheet's rows by their places, if people have only sorted them; else None."""
    if not seen.rows or sum_of(BytesIO(content)) != seen.sum:
        return None
    assert sources.store is not None
    with suppress(csv.Error), _reading(sources.store) as connection:
        for left in connection.execute(_LEFT, {"place": str(sources.sheet)}):
            return order_of(content, seen.delimiter, LeftRows(*left), seen.rows)
    return None


def note(settings: Settings, store: Store, sync: SheetSync) -> None:
    """Keep what a pass saw that left nothing to do, if the next one can check it quickly."""
    if not isinstance(settings.source, Path) or settings.store_file is None:
        return
    sheet, state = sync.sheet, sync.state
    if store.wanted_rows.open(sheet.key):
        return
    with suppress(OSError, StoreError):
        rows = digest_of_all(sync.last.grid, state.rows.digests, sheet.delimiter)
        with open_plain(settings.source, links=True) as file:
            sum_of_bytes = sum_of(file) if rows else ""
        seen = UpToDate(
            sheet.fingerprint,
            claim_of(settings.source),
            settings_of(settings.sources),
            tuple(one.name for one in settings.outlets),
            state.jobs.version,
            state.record.counter,
            sheet.delimiter if rows else "",
            sum_of_bytes,
            rows,
        )
        store.sheets.note_up_to_date(sheet.key, seen.to_text())


def checked(sources: Sources, settings: Callable[[], Settings]) -> Found:
    """What has changed. If nothing has, this counts as a pass, and the store records its time.

    `settings` gives the settings of the configuration, if a service is to be called.
    """
    result = check(sources)
    if result.found is not Found.CHANGED and record(sources, result):
        from pipeline.sync import heartbeat

        heartbeat.beat(settings(), worked=True, may=lambda name: True)
    return result.found


def record(sources: Sources, result: Check) -> bool:
    """Record that a pass ended that found nothing. Returns whether a service is to be called."""
    if sources.sheet is None or sources.store is None:
        return False
    event_log.pass_ended(sources.sheet.name, "unchanged")
    now, is_due = time.time_ns() // 1000, False
    # A busy store is left alone: the process that works on it records its own time.
    with suppress(sqlite3.Error):
        address = f"{sources.store.as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=0.2)) as connection, connection:
            # It does not matter if a power cut loses this time.
            connection.execute("pragma synchronous = normal")
            place = {"place": str(sources.sheet)}
            connection.execute(_NOTE, {"now": now, **place})
            if its := result.sorted:
                notes = {"before": its.before, "after": its.after}
                if connection.execute(_SORTED, {**notes, **place}).rowcount:
                    connection.execute(_ORDER, {"order": json.dumps(its.order), **place})
            if sources.has_ping:
                from pipeline.sync import heartbeat

                least = int(heartbeat.LEAST.total_seconds() * 1e6)
                about = {"name": heartbeat.name_of(sources.path), "now": now, "least": least}
                is_due = connection.execute(_BEAT, about).rowcount == 1
    return is_due


def digest(content: bytes) -> str:
    """The SHA-256 of some bytes, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def claim_of(source: Path) -> str:
    """A digest of the claim next to a sheet's file. Raises OSError if there is none."""
    return digest(read_plain(source.with_name(f"{source.name}.promptsheet")))


def settings_of(sources: Sources) -> str:
    """A digest of a configuration, of its styles, and of the files that cells may name, now.

    Raises OSError if the styles cannot be read.
    """
    styles = digest(read_plain(sources.styles)) if sources.styles else ""
    if sources.inputs is None:
        return digest(f"{sources.digest} {styles}".encode())
    from pipeline.provider.input_folder import state_of

    return digest(f"{sources.digest} {styles} {state_of(sources.inputs)}".encode())


def configuration_of(settings: Settings) -> str:
    """A digest of a configuration with its API keys: the same on all machines that have both.

    Where the servers of a machine listen, whom it tells what, when its passes are due, and what is
    unsafe about its files, may differ.
    """
    keys = [one.api_key for one in settings.apis]
    revealed = [key.reveal() if key else "" for key in keys]
    names = ("webhook", "page", "trigger", "schedule", "outlets", "warnings")
    its_own: dict[str, Any] = dict.fromkeys(names)
    shared = replace(settings, **its_own)
    return digest(f"{shared!r} {revealed}".encode())


class _Kept(NamedTuple):
    version: int
    counter: int
    note: str
    has_messages: int


def _asked(store: Path, place: str) -> list[_Kept]:
    """What the store knows of the sheet at a place."""
    if not store.is_file():  # SQLite would wait at a pipe for ever.
        return []
    about = {"now": time.time_ns() // 1000, "place": place}
    with _reading(store) as connection:
        return [_Kept(*row) for row in connection.execute(_QUESTION, about)]


def _reading(store: Path) -> closing[sqlite3.Connection]:
    """A connection that only reads."""
    # Without a write-ahead log no process is writing, and SQLite need not create its side files.
    has_no_wal = not Path(f"{store}-wal").exists()
    address = f"{store.as_uri()}?{'immutable=1' if has_no_wal else 'mode=ro'}"
    return closing(sqlite3.connect(address, uri=True, timeout=1.0))
