"""A quick check before a pass: whether anything can have changed since the last one.

Most scheduled passes find everything as the last one left it. A pass that leaves nothing to do
(every row has ended, every picture is saved) notes what it saw. The next one compares that note
with the files, before it loads anything slow. If a digest differs or a file cannot be read, a real
pass runs. A pass that ended with the quick check records its time, so that monitoring sees it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from pipeline import event_log
from pipeline.config import Settings
from pipeline.plain_files import read_plain
from pipeline.provider.input_folder import state_of
from pipeline.sync import heartbeat

# The store is too slow to load for this. A process that works on the sheet has a lease. A run also
# delivers messages to outlets, and says what is wrong with them.
_QUESTION = """
    select sheets.moved, sheets.counter, note.value, exists (
        select 1 from outbox join outlets on outlets.id = outbox.outlet
        where outlets.sheet = sheets.id and outbox.state in ('waiting', 'sending')
        and outlets.name in (select value from json_each(:outlets))
        and coalesce(outbox.not_before, 0) <= :now and coalesce(outlets.not_before, 0) <= :now
    )
    from sheets join promptsheet as note on note.name = 'rest of ' || sheets.id
    where sheets.place = :place and not sheets.paused and sheets.hold = ''
    and not exists (select 1 from leases where leases.sheet = sheets.key)
    and not exists (select 1 from promptsheet where name = 'unreported of ' || sheets.id)
    and not exists (
        select 1 from outbox join outlets on outlets.id = outbox.outlet
        where outlets.sheet = sheets.id and (outbox.state = 'parked' or outlets.closed <> '')
        and outlets.name in (select value from json_each(:outlets))
    )
"""

_NOTE = "update sheets set passed_at = max(coalesce(passed_at, 0), :now) where place = :place"
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
    #: The version of the sheet's jobs, and how often its claim was raised.
    version: int
    counter: int

    def to_text(self) -> str:
        """The note, as the store keeps it."""
        note = {"sheet": self.sheet, "claim": self.claim, "settings": self.settings}
        # "moved" is the version: notes of earlier programs stay valid.
        return json.dumps({**note, "moved": self.version, "counter": self.counter})


class Found(Enum):
    """What the quick check found."""

    #: Something may have changed: a pass is needed.
    CHANGED = "changed"
    #: Nothing has changed, but messages to outlets may be delivered now.
    MESSAGES = "messages"
    UNCHANGED = "unchanged"


def is_unchanged(settings: Settings) -> bool:
    """Returns whether a pass would certainly find nothing to do, and no message is due."""
    return found(settings) is Found.UNCHANGED


def found(settings: Settings) -> Found:
    """What has certainly not changed since the last pass."""
    source, store = settings.source, settings.store_file
    if not isinstance(source, Path) or store is None:
        return Found.CHANGED
    try:
        for kept in _asked(store, str(source), [one.name for one in settings.outlets]):
            claim = claim_of(source)
            sheet = digest(read_plain(source))
            seen = UpToDate(sheet, claim, settings_of(settings), kept.version, kept.counter)
            has_rescued = read_plain(Path(f"{store}.rescue")).strip(b"\0")
            if kept.note == seen.to_text() and not has_rescued:
                return Found.MESSAGES if kept.has_messages else Found.UNCHANGED
    except (OSError, sqlite3.Error):
        pass
    return Found.CHANGED


def checked(settings: Settings) -> Found:
    """What has changed. If nothing has, the store records that a pass ended."""
    store = settings.store_file
    if (what := found(settings)) is Found.CHANGED or store is None:
        return what
    event_log.pass_ended(settings.source.name, "unchanged")
    now = time.time_ns() // 1000
    is_due = False
    # A busy store is left alone: the process that works on it records its own time.
    with suppress(sqlite3.Error):
        address = f"{store.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=0.2)) as connection, connection:
            # It does not matter if a power cut loses this time.
            connection.execute("pragma synchronous = normal")
            connection.execute(_NOTE, {"now": now, "place": str(settings.source)})
            if settings.schedule.ping_url:
                least = int(heartbeat.LEAST.total_seconds() * 1e6)
                about = {"name": heartbeat.name_of(settings.path), "now": now, "least": least}
                is_due = connection.execute(_BEAT, about).rowcount == 1
    heartbeat.beat(settings, worked=True, may=lambda name: is_due)
    return what


def digest(content: bytes) -> str:
    """The SHA-256 of some bytes, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def claim_of(source: Path) -> str:
    """A digest of the claim next to a sheet's file. Raises OSError if there is none."""
    return digest(read_plain(source.with_name(f"{source.name}.promptsheet")))


def settings_of(settings: Settings) -> str:
    """A digest of a configuration with its API keys, of its styles, and of the files for cells.

    Another key is another account: rows may wait for it. Other secrets do not count. Raises OSError
    if the styles cannot be read.
    """
    styles = settings.prompt.styles if settings.prompt else None
    its = digest(read_plain(styles)) if styles else ""
    return digest(f"{configuration_of(settings)} {state_of(settings.inputs)} {its}".encode())


def configuration_of(settings: Settings) -> str:
    """A digest of a configuration with its API keys: the same on all machines that have both."""
    keys = [settings.api_key, *(other.api_key for other in settings.others)]
    revealed = [key.reveal() if key else "" for key in keys]
    return digest(f"{settings!r} {revealed}".encode())


class _Kept(NamedTuple):
    version: int
    counter: int
    note: str
    has_messages: int


def _asked(store: Path, place: str, outlets: Sequence[str]) -> list[_Kept]:
    """What the store knows of the sheet at a place, and of these outlets of it."""
    # Without a write-ahead log no process is writing, and SQLite need not create its side files.
    has_no_wal = not Path(f"{store}-wal").exists()
    if not store.is_file():  # SQLite would wait at a pipe for ever.
        return []
    address = f"{store.resolve().as_uri()}?{'immutable=1' if has_no_wal else 'mode=ro'}"
    now = time.time_ns() // 1000
    with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as connection:
        about = {"now": now, "place": place, "outlets": json.dumps(outlets)}
        return [_Kept(*row) for row in connection.execute(_QUESTION, about)]
