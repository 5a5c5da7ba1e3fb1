"""The door for machines: whether we are well, and where the API calls back.

Whatever knocks here is a stranger until it has proved otherwise; what it says moves a job only
through the same `record` that an answer to a question ends in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipeline.campaign import Campaign
from pipeline.core.errors import StoreError
from pipeline.hooks import Hooks


def app(
    campaigns: Sequence[Campaign],
    *,
    page: Sequence[BaseRoute] = (),
    metrics: BaseRoute | None = None,
) -> Starlette:
    """All that is served for these campaigns: the page and the metrics, where there are some.

    `app.state.tally` counts the API's calls. Raises ConfigError where a secret is missing.
    """
    hooks = Hooks(campaigns)

    @asynccontextmanager
    async def living(app: Starlette) -> AsyncIterator[None]:
        yield
        await hooks.close()

    routes = [
        Route("/healthz", _Health(campaigns).answer, methods=["GET"]),
        *([metrics] if metrics else []),
        *page,
    ]
    before = [*_believing(campaigns), Middleware(hooks.before)]
    served = Starlette(routes=routes, lifespan=living, middleware=before)
    served.state.tally = hooks.tally
    return served


def _believing(campaigns: Sequence[Campaign]) -> list[Middleware]:
    """Who is believed about who calls: our own proxies, and nobody where there is none."""
    ours = {proxy for one in campaigns for proxy in one.settings.webhook.trusted_proxies}
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=sorted(ours))] if ours else []


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
        """When the last pass ended; None before the first."""
        ends = [one.store.sheet(one.key).passed_at for one in self._campaigns]
        last = max((end for end in ends if end), default=None)
        return last.isoformat() if last else None
