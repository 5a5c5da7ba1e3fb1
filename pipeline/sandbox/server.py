"""The sandbox as a server: until it is stopped, or in a thread of the calling process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import uvicorn

from pipeline.sandbox.app import create_app
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.settings import SandboxSettings, SettingsError, merged
from pipeline.sandbox.wire import Protocol as HttpProtocol

BACKLOG = 2048
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: its address, its switches, its counts."""

    url: str
    key: str

    @property
    def key_v2(self) -> str:
        """The key of version 2."""
        return "afk_" + self.key.removeprefix("afk_")

    def state(
        self,
        *,
        times: bool = False,
        ids: bool = False,
        hooks: bool = False,
        ends: bool = False,
        orders: bool = False,
    ) -> dict[str, Any]:
        """Settings and counts; more of them, on request.

        `times` adds arrival times, `ids` the prompt of each task id, `hooks` the counts of each
        task's webhooks, `ends` when each task ends and what that clock shows `now`, `orders` how
        often each request (path and fields) was accepted.
        """
        asked = {"times": times, "ids": ids, "hooks": hooks, "ends": ends, "orders": orders}
        wanted = [f"{name}=1" for name, is_wanted in asked.items() if is_wanted]
        return self._ask("GET", "/_sandbox" + ("?" + "&".join(wanted) if wanted else ""))

    def set(self, **switches: object) -> dict[str, Any]:
        """Set some switches; the state as it is then. `SettingsError` if one of them is wrong."""
        return self._ask("POST", "/_sandbox", switches)

    def finish(self) -> dict[str, Any]:
        """End every task that still runs, as if its time were over; the state as it is then."""
        return self._ask("POST", "/_sandbox/finish", {})

    def reset(self) -> dict[str, Any]:
        """Start again: first settings, full account, no tasks, counts at zero."""
        return self._ask("POST", "/_sandbox/reset", {})

    def _ask(
        self, method: str, path: str, sent: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        # Not urllib: it would go through the proxy of the environment.
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, None if sent is None else json.dumps(sent))
            response = connection.getresponse()
            says: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            raise SettingsError(says["errors"][0]["msg"])
        return says


def run(
    host: str = LOOPBACK,
    port: int = 0,
    key: str = "sandbox",
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Port 0 is a free one; `ready` is called with the address.

    Raises `SettingsError` for a wrong switch and `OSError` for a port in use, before it serves.
    """
    server = _server(merged(SandboxSettings(), settings or {}), key, seed)
    with listen(host, port) as listener:
        # The kernel accepts connections from here on: no client is refused after `ready`.
        if ready is not None:
            ready(url_of(listener))
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


@contextlib.contextmanager
def running(
    key: str = "sandbox",
    *,
    seed: int = 0,
    port: int = 0,
    remember: Path | None = None,
    **settings: object,
) -> Iterator[Sandbox]:
    """A sandbox on a loopback port, in a thread of this process, stopped at the end.

    The port is a free one if `port` is 0 or taken.
    With a file to `remember` its tasks in, the next one has the same port, if that is free, and
    the same tasks: links to their results go on working.
    """
    server = _server(merged(SandboxSettings(), settings), key, seed)
    with in_thread(server, server.desk, port, remember) as url:
        yield Sandbox(url, key)


class Memory(Protocol):
    """What knows the tasks of a stand-in."""

    @property
    def tasks(self) -> Mapping[str, object]:
        """Id -> task."""

    def remembered(self) -> list[dict[str, object]]:
        """The latest tasks, as JSON can carry them."""

    def restore(self, tasks: Iterable[Mapping[str, Any]], base_url: str) -> None:
        """Add the tasks of an earlier stand-in, as they were remembered."""


@contextlib.contextmanager
def in_thread(
    server: uvicorn.Server, memory: Memory, port: int, remember: Path | None
) -> Iterator[str]:
    """Serve in a thread; yields the address. `remember`: the file with the tasks, if any.

    The port is the remembered one, else `port`; a free one if that is 0 or taken.
    """
    remembered, tasks = _remembered(remember)
    with listen_again(remembered or port) as listener:
        url = url_of(listener)
        memory.restore(tasks, url)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="sandbox", daemon=True
        )
        thread.start()
        over = threading.Event()
        keeper = threading.Thread(
            target=_keep, args=(memory, remember, listener.getsockname()[1], over)
        )
        keeper.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()
            over.set()
            keeper.join()


def _remembered(file: Path | None) -> tuple[int, list[dict[str, Any]]]:
    """The port and the tasks of the sandbox that wrote the file; none if it is unreadable."""
    try:
        kept = json.loads(file.read_text("utf-8")) if file is not None else {}
        return int(kept.get("port", 0)), list(kept.get("tasks", []))
    except (OSError, ValueError, TypeError, AttributeError):
        return 0, []


def _keep(memory: Memory, file: Path | None, port: int, over: threading.Event) -> None:
    """Write the tasks into the file soon after they come, so that a killed process loses none."""
    number = -1
    while file is not None:
        is_last = over.wait(0.2)
        if is_last or len(memory.tasks) != number:
            number = len(memory.tasks)
            _replace(file, json.dumps({"port": port, "tasks": memory.remembered()}))
        if is_last:
            return


def _replace(file: Path, text: str) -> None:
    passing = file.with_name(f"{file.name}.part")
    with contextlib.suppress(OSError):  # only a convenience: a full disk must not end the demo
        passing.write_text(text, "utf-8")
        passing.replace(file)


def listen_again(port: int) -> socket.socket:
    """A socket at this port of the loopback; at a free one if it is 0 or taken."""
    try:
        return listen(LOOPBACK, port)
    except (OSError, OverflowError):  # another program uses it now
        return listen(LOOPBACK, 0)


class _Server(uvicorn.Server):
    """uvicorn, which does not wait at the end for answers that trickle or are held back."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self.desk = desk

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # One turn of the loop, so that every connection sees its end: nothing is logged.
        await asyncio.sleep(0)
        for task in list(self.server_state.tasks):
            task.cancel()
        await self.desk.courier.close()
        await super().shutdown(sockets)


def _server(settings: SandboxSettings, key: str, seed: int) -> _Server:
    app = create_app(settings, key=key, seed=seed)
    config = uvicorn.Config(
        app,
        loop="auto",
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, app.state.desk)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def url_of(listener: socket.socket) -> str:
    """The address of a server that listens on this socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
