"""Submissions whose answer was lost: `doctor` looks for their tasks in the list of the API.

Everything runs through the real command line against the real sandbox, which counts the tasks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, Ended
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

#: The API calls back to an address at which nobody listens.
CALLS = {"webhook": {"public_url": "http://127.0.0.1:9", "secret": "file:secret"}}


@pytest.fixture
def api() -> Iterator[Sandbox]:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        yield api


def team_at(folder: Path, api: Sandbox, *, version: int = 2, called: bool = False) -> Team:
    """A team whose API knows no idempotency keys: a lost submission stays lost."""
    team = Team(folder, api.url, version)
    (folder / "secret").write_text("a-secret-of-thirty-two-characters")
    (folder / "secret").chmod(0o600)
    team.configured("promptsheet", media="media", tables=CALLS if called else {})
    team.answers_within(2)
    own = folder / "providers" / f"apiframe-v{version}.toml"
    own.write_text(re.sub(r"(?s)\n\[once\].*?(?=\n\[)", "", own.read_text()))
    return team


def lose(team: Team, api: Sandbox, *prompts: str, how: str = "lost", kind: str = "fin") -> None:
    """Submit rows, and lose the answers."""
    team.write("prompt", *prompts)
    api.set(**{how: f"next {len(prompts)} {kind}"})
    team.run()
    assert team.statuses() == {"check needed": len(prompts)}


def doctor(team: Team, *words: str) -> Ended:
    return team.start("doctor", *words)


def ask_for(api: Sandbox, prompt: str, **more: str) -> None:
    """Another program asks for a picture, with the same key."""
    body = json.dumps({"model": "midjourney", "prompt": prompt, **more}).encode()
    headers = {"X-API-Key": f"afk_{KEY}", "Content-Type": "application/json"}
    asked = Request(f"{api.url}/v2/images/generate", body, headers)
    with build_opener(ProxyHandler({})).open(asked, timeout=20) as answer:
        assert answer.status == 202


def test_a_task_in_the_list_is_found_and_collected_and_nothing_is_paid_again(
    tmp_path: Path, api: Sandbox
) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox", "an owl")
    ask_for(api, "a hare")

    found = doctor(team)
    repaired = doctor(team, "--repair")
    again = doctor(team)

    assert found.code == 1
    assert "2 submissions whose answer was lost were taken after all: rows 2 and 3" in found.said
    assert "a hare" not in found.said
    assert (repaired.code, again.code) == (0, 0), repaired.said + again.said
    assert "lost" not in again.said
    assert team.statuses() == {"done": 2}
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a hare": 1}
    assert len(list((team.folder / "media").rglob("*.png"))) == 8


def test_two_rows_that_asked_for_the_same_get_a_task_each(tmp_path: Path, api: Sandbox) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox", "a fox")

    assert doctor(team, "--repair").code == 0

    assert team.statuses() == {"done": 2}
    assert len({row["task_id"] for row in team.rows()}) == 2
    assert api.state()["tasks"] == {"a fox": 2}


def test_a_task_that_another_program_may_have_made_is_named_and_left_alone(
    tmp_path: Path, api: Sandbox
) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox")
    ask_for(api, "a fox")

    found, repaired = doctor(team), doctor(team, "--repair")

    for ended in (found, repaired):
        assert ended.code == 1
        assert "(row 2), and Apiframe lists 2 tasks that may be for it: " in ended.said
    assert team.statuses() == {"check needed": 1}
    assert api.state()["tasks"] == {"a fox": 2}


def test_the_address_for_the_call_tells_our_task_from_that_of_another_program(
    tmp_path: Path, api: Sandbox
) -> None:
    team = team_at(tmp_path, api, called=True)
    lose(team, api, "a fox")
    (ours,) = re.findall(r"taken after all: row 2, task (\S+)\.", doctor(team).said)
    ask_for(api, "a fox", webhookUrl="http://127.0.0.1:9/of-another-program")

    found = doctor(team, "--repair")

    assert "may be for it" not in found.said
    assert [row["task_id"] for row in team.rows()] == [ours]
    assert team.statuses() == {"done": 1}


def test_a_submission_that_was_not_taken_has_no_task(tmp_path: Path, api: Sandbox) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox", how="cut", kind="rst")

    found = doctor(team, "--repair")

    assert found.code == 1
    assert (
        "The answer to a submission was lost (row 2), and Apiframe lists no task of that time that "
        "no row has. It was probably not taken. promptsheet retry --unknown sends it again, and "
        "asks before."
    ) in found.said
    assert api.state()["tasks_taken"] == 0


def test_tasks_of_the_same_time_that_ask_for_something_else_are_named(
    tmp_path: Path, api: Sandbox
) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox", how="cut", kind="rst")
    ask_for(api, "a hare")

    found = doctor(team, "--repair")

    assert "Of that time, Apiframe lists 1 task that no row has, and none that certainly" in (
        found.said
    )
    assert "probably not taken" not in found.said
    assert team.statuses() == {"check needed": 1}


def test_the_list_of_another_key_says_nothing(tmp_path: Path, api: Sandbox) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox")
    (tmp_path / "key").write_text("afk_another")

    found = doctor(team)

    assert "(row 2). An earlier key was used, and its list cannot be read" in found.said
    assert "probably not taken" not in found.said


def test_what_another_store_asked_is_not_searched(tmp_path: Path, api: Sandbox) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox")
    for file in tmp_path.glob("promptsheet.db*"):
        file.unlink()

    adopted = doctor(team, "--adopt", "--repair")

    assert team.statuses() == {"check needed": 1}
    assert "probably not taken" not in adopted.said
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_list_that_cannot_be_read_is_said(tmp_path: Path, api: Sandbox) -> None:
    team = team_at(tmp_path, api)
    lose(team, api, "a fox")
    api.set(code="next 9 403 /v2/jobs")

    assert (
        "The list of tasks of Apiframe could not be searched: it answers 403." in doctor(team).said
    )


def test_an_api_without_a_list_cannot_be_searched(tmp_path: Path, api: Sandbox) -> None:
    team = team_at(tmp_path, api, version=1)
    lose(team, api, "a fox")

    found = doctor(team)

    assert found.code == 1
    assert "Apiframe (API version 1) has no list of tasks that could be searched." in found.said
    assert "Look in your account for its task. promptsheet retry --unknown" in found.said
