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
    """Whatever asks us to end calls `end`, once; asked for a second time, the process ends."""
    here, asked = asyncio.get_running_loop(), count(1)

    def interrupt() -> None:
        # Whoever asks twice does not want to wait; what was in the air is then `check needed`.
        if next(asked) > 1:
            raise KeyboardInterrupt
        end()
        # Ctrl-C stays with the loop: Python's own way may raise in the middle of a task, and the
        # task would first see to the end of what it began.
        for one in STOPPING[1:]:
            here.remove_signal_handler(one)

    for one in STOPPING:
        here.add_signal_handler(one, interrupt)
    yield
    for one in STOPPING:
        here.remove_signal_handler(one)
