"""Calls the service that watches over a configuration after each pass: `[schedule] ping_url`.

The service alarms people if no call comes: cron is off, the machine is down. A call is made beside
the passes, in a thread of its own. What becomes of it changes nothing. Owns the threads of the
calls that are under way.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from pipeline.config import Settings

log = logging.getLogger("promptsheet")

#: The least time between two calls for one configuration.
LEAST: Final = timedelta(minutes=1)
#: Seconds that a call may take.
LIMIT: Final = 10.0
_REASONS: Final = {
    "gaierror": "its host name is unknown",
    "ConnectionRefusedError": "nothing listens there",
}
#: Name of a configuration's line in the store -> its last call.
_calls: dict[str, threading.Thread] = {}


def name_of(path: Path) -> str:
    """The name of the line in the store for the calls of a configuration."""
    return f"heartbeat {hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]}"


def beat(settings: Settings, *, worked: bool, may: Callable[[str], bool]) -> None:
    """Tell the service of a configuration that a pass worked or failed, if there is a service.

    `may` returns whether the call may be made now, by the name of its line in the store. It is
    called in the thread of the call.
    """
    if settings.schedule.ping_url is None:
        return
    name = name_of(settings.path)
    if name in _calls and _calls[name].is_alive():
        return
    url = address_of(settings.schedule.ping_url.reveal(), worked=worked)
    call = threading.Thread(
        target=_call, args=(settings.path.name, url, lambda: may(name)), daemon=True
    )
    if not _calls:
        atexit.register(_finish)
    _calls[name] = call
    call.start()


def address_of(url: str, *, worked: bool) -> str:
    """The address to call: after a pass that failed, with /fail at the end of its path."""
    split = urlsplit(url)
    path = split.path if worked else f"{split.path.rstrip('/')}/fail"
    return split._replace(path=path, fragment="").geturl()


def unreachable(url: str) -> str:
    """Why no connection can be made to the service behind an address; empty if one can.

    The address itself is not called: the service would take that for a pass.
    """
    import ssl
    from http.client import HTTPException

    connection = _connection(url)
    try:
        connection.connect()
    except ssl.SSLError:
        return "its certificate is not accepted"
    except TimeoutError:
        return f"there is no answer within {LIMIT:.0f} s"
    except (OSError, HTTPException, ValueError) as e:
        # The text of an error may repeat the host, which may be a part of the secret.
        kind = type(e).__name__
        return _REASONS.get(kind, f"the connection failed ({kind})")
    finally:
        connection.close()
    return ""


def _connection(url: str) -> HTTPConnection:
    """A connection to the host of an address, through the proxy that a call would use."""
    import urllib.request
    from http.client import HTTPConnection, HTTPSConnection

    split = urlsplit(url)
    host = split.hostname or ""
    if split.scheme == "http":
        return HTTPConnection(host, split.port, timeout=LIMIT)
    from pipeline.provider.tls import authorities

    proxy = "" if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    if not proxy:
        return HTTPSConnection(host, split.port, timeout=LIMIT, context=authorities())
    through = urlsplit(proxy)
    made = HTTPSConnection(
        through.hostname or "", through.port, timeout=LIMIT, context=authorities()
    )
    made.set_tunnel(host, split.port or 443)
    return made


def _call(config: str, url: str, may: Callable[[], bool]) -> None:
    # Neither the address nor a text that may repeat it is logged: who knows it can call it.
    try:
        if not may():
            return
        status: int | str = _get(url)
    except Exception as e:
        status = type(e).__name__
    if status not in range(200, 300):
        log.info("%s: the service of [schedule] ping_url was not reached: %s", config, status)


def _get(url: str) -> int:
    """The status of the answer to a GET request. A redirect is an answer, and not followed."""
    import urllib.request
    from urllib.error import HTTPError

    class Unmoved(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any, **named: Any) -> None:
            return None

    handlers: list[urllib.request.BaseHandler] = [Unmoved()]
    if url.startswith("https:"):
        from pipeline.provider.tls import authorities

        handlers.append(urllib.request.HTTPSHandler(context=authorities()))
    else:  # this machine is not behind a proxy
        handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"User-Agent": "promptsheet"})  # noqa: S310
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=LIMIT) as answer:
            return int(answer.status)
    except HTTPError as e:
        with e:
            return e.code


def _finish() -> None:
    """Wait for the calls under way, as the process ends: together at most LIMIT seconds."""
    until = time.monotonic() + LIMIT
    for call in _calls.values():
        call.join(max(until - time.monotonic(), 0))
