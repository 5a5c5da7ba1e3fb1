"""Rows that the page asked for, in a workbook and in a Google Sheet: added once, whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from pipeline.core.rows.follow_ups import cells_for
from pipeline.sandbox import Sandbox
from pipeline.store import Store
from tests.fakes.google_sheets import Asked, Cut, google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.program import Program
from tests.fakes.team import Team

HEADER = ["prompt", "endpoint", "parent", "index", "approved", "remark"]
ROW = ["a fox", "", "", "", "yes", "=1+1"]
NEW = "r_abcdefg12"


def ask(file: Path) -> None:
    """Ask for an upscale of the second picture of the first row, as the page does."""
    with Store(f"sqlite:///{file}") as store:
        (sheet,) = store.sheets.all()
        (job,) = store.jobs.all(sheet.key)
        cells = cells_for("upscale-1x", job.row_id, 2, "")
        assert store.wanted_rows.ask(sheet.key, NEW, job.row_id, cells, 0, "anna")
        assert not store.wanted_rows.ask(sheet.key, "r_abcdefg13", job.row_id, cells, 0)


def test_a_workbook_gets_the_row_and_it_waits_for_approval(tmp_path: Path, api: Sandbox) -> None:
    api.reset()
    book = Workbook()
    for line in (HEADER, [*ROW[:-1], "ours"]):
        book.worksheets[0].append(line)
    book.save(tmp_path / "team.xlsx")
    team = Team(tmp_path, api.url)
    team.configure(sheet="team.xlsx")
    assert team.start("run", team.config, "--wait").code == 0
    ask(tmp_path / "promptsheet.db")
    for _ in range(2):
        assert team.start("run", team.config, "--wait").code in (0, 1)

    header, first, *more = load_workbook(tmp_path / "team.xlsx").worksheets[0].values
    (new,) = [dict(zip(header, row, strict=True)) for row in more if any(row)]
    assert first[5] == "ours"
    assert (new["endpoint"], new["index"], new["row_id"]) == ("upscale-1x", "2", NEW)
    assert (new["approved"], new["status"]) == (None, "needs approval")
    assert api.state()["tasks_taken"] == 1


@pytest.fixture
def google_team(tmp_path: Path, api: Sandbox) -> Iterator[GoogleTeam]:
    api.reset()
    with google_sheets(reads=10**6, writes=10**6) as google:
        columns = [at for at, title in enumerate(HEADER) if title != "approved"]
        lines = [[line[at] for at in columns] for line in (HEADER, ROW)]
        team = GoogleTeam(google, google.new_book("Spring", lines), tmp_path, api)
        team.configure()
        assert team.run("--wait").code == 0
        yield team


@pytest.mark.parametrize("killed_at", [0, 1, 2, 3])
def test_a_google_sheet_gets_the_row_once_also_after_a_kill(
    google_team: GoogleTeam, killed_at: int
) -> None:
    team, config = google_team, google_team.folder / "promptsheet.toml"
    ask(team.folder / "promptsheet.db")
    if killed_at:
        with Program("run", config) as program:
            writes: list[Asked] = []

            def kill(asked: Asked) -> None:
                writes.extend([asked] * asked.is_write)
                if len(writes) == killed_at:
                    program.kill()
                    if killed_at == 1:
                        raise Cut(reset=True)

            team.google.between(kill)
            program.end()
            team.google.between(None)
    for _ in range(2):
        assert team.run("--wait").code == 0

    assert [row["endpoint"] for row in team.rows() if any(row.values())] == ["", "upscale-1x"]
    assert [row["status"] for row in team.rows()][:2] == ["done", "done"]
    assert team.book.sheets[0].cell(1, 4).formula == "=1+1"
    assert team.api.state()["tasks_taken"] == 2
