"""A vendor's stand-in as a server: until it is stopped, or in a thread of the calling process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

import uvicorn

from pipeline.sandbox.server import LOOPBACK, Sandbox, in_thread, listen, url_of
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
    service = _service(name, key, switches or {})
    server = _server(service)
    with listen(host, port) as listener:
        if ready is not None:
            ready(url_of(listener) + service.vendor.base)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


@contextlib.contextmanager
def running(
    name: str,
    key: str = "sandbox",
    *,
    port: int = 0,
    remember: Path | None = None,
    **switches: object,
) -> Iterator[Sandbox]:
    """A vendor's stand-in on a loopback port, in a thread; its `url` is the `base_url`.

    The port is a free one if `port` is 0 or taken. With a file to `remember` its tasks in, the next
    one has the same port, if that is free, and the same tasks.
    """
    service = _service(name, key, switches)
    with in_thread(_server(service), service, port, remember) as url:
        yield Sandbox(url + service.vendor.base, key)


def vendor_of(name: str) -> Vendor:
    """The stand-in of that name. Raises KeyError if there is none."""
    vendor: Vendor = getattr(import_module(f"pipeline.sandbox.vendors.{name}"), VENDORS[name])()
    return vendor


def _service(name: str, key: str, switches: Mapping[str, object]) -> Service:
    return Service(vendor_of(name), Switches().changed(switches), key)


def _server(service: Service) -> uvicorn.Server:
    config = uvicorn.Config(
        service.app(),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
