"""A plain `run`, again and again, as cron starts it: each collects what earlier ones sent.

Every start here is a process of its own with the default pace of asking. What was asked and paid is
counted by the API.
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
    """A configuration that says nothing of how often to ask."""
    team.config.write_text(
        f'[sheet]\nsource = "prompts.csv"\n[provider]\nbase_url = "{team.url}"\n'
        f"[pace]\nper_minute = 0\n{pace}\n{more}\n"
    )


def all_end(api: Sandbox) -> None:
    """Wait until the API has made everything that it has."""
    until = time.monotonic() + 20
    while api.state()["running"]:
        assert time.monotonic() < until, "the tasks end in time"
        time.sleep(0.02)


def is_overdue(team: Team) -> None:
    """Wait until `give_up_after` has passed for a row; this asks the API nothing."""
    until = time.monotonic() + 20
    while "check needed" not in team.start("status", team.config).said:
        assert time.monotonic() < until, "the task is overdue in time"


def questions(api: Sandbox) -> dict[str, int]:
    """How often the API was asked about tasks."""
    asked = api.state()["requests"]
    return {path: asked[path] for path in ("/fetch-many", "/fetch") if path in asked}


def saved(team: Team) -> int:
    """How many pictures were saved."""
    return sum(path.is_file() for path in (team.folder / "media").rglob("*.png"))


@pytest.mark.parametrize("webhook", ["", LOST_CALLS], ids=["polling", "calls lost"])
def test_a_run_collects_what_an_earlier_run_sent_and_asks_once_about_each_task(
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
    # Two questions about twenty tasks each, and one about the last.
    assert (before, questions(api)) == ({}, {"/fetch-many": 2, "/fetch": 1})
    assert set(api.state()["tasks"].values()) == {1}
    assert (team.run().said, questions(api)) == ("", {"/fetch-many": 2, "/fetch": 1})


def test_a_run_asks_once_about_tasks_that_go_on_and_says_nothing(team: Team, api: Sandbox) -> None:
    configure(team)
    team.write("prompt", *(f"fox {number}" for number in range(6)))
    team.run()

    ended = [team.run() for _ in range(3)]

    assert [(one.code, one.said) for one in ended] == [(0, "")] * 3
    assert questions(api) == {"/fetch-many": 3}
    assert {row["status"].split()[0] for row in team.rows()} == {"in"}


def test_a_run_sends_the_next_rows_into_the_places_of_those_that_have_ended(
    team: Team, api: Sandbox
) -> None:
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


def test_a_run_asks_again_where_the_api_was_too_busy_to_answer(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=0.2)
    configure(team)
    team.write("prompt", "a fox", "an owl")
    team.run()
    all_end(api)
    api.set(busy="next 1 /fetch-many")

    ended = team.run()

    assert (ended.code, team.said_of("a fox", "an owl")) == (0, ["done", "done"])
    assert questions(api) == {"/fetch-many": 2}


def test_a_repair_collects_what_has_ended_and_pays_nothing(team: Team, api: Sandbox) -> None:
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


def test_an_overdue_task_that_has_ended_is_collected_without_calling_a_person(
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
def test_a_run_that_finds_a_task_overdue_says_so_in_cell_and_exit_code_and_asks_no_more(
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
    # The first question about an overdue task may come in the next run; the next one an hour later.
    assert questions(api).get("/fetch", 0) <= asked.get("/fetch", 0) + 1
