"""Keeps requests out of private networks. Raises PrivateAddress and BadAddress."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from pipeline.core.errors import NotSent
from pipeline.provider.http import BadAddress

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddress(NotSent):
    """The address leads into a private network, so no connection was made."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(f"it leads into a private network ({host})")


class PublicOnly(AbstractResolver):
    """Resolves names to public addresses only; `allowed` are base URLs that may be private.

    A name is resolved here for the very connection that is about to be made. If it were checked
    first and resolved again later, its owner could make it lead elsewhere in between.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(_host_and_port(URL(one)) for one in allowed)
        #: Made when it is used, because it needs a running event loop.
        self._inner: ThreadedResolver | None = None

    def check(self, address: URL) -> None:
        """Refuse a private address in figures, which is never resolved.

        Raises PrivateAddress, and BadAddress for figures that only some systems can read.
        """
        host, port = _host_and_port(address)
        try:
            figures = ipaddress.ip_address(host)
        except ValueError:
            if ":" in host or re.fullmatch(r"[\d.]+", host):
                raise BadAddress("its address cannot be used") from None
            return
        if (host, port) not in self._allowed and not is_public(figures):
            raise PrivateAddress(host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises PrivateAddress if one of them is private."""
        self._inner = self._inner or ThreadedResolver()
        found = await self._inner.resolve(host, port, family)
        if (host, port) not in self._allowed:
            for place in found:
                if not is_public(ipaddress.ip_address(place["host"])):
                    raise PrivateAddress(host)
        return found

    async def close(self) -> None:
        """See AbstractResolver."""
        if self._inner:
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


def _host_and_port(address: URL) -> tuple[str, int]:
    return (address.raw_host or "").lower(), address.port or 0
