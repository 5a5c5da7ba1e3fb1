"""Submissions and nothing else: fifty in the air, and not a word of them kept.

python -m tests.benchmarks.bare ROWS URL KEY        prints submissions a second
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp


async def main(rows: int, url: str, key: str) -> float:
    """Submissions a second."""
    slots = asyncio.Semaphore(50)

    async def send(client: aiohttp.ClientSession, number: int) -> None:
        async with (
            slots,
            client.post(f"{url}/imagine", json={"prompt": f"a fox, number {number}"}) as answer,
        ):
            assert (await answer.json())["task_id"]

    async with aiohttp.ClientSession(
        headers={"Authorization": key}, connector=aiohttp.TCPConnector(limit=50)
    ) as client:
        began = time.perf_counter()
        await asyncio.gather(*(send(client, number) for number in range(rows)))
        return rows / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3])):.1f}\n")
