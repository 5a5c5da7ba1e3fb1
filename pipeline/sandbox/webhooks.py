"""Webhooks: what the API posts by itself to the address that came with a submission.

Each is what `/fetch` would say in that moment, with the secret as it was given in the header
`x-webhook-secret`. Delivery is as the documentation leaves it: lossy, repeated and out of order, by
switches. It goes to loopback addresses only, past proxies and redirects: a stand-in must not knock
at anybody's door.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.sandbox.answers import compact
from pipeline.sandbox.chance import Chance
from pipeline.sandbox.settings import SandboxSettings
from pipeline.sandbox.tasks import Task

if TYPE_CHECKING:
    from aiohttp import ClientSession

#: Connections that are kept open, and seconds that one delivery may take.
CONNECTIONS, SECONDS = 100, 10.0


@dataclass(frozen=True, slots=True)
class _Post:
    """One delivery: what is said, and the counts of its task."""

    task: Task
    body: bytes
    counts: Counter[str]


class Courier:
    """Delivers the webhooks of every task that gave an address."""

    def __init__(
        self,
        settings: Callable[[], SandboxSettings],
        chance: Callable[[], Chance],
        now: Callable[[], float],
    ) -> None:
        self._settings, self._chance, self._now = settings, chance, now
        self._session: ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        #: By the id of the task that they are about.
        self._stories: dict[str, asyncio.Task[None]] = {}

    async def begin(self, task: Task, counts: Counter[str]) -> None:
        """Deliver from now on what becomes of the task; before its answer, if chance has it so."""
        if not task.webhook_url:
            return
        if not is_loopback(task.webhook_url):
            counts["elsewhere"] += 1
            return
        if self._strikes("webhook_early", "/task", task):
            await self._deliver(task, self._now(), counts, "early")
        self._stories[task.id] = self._later(self._story(task, counts))

    def finish(self, task: Task, counts: Counter[str]) -> None:
        """Deliver the last word of a task that was ended early, and nothing else of it."""
        if story := self._stories.pop(task.id, None):
            story.cancel()
            self._later(self._deliver(task, task.ends, counts, "end"))

    def forget(self) -> None:
        """Deliver nothing more of what was begun."""
        self._stories.clear()
        for story in self._under_way:
            story.cancel()

    async def close(self) -> None:
        """End, and close the connections."""
        self.forget()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def _story(self, task: Task, counts: Counter[str]) -> None:
        """Updates on the way, then the end; the other way round, if chance has it so."""
        updates = self._settings().webhook_progress if task.seconds else 0
        moments = [task.began + task.seconds * n / (updates + 1) for n in range(1, updates + 1)]
        if not math.isinf(task.ends):
            moments.append(task.ends)
        backwards = self._strikes("webhook_reorder", "/task", task) and len(moments) > 1
        counts["reordered"] += backwards
        for number, moment in sorted(enumerate(moments), reverse=backwards):
            await self._until(moment)
            await self._deliver(task, moment, counts, str(number))

    async def _until(self, moment: float) -> None:
        wait = moment + self._settings().webhook_delay_seconds - self._now()
        await asyncio.sleep(max(wait, 0))

    async def _deliver(self, task: Task, moment: float, counts: Counter[str], which: str) -> None:
        """One webhook: lost, delivered, or delivered twice."""
        settings = self._settings()
        path = "/final" if moment >= task.ends else "/progress"
        if self._strikes("webhook_drop", path, task, which):
            counts["dropped"] += 1
            return
        body = compact(
            task.payload(
                moment, bare=settings.bare_final, numeric=settings.percentage_as == "number"
            )
        )
        post = _Post(task, body, counts)
        doubled = self._strikes("webhook_double", path, task, which)
        counts["doubled"] += doubled
        for _ in range(2 if doubled else 1):
            if not await self._post(post):
                self._later(self._again(post))

    async def _again(self, post: _Post) -> None:
        """Repeat what was not taken, ever later, so many times."""
        settings = self._settings()
        for number in range(settings.webhook_retries):
            await asyncio.sleep(settings.webhook_retry_seconds * 2**number)
            if await self._post(post):
                return
        post.counts["given_up"] += 1

    async def _post(self, post: _Post) -> bool:
        """Whether it was taken (2xx)."""
        from aiohttp import ClientError

        post.counts["posted"] += 1
        try:
            status = await self._status(post.task, post.body)
        except (ClientError, TimeoutError, OSError, ValueError):
            post.counts["unreached"] += 1
            return False
        taken = 200 <= status < 300
        post.counts["accepted" if taken else "refused"] += 1
        return taken

    async def _status(self, task: Task, body: bytes) -> int:
        headers = {"content-type": "application/json"}
        if task.webhook_secret:
            headers["x-webhook-secret"] = task.webhook_secret
        posting = self._opened().post(
            task.webhook_url, data=body, headers=headers, allow_redirects=False
        )
        async with posting as response:
            await response.read()
            return response.status

    def _opened(self) -> ClientSession:
        if self._session is None:
            # Not before the first webhook: it takes longer to load than all else here.
            from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

            self._session = ClientSession(
                connector=TCPConnector(limit=CONNECTIONS),
                timeout=ClientTimeout(total=SECONDS),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _strikes(self, name: str, path: str, task: Task, which: str = "") -> bool:
        # Drawn for the prompt, not for the task's id: two runs with one seed go wrong alike.
        key = f"{task.prompt}\0{task.number}\0{which}"
        return self._chance().strikes(name, path, key) is not None

    def _later(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        story = asyncio.create_task(work)
        self._under_way.add(story)
        story.add_done_callback(self._under_way.discard)
        return story


def is_loopback(url: str) -> bool:
    """Whether an address leads to this very machine, whoever answers for names."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
