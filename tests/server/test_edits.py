"""`watch` notices an edit of a file within seconds, and does not mistake its own writes for one."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from threading import Event

import openpyxl
import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import Program
from tests.fakes.team import Team
from tests.fakes.trigger import triggered

TASK_SECONDS = 0.2
TEAM_TABLES = None
#: Passes begin by themselves only after an edit.
REACTS = {"every": "1h", "react": "500ms"}


def test_a_saved_file_starts_a_pass_and_its_own_writes_start_none(team: Team, api: Sandbox) -> None:
    team.write_prompts(["the first"])
    config, caller = triggered(team, schedule=REACTS)
    with Program("watch", config) as program:
        program.until(lambda: team.statuses()["done"] == 1, "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        Event().wait(1)  # twice as long as an edit would take
        before = caller.state()["passes"]
        saved = time.monotonic()
        team.add_prompts(["the second"])
        program.until(lambda: api.state()["tasks_taken"] == 2, "the new row is sent")
        took = time.monotonic() - saved
        program.until(lambda: team.statuses()["done"] == 2, "the new row is done")
        Event().wait(1)
        after = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        ended = program.end()

    print(f"\nfrom the save to the submission: {took:.1f} s")
    assert (before, after) == (1, 2)
    assert api.state()["tasks"] == {"the first": 1, "the second": 1}
    assert (ended.code, ended.is_plain) == (0, True)


def test_a_file_that_is_saved_while_a_pass_runs_is_read_by_that_pass(
    team: Team, api: Sandbox
) -> None:
    api.set(task_seconds=30)
    team.write_prompts(["the first"])
    config, caller = triggered(team, schedule=REACTS)
    with Program("watch", config) as program:
        program.until(lambda: team.statuses()["in progress"] == 1, "the first row is sent")
        team.add_prompts(["the second"])
        program.until(lambda: api.state()["tasks_taken"] == 2, "the second row is sent")
        state = caller.state()
        program.signal(signal.SIGTERM)
        program.end()

    assert (state["state"], state["passes"]) == ("running", 1)
    assert api.state()["tasks"] == {"the first": 1, "the second": 1}


def test_a_workbook_that_is_saved_starts_a_pass(team: Team, api: Sandbox) -> None:
    path = team.folder / "prompts.xlsx"
    _save(path, ["the first"])
    config, caller = triggered(team, schedule=REACTS, sheet="prompts.xlsx")
    with Program("watch", config) as program:
        program.until(lambda: _statuses(path) == ["done"], "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        _add(path, "the second")
        program.until(lambda: _statuses(path) == ["done", "done"], "the new row is done")
        program.until(lambda: caller.is_idle(2), "the pass has ended")
        passes = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        program.end()

    assert passes == 2
    assert api.state()["tasks"] == {"the first": 1, "the second": 1}


def test_a_file_that_is_open_in_libreoffice_is_read_when_it_is_closed(
    team: Team, api: Sandbox
) -> None:
    team.write_prompts(["the first"])
    config, caller = triggered(team, schedule=REACTS)
    lock = team.folder / f".~lock.{team.sheet.name}#"
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        lock.write_text(",anna,desk,28.11.2026 09:30,file:///home;")
        team.add_prompts(["the second"])
        while_open = caller.run()
        program.until(lambda: caller.is_idle(2), "a pass that was asked for has ended")
        trouble, sent = caller.state()["last_pass"]["messages"], api.state()["tasks_taken"]
        lock.unlink()
        program.until(lambda: team.statuses()["done"] == 2, "the new row is done")
        program.until(lambda: caller.is_idle(3), "the pass has ended")
        passes = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        program.end()

    assert while_open.status == 202
    assert "is open in LibreOffice (by anna on desk)" in trouble[0]
    assert sent == 1
    assert passes == 3
    assert api.state()["tasks"] == {"the first": 1, "the second": 1}


def test_a_file_that_is_gone_and_comes_back_is_read_again(team: Team, api: Sandbox) -> None:
    team.write_prompts(["the first"])
    config, caller = triggered(team, schedule=REACTS)
    away = team.folder / "away.csv"
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.sheet.rename(away)
        program.until(lambda: caller.state()["last_pass"]["exit_code"] == 3, "it is missed")
        away.rename(team.sheet)
        team.add_prompts(["the second"])
        program.until(lambda: team.statuses()["done"] == 2, "both rows are done")
        passes = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        program.end()

    assert passes <= 4, "a file that stays away starts no pass again and again"
    assert api.state()["tasks"] == {"the first": 1, "the second": 1}


@pytest.mark.parametrize("schedule", [{"every": "1h", "react": ""}, {"cron": "0 0 1 1 *"}])
def test_edits_wait_for_the_next_pass_where_the_schedule_says_so(
    team: Team, api: Sandbox, schedule: dict[str, object]
) -> None:
    team.write_prompts(["the first"])
    config, caller = triggered(team, schedule=schedule)
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.add_prompts(["the second"])
        Event().wait(2.5)  # longer than the 2 s in which it would react
        state = caller.state()
        program.signal(signal.SIGTERM)
        program.end()

    assert (state["state"], state["passes"]) == ("idle", 1)
    assert api.state()["tasks"] == {"the first": 1}


def _save(path: Path, prompts: list[str]) -> None:
    book = openpyxl.Workbook()
    for row in (["prompt"], *([prompt] for prompt in prompts)):
        book.worksheets[0].append(row)
    book.save(path)


def _add(path: Path, prompt: str) -> None:
    book = openpyxl.load_workbook(path)
    book.worksheets[0].append([prompt])
    book.save(path)


def _statuses(path: Path) -> list[str]:
    header, *rows = openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)
    at = header.index("status") if "status" in header else None
    return ["" if at is None else str(row[at]) for row in rows]
