"""The command `serve`, and the house that it opens: receiver and page, over real sockets.

The server runs in the loop that is there already and listens to no signals of its own: whoever
opens the house decides when it closes. By then what was being answered has been answered.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline import web, wiring
from pipeline.campaign import Campaign
from pipeline.config import Settings
from pipeline.core.errors import ConfigError, ListenError
from pipeline.running import interrupting
from pipeline.store import Store

if TYPE_CHECKING:
    from pipeline.metrics import Metrics
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
        async with house(all_of_them) as open_now:
            if not open_now.doors:
                raise ConfigError(
                    "There is nothing to serve. Set [webhook] public_url, secret and listen to "
                    "receive webhooks, or [page] listen to show the page."
                )
            for door in open_now.doors:
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


@dataclass(frozen=True, slots=True)
class House:
    """What is open: a sentence about each door, and the numbers that are shown there."""

    doors: list[str]
    metrics: Metrics | None


@asynccontextmanager
async def house(of: Sequence[Campaign], *, page: bool = True) -> AsyncIterator[House]:
    """Receiver and page of these sheets, each at its address.

    What is asked for at one address by several configurations is served there together. Without
    `page` there is none, whatever the configurations ask for.
    """
    receiving = _by_address(of, lambda one: one.settings.webhook.listen)
    wanted = [one for one in of if page and one.settings.page.wanted]
    showing = _by_address(wanted, lambda one: one.settings.page.listen)
    metrics = _metrics(of) if showing else None
    async with AsyncExitStack() as stack:
        doors = []
        for listen in dict.fromkeys((*receiving, *showing)):
            called, shown = receiving.get(listen, []), showing.get(listen, [])
            gate, rooms = _page_of(shown) if shown else (None, [])
            shows = metrics.route if metrics and shown else None
            app = web.app(called or shown, page=rooms, metrics=shows)
            if metrics:
                metrics.tallies.append(app.state.tally)
            address = await stack.enter_async_context(hosting(app, listen))
            if called:
                doors.append(f"Webhooks for {_titles(called)} are received at {address}")
            if gate:
                doors.append(f"The page of {_titles(shown)}: {gate.invitation(address)}")
        yield House(doors, metrics)


def _by_address(
    of: Sequence[Campaign], listen: Callable[[Campaign], str]
) -> dict[str, list[Campaign]]:
    found: dict[str, list[Campaign]] = {}
    for one in of:
        if where := listen(one):
            found.setdefault(where, []).append(one)
    return found


def _page_of(of: Sequence[Campaign]) -> tuple[Gate, list[BaseRoute]]:
    """The page of these sheets, and the one gate before it. Raises ConfigError if they disagree."""
    # Not needed by a run that only receives webhooks.
    from pipeline.page import routes
    from pipeline.page.gate import Gate

    pages = [one.settings.page for one in of]
    if len({(page.token.reveal() if page.token else "", page.public_url) for page in pages}) > 1:
        raise ConfigError(
            f"{_titles(of)} are to be shown at one address, and their [page] tables differ. Write "
            "the same token and public_url into them, or let them listen at different addresses."
        )
    gate = Gate(pages[0])
    return gate, routes(of, gate)


def _metrics(of: Sequence[Campaign]) -> Metrics:
    # Not above: it is part of an extra, and `run` does without.
    from pipeline.metrics import Metrics

    return Metrics(of)


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
                _Hosted(app),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                # Who is behind a proxy is the app's to judge: it knows whom to trust.
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
            )
        )
        async with app.router.lifespan_context(app):
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                # The kernel takes connections already: nobody who is told the address is refused.
                yield _address(listener)
            finally:
                server.should_exit = True
                await serving


class _Hosted:
    """An app whose answers may be cut off at the end: a stream of news has no end of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._is_cut = False

    def cut(self) -> None:
        """Who is cut off from now on is no trouble of anybody's."""
        self._is_cut = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_cut:
                raise


class _Server(uvicorn.Server):
    """uvicorn, which leaves signals to others, and at the end waits for answers alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting = asyncio.get_running_loop().call_later(PATIENCE, self._cut)
        await super().shutdown(sockets)
        cutting.cancel()

    def _cut(self) -> None:
        assert isinstance(self.config.app, _Hosted)
        self.config.app.cut()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


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
