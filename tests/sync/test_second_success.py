"""Two attempts of one job that both succeed: the pictures of both are kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.core.model import JobKey, Result
from pipeline.core.pictures.saved_files import Fetched, Kept
from pipeline.core.states import Lost, Succeeded
from pipeline.open_sheet import open_sheet
from pipeline.store import Fact, Intent, Limits
from pipeline.sync.downloader import Downloader
from pipeline.sync.worker import Worker
from tests.sync.bench import Bench

ROW = "r_000000001"


class Folder:
    """A folder in memory: a second file with the same name replaces the first."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    async def check(self) -> None:
        pass

    @asynccontextmanager
    async def fetched(self, url: str, text: str) -> AsyncIterator[Fetched]:
        yield Fetched(Path(url), "png", 1, hashlib.sha256(url.encode()).hexdigest())

    async def reserve(self) -> str:
        return ""

    def is_there(self, path: str) -> bool:
        return True

    async def describe(self, file: Fetched | None, entry: Mapping[str, object]) -> None:
        pass

    async def keep(self, file: Fetched, stem: str, reserved: str) -> Kept:
        self.files[f"{stem}.png"] = str(file.path).replace("https:/", "https://")
        return Kept(f"{stem}.png")


@pytest.mark.parametrize("first", [1, 2], ids=["the first first", "the second first"])
def test_the_pictures_of_both_successes_are_kept(tmp_path: Path, first: int) -> None:
    bench = Bench(tmp_path, [])
    folder = Folder()
    with bench.store() as store:
        key = JobKey(open_sheet(bench.settings, store).key, ROW, 1)
        store.jobs.add([key])
        for number in (1, 2):
            store.attempts.begin(
                [Intent(key, number, "{}", (), "imagine", 4, 60)], Limits("key", "r", "d")
            )
            store.attempts.record([Fact(key, number, Lost("no answer"))])
            store.jobs.ask(key, number + 1)
        for turn, number in enumerate((first, 3 - first)):
            urls = tuple(f"https://x/{number}/{at}.png" for at in (1, 2))
            store._database.now = lambda turn=turn: bench.now() + timedelta(seconds=turn)  # type: ignore[misc]
            store.attempts.record([Fact(key, number, Succeeded(Result(urls), f"t-{number}"))])

        sync = wiring.open_sync(
            bench.settings, store, open_sheet(bench.settings, store), clock=bench.clock
        )

        async def save() -> None:
            worker = Worker()
            downloader = Downloader(
                sync,
                worker,
                folder,
                None,
                bench.now,
                on_saved=lambda: None,
                on_lost=lambda: None,
                on_empty=lambda: None,
            )
            downloader.keep(key)
            await downloader.finish()
            worker.close()

        asyncio.run(save())
        job = store.jobs.get(key)
    bench.close()

    late = 3 - first
    assert folder.files == {
        f"{ROW}-1-1.png": f"https://x/{first}/1.png",
        f"{ROW}-1-2.png": f"https://x/{first}/2.png",
        f"{ROW}-1-attempt{late}-1.png": f"https://x/{late}/1.png",
        f"{ROW}-1-attempt{late}-2.png": f"https://x/{late}/2.png",
    }
    assert job
    assert {path: url for url, path in job.files.items()} == folder.files
