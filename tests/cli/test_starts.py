"""The commands `init`, `demo`, `doctor` and `sandbox`: a first sheet, and repairs."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pipeline import __version__
from pipeline.sandbox import Sandbox, running
from tests.fakes.program import ROOT
from tests.fakes.team import Team, assert_no_formula
from tests.fakes.terminal import terminal

#: The tests make their own configurations.
TEAM_TABLES = None


def test_init_creates_a_sheet_and_a_configuration_and_overwrites_nothing(team: Team) -> None:
    made = team.start("init", key=None)
    assert made.code == 0
    assert made.said == (
        "prompts.csv was created, with a sample row. Write your prompts into it. "
        "promptsheet.toml was created. 1 row is ready to be sent. No key yet: Apiframe (API "
        "version 1) is assumed until it is set. The form of the key decides which version it is "
        "for. See what a run would do: "
        "promptsheet run promptsheet.toml --plan Then set your key, and run it: "
        "export APIFRAME_API_KEY=… promptsheet run promptsheet.toml --wait"
    )
    assert set(team.traces()) == {"prompts.csv", "promptsheet.toml"}

    before = team.traces()
    again = team.start("init")
    other = team.start("init", "other.csv")
    old = team.start("init", "plan.xls")

    assert again.code == 0
    assert "prompts.csv already exists and was not changed. promptsheet.toml already" in again.said
    assert "Then run it: promptsheet run promptsheet.toml --wait" in again.said
    assert (other.code, other.err) == (
        2,
        f"promptsheet.toml is for {team.sheet}. Name another configuration with --config.\n",
    )
    assert (old.code, old.err) == (
        2,
        "plan.xls is not a .csv, .tsv, .xlsx or .xlsm file. A new one could be called plan.csv.\n",
    )
    assert team.traces() == before
    assert team.start("init", "other.csv", "--config", "other.toml").code == 0


def test_init_adopt_takes_over_results_of_another_tool(team: Team, api: Sandbox) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write(
        "prompt,Status,task_id,image_urls",
        "a fox,finished,old-1,https://example.com/fox.png",
        "an owl,todo,,",
    )
    refused = team.start("init")
    adopted = team.start("init", "--adopt")
    assert team.finish().code == 0

    assert refused.code == 2
    assert "Column B, Status, already holds text." in refused.err
    assert adopted.code == 0
    assert "Taken over: Status, task_id, image_urls. The next run overwrites these" in adopted.said
    assert api.state()["tasks"] == {"an owl": 1}
    fox, owl = team.rows()
    assert (fox["Status"], fox["task_id"], owl["Status"]) == ("finished", "old-1", "done")


def test_the_demo_shows_every_row_and_a_second_run_pays_nothing(tmp_path: Path) -> None:
    team = Team(tmp_path, "")
    first = team.start("demo", "--folder", "show", key=None, fresh=True)
    second = team.start("demo", "--folder", "show", key=None)

    with (tmp_path / "show" / "prompts.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (first.code, second.code) == (0, 0)
    asked = [row for row in rows if row["status"]]
    taken = sum(bool(row["task_id"]) for row in asked)
    assert f"The stand-in accepted {taken} tasks in this run." in first.out
    assert "The stand-in accepted 0 tasks in this run." in second.out
    for number, row in enumerate(rows, start=2):
        assert bool(row["status"]) == bool(re.search(rf"(?m)^ +{number}  ", first.out))
    assert {"done", "failed", "invalid", "skipped"} == {row["status"] for row in asked}
    assert (tmp_path / "show" / "gallery.html").is_file()
    assert_no_formula(rows)
    link = next(row["image_urls"] for row in rows if row["image_urls"]).split("\n")[0]
    with running("demo", remember=tmp_path / "show" / ".stand-in.json"):
        assert httpx.get(link, trust_env=False).status_code == 200


def test_doctor_finds_problems_and_repairs_those_that_are_safe(team: Team, api: Sandbox) -> None:
    team.configure()
    team.write("prompt,owner", "a fox,Ann", "an owl [fail],Bob")
    team.finish()
    next((team.folder / "media").glob("*-1.png")).unlink()

    before = team.traces()
    found = team.start("doctor", team.config)
    assert team.traces() == before
    no_key = team.start("doctor", team.config, "--repair", key=None)
    repaired = team.start("doctor", team.config, "--repair")

    assert found.code == 1
    assert found.said == (
        "✓ promptsheet.toml can be used. "
        "✓ prompts.csv has 2 rows. Read: prompt. Not used: owner. "
        "! 1 row with the status failed: change the prompt, or run promptsheet retry. "
        "! 1 saved picture is missing on disk. Run promptsheet doctor --repair. "
        "✓ Apiframe (API version 1) accepts the key; 999992 credits are left."
    )
    assert (no_key.code, no_key.err) == (
        2,
        "--repair asks the API about open tasks. Set the API key first.\n",
    )
    assert repaired.code == 1
    assert repaired.said.startswith("Repaired: 0 rows done, 1 picture saved. ✓")
    assert "missing on disk" not in repaired.said
    assert len(list((team.folder / "media").glob("*.png"))) == 4
    assert api.state()["tasks"] == {"a fox": 1, "an owl [fail]": 1}


def test_a_sheet_whose_store_is_lost_pays_nothing_until_it_is_adopted(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt", "a fox", "an owl")
    team.finish()
    with team.editing() as rows:
        rows.append({"prompt": "a cat"})
    shutil.copy(team.folder / "promptsheet.db", team.folder / "backup.db")
    for file in team.folder.glob("promptsheet.db*"):
        file.unlink()

    held = team.run()
    assert held.code == 1
    assert held.said.startswith(
        "prompts.csv belongs to another store of Promptsheet. "
        "If this is the right place to run it from, run promptsheet doctor --adopt here."
    )
    adopted = team.start("doctor", team.config, "--adopt")
    assert adopted.said.startswith(
        "prompts.csv belongs to this store now. Nothing was paid. Rows taken over: 2 with pictures,"
    )
    assert team.finish().code in (0, 1)
    assert api.state()["tasks"].keys() - {"a cat"} == {"a fox", "an owl"}
    assert set(api.state()["tasks"].values()) == {1}
    assert team.said_of("a fox", "an owl") == ["done", "done"]

    for file in team.folder.glob("promptsheet.db*"):
        file.unlink()
    shutil.move(team.folder / "backup.db", team.folder / "promptsheet.db")
    restored = team.run()
    assert restored.code == 1
    assert "prompts.csv belongs to another store of Promptsheet." in restored.said
    assert set(api.state()["tasks"].values()) == {1}


def test_a_deleted_claim_is_restored_without_an_error(team: Team, api: Sandbox) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt", "a fox")
    team.finish()
    (team.folder / "prompts.csv.promptsheet").unlink()
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})

    ended = team.finish()

    assert (ended.code, ended.said) == (0, "")
    assert (team.folder / "prompts.csv.promptsheet").is_file()
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_a_key_file_that_others_can_read_is_reported_at_a_terminal_and_not_to_cron(
    team: Team, api: Sandbox
) -> None:
    config = team.configure().read_text()
    team.config.write_text(config.replace("[pace]", 'api_key = "file:key.txt"\n[pace]'))
    key = team.folder / "key.txt"
    key.write_text("sandbox")
    key.chmod(0o644)
    team.write("prompt", "a fox")
    warning = "Other users of this machine can read key.txt, which holds a secret. Run: chmod 600"

    asked = team.start("doctor", team.config, key=None)
    under_cron = team.run(key=None)
    with terminal(team.folder, "run", "promptsheet.toml", width=200) as screen:
        assert screen.end() == 0
    key.chmod(0o600)
    safe = team.start("doctor", team.config, key=None)

    assert asked.err == f"{warning} {key}\n"
    assert (under_cron.code, under_cron.said) == (0, "")
    assert screen.shown.count(warning) == 1
    assert safe.err == ""
    assert api.state()["tasks_taken"] == 1


def test_help_names_every_command(tmp_path: Path) -> None:
    team = Team(tmp_path, "")

    ended = team.start("--help")

    assert ended.code == 0
    for command in (
        "run",
        "status",
        "retry",
        "pause",
        "resume",
        "doctor",
        "init",
        "demo",
        "sandbox",
    ):
        assert f" {command} " in ended.out


def test_the_version_is_printed(team: Team) -> None:
    ended = team.start("--version")

    assert (ended.code, ended.out) == (0, f"promptsheet {__version__}\n")


def test_the_usage_of_the_sandbox_has_the_name_of_its_command(team: Team) -> None:
    ended = team.start("sandbox", "--help")

    assert (ended.code, ended.said.startswith("usage: promptsheet sandbox ")) == (0, True)


@pytest.mark.parametrize(
    ("found", "named"), [(False, ".venv/bin/promptsheet"), (True, "promptsheet")]
)
def test_init_prints_the_next_command_so_that_it_can_be_copied(
    tmp_path: Path, found: bool, named: str
) -> None:
    program = tmp_path / ".venv" / "bin" / "promptsheet"
    program.parent.mkdir(parents=True)
    program.write_text("from pipeline.cli.start import main\nmain()\n")
    program.chmod(0o755)
    path = str(program.parent) if found else "/nowhere"

    ended = subprocess.run(
        [sys.executable, ".venv/bin/promptsheet", "init"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"\n    {named} run promptsheet.toml --plan\n" in ended.stdout
    assert f"\n    {named} run promptsheet.toml --wait\n" in ended.stdout
