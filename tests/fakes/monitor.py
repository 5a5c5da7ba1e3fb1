"""A service outside that waits for a call after each pass (`[schedule] ping_url`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fakes.web_service import Call, Reply, serving


@dataclass
class Monitor:
    """A service that waits for calls. It keeps their paths, and answers with `status`."""

    url: str = ""
    calls: list[str] = field(default_factory=list)
    status: int = 200

    def accept(self, call: Call) -> Reply:
        self.calls.append(call.path)
        return Reply(self.status, headers={"location": "/elsewhere"})


@contextmanager
def monitoring() -> Iterator[Monitor]:
    """A service on this machine."""
    monitor = Monitor()
    with serving(monitor.accept) as service:
        monitor.url = f"{service.url}/ping/4e1d?a=b"
        yield monitor
