"""The output of unattended runs: a lasting problem is printed once a day, and no report is lost."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from pipeline.store import Store
from tests.fakes.program import KEY, KEY_NAME, ROOT
from tests.fakes.team import Team

DAY = 24 * 60 * 60 * 1_000_000


#: How long a task takes at the API.
TASK_SECONDS = 0


@pytest.fixture
def team(team: Team) -> Team:
    """A team with one finished and one new row."""
    team.write("prompt", "a fox")
    assert team.finish().code == 0
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})
    return team


def paused(team: Team) -> Callable[[], object]:
    team.start("pause", team.config)
    return lambda: team.start("resume", team.config)


def open_elsewhere(team: Team) -> Callable[[], object]:
    mark = team.sheet.with_name(f".~lock.{team.sheet.name}#")
    mark.write_text(",ann,desk,22.11.2026 14:23,file:///;")
    return mark.unlink


def emptied(team: Team) -> Callable[[], object]:
    whole = team.sheet.read_bytes()
    team.sheet.write_bytes(whole.splitlines(keepends=True)[0])
    return lambda: team.sheet.write_bytes(whole)


def gone(team: Team) -> Callable[[], object]:
    away = team.sheet.rename(team.sheet.with_suffix(".away"))
    return lambda: away.rename(team.sheet)


def key_refused(team: Team) -> Callable[[], object]:
    api = Sandbox(team.url, KEY)
    api.set(code="1 401")
    return lambda: api.set(code="off")


def out_of_reach(team: Team) -> Callable[[], object]:
    config = team.config.read_text()
    team.config.write_text(config.replace(team.url, "http://127.0.0.1:9"))
    return lambda: team.config.write_text(config)


def no_header(team: Team) -> Callable[[], object]:
    whole = team.sheet.read_text()
    team.sheet.write_text(whole.replace("prompt", "pormpt", 1))
    return lambda: team.sheet.write_text(whole)


LASTING: dict[Callable[[Team], Callable[[], object]], int] = {
    paused: 1,
    emptied: 1,
    no_header: 2,
    open_elsewhere: 3,
    gone: 3,
    key_refused: 3,
    out_of_reach: 3,
}


@pytest.mark.parametrize("begin", LASTING, ids=lambda begin: begin.__name__)
def test_a_lasting_problem_is_printed_when_it_starts_once_a_day_and_at_each_new_start(
    team: Team, begin: Callable[[Team], Callable[[], object]]
) -> None:
    code, end = LASTING[begin], begin(team)
    first, second = team.run(), team.run()

    assert (first.code, second.code) == (code, code)
    assert first.said
    assert second.said == ""
    a_day_passes(team)
    third, fourth = team.run(), team.run()
    assert (third.said, third.code) == (first.said, code)
    assert (fourth.said, fourth.code) == ("", code)

    end()
    after = team.run()
    assert (after.said, after.code) == ("", 0)
    team.run()  # collects what was sent
    with team.editing() as rows:
        assert [row["status"] for row in rows] == ["done", "done"]
        rows.append({"prompt": "a cat"})

    begin(team)
    assert (team.run().said, team.run().said) == (first.said, "")


def a_day_passes(team: Team) -> None:
    """Let a day pass since the last report."""
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as store, store:
        asked = "select name, value from promptsheet where name like 'reported %'"
        for name, value in store.execute(asked).fetchall():
            earlier = {trouble: at - DAY for trouble, at in json.loads(value).items()}
            kept = json.dumps(earlier), name
            store.execute("update promptsheet set value = ? where name = ?", kept)


@pytest.mark.parametrize("words", [("--strict",), ("--json",), ("--wait",), ("--limit", "1")])
def test_a_run_with_options_prints_the_problem_each_time(
    team: Team, words: tuple[str, ...]
) -> None:
    paused(team)
    assert "is paused" in team.run().said

    assert "is paused" in team.run(*words).said
    assert "is paused" in team.run(*words).said


def test_a_run_that_goes_on_elsewhere_is_reported_once(team: Team) -> None:
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        (sheet,) = store.sheets.all()
        leases = []
        for number in (1, 2):
            lease = store.leases.take(sheet.key, f"elsewhere:{number}", 60)
            assert lease
            leases.append((team.run(), team.run()))
            store.leases.release(lease)

        assert [(first.code, second.code) for first, second in leases] == [(0, 0), (0, 0)]
        assert "another run (elsewhere:1) has been working on it" in leases[0][0].said
        assert [one.said for one in (leases[0][1], *leases[1])] == ["", "", ""]
        assert team.run().said == ""  # the problem is over, so that the next one is reported
        assert store.leases.take(sheet.key, "elsewhere:3", 60)
        assert "elsewhere:3" in team.run().said


def test_a_row_that_newly_needs_attention_is_printed_during_a_lasting_problem(team: Team) -> None:
    team.retitle(lambda head: f"{head},take")
    assert team.run().said == ""
    paused(team)
    team.run()
    with team.editing() as rows:
        rows[0]["take"] = "two"

    news, silent = team.run(), team.run()

    assert "1 row needs your attention" in news.said
    assert "is paused" in news.said
    assert (silent.said, silent.code) == ("", 1)


def test_on_a_paused_sheet_a_column_that_becomes_ours_is_reported_once(team: Team) -> None:
    other = team.configure(name="b", sheet="b.csv")
    (team.folder / "b.csv").write_text("prompt,Status\na dog,\n")
    team.start("pause", other)

    first, second = (team.start("run", other) for _ in range(2))

    assert "Status, is empty, so Promptsheet writes its status there" in first.said
    assert "b.csv is paused" in first.said
    assert (second.said, second.code) == ("", 1)


def test_of_two_sheets_only_the_one_with_news_is_printed(team: Team) -> None:
    other = team.configure('[store]\nurl = "sqlite:///promptsheet.db"\n', name="b", sheet="b.csv")
    team.write("prompt", "a dog", sheet="b.csv")
    paused(team)
    assert "prompts.csv is paused" in team.start("run", team.config, other).said
    team.start("pause", other)

    said = team.start("run", team.config, other).said

    assert "b.csv is paused" in said
    assert "prompts.csv" not in said
    assert team.start("run", team.config, other).said == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_report_that_could_not_be_printed_is_printed_by_the_next_run(team: Team) -> None:
    with team.editing() as rows:
        rows.append({"prompt": "a [refuse] cat"})

    assert run_without_room_to_print(team) == 3
    assert "failed" in team.said_of("a [refuse] cat")
    assert "1 row needs your attention" in team.run().said
    assert team.run().said == ""

    paused(team)
    assert run_without_room_to_print(team) == 3
    assert "is paused" in team.run().said
    assert team.run().said == ""


def run_without_room_to_print(team: Team) -> int:
    """Start a plain run whose standard output is full; returns its exit code."""
    with Path("/dev/full").open("wb") as full:
        return subprocess.run(
            [sys.executable, ROOT / "run.py", "run", team.config],
            env={**os.environ, KEY_NAME: KEY},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        ).returncode
