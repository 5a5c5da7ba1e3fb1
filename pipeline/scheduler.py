"""Hands out passes to the machines of a fleet. The only module that knows the engine, DBOS.

The engine is a queue in PostgreSQL, divided by sheet: one pass of a sheet at a time, whichever
machine takes it. It may hand out a pass twice, late or never, and its tables may be dropped at any
moment: the store alone decides what is paid. It needs the extra `fleet`.

An engine is known by its name only as long as it lives, so its open runs are given to others by
`hand_over`. The queue belongs to one constant version of the program: a pass has no steps that an
engine of another version could not repeat.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dbos import DBOS

log = logging.getLogger("promptsheet")

#: The schema of the engine's tables, beside those of the store.
SCHEMA: Final = "promptsheet_engine"
_QUEUE, _PASS = "passes", "pass"
#: Runs that have ended are kept so long: an order that is repeated meanwhile is not carried out.
KEPT: Final = timedelta(hours=1)
#: Runs that are forgotten at a time.
_AT_ONCE: Final = 10_000

#: A sheet's key and an order, both as text; it returns once the pass has ended.
Perform = Callable[[str, str], Awaitable[None]]


class Engine:
    """The engine of one process: `open` it, then `close` it. Every call may raise any error.

    `perform` is called in the event loop that opened the engine.
    """

    def __init__(self, url: str, name: str, perform: Perform) -> None:
        self._url, self._name, self._perform = url, name, perform
        self._dbos: type[DBOS] | None = None

    async def open(self) -> None:
        """Make the tables if there are none, and begin to take passes."""
        await asyncio.to_thread(self._open, asyncio.get_running_loop())

    async def close(self) -> None:
        """Take no more passes. Those that run are not touched."""
        if self._dbos:
            await asyncio.to_thread(self._dbos.destroy)

    async def request(self, sheet: str, order: str, name: str) -> None:
        """Ask for a pass over a sheet. All requests of one name, by any machine, are one."""
        await asyncio.to_thread(self._request, sheet, order, name)

    async def hand_over(self, alive: Collection[str], again: Callable[[str], bool]) -> int:
        """Let others carry out what engines had taken that are not alive any more: how many.

        `again` says of an order whether it may be carried out twice; others are dropped.
        """
        return await asyncio.to_thread(self._hand_over, alive, again)

    async def tidy(self, passes: int, now: datetime) -> None:
        """Set how many passes each machine may run at a time. Forget runs that ended long ago."""
        await asyncio.to_thread(self._tidy, passes, now)

    # The engine's own coroutines are not used: they give the event loop a thread pool of the
    # engine, which ends with it.

    def _request(self, sheet: str, order: str, name: str) -> None:
        options: Any = {
            "workflow_name": _PASS,
            "queue_name": _QUEUE,
            "queue_partition_key": sheet,
            "workflow_id": name,
        }
        self._its.enqueue_workflow_with_options(options, sheet, order)

    def _hand_over(self, alive: Collection[str], again: Callable[[str], bool]) -> int:
        runs = self._its.list_workflows(status="PENDING", queue_name=_QUEUE)
        left = [run for run in runs if run.executor_id not in alive]
        for run in left:
            sheet, order = (run.input or {"args": ()})["args"]
            # First the new one, and then the end of the old one: a kill in between loses nothing.
            if again(order):
                self._request(sheet, order, f"{run.workflow_id} after {run.executor_id}")
            self._its.cancel_workflow(run.workflow_id)
        return len(left)

    def _tidy(self, passes: int, now: datetime) -> None:
        queue = self._its.retrieve_queue(_QUEUE)
        if queue and queue.worker_concurrency != passes:
            queue.set_worker_concurrency(passes)
        ended = self._its.list_workflows(
            completed_before=(now - KEPT).isoformat(),
            queue_name=_QUEUE,
            load_input=False,
            load_output=False,
            limit=_AT_ONCE,
        )
        self._its.delete_workflows([run.workflow_id for run in ended])

    @property
    def _its(self) -> type[DBOS]:
        assert self._dbos, "it is open"
        return self._dbos

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        engine_log = logging.getLogger("dbos")
        if not engine_log.handlers:  # otherwise it would write to the terminal
            engine_log.addHandler(logging.NullHandler())
            engine_log.parent = log
        # Its warnings are about its own tables, with tracebacks.
        level = "WARNING" if log.isEnabledFor(logging.INFO) else "CRITICAL"
        engine_log.setLevel(level)
        # At its end it leaves coroutines unawaited. What they were to do is left to other machines.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"dbos\.")
        from dbos import DBOS
        from dbos import DBOSPortableJSONSerializer as Json

        async def perform(sheet: str, order: str) -> None:
            running = asyncio.run_coroutine_threadsafe(_awaited(self._perform(sheet, order)), loop)
            # The end of the engine does not end a pass.
            await asyncio.shield(asyncio.wrap_future(running))

        DBOS.destroy(destroy_registry=True)
        DBOS(
            config={
                "name": "promptsheet",
                "system_database_url": self._url,
                "dbos_system_schema": SCHEMA,
                "executor_id": self._name,
                "application_version": "1",
                "serializer": Json(),
                "log_level": level,
                "sys_db_pool_size": 5,
                "use_listen_notify": False,
            }
        )
        DBOS.workflow(name=_PASS)(perform)
        DBOS.launch()
        DBOS.register_queue(_QUEUE, partition_concurrency=1, on_conflict="never_update")
        self._dbos = DBOS


async def _awaited(something: Awaitable[None]) -> None:
    await something
