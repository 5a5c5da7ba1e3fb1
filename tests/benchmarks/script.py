"""A typical hand-written script for this task, as a baseline for the product.

It reads the prompts, sends fifty at a time, polls each task every two seconds, and writes a CSV at
the end. It stores nothing meanwhile: after a crash, the tasks are paid and lost.

    python -m tests.benchmarks.script SHEET URL KEY
"""

from __future__ import annotations

import asyncio
import csv
import sys
from pathlib import Path

import httpx


async def made(client: httpx.AsyncClient, slots: asyncio.Semaphore, prompt: str) -> list[str]:
    """One row: its prompt, its task, its addresses."""
    async with slots:
        sent = await client.post("/imagine", json={"prompt": prompt})
    task = sent.json()["task_id"]
    while True:
        async with slots:
            answer = (await client.post("/fetch", json={"task_id": task})).json()
        if answer.get("image_urls"):
            return [prompt, task, " ".join(answer["image_urls"])]
        await asyncio.sleep(2)


async def main(prompts: list[str], url: str, key: str) -> list[list[str]]:
    """All rows at once."""
    slots = asyncio.Semaphore(50)
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": key}, limits=limits, timeout=60, trust_env=False
    ) as client:
        return await asyncio.gather(*(made(client, slots, prompt) for prompt in prompts))


if __name__ == "__main__":
    sheet = Path(sys.argv[1])
    wanted = [row["prompt"] for row in csv.DictReader(sheet.read_text("utf-8").splitlines())]
    rows = asyncio.run(main(wanted, sys.argv[2], sys.argv[3]))
    with sheet.with_suffix(".done.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["prompt", "task_id", "image_urls"], *rows])
