"""A uvicorn that ends at once.

It checks ten times a second whether it should end, and pauses once more at the end: hundreds of
tests would wait a fifth of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import uvicorn.server


class _Hasty:
    """asyncio, with pauses of a fiftieth of their length."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)


@contextmanager
def hasty() -> Iterator[None]:
    """Servers started and ended in this context do so without delay."""
    with patch.object(uvicorn.server, "asyncio", _Hasty()):
        yield
