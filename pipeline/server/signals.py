"""What a signal does: the first one asks the program to end, the second one ends it at once."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

log = logging.getLogger("promptsheet")

#: The signals that ask a program to end and can be handled: Ctrl-C first.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupting(end: Callable[[], None]) -> Iterator[None]:
    """Call `end` at the first signal that asks us to end; a second one ends the process."""
    here, asked = asyncio.get_running_loop(), count(1)

    def interrupt() -> None:
        # A person who asks twice does not want to wait. Open requests are then `check needed`.
        if next(asked) > 1:
            raise KeyboardInterrupt
        end()
        # The loop handles Ctrl-C: Python's own way may raise in the middle of a task, and the
        # task would first finish what it began.
        for one in STOPPING[1:]:
            here.remove_signal_handler(one)

    for one in STOPPING:
        here.add_signal_handler(one, interrupt)
    yield
    for one in STOPPING:
        here.remove_signal_handler(one)
