"""The event loop that everything async of ours runs in: uvloop's, where there is one.

It takes a third less of the processor for each request than the standard one, with the same rules.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns, run in a loop of its own; interrupted as by `asyncio.run`."""
    if sys.platform == "win32":  # there is no uvloop for it
        return asyncio.run(main)
    import uvloop

    return uvloop.run(main)
