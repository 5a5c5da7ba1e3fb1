"""The command `serve`, and the house that it opens: receiver and page, over real sockets.

The server runs in the loop that is there already and listens to no signals of its own: whoever
opens the house decides when it closes. By then what was being answered has been answered.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from pipeline import web, wiring
from pipeline.campaign import Campaign
from pipeline.config import PageSettings, Settings
from pipeline.core.errors import ConfigError, ListenError
from pipeline.running import interrupting
from pipeline.store import Store

if TYPE_CHECKING:
    from pipeline.page.gate import Gate

#: Connections that wait to be taken, and seconds that a closing house gives to those inside.
BACKLOG, PATIENCE = 2048, 2


def serve(settings: Sequence[Settings], console: Console) -> int:
    """Receive webhooks and show the page until somebody asks us to end: 0."""
    asyncio.run(_serve(settings, console))
    return 0


async def _serve(settings: Sequence[Settings], console: Console) -> None:
    ended = asyncio.Event()
    with interrupting(ended.set), campaigns(settings) as all_of_them:
        async with house(all_of_them) as doors:
            if not doors:
                raise ConfigError(
                    "There is nothing to serve. Set [webhook] public_url, secret and listen to "
                    "receive webhooks, or [page] listen to show the page."
                )
            for door in doors:
                console.print(door, markup=False)
            await ended.wait()


@asynccontextmanager
async def receiving(settings: Sequence[Settings]) -> AsyncIterator[None]:
    """Receive webhooks for these sheets during a run."""
    with campaigns(settings) as all_of_them:
        async with house(all_of_them, page=False):
            yield


@contextmanager
def campaigns(settings: Sequence[Settings]) -> Iterator[list[Campaign]]:
    """The sheets of these configurations with their stores, each store opened once."""
    with ExitStack() as stack:
        stores: dict[str, Store] = {}
        for one in settings:
            if one.store_url not in stores:
                stores[one.store_url] = stack.enter_context(wiring.open_store(one))
        yield [_campaign(one, stores[one.store_url]) for one in settings]


def _campaign(settings: Settings, store: Store) -> Campaign:
    return Campaign(settings, store, wiring.open_sheet(settings, store).key)


@asynccontextmanager
async def house(of: Sequence[Campaign], *, page: bool = True) -> AsyncIterator[list[str]]:
    """Receiver and page of these sheets, each at its address: a sentence about each of them.

    What is asked for at one address by several configurations is served there together. Without
    `page` there is none, whatever the configurations ask for.
    """
    calls = [one for one in of if one.settings.webhook.listen]
    shown = [one for one in of if page and one.settings.page.wanted]
    places = [one.settings.webhook.listen for one in calls]
    places += [one.settings.page.listen for one in shown]
    async with AsyncExitStack() as stack:
        doors = []
        for listen in dict.fromkeys(places):
            called = [one for one in calls if one.settings.webhook.listen == listen]
            seen = [one for one in shown if one.settings.page.listen == listen]
            gate, page_routes = _page_of(seen) if seen else (None, [])
            app = web.app(called or seen, page=page_routes)
            address = await stack.enter_async_context(hosting(app, listen))
            if called:
                doors.append(f"Webhooks for {_titles(called)} are received at {address}")
            if gate:
                doors.append(f"The page of {_titles(seen)}: {gate.invitation(address)}")
        yield doors


def _page_of(of: Sequence[Campaign]) -> tuple[Gate, list[BaseRoute]]:
    """The page of these sheets, and the one gate before it."""
    # Not needed by a run that only receives webhooks.
    from pipeline.page import routes
    from pipeline.page.gate import Gate

    asked = {(p.token.reveal() if p.token else "", p.public_url): p for p in _pages(of)}
    if len(asked) > 1:
        raise ConfigError(
            f"{_titles(of)} are to be shown at one address, and their [page] tables differ. Write "
            "the same token and public_url into them, or let them listen at different addresses."
        )
    (page,) = asked.values()
    gate = Gate(page)
    return gate, routes(of, gate)


def _pages(of: Sequence[Campaign]) -> list[PageSettings]:
    return [one.settings.page for one in of]


def _titles(of: Sequence[Campaign]) -> str:
    return ", ".join(one.settings.source.name for one in of)


@asynccontextmanager
async def hosting(app: Starlette, listen: str) -> AsyncIterator[str]:
    """The app at `HOST:PORT` (port 0: a free one) for the length of the block, and its address.

    Raises ListenError if nobody can listen there.
    """
    with _listening(listen) as listener:
        server = _Server(
            uvicorn.Config(
                app,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                # Who is behind a proxy is the app's to judge: it knows whom to trust.
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=PATIENCE,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            # The kernel takes connections already: nobody who is told the address is refused.
            yield _address(listener)
        finally:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    """uvicorn, which leaves signals to others."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # TCP is named: only then does asyncio let small answers leave at once.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except OSError as e:
        listener.close()
        raise ListenError(_why(listen, e)) from e
    return listener


def _why(listen: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Another program listens at {listen} already. Stop it, or set listen to another port."
        )
    if error.errno == errno.EACCES:
        return f"{listen} may not be listened at by this user. Set listen to a port above 1023."
    return f"{listen} is no address of this machine. Set listen to one, such as 127.0.0.1:8640."


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
