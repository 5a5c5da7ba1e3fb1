"""The one thread in which a pass reads and writes its sheet and its store.

Requests are asynchronous, sheet and store are not. Everything that touches a disk runs in this
thread, one call after another, so no request waits for a disk and no two calls overlap. Only the
lease has a thread of its own (`lease_keeper`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from pipeline.core.errors import unforeseen

log = logging.getLogger("promptsheet")

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs functions in one thread, in order: `run` awaits the result, `submit` does not."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="worker")
        self._under_way = 0

    @property
    def busy(self) -> bool:
        """True if a call has not ended yet."""
        return self._under_way > 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, which runs after every call before it.

        It runs to its end even if the caller is cancelled: a transaction is never left half done.
        """
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            doing = loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))
            # If the caller was cancelled, no one reads the error; asyncio would print it.
            doing.add_done_callback(lambda done: done.cancelled() or done.exception())
            return await asyncio.shield(doing)
        finally:
            self._under_way -= 1

    def submit(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `work` in its turn, without waiting for it. An error is logged."""

        def done() -> None:
            try:
                work(*args, **kwargs)
            except Exception as e:
                name = getattr(work, "__name__", "work")
                log.error("%s could not be recorded: %s", name, unforeseen(e))
                log.info("The traceback:", exc_info=e)

        asyncio.get_running_loop().run_in_executor(self._thread, done)

    def close(self) -> None:
        """Finish all calls, then end the thread."""
        self._thread.shutdown(wait=True)
