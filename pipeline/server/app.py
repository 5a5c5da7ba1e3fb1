"""The apps that are served: the webhook receiver, the page, and the addresses that start passes.

The receiver is open to the internet; the page is for the marketing team. They are separate apps, so
that the receiver cannot answer a request for the page, and the page accepts no webhooks. Passes are
started at an address of their own, or at that of the receiver or the page (`more`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipeline.callers import in_both_forms
from pipeline.core.errors import StoreError
from pipeline.server.webhooks import Hooks
from pipeline.sync.configured_sheet import Campaign

#: Seconds for which an answer of /healthz is reused, because anyone may request it at any rate.
HEALTH_KEPT: Final = 1.0


def receiver(campaigns: Sequence[Campaign], more: Sequence[BaseRoute] = ()) -> Starlette:
    """The app that receives webhooks for these campaigns.

    `app.state.tally` counts the calls. Raises ConfigError if a secret is missing.
    """
    hooks = Hooks(campaigns)

    @asynccontextmanager
    async def living(app: Starlette) -> AsyncIterator[None]:
        yield
        await hooks.close()

    before = [*_proxies(campaigns), Middleware(hooks.before)]
    served = Starlette(routes=[_health(campaigns), *more], lifespan=living, middleware=before)
    served.state.tally = hooks.tally
    return _exact(served)


def page(campaigns: Sequence[Campaign], routes: Sequence[BaseRoute]) -> Starlette:
    """The app that shows the page of these campaigns. It receives no webhooks."""
    return _exact(Starlette(routes=[_health(campaigns), *routes], middleware=_proxies(campaigns)))


def triggers(campaigns: Sequence[Campaign], routes: Sequence[BaseRoute]) -> Starlette:
    """The app that starts passes over these campaigns, and nothing else."""
    return page(campaigns, routes)


def _exact(app: Starlette) -> Starlette:
    """The app without redirects: their address would contain the host name that the caller sent."""
    app.router.redirect_slashes = False
    return app


def _health(campaigns: Sequence[Campaign]) -> Route:
    return Route("/healthz", _Health(campaigns).answer, methods=["GET"])


def trusted_proxies(campaigns: Sequence[Campaign]) -> set[str]:
    """The networks of our own proxies, from the configurations."""
    return {proxy for one in campaigns for proxy in one.settings.webhook.trusted_proxies}


def _proxies(campaigns: Sequence[Campaign]) -> list[Middleware]:
    """Middleware that accepts `X-Forwarded-For` only from our own proxies."""
    ours = trusted_proxies(campaigns)
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=in_both_forms(ours))] if ours else []


class _Health:
    """Answers the public /healthz: are the stores readable, and when did the last pass end?"""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self._campaigns = campaigns
        self._lock = asyncio.Lock()
        self._answer = JSONResponse({})
        self._until = 0.0

    async def answer(self, request: Request) -> JSONResponse:
        """Status 200 if the stores can be read, else 503. They are read at most once a second."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._answer = await self._asked()
                self._until = time.monotonic() + HEALTH_KEPT
            return self._answer

    async def _asked(self) -> JSONResponse:
        try:
            last = await asyncio.to_thread(self._last_pass)
        except StoreError:
            return JSONResponse({"store": "out of reach"}, 503)
        return JSONResponse({"store": "ok", "last_pass": last})

    def _last_pass(self) -> str | None:
        """When the last pass ended, as ISO 8601; None before the first."""
        ends = [one.store.sheets.get(one.key).passed_at for one in self._campaigns]
        last = max((end for end in ends if end), default=None)
        return last.isoformat() if last else None
