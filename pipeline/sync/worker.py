"""The one worker thread in which sheet and store are read and written, one thing after another.

The wire is async, sheet and store are not: everything that touches a disk goes through here, so
that nothing of it runs at the same time and no answer on the wire waits for a disk.
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


class Clerk:
    """A queue of one: `do` awaits its result, `later` does not."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clerk")
        self._under_way = 0

    @property
    def busy(self) -> bool:
        """Whether something that was asked for has not been done."""
        return self._under_way > 0

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, done after everything that was asked for before.

        It is done even if the one who asked is cancelled meanwhile: half a turn is never left.
        """
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            doing = loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))
            # Where nobody waits any more, a trouble is nobody's: asyncio would print its traceback.
            doing.add_done_callback(lambda done: done.cancelled() or done.exception())
            return await asyncio.shield(doing)
        finally:
            self._under_way -= 1

    def later(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have `work` done in its turn without waiting for it; an error is logged."""

        def done() -> None:
            try:
                work(*args, **kwargs)
            except Exception as e:
                name = getattr(work, "__name__", "work")
                log.error("%s could not be recorded: %s", name, unforeseen(e))
                log.info("The traceback:", exc_info=e)

        self._thread.submit(done)

    def close(self) -> None:
        """Finish what was asked for, then end the thread."""
        self._thread.shutdown(wait=True)
