"""An error of one sheet stops no other sheet, whether the error is expected or not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from pipeline import wiring
from pipeline.cli import run as running
from pipeline.config import load
from pipeline.open_sheet import open_sheet
from pipeline.sandbox import Sandbox
from pipeline.server import event_loop
from pipeline.server.watcher import Watcher
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.look import Look
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.worker import Worker
from tests.fakes.program import KEY, KEY_NAME
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

ROWS = 8


@pytest.fixture(scope="module")
def api() -> Iterator[Sandbox]:
    with sandbox_process(task_seconds=0.2, plain_pictures="true", answer_seconds=0.5) as sandbox:
        yield sandbox


@pytest.fixture
def team(tmp_path: Path, api: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Team:
    api.reset()
    monkeypatch.setenv(KEY_NAME, KEY)
    team = Team(tmp_path, api.url)
    team.configure('[media]\nsave_to = ""\n')
    team.configure('[media]\nsave_to = ""\n', name="bad", sheet="bad.csv")
    team.write("prompt", *(f"fox {number}" for number in range(ROWS)))
    team.write("prompt", "an owl", sheet="bad.csv")
    return team


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, api: Sandbox) -> None:
    """The second sheet fails with an unexpected error while the first has requests in flight."""
    look = SheetSync.look

    def looked(sync: SheetSync) -> Look:
        if sync.sheet.title.startswith("bad"):
            # Each turn asks the API: the requests of the other sheet leave soon.
            while not (api.state()["in_flight"] or api.state()["tasks_taken"]):
                pass
            raise RuntimeError("planted")
        return look(sync)

    monkeypatch.setattr(SheetSync, "look", looked)


@pytest.mark.usefixtures("planted")
def test_an_unexpected_error_in_one_sheet_does_not_affect_the_other_passes(
    team: Team, api: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [load(path, need_key=True) for path in (team.config, team.folder / "bad.toml")]

    code = running.run_all(settings, Console(width=200), wait=True)

    said = capsys.readouterr()
    assert code == 3
    assert "bad.csv: Unexpected error: RuntimeError (planted)." in said.out
    assert "Traceback" not in said.out + said.err
    assert [row["status"] for row in team.rows()] == ["done"] * ROWS
    assert api.state()["tasks"] == {f"fox {number}": 1 for number in range(ROWS)}


@pytest.mark.usefixtures("planted")
def test_an_unexpected_error_in_one_watched_sheet_does_not_affect_the_others(
    team: Team, api: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = (team.config, team.folder / "bad.toml")

    async def watched() -> None:
        watchers: list[Watcher] = []
        with wiring.open_store(load(paths[0], need_key=True)) as store:
            for path in paths:
                settings = load(path, need_key=True)
                sheet = open_sheet(settings, store)
                campaign = Campaign(settings, store, sheet.key)
                watchers.append(Watcher(campaign, Console(width=200)))
            running_ = asyncio.gather(*(one.run() for one in watchers))
            async with asyncio.timeout(60):
                while {row.get("status") for row in team.rows()} != {"done"}:
                    assert not running_.done()
                    await asyncio.sleep(0.05)
            for one in watchers:
                one.end()
            await running_

    event_loop.run(watched())

    assert "Unexpected error: RuntimeError (planted)." in capsys.readouterr().out
    assert api.state()["tasks"] == {f"fox {number}": 1 for number in range(ROWS)}


def test_an_error_of_work_that_is_not_awaited_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def slow_down() -> None:
        raise OSError("the disk is gone")

    async def submitted() -> None:
        worker = Worker()
        worker.submit(slow_down)
        worker.close()

    with caplog.at_level(logging.ERROR, "promptsheet"):
        event_loop.run(submitted())

    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("ERROR", "slow_down could not be recorded: Unexpected error: OSError (the disk is gone).")
    ]
