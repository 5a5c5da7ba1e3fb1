"""From Settings to running parts: with `lazy`, the only place that names the concrete classes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipeline.config import GoogleSource, Settings
from pipeline.config import configs as configs
from pipeline.config import load as load
from pipeline.config.addresses import account_of
from pipeline.core.errors import MissingExtra, SheetError, StoreError
from pipeline.core.header import Header, read_header
from pipeline.core.model import Grid
from pipeline.core.planning import Rules
from pipeline.core.webhook import Callback
from pipeline.provider.lazy import LazyApi, LazyMedia
from pipeline.sheets import Sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Lease, Limits, Store, copied
from pipeline.sync import quick_check
from pipeline.sync.book import Book
from pipeline.sync.outcome import Asked, Outcome, Progress
from pipeline.sync.runner import Runner
from pipeline.sync.submitter import Pace

if TYPE_CHECKING:
    from pipeline.sheets.google.setup import Setup

#: A lease that is not renewed for so long is another's to take.
LEASE_SECONDS = 45.0
#: So long a person who sets something up is kept waiting for Google, in seconds.
SETUP_PATIENCE = 10.0
BEGAN = datetime.now(UTC)
#: One start of the program: what `[budget] per_run` counts.
START = f"{BEGAN:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store of a configuration; what a full disk kept from it is recorded first."""
    with Store(settings.store_url, now=now) as store:
        store.rescued()
        yield store


@contextmanager
def _at_hand(store: Store) -> Iterator[Store]:
    store.rescued()
    yield store


@contextmanager
def scratch_store(settings: Settings) -> Iterator[Store]:
    """A copy of the store in a passing place: whatever is done to it changes nothing."""
    file = Path(settings.store_url.removeprefix("sqlite:///"))
    with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
        copy = Path(folder) / "copy.db"
        try:
            if file.exists():
                copied(file, copy)
            with Store(f"sqlite:///{copy}", now=now) as store:
                yield store
        except StoreError as e:
            raise type(e)(str(e).replace(str(copy), str(file))) from e


def open_sheet(settings: Settings, store: Store) -> Sheet:
    """The configuration's sheet, under the name by which the store knows it.

    A file keeps its name when it is moved: it is known by the claim that came along, or, without
    one, by the ids in it, provided that the file of that name is gone.
    """
    source = settings.source
    if isinstance(source, GoogleSource):
        return _google_sheet(source, settings, store)
    place = str(source.resolve())
    if settings.sheet_id:
        return _placed(_sheet_of(settings, settings.sheet_id), store, place)
    for record in store.sheets():
        if record.place == place:
            return _sheet_of(settings, record.key)
    if moved := _moved_here(_sheet_of(settings), settings, store):
        return _placed(_sheet_of(settings, moved), store, place)
    key, number = place, 1
    # Where another start has made the record in this very moment, both must mean the same sheet.
    while store.sheet(key).place not in ("", place):
        number += 1  # the sheet of that name has moved away, and this is another
        key = f"{place}#{number}"
    return _placed(_sheet_of(settings, key), store, place)


def _sheet_of(settings: Settings, key: str | None = None) -> Sheet:
    """The sheet of that kind which the file's name tells."""
    if settings.file.suffix.casefold() in (".xlsx", ".xlsm"):
        from pipeline.sheets.excel.sheet import ExcelSheet

        return ExcelSheet(settings.file, tab=settings.tab, key=key)
    return CsvSheet(settings.file, key=key, encoding=settings.encoding)


def google_setup(source: GoogleSource) -> tuple[str, Setup]:
    """A Google Sheet that is to be made ready, and the account that it must be shared with.

    Raises SheetError where there is no usable key.
    """
    with _google_libraries():
        from pipeline.sheets.google.client import Spreadsheet, account
        from pipeline.sheets.google.setup import Setup
    who = account(source.credentials.reveal() if source.credentials else None)
    way = Spreadsheet(source.spreadsheet, who, base=source.base_url, patience=SETUP_PATIENCE)
    return who.called, Setup(way, source.tab, source.gid)


@contextmanager
def _google_libraries() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as e:
        raise MissingExtra("A Google Sheet", "google") from e


def _google_sheet(source: GoogleSource, settings: Settings, store: Store) -> Sheet:
    """A tab of a Google Sheet: known by its number, under whatever title."""
    with _google_libraries():
        from pipeline.sheets.google.client import PER_MINUTE, Spreadsheet, account
        from pipeline.sheets.google.sheet import GoogleSheet
    known = {record.place: record.key for record in store.sheets()}
    key = settings.sheet_id or known.get(source.place, "")
    found = re.fullmatch(rf"google:{re.escape(source.spreadsheet)}:(\d+)", key)
    who = account(source.credentials.reveal() if source.credentials else None)

    def budget() -> float:
        if store.permits(who.digest, 1, PER_MINUTE):
            return 0.0
        return max(store.ready_in(who.digest, PER_MINUTE), 0.1)

    sheet = GoogleSheet(
        Spreadsheet(source.spreadsheet, who, budget=budget, base=source.base_url),
        lambda row: read_header(row, settings.fields, settings.titles, settings.ignore),
        tab=source.tab,
        gid=int(found[1]) if found else source.gid,
        key=key,
        now=now,
    )
    return _placed(sheet, store, source.place)


def rules(settings: Settings, key: str) -> Rules:
    """What the configuration says that matters for deciding."""
    return Rules(
        sheet=key,
        provider=settings.provider,
        endpoint=settings.endpoint,
        defaults=settings.defaults,
        settle=settings.settle,
        approval=settings.rules.approval,
        strict_prompts=settings.rules.strict_prompts,
        give_up_after=settings.pace.give_up_after,
        saves_files=settings.media is not None,
    )


def header(settings: Settings) -> Header:
    """What the configuration says about columns."""
    return Header(settings.titles, settings.ignore, settings.fields)


def limits(settings: Settings, start: str = "") -> Limits:
    """What may be spent and sent, by the day that it is in the configuration's time zone."""
    key = settings.api_key.reveal() if settings.api_key else ""
    return Limits(
        # A digest: the store must be able to tell keys apart, and never to give one away.
        api_key=hashlib.sha256(f"{account_of(settings.base_url)} {key}".encode()).hexdigest()[:16],
        run=start or START,
        day=now().astimezone(ZoneInfo(settings.timezone)).date().isoformat(),
        per_run=settings.budget.per_run,
        per_day=settings.budget.per_day,
        per_minute=settings.pace.per_minute or None,
    )


def pace(settings: Settings) -> Pace:
    """How fast, at most."""
    return Pace(
        concurrency=settings.pace.concurrency,
        in_flight=settings.pace.in_flight,
        per_minute=settings.pace.per_minute or None,
        poll_every=settings.pace.poll_every,
        write_every=settings.pace.write_every,
        give_up_after=settings.pace.give_up_after,
        stop_after=settings.rules.stop_after,
    )


def callback(settings: Settings) -> Callback | None:
    """What the API is told about calling back; None where it is only ever asked."""
    ours, theirs = settings.webhook, settings.provider.webhook
    if not (ours.public_url and ours.secret and theirs):
        return None
    return Callback(theirs, ours.public_url, ours.secret.reveal())


def open_book(
    settings: Settings, store: Store, sheet: Sheet, accept_columns: bool = False, start: str = ""
) -> Book:
    """The sheet and its store, kept in step."""
    return Book(
        sheet,
        store,
        rules(settings, sheet.key),
        header(settings),
        limits(settings, start),
        config=str(settings.path),
        now=now,
        chance=SystemRandom(),
        accept_columns=accept_columns,
        callback=callback(settings),
        today=lambda: limits(settings).day,
    )


@contextmanager
def previewing(settings: Settings) -> Iterator[Book]:
    """A book that has looked at what a run would do; nothing is changed, in sheet or store."""
    with scratch_store(settings) as store:
        book = open_book(settings, store, open_sheet(settings, store))
        book.preview()
        yield book


@dataclass(frozen=True, slots=True)
class Busy:
    """Another pass is at work on the sheet."""

    title: str
    holder: str
    since: datetime


async def run(
    settings: Settings,
    asked: Asked,
    *,
    accept_columns: bool = False,
    store: Store | None = None,
    start: str = "",
    tell: Callable[[Progress], None] = lambda progress: None,
    shown: Callable[[float], None] = lambda seconds: None,
    started: Callable[[Runner], None] = lambda runner: None,
) -> Outcome | Busy:
    """One pass over the sheet of one configuration, or who is at work on it already.

    `store` is one that is open already, `start` what `[budget] per_run` counts instead of the start
    of this program; `shown` hears how long after its result each row said so.
    """
    with _at_hand(store) if store else open_store(settings) as store:
        sheet = open_sheet(settings, store)
        lease = take_lease(store, sheet)
        if isinstance(lease, Busy):
            return lease
        try:
            store.reserve()
            book = open_book(settings, store, sheet, accept_columns, start)
            async with AsyncExitStack() as stack:
                runner = Runner(
                    book,
                    LazyApi(settings, stack),
                    LazyMedia(settings, stack) if settings.media else None,
                    pace(settings),
                    asked,
                    now=now,
                    tell=tell,
                    shown=shown,
                    keep_lease=lambda: store.renew(lease, LEASE_SECONDS),
                )
                started(runner)
                outcome = await runner.run()
            _forget_what_ended(settings, store, sheet, outcome)
            if book.is_at_rest(settings.media is not None) and not outcome.sentences:
                _note_rest(settings, store, sheet, book)
            return outcome
        finally:
            # Where the disk is full, what came of the pass is told all the same; the lease of a
            # dead process is in nobody's way.
            with suppress(StoreError):
                store.release(lease)


def _forget_what_ended(settings: Settings, store: Store, sheet: Sheet, outcome: Outcome) -> None:
    """Forget what was reported and has ended: if it begins again, it is reported again."""
    with suppress(StoreError):
        if not outcome.troubles:
            store.keep_reported(place_of(settings), {})
        if not outcome.newly:
            store.keep_unreported_rows(sheet.key, ())


def place_of(settings: Settings) -> str:
    """Where the sheet of a configuration lies: a path or an address."""
    source = settings.source
    return source.place if isinstance(source, GoogleSource) else str(source.resolve())


def _note_rest(settings: Settings, store: Store, sheet: Sheet, book: Book) -> None:
    """So that the next pass can see at a glance that nothing has changed."""
    if not isinstance(settings.source, Path):
        return
    with suppress(OSError, StoreError):
        claim = quick_check.claim_of(settings.source)
        seen = quick_check.Rest(
            sheet.fingerprint,
            claim,
            quick_check.settings_of(settings),
            book.known.cursor,
            book.known.record.counter,
        )
        store.note_rest(sheet.key, seen.to_text())


def take_lease(store: Store, sheet: Sheet) -> Lease | Busy:
    """The right to work on the sheet, or who has it. One whose process is dead has it no longer."""
    me = f"{socket.gethostname()}:{os.getpid()}"
    for _ in range(2):
        holding = store.lease_of(sheet.key)
        # The store lets a holder take it again, for a process that bears a dead one's number; but
        # this very process may have been given the same sheet twice.
        if holding is not None and holding.holder == me and holding.since >= BEGAN:
            return Busy(sheet.title, holding.holder, holding.since)
        if lease := store.take_lease(sheet.key, me, LEASE_SECONDS):
            return lease
        holding = store.lease_of(sheet.key)
        if holding is not None:
            if not is_dead(holding.holder):
                return Busy(sheet.title, holding.holder, holding.since)
            store.break_lease(sheet.key, holding.word)
    return Busy(sheet.title, "another pass", now())


def is_dead(holder: str) -> bool:
    """Whether a holder `host:pid` is provably gone: a process of this machine that is no more."""
    host, _, pid = holder.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal() or sys.platform == "win32":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _placed(sheet: Sheet, store: Store, place: str) -> Sheet:
    record = store.sheet(sheet.key)
    if record.place != place:
        store.update_sheet(sheet.key, place=place, title=sheet.title)
    return sheet


def _moved_here(sheet: Sheet, settings: Settings, store: Store) -> str:
    """The name of the sheet that this file is, if it was moved here; else nothing."""
    files = [r for r in store.sheets() if r.place and not r.place.startswith("https:")]
    gone = {r.key for r in files if not Path(r.place).exists()}
    if not gone:
        return ""
    try:
        claim, grid = sheet.read_claim(), sheet.read()
    except SheetError:
        return ""
    if claim is not None and claim.store == store.id and claim.sheet in gone:
        return claim.sheet
    ids = _ids(grid, settings)
    for key in gone:
        theirs = ids & store.memory(key).known.keys()
        if theirs and len(theirs) * 2 > len(ids):
            return key
    return ""


def _ids(grid: Grid, settings: Settings) -> set[str]:
    columns = read_header(
        grid[0] if grid else (), settings.fields, settings.titles, settings.ignore
    )
    return {mark for row in grid[1:] if (mark := columns.cell(row, "row_id").strip())}
