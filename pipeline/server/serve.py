"""The command `serve`, and the servers of receiver and page.

The servers run in the present event loop and handle no signals: the block that opens them decides
when they are closed. Requests that are being answered then are answered first.
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

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.errors import ConfigError, ListenError
from pipeline.open_sheet import open_sheet
from pipeline.server import app as web
from pipeline.server import event_loop
from pipeline.server.http_server import (
    MOST_HEAD,
    Connections,
    most_files,
    protocol_within,
    room_for,
)
from pipeline.server.signals import interrupting
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign

if TYPE_CHECKING:
    from pipeline.page import Authenticator
    from pipeline.server.metrics import Metrics

#: Seconds that answers under way may still take when a server is closed.
PATIENCE = 2
#: Bytes of an answer that the system holds for a connection. It would hold some megabytes, and say
#: nothing of how a slow reader gets on with them.
HELD_FOR_READER = 256 * 1024


def serve(settings: Sequence[Settings], console: Console) -> int:
    """Receive webhooks and show the page until a signal ends it; the result is the exit code 0."""
    event_loop.run(_serve(settings, console))
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
        opened = [(one, stores[one.store_url]) for one in settings]
        yield [Campaign(one, store, open_sheet(one, store).key) for one, store in opened]


@dataclass(frozen=True, slots=True)
class House:
    """The open servers: a sentence about each, and the numbers at `/metrics`."""

    doors: list[str]
    metrics: Metrics | None


@asynccontextmanager
async def house(of: Sequence[Campaign], *, page: bool = True) -> AsyncIterator[House]:
    """Receiver and page of these sheets, each at an address of its own.

    Several configurations may share a receiver, or a page, by naming the same address. Without
    `page` there is no page, whatever the configurations say. Raises ConfigError where a receiver
    and a page have the same address: the receiver is open to the internet, the page is not.
    """
    receiving = _by_address(of, lambda one: one.settings.webhook.listen)
    wanted = [one for one in of if page and one.settings.page.wanted]
    showing = _by_address(wanted, lambda one: one.settings.page.listen)
    for listen in receiving.keys() & showing.keys():
        raise ConfigError(
            f"[page] listen and [webhook] listen are both {listen}. Give one of them another port: "
            "webhooks come from the internet, and the page is for your team only."
        )
    metrics = _metrics(of) if showing else None
    async with AsyncExitStack() as stack:
        doors = []
        # All servers share one limit: the files of the process are shared as well.
        room = room_for(most_files(), len(receiving) + len(showing))
        connections = Connections(room, web.trusted_proxies(of))
        for listen, called in receiving.items():
            app = web.receiver(called)
            if metrics:
                metrics.tallies.append(app.state.tally)
            address = await stack.enter_async_context(hosting(app, listen, connections))
            doors.append(f"Webhooks for {_titles(called)} are received at {address}")
        for listen, shown in showing.items():
            assert metrics is not None
            auth, rooms = _page_of(shown)
            app = web.page(shown, (*rooms, metrics.route(auth)))
            address = await stack.enter_async_context(hosting(app, listen, connections))
            doors.append(f"The page of {_titles(shown)}: {auth.where_to_sign_in(address)}")
        yield House(doors, metrics)


def _by_address(
    of: Sequence[Campaign], listen: Callable[[Campaign], str]
) -> dict[str, list[Campaign]]:
    found: dict[str, list[Campaign]] = {}
    for one in of:
        if where := listen(one):
            found.setdefault(where, []).append(one)
    return found


def _page_of(of: Sequence[Campaign]) -> tuple[Authenticator, list[BaseRoute]]:
    """The routes of the page of these sheets, and its auth. Raises ConfigError if they disagree."""
    # Imported here because a run that only receives webhooks does not need it.
    from pipeline.page import Authenticator, routes

    pages = [one.settings.page for one in of]
    if len({(page.token.reveal() if page.token else "", page.public_url) for page in pages}) > 1:
        raise ConfigError(
            f"{_titles(of)} are to be shown at one address, and their [page] tables differ. Write "
            "the same token and public_url into them, or give each its own listen address."
        )
    auth = Authenticator(pages[0], sessions=of[0].store.sessions)
    return auth, routes(of, auth)


def _metrics(of: Sequence[Campaign]) -> Metrics:
    # Imported here because it needs an extra that `run` does not need.
    from pipeline.server.metrics import Metrics

    return Metrics(of)


def _titles(of: Sequence[Campaign]) -> str:
    return ", ".join(one.settings.source.name for one in of)


@asynccontextmanager
async def hosting(
    app: Starlette, listen: str, connections: Connections | None = None
) -> AsyncIterator[str]:
    """Serve the app at `HOST:PORT` (port 0: a free one) during the block; yields its address.

    `connections` are those of all servers of this process; None: it is the only one. Raises
    ListenError if this process cannot listen there.
    """
    if connections is None:
        connections = Connections(room_for(most_files()))
    with _listening(listen, connections.room.backlog) as listener:
        server = _Server(
            uvicorn.Config(
                _Hosted(app),
                http=protocol_within(connections),
                h11_max_incomplete_event_size=MOST_HEAD,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                # The app reads these headers itself: it knows which proxies to trust.
                proxy_headers=False,
                server_header=False,
                backlog=connections.room.backlog,
            )
        )
        async with app.router.lifespan_context(app):
            watching = asyncio.create_task(connections.watch())
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                # The kernel accepts connections already, so the address can be used at once.
                yield _address(listener)
            finally:
                server.should_exit = True
                await serving
                watching.cancel()


class _Hosted:
    """An app whose answers may be cut off when it is closed: a stream of events never ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._is_cut = False

    def cut(self) -> None:
        """From now on, a cancelled answer is no error."""
        self._is_cut = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_cut:
                raise


class _Server(uvicorn.Server):
    """uvicorn without signal handlers, which waits for answers at the end, but not for long."""

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


def _listening(listen: str, backlog: int) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With IPPROTO_TCP given, asyncio turns Nagle's delay of small answers off.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections take this over.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD_FOR_READER)
        listener.bind((host, int(port)))
        listener.listen(backlog)
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
        return f"This user may not listen at {listen}. Set listen to a port above 1023."
    return f"{listen} is no address of this machine. Set listen to one, such as 127.0.0.1:8640."


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
