"""The right to work on a sheet: one process has it at a time, and renews it."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.sheets import Sheet
from pipeline.store import Lease, Store, utc_now

#: Seconds until an unrenewed lease expires.
LEASE_SECONDS = 45.0
BEGAN = datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Busy:
    """Another pass is at work on the sheet."""

    title: str
    holder: str
    since: datetime


def take_lease(store: Store, sheet: Sheet) -> Lease | Busy:
    """The right to work on the sheet, or who has it. One whose process is dead has it no longer."""
    me = f"{socket.gethostname()}:{os.getpid()}"
    for _ in range(2):
        holding = store.leases.of(sheet.key)
        # The store lets a holder take it again, for a process that bears a dead one's number; but
        # this very process may have been given the same sheet twice.
        if holding is not None and holding.holder == me and holding.since >= BEGAN:
            return Busy(sheet.title, holding.holder, holding.since)
        if lease := store.leases.take(sheet.key, me, LEASE_SECONDS):
            return lease
        holding = store.leases.of(sheet.key)
        if holding is not None:
            if not is_dead(holding.holder):
                return Busy(sheet.title, holding.holder, holding.since)
            store.leases.end(sheet.key, holding.word)
    return Busy(sheet.title, "another pass", utc_now())


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
