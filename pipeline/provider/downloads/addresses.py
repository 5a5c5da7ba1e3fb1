"""Which links are followed: web addresses in the public network.

The links come from outside, so they are not trusted. Raises BadLink.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from pipeline.core.errors import BadLink

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class PublicOnly(AbstractResolver):
    """The addresses that may be requested; `allowed` are base URLs that may be private ones.

    Names are resolved here for the very connection that is about to be made. Checking a name first
    and connecting later would leave a moment in which it can be made to point elsewhere.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(_host_and_port(URL(one)) for one in allowed)
        self._inner = ThreadedResolver()

    def check(self, address: URL) -> None:
        """Refuse a private address in figures: it is never resolved."""
        host, port = _host_and_port(address)
        try:
            figures = ipaddress.ip_address(host)
        except ValueError:
            if ":" in host or re.fullmatch(r"[\d.]+", host):
                # Figures that only some systems can read, and those as an address of their own.
                raise BadLink("The link is not a web address.") from None
            return
        if (host, port) not in self._allowed and not is_public(figures):
            raise BadLink(_private(host))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name, if all of them are public or it is allowed."""
        found = await self._inner.resolve(host, port, family)
        if (host, port) not in self._allowed:
            for place in found:
                if not is_public(ipaddress.ip_address(place["host"])):
                    raise BadLink(_private(host))
        return found

    async def close(self) -> None:
        """See AbstractResolver."""
        await self._inner.close()


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Returns whether an address belongs to the public network, and to no machine in disguise.

    IPv6 addresses with an IPv4 address inside lead to that one, so none of them is public here,
    except those that a network without IPv4 makes of public ones (NAT64, RFC 6052).
    """
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    disguised = address.ipv4_mapped or address.sixtofour or address.teredo
    return not (disguised or address.is_site_local)


def web_address(url: str) -> URL:
    """The address of a link. Raises BadLink if it is no web address."""
    address = as_given(url)
    if address.scheme not in ("http", "https") or not address.raw_host:
        raise BadLink("The link is not a web address.")
    return address


def as_given(url: str) -> URL:
    """The address, letter by letter: tidying the escapes of a signed link would break it."""
    return URL(url, encoded=re.fullmatch(r"[!-~]*", url) is not None)


def _host_and_port(address: URL) -> tuple[str, int]:
    return (address.raw_host or "").lower(), address.port or 0


def _private(host: str) -> str:
    return f"The link points into a private network ({host})."
