"""Handles signals: the first one asks the program to end, the second one ends it at once."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

log = logging.getLogger("promptsheet")

#: The signals that ask a program to end; Ctrl-C (SIGINT) must be the first.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupting(end: Callable[[], None]) -> Iterator[None]:
    """Call `end` at the first SIGINT, SIGTERM or SIGHUP. A second one ends the process."""
    here, asked = asyncio.get_running_loop(), count(1)

    def interrupt() -> None:
        # After a second Ctrl-C the person does not want to wait. Open requests become
        # `check needed`.
        if next(asked) > 1:
            raise KeyboardInterrupt
        end()
        # SIGINT stays with the loop: Python's own handler could raise KeyboardInterrupt in the
        # middle of a task.
        for one in STOPPING[1:]:
            here.remove_signal_handler(one)

    for one in STOPPING:
        here.add_signal_handler(one, interrupt)
    yield
    for one in STOPPING:
        here.remove_signal_handler(one)
