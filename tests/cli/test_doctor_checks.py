"""What `doctor` finds that depends on the clock, on the disk or on the age of things."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from pipeline import wiring
from pipeline.cli.doctor.case import Case
from pipeline.cli.doctor.checks import CHECKS
from pipeline.config import load
from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, KEY_NAME
from tests.fakes.team import Team

TASK_SECONDS = 0


def found_by(check: str, team: Team) -> list[str]:
    """The sentences of one check."""
    environment = {KEY_NAME: KEY}
    with Case(load(team.config, environ=environment)) as case:
        case.open()
        (find,) = (one.find for one in CHECKS if one.id == check)
        return [one.sentence for one in find(case)]


def at(moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock of this machine say this."""
    monkeypatch.setattr(wiring, "now", lambda: moment)


def test_a_clock_that_is_wrong_is_named(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.write("prompt", "a fox")
    right = found_by("clock", team)
    at(datetime.now(UTC) + timedelta(minutes=10), monkeypatch)

    assert right == []
    (said,) = found_by("clock", team)
    assert said.startswith("The clock of this machine is ")
    assert "ahead of that of Apiframe" in said


def test_prices_that_were_read_long_ago_are_named(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    (team.folder / "bfl").write_text("a-key")
    more = '[providers.bfl]\napi_key = "file:bfl"\n'
    team.config.write_text(team.config.read_text() + more)
    team.write("prompt", "a fox")
    at(datetime(2026, 3, 1, tzinfo=UTC), monkeypatch)
    fresh = found_by("prices-old", team)
    at(datetime(2026, 9, 1, tzinfo=UTC), monkeypatch)

    assert fresh == []
    assert found_by("prices-old", team) == [
        "The prices of FLUX in its provider file were read on 2026-02-03. Compare them with the "
        "vendor's price page."
    ]


def test_a_disk_with_little_room_is_named_once(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.configure('[media]\nsave_to = "media/"\n')
    team.write("prompt", "a fox")
    enough = found_by("room", team)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_300_000))

    assert enough == []
    assert found_by("room", team) == [
        "Only 12 MB are free on the disk of the store and pictures and the sheet. A picture takes "
        "1 or 2 MB. Free some space."
    ]


def test_links_that_died_before_anything_was_saved_are_counted(team: Team, api: Sandbox) -> None:
    team.write("prompt", *(f"picture {n}" for n in range(7)))
    team.finish()
    working = found_by("links-dead", team)
    api.set(dead_links=1)

    assert working == []
    (said,) = found_by("links-dead", team)
    assert said.startswith("5 of 5 links that were tried do not work any more, the newest of ")
    assert "set [media] save_to" in said


def test_tasks_that_nobody_asked_about_for_days_are_named_and_asked_about(
    team: Team, api: Sandbox
) -> None:
    api.set(task_seconds=3600)
    team.write("prompt", "a fox", "an owl")
    team.run()
    just_now = found_by("silent", team)
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as store, store:
        store.execute("update sheets set passed_at = passed_at - 3 * 86400 * 1000000")
    (said,) = found_by("silent", team)
    api.finish()
    repaired = team.start("doctor", "--repair")

    assert just_now == []
    assert said.startswith("2 tasks are open, and the last run ended ")
    assert repaired.code == 0, repaired.said
    assert team.statuses() == {"done": 2}
    assert found_by("silent", team) == []
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}
