"""The program as it runs on a machine of its own: with another host name, and its own clock.

`MACHINE` names the machine, and `AHEAD` is how many seconds its clock is wrong. The other machines
cannot see from here whether its processes live.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

from pipeline import wiring
from pipeline.cli import commands
from pipeline.store import clock
from pipeline.sync.clock import Clock


def main() -> None:
    """Run the command line."""
    name, ahead = os.environ["MACHINE"], timedelta(seconds=float(os.environ.get("AHEAD", "0")))

    def now() -> datetime:
        return datetime.now(UTC) + ahead

    socket.gethostname = lambda: name
    clock.utc_now = now
    wiring.CLOCK = Clock(now)
    commands.main()


if __name__ == "__main__":
    main()
