"""An outlet in a process of its own that is killed after a service accepted its request."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

from tests.fakes.web_service import Call, Reply, Service

_PROGRAM = """
import asyncio
from pipeline.outlets.airtable import AirtableOutlet
from pipeline.outlets.notion import NotionOutlet
from tests.fakes.outlets.rows import row

asyncio.run({outlet}.deliver([row("r_1"), row("r_2")]))
"""


def deliver_and_kill(service: Service, step: str, outlet: str) -> None:
    """Deliver two rows, and kill the process (SIGKILL) while it waits for an answer.

    `outlet` is the expression that makes it. The first request whose path ends in `step` is
    accepted, and not answered before the process is dead.
    """
    accept, reached, dead = service.accept, threading.Event(), threading.Event()
    service.accept = _held(accept, step, reached, dead)
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM.format(outlet=outlet)])
    try:
        assert reached.wait(20), "the request was never made"
        process.kill()
        assert process.wait(10) == -9
    finally:
        process.kill()
        service.accept = accept
        dead.set()


def _held(
    accept: Callable[[Call], Reply], step: str, reached: threading.Event, dead: threading.Event
) -> Callable[[Call], Reply]:
    def answer(call: Call) -> Reply:
        reply = accept(call)
        if call.path.partition("?")[0].endswith(step):
            reached.set()
            dead.wait(60)
        return reply

    return answer
