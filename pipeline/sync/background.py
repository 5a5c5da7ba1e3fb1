"""Runs coroutines in the background of a block."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("promptsheet")


@asynccontextmanager
async def in_background(
    jobs: Iterable[Coroutine[Any, Any, None]], title: str
) -> AsyncIterator[None]:
    """Run these while the block runs, then cancel them.

    Raises the first error of a job or of the block; that of a job cancels the block. Later errors
    are only logged, with the title.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as several:
        first, *others = several.exceptions
        for error in others:
            log.info("%s: a part of the pass ended: %r", title, error)
        raise first from None
