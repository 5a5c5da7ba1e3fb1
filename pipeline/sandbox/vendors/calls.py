"""Webhooks of a vendor's stand-in. They go to loopback addresses only."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from pipeline.sandbox.vendors.vendor import WAITING, Call, Stage, Task, Vendor
from pipeline.sandbox.webhooks import is_loopback

#: Seconds before the first and the second repeat of a call that was not answered 2xx.
REPEATS = (0.1, 0.2)
SECONDS = 5.0


class Caller:
    """Calls the webhook of each task at the stages that it asked for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._stories: dict[str, asyncio.Task[None]] = {}

    def follow(self, task: Task, vendor: Vendor, key: str) -> None:
        """Call from now on what becomes of the task; replaces what was planned for it."""
        if story := self._stories.pop(task.id, None):
            story.cancel()
        if not task.order.webhook:
            return
        if not is_loopback(task.order.webhook):
            self.counts["elsewhere"] += 1
            return
        self._stories[task.id] = asyncio.create_task(self._story(task, vendor, key))

    def stop(self) -> None:
        """Call nothing more."""
        for story in self._stories.values():
            story.cancel()
        self._stories.clear()
        self.counts.clear()

    async def _story(self, task: Task, vendor: Vendor, key: str) -> None:
        waiting = task.began, "waiting"
        running = task.began + task.seconds * WAITING, "running"
        for moment, stage in (waiting, running, (task.ends, "")):
            if stage and (stage not in task.order.events or moment >= task.ends):
                continue
            if math.isinf(moment):
                return
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            reached: Stage = task.stage(moment)
            if reached not in task.order.events:
                continue
            if call := vendor.call(task, moment, key):
                await self._deliver(call)

    async def _deliver(self, call: Call) -> None:
        for pause in (*REPEATS, None):
            self.counts["posted"] += 1
            if await asyncio.to_thread(_post, call):
                self.counts["accepted"] += 1
                return
            if pause is not None:
                await asyncio.sleep(pause)
        self.counts["given_up"] += 1


def _post(call: Call) -> bool:
    """True if the call was answered 2xx."""
    address = urlsplit(call.url)
    path = address.path + (f"?{address.query}" if address.query else "")
    headers = {"content-type": "application/json", **call.headers}
    try:
        with closing(HTTPConnection(address.netloc, timeout=SECONDS)) as connection:
            connection.request("POST", path, call.body, headers)
            return 200 <= connection.getresponse().status < 300
    except (OSError, HTTPException, ValueError):
        return False
