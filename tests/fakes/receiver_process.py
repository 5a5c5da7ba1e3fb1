"""A receiver in its own process, for tests that kill it and for benchmarks.

`python -m tests.fakes.receiver_process FOLDER` serves the configuration in the folder. In addition
to the product's routes it has `/bare`, which reads a body, answers 200 and keeps nothing, as a
baseline.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pipeline import config
from pipeline.server import event_loop
from pipeline.server.app import receiver as app
from pipeline.server.serve import hosting
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.called_back import ENVIRONMENT, SHEET
from tests.fakes.nursery import ROOT


@contextmanager
def receiver_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address; it is ended at the end."""
    command = [sys.executable, "-m", "tests.fakes.receiver_process", str(folder)]
    environment = {**os.environ, **ENVIRONMENT}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the receiver ended at once"
            yield process, url
        finally:
            if process.poll() is None:
                process.kill()


async def bare(request: Request) -> PlainTextResponse:
    """A minimal route that reads a body."""
    await request.body()
    return PlainTextResponse("OK")


async def _serve(folder: Path) -> None:
    settings = config.load(folder / "pipeline.toml", need_key=True)
    with Store(settings.store_url) as store:
        campaigns = [Campaign(settings, store, SHEET)]
        served = app(campaigns)
        served.router.routes.append(Route("/bare", bare, methods=["POST"]))
        async with hosting(served, "127.0.0.1:0") as address:
            print(address, flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    event_loop.run(_serve(Path(sys.argv[1])))
