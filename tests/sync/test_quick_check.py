"""A sheet that is as the last pass left it costs a glance; whatever changed is seen at a glance."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline import config
from pipeline.core.model import JobKey
from pipeline.core.states import Failed
from pipeline.sandbox import Sandbox
from pipeline.store import Fact, Store
from pipeline.sync import quick_check
from tests.fakes.program import KEY, KEY_NAME, ROOT, call
from tests.fakes.service import passed_at
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0


@pytest.fixture
def team(tmp_path: Path, api: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Three rows, all done."""
    monkeypatch.setenv(KEY_NAME, KEY)
    api.reset()
    team = Team(tmp_path, api.url)
    team.write_prompts(["a fox", "an owl", "a cat"])
    assert call("run", team.configured(), "--wait").code == 0
    assert team.statuses() == {"done": 3}
    return team


def rests(team: Team) -> bool:
    return quick_check.is_at_rest(config.load(team.folder / "pipeline.toml", need_key=True))


def loaded(team: Team) -> str:
    """What a silent run loads, a line a module."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run.py", "run", team.configured()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def test_a_pass_over_a_sheet_at_rest_loads_no_store_and_no_wire(team: Team) -> None:
    assert rests(team)

    modules = loaded(team)

    assert "tomllib" in modules
    assert not {
        name for name in ("sqlalchemy", "aiohttp", "httpx", "rich.console") if name in modules
    }


def test_a_pass_that_was_a_glance_leaves_its_time_behind_and_is_at_rest_still(
    team: Team,
) -> None:
    times = [passed_at(team)]
    for _ in range(2):
        ended = call("run", team.configured())
        assert (ended.code, ended.said) == (0, "")
        times.append(passed_at(team))

    assert times == sorted(set(times))
    assert rests(team)


def test_a_store_that_is_written_meanwhile_is_left_alone(team: Team) -> None:
    before = passed_at(team)
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as other:
        other.execute("begin immediate")
        ended = call("run", team.configured())
        other.rollback()

    assert (ended.code, ended.said) == (0, "")
    assert passed_at(team) == before


def test_a_pass_that_has_to_look_loads_nothing_of_other_doors(team: Team) -> None:
    team.add_prompts(["a dog"])

    modules = loaded(team)

    assert "sqlalchemy" in modules
    others = ("pandas", "gspread", "uvicorn", "starlette", "openpyxl")
    assert not {name for name in others if name in modules}
    assert len(team.attempts()) == 4


def hold_of(team: Team) -> str:
    with Store(f"sqlite:///{team.folder}/promptsheet.db") as store:
        (record,) = store.sheets.all()
    return record.hold


def test_a_hold_whose_cause_is_gone_is_lifted_though_all_is_as_it_was_before(
    team: Team,
) -> None:
    whole = team.sheet.read_bytes()
    team.sheet.write_bytes(whole.splitlines(keepends=True)[0])
    assert call("run", team.configured()).code == 1
    held = hold_of(team)
    team.sheet.write_bytes(whole)

    assert "rows" in held
    assert not rests(team)
    assert call("run", team.configured()).code == 0
    assert hold_of(team) == ""
    assert call("run", team.configured()).code == 0
    assert rests(team)


def test_nothing_says_that_a_sheet_is_paused_once_somebody_has_lifted_the_pause(
    team: Team,
) -> None:
    call("pause", team.configured())
    paused = call("run", team.configured())
    call("resume", team.configured())

    assert "is paused" in paused.said
    assert hold_of(team) == ""


def sorted_by_people(team: Team) -> None:
    header, *rows = team.sheet.read_bytes().splitlines(keepends=True)
    team.sheet.write_bytes(b"".join([header, *reversed(rows)]))


def other_budget(team: Team) -> None:
    team.configured(tables={"budget": {"per_day": 5}})


def claim_gone(team: Team) -> None:
    team.sheet.with_name("prompts.csv.promptsheet").unlink()


def paused(team: Team) -> None:
    call("pause", team.folder / "pipeline.toml")


def asked_once_more(team: Team) -> None:
    """By another process: `retry`."""
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        sheet = store.sheets.all()[0].key
        key: JobKey = next(iter(store.jobs.all(sheet)))
        assert store.jobs.ask(key, 2)


def heard_on_a_full_disk(team: Team) -> None:
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        sheet = store.sheets.all()[0].key
        key = next(iter(store.jobs.all(sheet)))
        store.attempts.rescue([Fact(key, 1, Failed("late"))])


def at_work(team: Team) -> None:
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        assert store.leases.take(store.sheets.all()[0].key, "elsewhere:1", 60)


def store_gone(team: Team) -> None:
    (team.folder / "promptsheet.db").unlink()


@pytest.mark.parametrize(
    "change",
    [
        sorted_by_people,
        other_budget,
        claim_gone,
        paused,
        asked_once_more,
        heard_on_a_full_disk,
        at_work,
        store_gone,
    ],
)
def test_whatever_changed_is_a_matter_for_a_real_pass(
    team: Team, change: Callable[[Team], None]
) -> None:
    assert rests(team)

    change(team)

    assert not rests(team)


def test_a_row_that_waits_for_something_is_not_at_rest(team: Team) -> None:
    team.add_prompts(["a dog", "a cow"])
    call("run", team.configured(tables={"budget": {"per_day": 16}}), "--wait")
    assert team.statuses() == {"done": 4, "over budget": 1}

    assert not rests(team)
