"""An outlet in use: opened in an event loop, and closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pipeline.core.outlets.outbox import Delivered, Result, RowMessage
from pipeline.outlets import Outlet
from pipeline.server import event_loop
from tests.fakes.outlets.messages import repeated

T = TypeVar("T")


def using(opened: Callable[[], Outlet], use: Callable[[Outlet], Awaitable[T]]) -> T:
    """What `use` makes of a new outlet."""

    async def run() -> T:
        outlet = opened()
        try:
            return await use(outlet)
        finally:
            await outlet.close()

    return event_loop.run(run())


def tried_again(message: RowMessage, results: Sequence[Result]) -> RowMessage:
    """The same message once more, with what the outlet remembers."""
    [result] = results
    assert isinstance(result, Delivered)
    return repeated(message, result.remote)
