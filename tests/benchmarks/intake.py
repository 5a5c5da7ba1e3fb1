"""The number of webhook calls received per second, each on disk before it is answered.

The baseline is a bare route of the same server, measured at the same time, which reads the body,
answers 200 and stores nothing. The calls use 32 persistent connections and plain sockets, so that
the caller takes little of the time.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.core.model import State
from tests.fakes.called_back import Desk, desk_in, final, proof, to_bytes, token_of
from tests.fakes.receiver_process import receiver_process

CALLS, CONNECTIONS, ROUNDS = 2_000, 32, 3


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of one burst of calls."""

    per_second: float
    #: The 95th percentile of the time to answer, in milliseconds.
    p95: float


def measured() -> tuple[Taken, Taken]:
    """Medians of several bursts: ours, and those of the bare route, alternately."""
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as place, desk_in(Path(place)) as desk:
        with receiver_process(Path(place)) as (_, url):
            for turn in range(ROUNDS):
                keys = desk.begin(CALLS, start=turn * CALLS)
                calls = [_call(token_of(key), final(f"t-{key.row_id}")) for key in keys]
                bare.append(asyncio.run(_burst(url, [_bare(one) for one in calls])))
                ours.append(asyncio.run(_burst(url, calls)))
        _check(desk)
    return _median(ours), _median(bare)


def main() -> None:
    """Print both rates, their ratio, and the time of an answer."""
    ours, bare = measured()
    print(f"calls a second, each on disk: {ours.per_second:,.0f}, p95 {ours.p95:.1f} ms")
    print(f"a bare route beside it:       {bare.per_second:,.0f}, p95 {bare.p95:.1f} ms")
    print(f"ratio: {ours.per_second / bare.per_second:.2f}")


def _check(desk: Desk) -> None:
    done = [
        attempt.state is State.SUCCEEDED
        for job in desk.store.jobs.all(desk.campaign.key).values()
        for attempt in job.attempts
    ]
    if done != [True] * (CALLS * ROUNDS):
        raise SystemExit(f"{done.count(True)} of {CALLS * ROUNDS} calls are in the store")


def _call(token: str, said: object) -> bytes:
    body = to_bytes(said)
    (secret,) = proof(token).values()
    head = (
        f"POST /hooks/{token} HTTP/1.1\r\nhost: hooks.example.com\r\nx-webhook-secret: {secret}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _bare(call: bytes) -> bytes:
    address, rest = call.split(b" HTTP/1.1", 1)
    return b"POST /bare HTTP/1.1" + rest if address else call


async def _burst(url: str, calls: Sequence[bytes]) -> Taken:
    """Send all calls, one in flight per connection. Raises SystemExit if an answer is not 200."""
    waiting, spent = iter(calls), []
    place = urlsplit(url)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for call in waiting:
            began = time.perf_counter()
            writer.write(call)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(head.decode("latin-1"))
            length = head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            spent.append(time.perf_counter() - began)
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - began
    return Taken(len(calls) / seconds, statistics.quantiles(spent, n=20)[-1] * 1000)


def _median(bursts: Sequence[Taken]) -> Taken:
    return Taken(
        statistics.median(one.per_second for one in bursts),
        statistics.median(one.p95 for one in bursts),
    )


if __name__ == "__main__":
    main()
