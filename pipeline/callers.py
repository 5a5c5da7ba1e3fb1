"""Keys for counting the requests of unknown callers, and a limit for their log lines.

Addresses are used as keys and appear in log lines, so they are checked here: a text that is no IP
address becomes the word "unknown". The log filter owns its counts; there is no other state.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Iterable
from typing import Final

#: The key for a text that is no address.
UNKNOWN: Final = "unknown"
#: A message of a limited logger appears at most once in this many seconds.
MINUTE: Final = 60.0


def caller_of(host: str) -> str:
    """The key under which tries and connections of `host` are counted.

    For IPv4 it is the address, also if it is written as IPv6 (`::ffff:192.0.2.1`). For IPv6 it is
    the /64 network, the smallest block that one customer gets (RFC 6177). "unknown" for any other
    text.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def in_both_forms(proxies: Iterable[str]) -> list[str]:
    """The networks, and each IPv4 network also in its IPv6 form.

    A socket for both IPv4 and IPv6 (`[::]:PORT`) shows 127.0.0.1 as `::ffff:127.0.0.1`.
    """
    networks = [ipaddress.ip_network(proxy) for proxy in proxies]
    mapped = [
        f"::ffff:{one.network_address}/{96 + one.prefixlen}"
        for one in networks
        if isinstance(one, ipaddress.IPv4Network)
    ]
    return sorted({*map(str, networks), *mapped})


class OncePerMinute(logging.Filter):
    """Passes each message of a logger once a minute; the next one says how many were left out.

    Two records have the same message if their texts are equal before arguments are inserted, so
    that arguments from outside cannot make every line a new message.
    """

    def __init__(self) -> None:
        super().__init__()
        #: Message -> when it last appeared, and how often it was left out since then.
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether to show the record."""
        now, message = time.monotonic(), str(record.msg)
        shown_at, left_out = self._seen.get(message, (now - MINUTE, 0))
        if now - shown_at < MINUTE:
            self._seen[message] = shown_at, left_out + 1
            return False
        self._seen[message] = now, 0
        if left_out:
            record.msg = f"{message.rstrip()} (and {left_out:,} more since the last such line)"
        return True


def limited_logger(name: str) -> logging.Logger:
    """The logger `promptsheet.NAME`, which shows each message at most once a minute."""
    logger = logging.getLogger(f"promptsheet.{name}")
    if not any(isinstance(one, OncePerMinute) for one in logger.filters):
        logger.addFilter(OncePerMinute())
    return logger
