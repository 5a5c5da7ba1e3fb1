"""Tells systemd that the program is ready, alive, or ending. Without systemd it does nothing.

The protocol is that of sd_notify(3): a datagram with `NAME=VALUE` to the socket NOTIFY_SOCKET. The
event loop itself sends the signs of life: if it hangs, they stop, and systemd starts the service
again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pipeline.sync.background import in_background


@asynccontextmanager
async def service(name: str) -> AsyncIterator[None]:
    """Report readiness at the start of the block, and signs of life until its end."""
    _tell("READY=1")
    every = _watchdog_seconds() / 2
    async with in_background([_stay_alive(every)] if every else [], name):
        yield


def ending() -> None:
    """Report that the program has begun to end."""
    _tell("STOPPING=1")


async def _stay_alive(every: float) -> None:
    while True:
        _tell("WATCHDOG=1")
        await asyncio.sleep(every)


def _watchdog_seconds() -> float:
    """The seconds after which systemd restarts a silent service; 0 if it does not watch us."""
    # A child of the service inherits the variables, and WATCHDOG_PID names who is meant.
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    try:
        return int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    except ValueError:
        return 0


def _tell(line: str) -> None:
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return
    address = "\0" + where[1:] if where.startswith("@") else where
    # A service manager that does not listen must not stop the work.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(line.encode(), address)
