"""An attacker between the API and us, who sees every call, forwards it, and forges more calls.

It takes the place of a reverse proxy: the API posts to it. It reads the tokens, secrets and task
ids of all jobs in the calls.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiohttp import ClientConnectorError, ClientSession, DummyCookieJar, TCPConnector, web

#: A part of the picture addresses of every forged result.
MARK = "forged.example.com"
KINDS = ("wrong secret", "wrong token", "secret of another", "other task", "replay")


@dataclass(frozen=True, slots=True)
class Seen:
    """One forwarded call."""

    token: str
    secret: str
    body: dict[str, Any]

    @property
    def is_final(self) -> bool:
        return "image_urls" in self.body


@dataclass
class Attacker:
    """The attacker, with the forged calls and the answers to each kind."""

    url: str
    #: The address of the receiver.
    to: str
    rate: float
    chance: Random
    #: The answers to calls of the API, and to forged calls by kind.
    genuine: Counter[int] = field(default_factory=Counter)
    forged: dict[str, Counter[int]] = field(
        default_factory=lambda: {kind: Counter() for kind in KINDS}
    )
    #: By token, the calls that were forwarded and accepted.
    taken: dict[str, list[Seen]] = field(default_factory=dict)

    async def passing(self, request: web.Request) -> web.Response:
        """Forward a call of the API; sometimes send a forged call after it."""
        body = await request.read()
        seen = Seen(
            request.match_info["token"],
            request.headers.get("x-webhook-secret", ""),
            json.loads(body),
        )
        try:
            status = await self._post(seen.token, seen.secret, body)
        except ClientConnectorError:
            # The receiver is down: the API should try again.
            return web.Response(status=502)
        self.genuine[status] += 1
        if 200 <= status < 300:
            self.taken.setdefault(seen.token, []).append(seen)
        if self.chance.random() < self.rate:
            await self._forge(seen)
        return web.Response(status=status)

    async def _forge(self, seen: Seen) -> None:
        kind = self.chance.choice(KINDS)
        others = [calls[0] for token, calls in self.taken.items() if token != seen.token]
        other = self.chance.choice(others) if others else None
        mine = {**seen.body, "status": "finished", "image_urls": [f"https://{MARK}/1.png"]}
        if kind == "wrong secret":
            sent = seen.token, "0" * len(seen.secret), mine
        elif kind == "wrong token":
            sent = f"{self.chance.getrandbits(190):x}", seen.secret, mine
        elif kind == "secret of another" and other:
            sent = seen.token, other.secret, mine
        elif kind == "other task" and other and seen.token in self.taken:
            sent = seen.token, seen.secret, {**mine, "task_id": other.body["task_id"]}
        else:
            ended = [c for c in self.taken.values() if any(one.is_final for one in c)]
            if not ended:
                return
            kind, again = "replay", self.chance.choice(self.chance.choice(ended))
            sent = again.token, again.secret, again.body
        self.forged[kind][await self._post(sent[0], sent[1], json.dumps(sent[2]).encode())] += 1

    async def _post(self, token: str, secret: str, body: bytes) -> int:
        headers = {"x-webhook-secret": secret, "content-type": "application/json"}
        address = f"{self.to}/hooks/{token}"
        async with self._session.post(address, data=body, headers=headers) as response:
            await response.read()
            return response.status

    async def serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Forward calls until `stop` is set."""
        app = web.Application()
        app.router.add_post("/hooks/{token}", self.passing)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession(
            connector=TCPConnector(limit=50), cookie_jar=DummyCookieJar(), trust_env=False
        ) as self._session:
            started.set()
            await stop.wait()
            await runner.cleanup()


@contextmanager
def attacking(to: str, rate: float, seed: int = 1) -> Iterator[Attacker]:
    """Run an attacker in front of the receiver at this address, in a thread of this process."""
    attacker = Attacker("", to, rate, Random(seed))
    started, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def live() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(attacker.serve(started, stop))

    thread = threading.Thread(target=live)
    thread.start()
    started.wait(10)
    try:
        yield attacker
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
