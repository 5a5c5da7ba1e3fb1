"""A vendor's stand-in as a server: until it is stopped, or in a thread of the calling process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

import uvicorn

from pipeline.sandbox.server import LOOPBACK, Sandbox, listen, listen_again, url_of
from pipeline.sandbox.vendors import VENDORS
from pipeline.sandbox.vendors.service import Service, Switches
from pipeline.sandbox.vendors.vendor import Vendor
from pipeline.sandbox.wire import Protocol


def run(
    name: str,
    host: str = LOOPBACK,
    port: int = 0,
    key: str = "sandbox",
    switches: Mapping[str, object] | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the address for `base_url`.

    Raises SwitchError for a wrong switch, OSError if the port is in use.
    """
    server, base = _server(name, key, switches or {})
    with listen(host, port) as listener:
        if ready is not None:
            ready(url_of(listener) + base)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


@contextlib.contextmanager
def running(
    name: str, key: str = "sandbox", *, port: int = 0, **switches: object
) -> Iterator[Sandbox]:
    """A vendor's stand-in on a loopback port, in a thread; its `url` is the `base_url`.

    The port is a free one if `port` is 0 or taken.
    """
    server, base = _server(name, key, switches)
    with listen_again(port) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), name=name, daemon=True)
        thread.start()
        try:
            yield Sandbox(url_of(listener) + base, key)
        finally:
            server.should_exit = True
            thread.join()


def vendor_of(name: str) -> Vendor:
    """The stand-in of that name. Raises KeyError if there is none."""
    vendor: Vendor = getattr(import_module(f"pipeline.sandbox.vendors.{name}"), VENDORS[name])()
    return vendor


def _server(name: str, key: str, switches: Mapping[str, object]) -> tuple[uvicorn.Server, str]:
    vendor = vendor_of(name)
    config = uvicorn.Config(
        Service(vendor, Switches().changed(switches), key).app(),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config), vendor.base
