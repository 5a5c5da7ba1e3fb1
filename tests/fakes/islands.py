"""Machines with networks of their own, whose links to the database and to the API can be cut.

An island is a network namespace of Linux with two links to this machine. Only root can make them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

FORWARD = Path(__file__).with_name("forward.py")


#: The addresses of the database and of the API, as all islands see them.
ADDRESSES = {"database": "10.79.0.1", "api": "10.79.0.2"}


@dataclass(frozen=True)
class Island:
    """A machine with a link to the database, and one to the API."""

    name: str

    @property
    def command(self) -> list[str]:
        """What starts a program on the island."""
        return ["ip", "netns", "exec", self.name]

    def cut(self, link: str) -> None:
        """Cut the link "database" or "api": packets are lost from now on."""
        _ip("link", "set", self.link(link), "down")

    def mend(self, link: str) -> None:
        """Undo `cut`."""
        _ip("link", "set", self.link(link), "up")

    def link(self, link: str) -> str:
        """The name of a link on this machine."""
        return f"{self.name}{link[0]}"


@contextmanager
def islands(count: int, *, database: int, apis: Sequence[int]) -> Iterator[list[Island]]:
    """Some islands. They reach these ports of this machine's loopback at `ADDRESSES`."""
    with ExitStack() as stack:
        for address in ADDRESSES.values():
            _ip("addr", "add", f"{address}/32", "dev", "lo")
            stack.callback(_ip, "addr", "del", f"{address}/32", "dev", "lo")
        for port, link in [(database, "database"), *((port, "api") for port in apis)]:
            stack.enter_context(_forward(ADDRESSES[link], port))
        yield [stack.enter_context(_made(number)) for number in range(count)]


@contextmanager
def _made(number: int) -> Iterator[Island]:
    island = Island(f"isle{number}")
    _ip("netns", "add", island.name)
    try:
        _ip("-n", island.name, "link", "set", "lo", "up")
        for net, (link, address) in enumerate(ADDRESSES.items(), 77):
            here, there = island.link(link), f"{island.link(link)}x"
            _ip("link", "add", here, "type", "veth", "peer", "name", there)
            _ip("link", "set", there, "netns", island.name)
            _ip("addr", "add", f"10.{net}.{number}.1/30", "dev", here)
            _ip("-n", island.name, "addr", "add", f"10.{net}.{number}.2/30", "dev", there)
            _ip("link", "set", here, "up")
            _ip("-n", island.name, "link", "set", there, "up")
            _ip("-n", island.name, "route", "add", address, "via", f"10.{net}.{number}.1")
        yield island
    finally:
        _ip("netns", "del", island.name)


@contextmanager
def _forward(address: str, port: int) -> Iterator[None]:
    words = [sys.executable, str(FORWARD), address, str(port), "127.0.0.1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # it listens
        try:
            yield
        finally:
            process.kill()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
