"""A glance before a pass: whether anything can have changed since the last one left nothing to do.

Most passes of a schedule find all as they left it. A pass that ends *at rest* (every row has its
final word, every picture is saved) notes what it saw; the next one compares that with the files as
they are, before anything is loaded that costs time. Whatever is not exactly as it was, or cannot be
read, is a matter for a real pass. A glance that was all there was to do leaves its time behind, so
that a monitor sees a schedule that is kept.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.config import Settings
from pipeline.plain_files import read_plain

# The store's own parts are too slow to load for this. Whoever works on the sheet has a lease.
_QUESTION = """
    select sheets.moved, sheets.counter, note.value
    from sheets join promptsheet as note on note.name = 'rest of ' || sheets.id
    where sheets.place = ? and not sheets.paused and sheets.hold = ''
    and not exists (select 1 from leases where leases.sheet = sheets.key)
    and not exists (select 1 from promptsheet where name = 'unreported of ' || sheets.id)
"""

_NOTE = "update sheets set passed_at = max(coalesce(passed_at, 0), :now) where place = :place"


@dataclass(frozen=True, slots=True)
class Rest:
    """What a pass saw that left nothing to do."""

    #: Digests: of the sheet's bytes, of the claim beside it, of the configuration.
    sheet: str
    claim: str
    settings: str
    #: Where the store stood: changes of jobs, and claims raised.
    moved: int
    counter: int

    def to_text(self) -> str:
        """The note, as the store keeps it."""
        return json.dumps(asdict(self))


def is_at_rest(settings: Settings) -> bool:
    """Whether a pass would find nothing new, provably: then there is nothing to do."""
    source = settings.source
    if not isinstance(source, Path) or not settings.store_url.startswith("sqlite:///"):
        return False
    store = Path(settings.store_url.removeprefix("sqlite:///"))
    try:
        for moved, counter, note in _asked(store, str(source)):
            claim = claim_of(source)
            sheet = digest(read_plain(source))
            seen = Rest(sheet, claim, settings_of(settings), moved, counter)
            has_rescued = read_plain(Path(f"{store}.rescue")).strip(b"\0")
            return bool(note == seen.to_text() and not has_rescued)
    except (OSError, sqlite3.Error):
        pass
    return False


def was_a_pass(settings: Settings) -> bool:
    """Whether a glance was all that there was to do; then the store says that a pass has ended."""
    if not is_at_rest(settings):
        return False
    store = Path(settings.store_url.removeprefix("sqlite:///"))
    now = time.time_ns() // 1000
    # A store that is busy is left alone: whoever is at work on it leaves a time of its own.
    with suppress(sqlite3.Error):
        address = f"{store.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=0.2)) as connection, connection:
            # A time that is lost with the power is no loss.
            connection.execute("pragma synchronous = normal")
            connection.execute(_NOTE, {"now": now, "place": str(settings.source)})
    return True


def digest(content: bytes) -> str:
    """A short name for bytes."""
    return hashlib.sha256(content).hexdigest()


def claim_of(source: Path) -> str:
    """A digest of the claim beside a sheet's file. Raises OSError where there is none."""
    return digest(read_plain(source.with_name(f"{source.name}.promptsheet")))


def settings_of(settings: Settings) -> str:
    """A digest of a configuration, all but its secrets: these show themselves to nobody."""
    return digest(repr(settings).encode())


def _asked(store: Path, place: str) -> list[tuple[int, int, str]]:
    # Without a log of changes beside it nobody is writing, and SQLite need not make its side files.
    at_rest = not Path(f"{store}-wal").exists()
    if not store.is_file():  # SQLite would wait at a pipe without end
        return []
    address = f"{store.resolve().as_uri()}?{'immutable=1' if at_rest else 'mode=ro'}"
    with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as connection:
        return connection.execute(_QUESTION, (place,)).fetchall()
