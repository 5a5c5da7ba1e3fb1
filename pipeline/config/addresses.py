"""The rules for the web addresses in a configuration: where requests, keys and results may go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

#: Networks that no router of the public internet forwards to: loopback, RFC 1918, 3927, 6598, 4193
#: and 4291.
_PRIVATE: Final = tuple(
    ip_network(block)
    for block in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("169.254.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10"),
    )
)
#: Host names that lead to this machine or stay in the local network: those of RFC 6761 and 6762,
#: `.internal`, and names without a dot, as containers have. The latter begin with a letter, because
#: some systems read `0x8080808` or `134744072` as an address.
_LOCAL_NAME: Final = re.compile(
    r"[a-z][a-z0-9_-]*|(?:[a-z0-9_-]+\.)+(?:localhost|local|internal)\.?",
    re.IGNORECASE | re.ASCII,
)
_HOST: Final = re.compile(r"[^\s/?#@:%\\\[\]]+")


def address_problems(key: str, url: str, example: str, *, with_path: bool = True) -> Iterator[str]:
    """The problem with the address that a key holds, as a sentence, if there is one.

    An address has https and a host; http is accepted only for this machine and private networks. A
    user name or a password is refused, and so is all that follows the path. An empty address is no
    problem. The sentence does not repeat the address, which may hold a password.
    """
    kind = "an address" if with_path else "an address without a path,"
    usage = f'{key}: write {kind} such as "{example}"'
    if not url:
        return
    try:
        split = urlsplit(url)
        host, _ = split.hostname or "", split.port  # a port that is no number raises
    except ValueError:
        yield usage
        return
    if "@" in split.netloc:
        yield f"{key}: holds a user name or a password. Remove everything between // and @"
    elif (
        split.scheme not in ("http", "https")
        or not url.isprintable()
        or re.search(r"[\s\\?#]", url)
        or (split.path.strip("/") and not with_path)
        or not (_HOST.fullmatch(host) or _is_ipv6(host))
    ):
        yield usage
    elif split.scheme == "http" and not is_private(host):
        yield (
            f"{key}: must begin with https://. With http:// anybody on the way could read keys and "
            "results, so it is only for this machine and private networks"
        )


def is_private(host: str) -> bool:
    """True if a host name or IP address is this machine's or belongs to a private network."""
    try:
        address = ip_address(host)
    except ValueError:
        return _LOCAL_NAME.fullmatch(host) is not None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _PRIVATE)


def is_loopback(host: str) -> bool:
    """True if a host name or IP address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def account_of(base_url: str) -> str:
    """One text for all ways to write the address of an API: one account has one budget there.

    The host's case, a final dot, the spelling of an IP address or of letters beyond ASCII, the
    scheme's usual port and a final slash make no difference. An API on this machine is a stand-in,
    which gets another port with each start; its port and path make no difference either.
    """
    split = urlsplit(base_url.rstrip("/"))
    host, port = _host_of(split.hostname or ""), split.port
    if _is_this_machine(host):
        return "http://127.0.0.1"
    name = f"[{host}]" if ":" in host else host
    is_usual = port in (None, 443 if split.scheme == "https" else 80)
    return f"{split.scheme}://{name}{'' if is_usual else f':{port}'}{split.path}"


def _host_of(name: str) -> str:
    """One spelling of a host."""
    try:
        address = ip_address(name)
    except ValueError:
        with suppress(UnicodeError):  # a name that no register accepts stays as it is
            name = name if name.isascii() else name.encode("idna").decode("ascii")
        return name.rstrip(".")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address)
    except ValueError:
        return False
