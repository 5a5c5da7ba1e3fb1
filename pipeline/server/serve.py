"""The command `serve`, and the servers of receiver, page and triggers.

The servers run in the present event loop and handle no signals: the block that opens them also
closes them. Requests that are in progress then are answered first. Raises ConfigError and
ListenError.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline import terminal, wiring
from pipeline.config import PageSettings, Settings
from pipeline.core.errors import ConfigError, ListenError
from pipeline.delivering import delivering
from pipeline.server import app as web
from pipeline.server import event_loop, service_manager
from pipeline.server.http_server import (
    Connections,
    capacity_for,
    most_files,
    protocol_within,
)
from pipeline.server.signals import interrupting
from pipeline.sync.configured_sheet import Campaign

if TYPE_CHECKING:
    from pipeline.page import Authenticator
    from pipeline.server.metrics import Metrics
    from pipeline.server.pass_requests import PassControl
    from pipeline.server.triggers import Triggers

#: Seconds for answers in progress when a server is closed.
SHUTDOWN_SECONDS = 2
#: Size of a connection's send buffer in bytes. By default the system buffers some megabytes, which
#: would hide whether a slow reader still reads.
SEND_BUFFER = 256 * 1024


def serve(settings: Sequence[Settings], console: Console) -> int:
    """Receive webhooks and show the page until a signal arrives. Returns the exit code 0."""
    event_loop.run(_serve(settings, console))
    return 0


async def _serve(settings: Sequence[Settings], console: Console) -> None:
    ended = asyncio.Event()

    def say(title: str, sentence: str) -> None:
        print_at(console, title, sentence)

    def end() -> None:
        service_manager.ending()
        ended.set()

    with (
        interrupting(end),
        wiring.campaigns(settings) as all_of_them,
        delivering(all_of_them),
    ):
        async with open_servers(all_of_them, say=say) as servers:
            if not servers.lines:
                raise ConfigError(
                    "There is nothing to serve. Set [webhook] public_url, secret and listen to "
                    "receive webhooks, or [page] listen to show the page."
                )
            for line in [*servers.lines, *_without_calls(all_of_them)]:
                console.print(line, markup=False)
            async with service_manager.service("serve"):
                await ended.wait()


def _without_calls(of: Sequence[Campaign]) -> Iterator[str]:
    """Sentences about the sheets for which no webhook comes, or is received here."""
    hooks = [(one, one.settings.webhook) for one in of]
    if deaf := [one for one, its in hooks if its.public_url and not its.listen]:
        yield (
            f"Webhooks for {_titles(deaf)} are not received here: [webhook] listen is not set. Set "
            "it to where calls to public_url arrive on this machine, such as 127.0.0.1:8641, "
            "unless another serve or watch receives them."
        )
    if unasked := [one for one, its in hooks if its.listen and not its.public_url]:
        yield (
            f"No API is asked to call about {_titles(unasked)}: [webhook] public_url is not set. "
            "Set it to the https address that reaches this program. Until then, results are polled."
        )


def print_at(console: Console, title: str, sentence: str) -> None:
    """Print a sentence about a sheet, with the time of day."""
    at = wiring.now().astimezone().strftime("%H:%M:%S")
    console.print(f"{at}  {terminal.about(title, sentence)}", markup=False)


@asynccontextmanager
async def receiving(settings: Sequence[Settings]) -> AsyncIterator[None]:
    """Receive webhooks for these sheets during a run."""
    with wiring.campaigns(settings) as all_of_them:
        async with open_servers(all_of_them, page=False):
            yield


@dataclass(frozen=True, slots=True)
class Servers:
    """The open servers: a line about each for the terminal, and the metrics."""

    lines: list[str]
    metrics: Metrics | None


@asynccontextmanager
async def open_servers(
    of: Sequence[Campaign],
    *,
    page: bool = True,
    passes: Mapping[str, PassControl] | None = None,
    say: Callable[[str, str], None] = lambda title, sentence: None,
) -> AsyncIterator[Servers]:
    """Open the receivers, pages and triggers of these sheets.

    Several configurations may share a receiver, or a page, by naming the same address. Triggers may
    share the address of either. With `page` False there is neither a page nor a trigger, whatever
    the configurations say. Raises ConfigError if a receiver and a page have the same address: the
    receiver is open to the internet, the page is not. For `passes` and `say` see `Triggers`.
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
    startable = [one for one in of if page and one.settings.trigger.token]
    starting = {
        listen: _triggers(some, passes, say)
        for listen, some in _by_address(startable, lambda one: one.settings.trigger.listen).items()
    }
    async with AsyncExitStack() as stack:
        lines = []
        # All servers share one limit, because they share the files of the process.
        addresses = {*receiving, *showing, *starting}
        connections = Connections(
            capacity_for(most_files(), len(addresses)), web.trusted_proxies(of)
        )

        async def host(app: Starlette, listen: str) -> str:
            address = await stack.enter_async_context(hosting(app, listen, connections))
            if listen in starting:
                lines.extend(starting[listen].lines(address))
            return address

        def more(listen: str) -> list[BaseRoute]:
            return starting[listen].routes() if listen in starting else []

        for listen, called in receiving.items():
            app = web.receiver(called, more(listen))
            if metrics:
                metrics.tallies.append(app.state.tally)
            address = await host(app, listen)
            lines.append(f"Webhooks for {_titles(called)} are received at {address}")
        for listen, shown in showing.items():
            assert metrics is not None
            auth, page_routes = _page_of(shown)
            app = web.page(shown, (*page_routes, *more(listen), metrics.route(auth)))
            address = await host(app, listen)
            lines.append(f"The page of {_titles(shown)}: {auth.where_to_sign_in(address)}")
        for listen in addresses - receiving.keys() - showing.keys():
            await host(web.triggers(of, more(listen)), listen)
        yield Servers(lines, metrics)


def _triggers(
    of: Sequence[Campaign],
    passes: Mapping[str, PassControl] | None,
    say: Callable[[str, str], None],
) -> Triggers:
    # Imported here because a run that only receives webhooks does not need it.
    from pipeline.server.triggers import Triggers

    return Triggers(of, passes, say)


def _by_address(
    of: Sequence[Campaign], listen: Callable[[Campaign], str]
) -> dict[str, list[Campaign]]:
    found: dict[str, list[Campaign]] = {}
    for one in of:
        if where := listen(one):
            found.setdefault(where, []).append(one)
    return found


def _page_of(of: Sequence[Campaign]) -> tuple[Authenticator, list[BaseRoute]]:
    """Authenticator and routes of the page of these sheets. Raises ConfigError if they disagree."""
    # Imported here because a run that only receives webhooks does not need it.
    from pipeline.page import Authenticator, routes

    pages = [one.settings.page for one in of]
    if any(_access(page) != _access(pages[0]) for page in pages):
        raise ConfigError(
            f"{_titles(of)} are to be shown at one address, and their [page] tables differ. Write "
            "the same token, people and public_url into them, or give each its own listen address."
        )
    catalogues = [one.settings.catalogue for one in of]
    auth = Authenticator(pages[0], sessions=of[0].store.sessions, catalogues=catalogues)
    return auth, routes(of, auth)


def _access(page: PageSettings) -> tuple[object, ...]:
    """Who may see a page, and where: all pages of one address must agree on it."""
    people = {name: token.reveal() for name, token in page.people.items()}
    return page.token.reveal() if page.token else "", people, page.public_url


def _metrics(of: Sequence[Campaign]) -> Metrics:
    # Imported here because it needs an extra that `run` does not need.
    from pipeline.server.metrics import Metrics

    return Metrics(of)


def _titles(of: Sequence[Campaign]) -> str:
    return ", ".join(one.title for one in of)


@asynccontextmanager
async def hosting(
    app: Starlette, listen: str, connections: Connections | None = None
) -> AsyncIterator[str]:
    """Serve the app at `HOST:PORT` (port 0: a free one) during the block; yields its address.

    `connections` are those of all servers of this process; None if this is the only server. Raises
    ListenError if this process cannot listen there.
    """
    if connections is None:
        connections = Connections(capacity_for(most_files()))
    with _listening(listen, connections.capacity.backlog) as listener:
        server = _Server(
            uvicorn.Config(
                _Hosted(app),
                http=protocol_within(connections),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                # The app reads these headers itself, because it knows which proxies to trust.
                proxy_headers=False,
                server_header=False,
                backlog=connections.capacity.backlog,
            )
        )
        async with app.router.lifespan_context(app):
            watching = asyncio.create_task(connections.watch())
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                # The kernel already queues connections, so the address can be used at once.
                yield _address(listener)
            finally:
                server.should_exit = True
                await serving
                watching.cancel()


class _Hosted:
    """An app whose answers may be cancelled when it is closed: a stream of events never ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._is_cut = False

    def cut(self) -> None:
        """From now on, ignore cancelled answers."""
        self._is_cut = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_cut:
                raise


class _Server(uvicorn.Server):
    """uvicorn without signal handlers. When it closes, it waits SHUTDOWN_SECONDS for answers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting = asyncio.get_running_loop().call_later(SHUTDOWN_SECONDS, self._cut)
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
    # asyncio sets TCP_NODELAY only if the protocol is IPPROTO_TCP; else small answers are delayed.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit this.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
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
    return f"{listen} is not an address of this machine. Set listen to one, such as 127.0.0.1:8640."


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
