"""Delivers the messages of all outlets of a process, in a thread and an event loop of its own.

So a slow outlet holds neither a pass nor another outlet. Nothing is imported or connected before
the first message is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Final, Self

from pipeline.core.errors import PromptsheetError
from pipeline.sync.clock import Clock
from pipeline.sync.deliveries import Deliveries, Told

log = logging.getLogger("promptsheet")

#: Seconds between two looks into the outbox.
CHECK_EVERY: Final = 1.0
#: Seconds between two calls of `watch`.
WATCH_EVERY: Final = 5.0
#: Seconds that the end of a process waits for deliveries.
LAST_SECONDS: Final = 20.0


class DeliveryThread:
    """The deliveries of a process: a context manager, which delivers what is due as it ends.

    `watch` is called every few seconds, for what happens without a pass. `at_once`: a person waits
    for the end, so what waits for the next digest is delivered then, too.
    """

    def __init__(
        self,
        deliveries: Sequence[Deliveries],
        clock: Clock,
        watch: Callable[[], None] = lambda: None,
        *,
        at_once: bool = False,
    ) -> None:
        self._deliveries, self._clock, self._watch = deliveries, clock, watch
        self._at_once, self._is_ending = at_once, Event()
        self._thread = Thread(target=self._run, name="outlets", daemon=True)

    @property
    def told(self) -> list[Told]:
        """What each outlet got from this process."""
        return [one.told for one in self._deliveries]

    def __enter__(self) -> Self:
        if self._deliveries:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending.set()
        if self._deliveries:
            self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        watching = asyncio.create_task(self._keep_watching())
        await asyncio.gather(*map(self._one, self._deliveries))
        watching.cancel()

    async def _one(self, deliveries: Deliveries) -> None:
        try:
            while not self._is_ending.is_set():
                await _delivered(deliveries)
                await self._pause()
            await deliver_rest(deliveries, self._at_once)
        finally:
            try:
                await deliveries.close()
            except Exception as error:  # It must not break off the deliveries of other outlets.
                log.info("An outlet could not be closed (%s).", type(error).__name__)

    async def _pause(self) -> None:
        """Wait until the next look, or until the process ends."""
        for _ in range(10):
            if self._is_ending.is_set():
                return
            await asyncio.sleep(CHECK_EVERY / 10)

    async def _keep_watching(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._watch)
            except PromptsheetError as error:
                log.info("outlets: %s", error)
            except Exception as error:
                log.info("The traceback:", exc_info=error)
            await asyncio.sleep(WATCH_EVERY)


async def deliver_rest(deliveries: Deliveries, at_once: bool = False) -> None:
    """Deliver what is due, for the last time. A call that runs is not broken off."""
    await _delivered(deliveries, asyncio.get_running_loop().time() + LAST_SECONDS, at_once)


async def _delivered(
    deliveries: Deliveries, until: float | None = None, at_once: bool = False
) -> None:
    try:
        await deliveries.deliver(until=until, at_once=at_once)
    except PromptsheetError as error:  # The store: the pass reports it.
        log.info("outlets: %s", error)
    except Exception as error:
        log.info("The traceback:", exc_info=error)
