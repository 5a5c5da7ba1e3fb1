"""Notices edits of a sheet between two passes of `watch`.

For a file, only its status is read; its content is read once it has changed, because `watch` writes
the file, too. While a spreadsheet program has the file open, nothing can be written, so edits count
when it is closed. A Google Sheet is read, and only people's columns are compared.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from pipeline.config import GoogleSource
from pipeline.open_sheet import is_marked_open, open_sheet
from pipeline.plain_files import read_plain
from pipeline.sheets import Sheet
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.people_wrote import people_wrote
from pipeline.sync.quick_check import digest

log = logging.getLogger("promptsheet")

#: After a check of a Google Sheet, wait at least this many times as long as it took.
SHARE = 9
#: What differs between two states of a file: times of content and of metadata, size, number.
Status = tuple[int, int, int, int] | None


class FileEdits:
    """Edits of a file. `fingerprint` returns the digest of its bytes as `watch` last saw them."""

    def __init__(self, path: Path, react: float, fingerprint: Callable[[], str]) -> None:
        self._path, self._pause, self._fingerprint = path, react / 2, fingerprint
        #: The status that is known, and the status at the last check.
        self._known = self._last = _status_of(path)
        #: True if a program had the file open at the last check.
        self._was_open = False

    async def watch(self, edited: Callable[[], None]) -> None:
        """Call `edited` after each edit by somebody else, until it is cancelled.

        A file counts as saved once it is the same at two checks, and open nowhere.
        """
        while True:
            await asyncio.sleep(self._pause)
            if await asyncio.to_thread(self._is_edited):
                edited()

    def check_now(self) -> None:
        """Nothing: the file is checked all the time."""

    def _is_edited(self) -> bool:
        was_open, self._was_open = self._was_open, is_marked_open(self._path)
        if self._was_open:
            return False
        if was_open:
            self._known = self._last = _status_of(self._path)
            return True  # Passes could write nothing while it was open.
        last, self._last = self._last, _status_of(self._path)
        if self._last == self._known or self._last != last:
            return False
        self._known = last
        try:
            return digest(read_plain(self._path)) != self._fingerprint()
        except OSError:
            return True  # the pass says what is wrong


class GoogleEdits:
    """Edits of a Google Sheet, each noticed within `react` seconds; None: only after `check_now`.

    Each check is one reading. It waits until the account may read again. `fingerprint` returns the
    digest of what people wrote as a pass last saw it; empty if none did.
    """

    def __init__(
        self, campaign: Campaign, react: float | None, fingerprint: Callable[[], str]
    ) -> None:
        self._campaign, self._react, self._fingerprint = campaign, react, fingerprint
        self._sheet: Sheet | None = None
        #: What people wrote at the last check, and where `edited` was called last.
        self._seen = self._told = ""
        # A thread of its own: a check may wait a minute for Google.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="edits")
        self._poked = asyncio.Event()

    async def watch(self, edited: Callable[[], None]) -> None:
        """Call `edited` after each edit by somebody else, until it is cancelled."""
        pause: float | None = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._poked.wait()
            self._poked.clear()
            began = time.monotonic()
            try:
                loop = asyncio.get_running_loop()
                seen = await loop.run_in_executor(self._thread, self._read)
            except Exception as e:  # The next pass reports what is wrong.
                log.info("%s: no check for edits: %s", self._campaign.settings.source.name, e)
            else:
                if self._is_news(seen):
                    edited()
            spent = SHARE * (time.monotonic() - began)
            await asyncio.sleep(min(spent, 60.0))
            pause = self._react and max(self._react - spent, 0.0)

    def _is_news(self, seen: str) -> bool:
        """Returns whether no pass has seen this yet, and none was told of it."""
        known, self._seen = self._fingerprint() or self._seen, seen
        if not known or seen == known:
            self._told = ""
            return False
        is_new, self._told = seen != self._told, seen
        return is_new

    def check_now(self) -> None:
        """Check soon: Google says that something has changed."""
        self._poked.set()

    def _read(self) -> str:
        """What people wrote (`sync.people_wrote`)."""
        campaign = self._campaign
        if self._sheet is None:
            self._sheet = open_sheet(campaign.settings, campaign.store)
        grid = self._sheet.read()
        return people_wrote(grid, campaign.settings.header.read(grid))


class NoEdits:
    """Edits wait for the next pass."""

    async def watch(self, edited: Callable[[], None]) -> None:
        """Return at once."""

    def check_now(self) -> None:
        """Nothing."""


Edits = FileEdits | GoogleEdits | NoEdits


def edits_of(campaign: Campaign, fingerprint: Callable[[], str], *, is_told: bool = False) -> Edits:
    """What notices the edits of this sheet, as `[schedule] react` says.

    `is_told` is whether Google calls after a change.
    """
    settings = campaign.settings
    react = settings.schedule.react.total_seconds() if settings.schedule.react else None
    if isinstance(settings.source, GoogleSource):
        return GoogleEdits(campaign, react, fingerprint) if react or is_told else NoEdits()
    return FileEdits(settings.source, react, fingerprint) if react else NoEdits()


def _status_of(path: Path) -> Status:
    """The status of the file; None if it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
