"""A web server that keeps the posted requests, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue

from tests.fakes.web_service import Call, Reply, serving


@dataclass
class Inbox:
    """Its address, and the posted requests."""

    url: str = ""
    _posted: Queue[Call] = field(default_factory=Queue)

    def next(self) -> Call:
        """The next request, within ten seconds. Raises queue.Empty."""
        return self._posted.get(timeout=10)

    def accept(self, call: Call) -> Reply:
        self._posted.put(call)
        return Reply(204)


@contextmanager
def inbox() -> Iterator[Inbox]:
    """A server on a free loopback port that answers 204."""
    kept = Inbox()
    with serving(kept.accept) as service:
        kept.url = f"{service.url}/hooks/abc"
        yield kept
