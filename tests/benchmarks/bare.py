"""Submissions and nothing else: nothing is stored.

python -m tests.benchmarks.bare ROWS URL KEY AT_ONCE            prints submissions per second
python -m tests.benchmarks.bare ROWS URL KEY AT_ONCE SECONDS    also asks after each task, once: it
                                                                knows how long they take
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp

#: The most tasks in one answer of the API.
MANY = 20


async def main(rows: int, url: str, key: str, at_once: int, takes: float | None) -> float:
    """Return submissions per second."""
    slots = asyncio.Semaphore(at_once)
    tasks: list[str] = []
    asking: list[asyncio.Task[None]] = []

    async def ask(client: aiohttp.ClientSession, ids: list[str], wait: float) -> None:
        await asyncio.sleep(wait)
        async with client.post(f"{url}/fetch-many", json={"task_ids": ids}) as answer:
            tasks = (await answer.json())["tasks"]
            assert all(task["image_urls"] for task in tasks), "polled too early"

    async def send(client: aiohttp.ClientSession, number: int) -> None:
        async with (
            slots,
            client.post(f"{url}/imagine", json={"prompt": f"a fox, number {number}"}) as answer,
        ):
            tasks.append((await answer.json())["task_id"])
        if takes is not None and len(tasks) % MANY == 0:
            asking.append(asyncio.create_task(ask(client, tasks[-MANY:], takes)))

    async with aiohttp.ClientSession(
        headers={"Authorization": key}, connector=aiohttp.TCPConnector(limit=at_once)
    ) as client:
        began = time.perf_counter()
        await asyncio.gather(*(send(client, number) for number in range(rows)))
        per_second = rows / (time.perf_counter() - began)
        await asyncio.gather(*asking)
        return per_second


if __name__ == "__main__":
    many, where, password, most, *more = sys.argv[1:]
    seconds = float(more[0]) if more else None
    done = asyncio.run(main(int(many), where, password, int(most), seconds))
    sys.stdout.write(f"{done:.1f}\n")
