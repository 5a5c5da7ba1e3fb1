"""uvicorn that ends at once.

It looks ten times a second whether it is to end, and pauses once more on the way: a fifth of a
second that hundreds of tests would wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import uvicorn.server


class _Hasty:
    """asyncio, whose pauses are a fiftieth as long."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)


@contextmanager
def hasty() -> Iterator[None]:
    """Servers that are started and ended in here do so without delay."""
    with patch.object(uvicorn.server, "asyncio", _Hasty()):
        yield
