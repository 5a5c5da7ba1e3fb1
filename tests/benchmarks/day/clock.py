"""The clock of the simulated day, and machines that stand still.

A thread of the program becomes a greenlet, so that a call in it may wait in simulated time, as the
client of Google does while it waits for its quota. The calls of one executor run one after another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.util import await_only, greenlet_spawn

from tests.sync.bench import SimulatedLoop

#: Midnight.
START = datetime(2027, 3, 1, tzinfo=UTC)


class Power:
    """Whether a machine runs. While it stands still, nothing that it does has an effect."""

    def __init__(self) -> None:
        self._on = asyncio.Event()
        self._on.set()

    async def wait(self) -> None:
        """Return at once, or when the machine goes on."""
        await self._on.wait()

    async def stand_still(self, seconds: float) -> None:
        """Stand still for so long, as a machine that is suspended, and go on."""
        self._on.clear()
        await asyncio.sleep(seconds)
        self._on.set()


#: The machine on which a task runs; None outside of machines.
POWER: ContextVar[Power | None] = ContextVar("power", default=None)


async def runs() -> None:
    """Return once the machine of this task runs."""
    if power := POWER.get():
        await power.wait()


class DayLoop(SimulatedLoop):
    """The loop of the day."""

    def __init__(self) -> None:
        super().__init__()
        self._turns: WeakKeyDictionary[Any, asyncio.Lock] = WeakKeyDictionary()

    def now(self) -> datetime:
        """The date and time."""
        return START + timedelta(seconds=self.time())

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        return self.create_task(self._called(executor, func, args))

    async def _called(self, executor: Any, func: Callable[..., Any], args: Any) -> Any:
        if executor is None:
            await runs()
            return await greenlet_spawn(func, *args)
        async with self._turns.setdefault(executor, asyncio.Lock()):
            await runs()
            return await greenlet_spawn(func, *args)


def travel(seconds: float) -> None:
    """Let so much time pass inside a call of an executor, whether or not its machine runs."""
    await_only(asyncio.sleep(seconds))


def pause(seconds: float) -> None:
    """Wait, inside a call of an executor."""
    travel(seconds)
    await_only(runs())
