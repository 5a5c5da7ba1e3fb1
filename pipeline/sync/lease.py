"""The lease on a sheet: one process may work on it at a time, and renews the lease."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipeline.sheets import Sheet
from pipeline.store import Lease, Store, utc_now

#: Seconds until an unrenewed lease expires.
LEASE_SECONDS = 45.0
BEGAN = datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Busy:
    """Another pass is working on the sheet."""

    title: str
    holder: str
    since: datetime


def this_process() -> str:
    """The name of this process as a holder of leases."""
    return f"{_here()}:{os.getpid()}"


def take_lease(store: Store, sheet: Sheet) -> Lease | Busy:
    """Take the lease on the sheet, or return who has it. A dead process loses its lease."""
    lease = take_lease_on(store, sheet.key)
    if isinstance(lease, Lease):
        return lease
    if lease is None:
        return Busy(sheet.title, "another pass", utc_now())
    return Busy(sheet.title, *lease)


class Holder(NamedTuple):
    """Who has a lease, and since when."""

    name: str
    since: datetime


def take_lease_on(store: Store, key: str, seconds: float = LEASE_SECONDS) -> Lease | Holder | None:
    """The lease on a sheet or an outlet; or its holder; None if that is not known.

    A dead process loses its lease. One that this process gave up is ended first.
    """
    me = this_process()
    store.leases.end_given_up()
    for _ in range(2):
        holding = store.leases.of(key)
        # The store lets a holder take it again, for a process that got the number of a dead one.
        # But this process itself may have been given the same sheet twice.
        is_ours = holding is not None and holding.holder == me and holding.since >= BEGAN
        if holding is not None and is_ours and not store.leases.has_ended(holding):
            return Holder(holding.holder, holding.since)
        if lease := store.leases.take(key, me, seconds):
            return lease
        holding = store.leases.of(key)
        if holding is not None:
            if not is_dead(holding.holder):
                return Holder(holding.holder, holding.since)
            store.leases.end(key, holding.word)
    return None


def is_dead(holder: str) -> bool:
    """True if a holder `host:pid` has provably ended: it ran on this machine, and is gone."""
    host, _, pid = holder.rpartition(":")
    if host != _here() or not pid.isdecimal() or sys.platform == "win32":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _here() -> str:
    """The name of the place in which a number means one process.

    Machines made from one image, and containers, may share the name of their host.
    """
    return f"{socket.gethostname()}{_mark()}"


@cache
def _mark() -> str:
    """What tells this start of a machine, and this container, from others; empty if not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        numbers = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return f"-{hashlib.sha256(f'{boot} {numbers}'.encode()).hexdigest()[:6]}"
