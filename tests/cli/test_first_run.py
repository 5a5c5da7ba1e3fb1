"""`init` at a terminal leads to the first pictures: the key, the plan, the question, the run.

The API is the sandbox: a provider file beside the configuration has its address, as if it were
Apiframe's.
"""

from __future__ import annotations

import json
import re
import stat
import sys
import tomllib

import pytest
from rich.console import Console

from pipeline.cli import next_steps
from pipeline.config import configs, load
from pipeline.config.template import Target
from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY
from tests.fakes.team import Team
from tests.fakes.terminal import Terminal, terminal

#: The tests make their own configurations.
TEAM_TABLES = None
PAY = "Send this row to Apiframe now? It costs 4 credits. [y/N]: "
REFUSED = "Apiframe refused the API key (401)."


@pytest.fixture
def team_of_apiframe(team: Team, api: Sandbox) -> Team:
    """A team for which Apiframe has the address of the sandbox."""
    (team.folder / "providers").mkdir()
    for version in ("v1", "v2"):
        text = (configs() / "providers" / f"apiframe-{version}.toml").read_text()
        line = next(line for line in text.splitlines() if line.startswith("base_url"))
        path = "/v2" if version == "v2" else ""
        text = text.replace(line, f'base_url = "{api.url}{path}"').replace("[poll]", "[poll]\n")
        (team.folder / "providers" / f"apiframe-{version}.toml").write_text(text)
    return team


def settings_as_they_are(screen: Terminal) -> None:
    for question in ("Aspect ratio", "Most ", "approved", "Save"):
        screen.answer(question, "\n")


def test_a_typed_key_is_checked_saved_and_shown_nowhere(
    team_of_apiframe: Team, api: Sandbox
) -> None:
    team = team_of_apiframe
    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer("Your first prompt", "a fox in the snow\n")
        screen.answer("Your Apiframe key", "wrong-key\n")
        screen.answer(REFUSED, f"{KEY}\n")
        settings_as_they_are(screen)
        screen.answer(PAY, "\n")
        assert screen.end() == 0

    assert "accepts the key; " in screen.shown
    assert "row 2: a fox in the snow" in screen.shown
    key = team.folder / "apiframe.key"
    assert (key.read_text(), stat.S_IMODE(key.stat().st_mode)) == (KEY, 0o600)
    provider = tomllib.loads(team.config.read_text())["provider"]
    assert (provider["api_key"], "base_url" in provider) == ("file:apiframe.key", False)
    assert "wrong-key" not in screen.shown + team.config.read_text()
    assert KEY not in screen.shown
    assert api.state()["tasks_taken"] == 0
    assert [row.get("status", "") for row in team.rows()] == [""]

    with terminal(team.folder, "init", width=120) as again:
        again.answer("Which CSV", "\n")
        again.answer(PAY, "perhaps\n")
        again.answer("Write y for yes, or n for no.", "y\n")
        assert again.end() == 0
    with terminal(team.folder, "init", width=120) as third:
        third.answer("Which CSV", "\n")
        assert third.end() == 0

    assert "1 new, 1 done" in again.shown
    assert "Gallery: gallery.html (opened in your browser)" in again.shown
    assert "    promptsheet run promptsheet.toml --wait" in third.shown
    assert (team.folder / "gallery.html").is_file()
    assert api.state()["tasks"] == {"a fox in the snow": 1}
    assert [row["status"] for row in team.rows()] == ["done"]


def test_a_key_in_the_environment_is_checked_and_not_asked_for(
    team_of_apiframe: Team, api: Sandbox
) -> None:
    team = team_of_apiframe
    team.write("prompt", "a fox", "an owl", "a hen")
    with terminal(team.folder, "init", width=120, key=f"afk_{KEY}") as screen:
        screen.answer("Which CSV", "\n")
        settings_as_they_are(screen)
        screen.answer("How many of these 3 rows to send to Apiframe now (3 for ", "4\n")
        screen.answer("Write a number from 0 to 3.", "1\n")
        assert screen.end() == 0

    assert "Your Apiframe key" not in screen.shown
    assert "Apiframe (API version 2) accepts the key; " in screen.shown
    assert api.state()["tasks"] == {"a fox": 1}
    assert team.said_of("a fox", "an owl", "a hen") == ["done", "queued", "queued"]


def test_without_a_key_the_stand_in_draws_the_first_picture(team: Team, api: Sandbox) -> None:
    with terminal(team.folder, "init", "--sandbox", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer("Your first prompt", "a fox\n")
        settings_as_they_are(screen)
        screen.answer("Let the stand-in draw it now? [Y/n]: ", "\n")
        assert screen.end() == 0

    assert team.said_of("a fox") == ["done"]
    assert len(list((team.folder / "media").glob("*.png"))) == 4
    assert (team.folder / "gallery.html").is_file()
    assert "Your Apiframe key" not in screen.shown
    assert api.state()["tasks_taken"] == 0


def test_the_next_command_names_a_configuration_in_another_folder(
    team: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load(team.configure())
    shown = []
    for folder in (team.folder, team.folder.parent):
        monkeypatch.chdir(folder)
        next_steps.go_on(Console(width=300), settings, Target(), "prompts.csv", is_free=True)
        shown.append(re.findall("    (promptsheet init.*)", capsys.readouterr().out))

    elsewhere = f"{team.folder.name}/promptsheet.toml"
    assert shown == [["promptsheet init"], [f"promptsheet init --config {elsewhere}"]]


def test_after_the_stand_in_a_typed_key_is_enough_to_use_the_api(
    team_of_apiframe: Team, api: Sandbox
) -> None:
    team = team_of_apiframe
    assert team.start("init", "--sandbox", key=None).code == 0
    before = team.config.read_text()

    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer("Your Apiframe key, not shown (Enter: stay with the stand-in): ", "wrong\n")
        screen.answer(REFUSED, f"{KEY}\n")
        screen.answer(PAY, "y\n")
        assert screen.end() == 0

    after = team.config.read_text()
    gone = {*before.splitlines()} - {*after.splitlines()}
    assert sorted(line.split(" = ")[0] for line in gone) == ["api_key", "base_url"]
    assert 'api_key = "file:apiframe.key"    # the file with the key, never the key itself' in after
    assert sorted(one.name for one in team.folder.glob("*.key")) == ["apiframe.key"]
    assert "1 new, 1 done" in screen.shown
    assert api.state()["tasks_taken"] == 1


def test_a_configuration_without_a_key_gets_it_from_init_at_a_terminal(
    team_of_apiframe: Team, api: Sandbox
) -> None:
    team = team_of_apiframe
    assert team.start("init", key=None).code == 0
    before = team.config.read_text()

    with terminal(team.folder, "init", width=120) as without:
        without.answer("Which CSV", "\n")
        without.answer("Your Apiframe key, not shown (Enter: go on without it): ", "wrong\n")
        without.answer(REFUSED, "\n")
        assert without.end() == 0
    assert "No key yet: " in without.shown
    assert (team.config.read_text(), [*team.folder.glob("*.key")]) == (before, [])

    with terminal(team.folder, "init", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer("Your Apiframe key", f"{KEY}\n")
        screen.answer(PAY, "y\n")
        assert screen.end() == 0
    assert "Your key is in apiframe.key, which only you can read." in screen.shown
    assert api.state()["tasks_taken"] == 1

    (team.folder / "apiframe.key").unlink()  # it is asked for again
    with terminal(team.folder, "init", width=120) as again:
        again.answer("Which CSV", "\n")
        again.answer("Your Apiframe key", f"{KEY}\n")
        assert again.end() == 0
    assert (team.folder / "apiframe.key").read_text() == KEY
    assert api.state()["tasks_taken"] == 1


def test_the_stand_in_of_another_vendor_needs_no_second_terminal_and_may_be_interrupted(
    team: Team,
) -> None:
    vendor = ("--endpoint", "replicate/flux-schnell", "--sandbox")
    with terminal(team.folder, "init", *vendor, width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer("Your first prompt", "a fox\n")
        settings_as_they_are(screen)
        screen.answer("Let the stand-in draw it now? [Y/n]: ", "\n")
        screen.shows("1 in progress")
        screen.leave("\x03")
    assert "Most US cents per day (" in screen.shown
    assert "prompts.csv was created, with your prompt. Add more below it." in screen.shown

    with terminal(team.folder, "init", width=120) as again:
        again.answer("Which CSV", "\n")
        again.answer("Your Replicate key, not shown (Enter: stay with the stand-in): ", "\n")
        assert again.end() == 0
    assert team.said_of("a fox") == ["done"]
    assert len([*(team.folder / "media").glob("first-*")]) == 1


def test_a_provider_file_of_the_team_has_no_stand_in_and_none_is_offered(team: Team) -> None:
    (team.folder / "providers").mkdir()
    text = (configs() / "providers" / "replicate.toml").read_text()
    (team.folder / "providers" / "ours.toml").write_text(text.replace("Replicate", "Ours"))

    refused = team.start("init", "--endpoint", "ours/flux-schnell", "--sandbox", key=None)
    assert (refused.code, team.config.exists()) == (2, False)
    assert "has no stand-in on this machine. Leave --sandbox out." in refused.err

    with terminal(team.folder, "init", "--endpoint", "ours/flux-schnell", width=120) as screen:
        screen.answer("Which CSV", "\n")
        screen.answer("Your first prompt", "a fox\n")
        screen.answer("key, not shown (Enter: go on without it): ", "\n")
        settings_as_they_are(screen)
        assert screen.end() == 0

    assert "stand-in" not in screen.shown
    assert "Then set your key, and run it:" in screen.shown
    assert "base_url" not in tomllib.loads(team.config.read_text())["provider"]


def test_an_interrupted_init_goes_on_with_what_its_configuration_says(team: Team) -> None:
    assert team.start("init", "--approval", "--aspect-ratio", "3:4", key=None).code == 0
    whole = team.sheet.read_text()
    team.sheet.unlink()

    again = team.start("init", key=None)

    assert again.code == 0
    assert team.sheet.read_text() == whole
    assert "promptsheet.toml already exists and was not changed." in again.out


def test_without_its_sheet_a_configuration_is_not_left_behind(team: Team) -> None:
    (team.folder / "closed").mkdir()
    (team.folder / "closed" / "file").write_text("")

    ended = team.start("init", "closed/file/prompts.csv", "--config", "promptsheet.toml")

    assert (ended.code, team.config.exists()) == (3, False)


@pytest.mark.parametrize(
    ("prefix", "source", "command"),
    [
        ("/c/uv/archive-v0/Ab1", {"url": "file:///c/my%20sheet"}, "uvx --from '/c/my sheet' "),
        ("/c/uv/archive-v0/Ab1", {}, "uvx "),
        ("/c/.cache/pipx/12ab", {"url": "file:///c/sheet"}, "pipx run --spec /c/sheet "),
        (
            "/c/uv/archive-v0/Ab1",
            {"url": "https://example.com/sheet", "vcs_info": {"vcs": "git"}},
            "uvx --from git+https://example.com/sheet ",
        ),
    ],
)
def test_a_program_that_is_installed_for_one_start_names_itself_so_that_it_can_be_started_again(
    prefix: str, source: dict[str, object], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            return json.dumps(source) if source and name == "direct_url.json" else None

    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed())

    assert next_steps.program() == f"{command}promptsheet"
