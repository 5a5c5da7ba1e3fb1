"""Repeated starts of a plain `run`, as by cron: each collects what earlier ones sent.

Every start here is its own process with the default polling interval. The API counts polls and
charges.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

#: Nothing listens there: calls of the API are lost.
LOST_CALLS = (
    '[webhook]\npublic_url = "http://127.0.0.1:9"\nsecret = "file:hook.secret"\n'
    'listen = "127.0.0.1:0"\n'
)


@pytest.fixture
def team(tmp_path: Path, api: Sandbox) -> Team:
    api.reset()
    api.set(task_seconds=600)
    (tmp_path / "hook.secret").write_text("a-secret-of-thirty-two-characters")
    return Team(tmp_path, api.url)


def configure(team: Team, pace: str = "", more: str = "") -> None:
    """A configuration without a polling interval."""
    team.config.write_text(
        f'[sheet]\nsource = "prompts.csv"\n[provider]\nbase_url = "{team.url}"\n'
        f"[pace]\nper_minute = 0\n{pace}\n{more}\n"
    )


def all_end(api: Sandbox) -> None:
    """Wait until all tasks of the API have ended."""
    until = time.monotonic() + 20
    while api.state()["running"]:
        assert time.monotonic() < until, "the tasks end in time"
        time.sleep(0.02)


def is_overdue(team: Team) -> None:
    """Wait until `give_up_after` has passed for a row, without any request to the API."""
    until = time.monotonic() + 20
    while "check needed" not in team.start("status", team.config).said:
        assert time.monotonic() < until, "the task is overdue in time"
        time.sleep(0.1)


def questions(api: Sandbox) -> dict[str, int]:
    """How often the API was polled."""
    asked = api.state()["requests"]
    return {path: asked[path] for path in ("/fetch-many", "/fetch") if path in asked}


def saved(team: Team) -> int:
    """How many pictures were saved."""
    return sum(path.is_file() for path in (team.folder / "media").rglob("*.png"))


@pytest.mark.parametrize("webhook", ["", LOST_CALLS], ids=["polling", "calls lost"])
def test_a_run_collects_the_tasks_of_an_earlier_run_with_one_poll_for_each(
    team: Team, api: Sandbox, webhook: str
) -> None:
    api.set(task_seconds=0.3)
    configure(team, more=webhook)
    team.write("prompt", *(f"fox {number}" for number in range(41)))
    sent = team.run()
    all_end(api)
    before = questions(api)

    collected = team.run()

    assert (sent.code, sent.said, collected.code, collected.said) == (0, "", 0, "")
    assert {row["status"] for row in team.rows()} == {"done"}
    assert all(row["image_urls"] for row in team.rows())
    assert saved(team) == 41 * 4
    # Two polls for twenty tasks each, and one for the last.
    assert (before, questions(api)) == ({}, {"/fetch-many": 2, "/fetch": 1})
    assert set(api.state()["tasks"].values()) == {1}
    assert (team.run().said, questions(api)) == ("", {"/fetch-many": 2, "/fetch": 1})


def test_a_run_polls_running_tasks_once_and_prints_nothing(team: Team, api: Sandbox) -> None:
    configure(team)
    team.write("prompt", *(f"fox {number}" for number in range(6)))
    team.run()

    ended = [team.run() for _ in range(3)]

    assert [(one.code, one.said) for one in ended] == [(0, "")] * 3
    assert questions(api) == {"/fetch-many": 3}
    assert {row["status"].split()[0] for row in team.rows()} == {"in"}


def test_a_run_sends_the_next_rows_when_earlier_tasks_have_ended(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=0.2)
    configure(team, pace="in_flight = 2")
    team.write("prompt", *(f"fox {number}" for number in range(6)))
    done = []
    for _ in range(4):
        assert team.run().code == 0
        done.append([row["status"] for row in team.rows()].count("done"))
        all_end(api)

    assert done == [0, 2, 4, 6]
    assert questions(api) == {"/fetch-many": 3}
    state = api.state()
    assert (state["most_running"], state["tasks_taken"]) == (2, 6)


def test_a_run_polls_again_if_the_api_was_too_busy_to_answer(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=0.2)
    configure(team)
    team.write("prompt", "a fox", "an owl")
    team.run()
    all_end(api)
    api.set(busy="next 1 /fetch-many")

    ended = team.run()

    assert (ended.code, team.said_of("a fox", "an owl")) == (0, ["done", "done"])
    assert questions(api) == {"/fetch-many": 2}


def test_a_repair_collects_ended_tasks_and_pays_nothing(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=0.2)
    configure(team)
    team.write("prompt", "a fox", "an owl")
    team.run()
    all_end(api)
    with team.editing() as rows:
        rows.append({"prompt": "a cat"})

    repaired = team.start("doctor", team.config, "--repair")

    assert "2 rows done, 8 pictures saved" in repaired.said
    assert team.said_of("a fox", "an owl", "a cat") == ["done", "done", "queued"]
    assert saved(team) == 8
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_an_overdue_task_that_has_ended_is_collected_without_a_report(
    team: Team, api: Sandbox
) -> None:
    api.set(task_seconds=0.2)
    configure(team, pace='give_up_after = "300ms"')
    team.write("prompt", "a fox")
    team.run()
    all_end(api)
    is_overdue(team)

    ended = team.run()

    assert (ended.code, ended.said, team.said_of("a fox")) == (0, "", ["done"])


@pytest.mark.parametrize("words", [(), ("--wait",)])
def test_an_overdue_task_is_reported_in_its_cell_and_the_exit_code_and_not_polled_again(
    team: Team, api: Sandbox, words: tuple[str, ...]
) -> None:
    configure(team, pace='write_every = "50ms"\ngive_up_after = "800ms"')
    team.write("prompt", "a fox")
    if not words:
        team.run()
        is_overdue(team)

    ended = team.run(*words)

    assert (ended.code, team.said_of("a fox")) == (1, ["check needed"])
    assert "0 done" in ended.said
    assert "1 row" in ended.said
    asked = questions(api)
    later = [team.run() for _ in range(2)]
    assert [(one.code, one.said) for one in later] == [(0, ""), (0, "")]
    # The first poll for an overdue task may be in the next run; the next one is an hour later.
    assert questions(api).get("/fetch", 0) <= asked.get("/fetch", 0) + 1
