"""Webhooks: what the API posts by itself to the address that came with a submission.

Switches make the delivery lossy, repeated and out of order. It goes to loopback addresses only,
without proxies and redirects: a sandbox must not call other machines.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.sandbox.chance import Chance
from pipeline.sandbox.settings import SandboxSettings
from pipeline.sandbox.tasks import Task

if TYPE_CHECKING:
    from aiohttp import ClientSession

#: Connections that are kept open, and seconds that one delivery may take.
CONNECTIONS, SECONDS = 100, 10.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One webhook: its body, and the headers that prove it."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Post:
    """One delivery: where to, what, and the counts of its task."""

    task_id: str
    url: str
    letter: Letter
    counts: Counter[str]
    is_final: bool


class Courier:
    """Delivers the webhooks of every task that gave an address."""

    def __init__(
        self,
        settings: Callable[[], SandboxSettings],
        chance: Callable[[], Chance],
        now: Callable[[], float],
        letter: Callable[[Task, float], Letter | None],
    ) -> None:
        self._settings, self._chance, self._now = settings, chance, now
        #: The webhook of a task at a moment, or None if none is wanted then.
        self._letter = letter
        #: Task id -> what became of its final webhook.
        self._finals: dict[str, str | None] = {}
        self._session: ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        #: By the id of the task that they are about.
        self._stories: dict[str, asyncio.Task[None]] = {}

    async def begin(self, task: Task, counts: Counter[str]) -> None:
        """Deliver the webhooks of the task; the first before its answer, if chance says so."""
        if task.hook is None:
            return
        if not is_loopback(task.hook.url):
            counts["elsewhere"] += 1
            return
        if self._strikes("webhook_early", "/task", task):
            await self._deliver(task, self._now(), counts, "early")
        self._stories[task.id] = self._later(self._story(task, counts))

    def finish(self, task: Task, counts: Counter[str]) -> None:
        """Deliver the final webhook of a task that was ended early, and no other."""
        if story := self._stories.pop(task.id, None):
            story.cancel()
            self._later(self._deliver(task, task.ends, counts, "end"))

    def status(self, task: Task) -> str | None:
        """The final webhook: pending, delivered or failed; None if none is wanted."""
        return self._finals.get(task.id, "pending") if task.hook else None

    def _note(self, post: _Post, status: str) -> None:
        if post.is_final:
            self._finals[post.task_id] = status

    def forget(self) -> None:
        """Deliver nothing more."""
        self._stories.clear()
        self._finals.clear()
        for story in self._under_way:
            story.cancel()

    async def close(self) -> None:
        """End, and close the connections."""
        self.forget()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def _story(self, task: Task, counts: Counter[str]) -> None:
        """The updates, then the final webhook; in reverse order, if chance says so."""
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
        is_final = moment >= task.ends
        path = "/final" if is_final else "/progress"
        letter = self._letter(task, moment)
        if letter is None or task.hook is None:
            if is_final:
                self._finals[task.id] = None
            return
        if self._strikes("webhook_drop", path, task, which):
            counts["dropped"] += 1
            return
        post = _Post(task.id, task.hook.url, letter, counts, is_final)
        doubled = self._strikes("webhook_double", path, task, which)
        counts["doubled"] += doubled
        for _ in range(2 if doubled else 1):
            if not await self._post(post):
                self._later(self._again(post))

    async def _again(self, post: _Post) -> None:
        """Repeat a webhook that was not accepted; each pause is twice the one before."""
        settings = self._settings()
        for number in range(settings.webhook_retries):
            await asyncio.sleep(settings.webhook_retry_seconds * 2**number)
            if await self._post(post):
                return
        post.counts["given_up"] += 1
        self._note(post, "failed")

    async def _post(self, post: _Post) -> bool:
        """True if it was accepted (2xx)."""
        from aiohttp import ClientError

        post.counts["posted"] += 1
        try:
            status = await self._status(post)
        except (ClientError, TimeoutError, OSError, ValueError):
            post.counts["unreached"] += 1
            return False
        is_accepted = 200 <= status < 300
        post.counts["accepted" if is_accepted else "refused"] += 1
        if is_accepted:
            self._note(post, "delivered")
        return is_accepted

    async def _status(self, post: _Post) -> int:
        headers = {"content-type": "application/json", **post.letter.headers}
        posting = self._opened().post(
            post.url, data=post.letter.body, headers=headers, allow_redirects=False
        )
        async with posting as response:
            await response.read()
            return response.status

    def _opened(self) -> ClientSession:
        if self._session is None:
            # Not before the first webhook: it takes longer to load than everything else here.
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
        # Drawn for the prompt, not for the task's id: two runs with one seed have the same faults.
        key = f"{task.prompt}\0{task.number}\0{which}"
        return self._chance().strikes(name, path, key) is not None

    def _later(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        story = asyncio.create_task(work)
        self._under_way.add(story)
        story.add_done_callback(self._under_way.discard)
        return story


def is_loopback(url: str) -> bool:
    """True if an address leads to this machine; names other than localhost are not resolved."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
