"""The door for machines: whether we are well, and where the API calls back.

Whatever knocks here is a stranger until it has proved otherwise; what it says moves a job only
through the same `record` that an answer to a question ends in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from pipeline.campaign import Campaign
from pipeline.core.errors import StoreError


def app(
    campaigns: Sequence[Campaign],
    *,
    page: Sequence[BaseRoute] = (),
    metrics: BaseRoute | None = None,
) -> Starlette:
    """All that is served for these campaigns: the page and the metrics, where there are some."""
    routes = [
        Route("/healthz", _Health(campaigns).answer, methods=["GET"]),
        *([metrics] if metrics else []),
        *page,
    ]
    return Starlette(routes=routes)


class _Health:
    """Whether the stores can be read, and when the last pass ended; nothing more to strangers."""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self._campaigns = campaigns

    async def answer(self, request: Request) -> JSONResponse:
        """200 while all is well, else 503."""
        try:
            last = await asyncio.to_thread(self._last_pass)
        except StoreError:
            return JSONResponse({"store": "out of reach"}, 503)
        return JSONResponse({"store": "ok", "last_pass": last})

    def _last_pass(self) -> str | None:
        """When the last pass ended that had more to do than a glance; None before the first."""
        ends = [one.store.sheet(one.key).passed_at for one in self._campaigns]
        last = max((end for end in ends if end), default=None)
        return last.isoformat() if last else None
