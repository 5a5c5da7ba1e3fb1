"""What people expect of a command line: the usual file, help, completion, JSON, a list of rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from pipeline import wiring
from pipeline.cli import exit_codes
from pipeline.cli.commands import app
from pipeline.config import load
from pipeline.core.errors import ConfigError
from pipeline.core.model import JobKey
from pipeline.open_sheet import open_sheet
from pipeline.sandbox import Sandbox
from pipeline.store import Store
from tests.fakes.cases import each
from tests.fakes.lacking import without
from tests.fakes.program import KEY, ROOT, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import free_port, service
from tests.fakes.team import Team
from tests.fakes.terminal import terminal

COMMANDS = sorted(getattr(typer.main.get_command(app), "commands", {}))
GOOGLE = "https://docs.google.com/spreadsheets/d"
FIELDS_OF_A_ROW = {
    *("row", "row_id", "name", "status", "note", "take", "task_id", "urls", "text", "credits"),
    "needs_attention",
    *("picked", "pictures"),
}


def test_the_usual_configuration_is_used_if_none_is_named(team: Team) -> None:
    team.write("prompt", "a bad fox [fail]", "an owl")

    ran = team.start("run", "--wait")
    picked = team.start("retry", "2")
    commands = ("status", "pause", "resume", "doctor", "gallery")
    others = {name: team.start(name).code for name in commands}

    assert ran.code == 1
    assert "1 row to send again, 4 credits." in picked.said
    assert others == dict.fromkeys(commands, 0)  # the failed row is to be sent again
    assert (team.folder / "gallery.html").is_file()


@pytest.mark.parametrize(
    "name", ["run", "watch", "serve", "status", "retry", "pause", "resume", "doctor", "gallery"]
)
def test_without_the_usual_configuration_a_command_says_how_to_make_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    ended = CliRunner().invoke(app, [name])

    assert isinstance(ended.exception, ConfigError)
    assert str(ended.exception) == (
        "There is no promptsheet.toml in this folder. Name a configuration file, or create one "
        "with promptsheet init."
    )


@each("name", ["", *(one for one in COMMANDS if one != "sandbox")])
def test_help_has_a_short_flag_and_no_python_types(name: str) -> None:
    words = [name] if name else []
    short, long = (CliRunner().invoke(app, [*words, flag]) for flag in ("-h", "--help"))

    assert (short.exit_code, short.output) == (0, long.output)
    assert "[OPTIONS]" in short.output
    assert "list[" not in short.output
    assert "...\n" not in short.output.partition("Commands:")[2]  # every summary is whole


def test_a_shell_completes_commands_and_flags() -> None:
    def completed(words: str) -> list[str]:
        asked = {
            "_PROMPTSHEET_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        ended = subprocess.run(
            [sys.executable, ROOT / "run.py"],
            env={**os.environ, **asked},
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.stdout.split()

    assert completed("promptsheet sta") == ["status"]
    assert completed("promptsheet run --st") == ["--strict"]


def test_the_end_of_a_run_names_ten_rows_that_need_attention_the_new_ones_first(
    team: Team,
) -> None:
    team.write("prompt,name", *(f"fox {n} [refuse],f{n}" for n in range(4)))
    team.configure("[rules]\nstop_after = 100\n")
    assert team.finish().code == 1
    with team.editing() as rows:
        rows += [{"prompt": f"{'an owl with very many words ' * 9}{n} [refuse]"} for n in range(8)]

    ended = team.finish()
    lines = ended.out.splitlines()

    assert (ended.code, ended.err) == (1, "")
    assert lines[1] == "12 rows need your attention:"
    assert [line.split(":")[0] for line in lines[2:12]] == [
        *(f"  row {n}, an owl with very many words an owl with…" for n in range(6, 14)),
        *("  row 2, f0", "  row 3, f1"),
    ]
    assert all("Change the prompt to send the row again." in line for line in lines[2:12])
    assert lines[12:] == ["  and 2 more: promptsheet status promptsheet.toml"]


def test_rows_are_listed_as_json(team: Team) -> None:
    team.write("prompt,name,take", "a fox,Zoë,", "no owl [refuse],,", "#N/A,,")
    ran = json.loads(team.finish("--json").out)
    again = json.loads(team.finish("--json").out)
    stood = team.start("status", team.config, "--json")
    one = json.loads(team.start("status", team.config, "--row", "2", "--json").out)
    report = json.loads(stood.out)
    sheet = team.rows()

    for rows in (ran["details"], report["details"], one["details"]):
        assert all(set(row) == FIELDS_OF_A_ROW for row in rows)
    fox, owl, waiting = report["details"]
    assert fox == {
        "row": 2,
        "row_id": sheet[0]["row_id"],
        "name": "Zoë",
        "status": "done",
        "note": "",
        "take": 1,
        "task_id": sheet[0]["task_id"],
        "urls": sheet[0]["image_urls"].split("\n"),
        "picked": [],
        "text": "",
        "credits": 4,
        "needs_attention": False,
        "pictures": [],
    }
    assert (owl["status"], owl["needs_attention"], owl["credits"]) == ("failed", True, 0)
    assert (waiting["status"], waiting["note"]) == ("waiting", sheet[2]["note"])
    assert ran["details"] == [fox, owl]
    assert again["details"] == [owl]  # nothing changed, and it still needs attention
    assert one["details"] == [fox]
    kinds = [event["kind"] for event in one["history"] if event["kind"] != "progressed"]
    assert kinds == ["sent", "accepted", "succeeded"]
    assert stood.code == report["exit_code"] == 1
    assert type(report["exit_code"]) is int  # JSON's true is no exit code
    assert {name: report[name] for name in ("rows", "need_a_person", "credits_today", "hold")} == {
        "rows": {"done": 1, "failed": 1, "waiting": 1},
        "need_a_person": 1,
        "credits_today": 4,
        "hold": "",
    }


def test_status_lists_rows_that_are_edited_copied_or_wait_for_a_repair_and_exits_0(
    team: Team,
) -> None:
    team.write("prompt", "a fox", "an owl", "#REF!")
    assert team.finish().code == 0
    with team.editing() as rows:
        rows.append(dict(rows[1]))
        rows[0]["prompt"] = "a red fox"

    ended = team.start("status", team.config)

    assert ended.code == 0
    for heading, row in (
        ("Waiting until a cell is corrected:", "4  #REF!"),
        ("Edited after they were made:", "2  a red fox"),
        ("Copies of other rows:", "5  an owl"),
    ):
        assert row in ended.out.partition(heading)[2].partition("\n\n")[0]


def test_a_row_dismissed_on_the_page_needs_no_attention_until_its_next_event(
    team: Team,
) -> None:
    team.write("prompt", "no fox [refuse]", "no owl [refuse]")
    assert team.finish().code == 1
    settings = load(team.config)
    with Store(settings.store_url, now=wiring.now) as store:
        key = open_sheet(settings, store).key
        assert store.jobs.dismiss(JobKey(key, team.rows()[0]["row_id"], 1), away=True)

    def counts() -> list[int]:
        strict = json.loads(team.finish("--strict", "--json").out)
        stood = json.loads(team.start("status", team.config, "--json").out)
        doctor = team.start("doctor", team.config).out
        return [strict["need_a_person"], stood["need_a_person"], doctor.count("1 row with the")]

    assert counts() == [1, 1, 1]
    assert team.start("retry", team.config, "2").code == 0
    assert team.finish().code == 1  # refused once more
    assert counts()[:2] == [2, 2]


def test_a_terminal_shows_the_folder_of_the_pictures_and_quiet_only_problems(
    team: Team,
) -> None:
    team.configure('[media]\nsave_to = "pictures"\n')
    team.write("prompt", "a fox")
    with terminal(team.folder, "run", "--wait", key=KEY) as screen:
        assert screen.end() == 0
        assert "API: Apiframe (API version 1)\n" in screen.shown
        assert "Pictures: pictures\n" in screen.shown
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})
    with terminal(team.folder, "run", "--wait", "-q", key=KEY) as screen:
        assert screen.end() == 0
        assert screen.shown == ""
    with team.editing() as rows:
        rows.append({"prompt": "no cat [refuse]"})
    with terminal(team.folder, "run", "--wait", "--quiet", key=KEY) as screen:
        assert screen.end() == 1
        assert "1 row needs your attention:" in screen.shown
    assert team.start("run", "-v", "-q").code == 2


def test_verbose_reports_each_step_with_its_time_on_standard_error(team: Team) -> None:
    team.write("prompt", "a fox")

    ended = team.finish("-v")
    steps = ended.err.splitlines()

    assert (ended.code, ended.out) == (0, "")
    assert all(step[2] == step[5] == ":" and step[8] == " " for step in steps)
    said = [step[9:] for step in steps]
    assert said[0] == "prompts.csv: read and written; rows: 1, ready to send: 1"
    assert "POST /imagine: status 200" in said
    assert f"row {team.rows()[0]['row_id']}, take 1: succeeded" in said


def test_an_unusable_header_ends_every_command_with_exit_code_2(team: Team) -> None:
    team.write("prompt,prompt", "a fox,an owl")
    doubled = [team.start(*words).code for words in (["run"], ["run", "--plan"], ["status"])]
    doctor = team.start("doctor")
    team.write("words", "a fox")
    nameless = [team.start(*words).code for words in (["run"], ["run", "--plan"], ["status"])]

    assert doubled == nameless == [2, 2, 2]
    assert doctor.code == 2
    assert "✗ Columns A and B have one name, prompt." in doctor.said


def test_row_selects_a_row_in_one_of_several_sheets(team: Team, api: Sandbox) -> None:
    other = team.configure('[media]\nsave_to = ""\n', name="other", sheet="other.csv")
    gone = team.configure('[media]\nsave_to = ""\n', name="gone", sheet="gone.csv")
    team.write("prompt,name", "a fox,fox")
    team.write("prompt,name", "an owl,owl", "a cat,cat", sheet="other.csv")

    plan = team.run("--plan", "--row", "owl", other)
    both = team.run("--row", "2", other)
    none = team.run("--plan", "--row", "cow", other)
    unread = team.run("--plan", "--row", "fox", gone)
    ran = team.run("--row", "owl", "--wait", other)

    assert (plan.code, plan.err) == (0, "")
    assert "0 requests, 0 credits" in plan.out.partition("other.csv")[0]
    assert "1 to send row 2: an owl" in plan.said
    assert (both.code, both.err) == (
        2,
        '"2" matches a row in prompts.csv and in other.csv. Name one configuration, or give the '
        "row_id.\n",
    )
    assert (none.code, none.err) == (
        2,
        'There is no row "cow": give its row_id, name or line number.\n',
    )
    assert unread.code == 3
    assert "1 to send row 2: a fox" in unread.said
    assert ran.code == 0
    assert api.state()["tasks"] == {"an owl": 1}


@pytest.mark.parametrize(
    ("library", "extra", "words"),
    [
        ("gspread", "google", ["run", "google.toml"]),
        ("gspread", "google", ["status", "google.toml"]),
        (
            "google.auth",
            "google",
            ["init", "--google", GOOGLE + "/1", "--credentials", "k", "--config", "a"],
        ),
        ("openpyxl", "excel", ["run", "excel.toml"]),
        ("openpyxl", "excel", ["run", "excel.toml", "--plan"]),
        ("openpyxl", "excel", ["init", "new.xlsx", "--config", "new.toml"]),
        ("cronsim", "serve", ["watch"]),
        ("itsdangerous", "serve", ["serve"]),
        ("prometheus_client", "serve", ["demo", "--serve"]),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_exit_code_2(
    team: Team, library: str, extra: str, words: list[str]
) -> None:
    team.write("prompt", "a fox")
    team.configure(name="excel", sheet="sheet.xlsx")
    (team.folder / "sheet.xlsx").write_bytes(b"")
    google = team.configure(name="google", sheet=f"{GOOGLE}/abc/edit")
    google.write_text(
        google.read_text().replace("[provider]", 'credentials = "file:k"\n[provider]')
    )
    (team.folder / "k").write_text('{"type": "service_account"}')
    (team.folder / "k").chmod(0o600)

    ended = without(library, words, team.folder)

    assert ended.code == 2, ended
    assert ended.out.endswith(
        f'needs more libraries. Install "promptsheet[{extra}]" with pip, uv or pipx.\n'
    )
    assert ended.is_plain


def test_doctor_names_a_store_that_cannot_be_created(team: Team) -> None:
    team.configure('[store]\nurl = "sqlite:///nowhere/promptsheet.db"\n')
    team.write("prompt", "a fox")

    ended = team.start("doctor")

    place = team.folder / "nowhere"
    assert ended.code == 3
    assert (
        f"✗ The store {place / 'promptsheet.db'} cannot be created: there is no folder {place}."
        in ended.said
    )


def test_an_unexpected_error_is_one_sentence_with_exit_code_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def breaks(**_: object) -> int:
        raise KeyError("something\nodd \x1b[31m")

    code = exit_codes.exit_code_of(breaks)

    assert code == 3
    assert capsys.readouterr().err == (
        "Unexpected error: KeyError ('something\\nodd \\x1b[31m'). Run it again with -v to see "
        "where it happened.\n"
    )


def test_a_row_with_a_lost_answer_and_a_later_webhook_counts_as_new(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0.3, plain_pictures="true") as sandbox:
        sandbox.set(lost="next 1 trickle")
        team = Team(tmp_path, sandbox.url)
        team.answers_within(3)
        team.write_prompts(["a fox", "an owl", "a cat"])

        ended = call("run", service(team, hooks=free_port()), "--wait", "--json")

        report = json.loads(ended.said)
        assert sandbox.state()["tasks_taken"] == 3
    assert (report["new"], report["done"], report["without_answer"]) == (3, 3, 0)


def test_a_row_reported_by_a_poll_and_a_webhook_is_counted_once(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.3, plain_pictures="true") as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts([f"a fox in the {number}th street" for number in range(40)])
        config = service(team, hooks=free_port(), poll_every="20ms")

        ended = call("run", config, "--wait", "--json")

        report = json.loads(ended.said)
        assert sandbox.state()["tasks_taken"] == 40
    assert (report["new"], report["done"]) == (40, 40)


def test_retry_leaves_a_lost_row_alone_while_it_is_sent_again_with_its_key(tmp_path: Path) -> None:
    with sandbox_process(KEY, lost="1.0") as sandbox:
        team = Team(tmp_path, sandbox.url, 2)
        team.configured("promptsheet")
        team.write_prompts(["a fox"])
        team.run()
        assert [row["status"] for row in team.rows()] == ["sending"]

        asked = team.start("retry", "--unknown", "--yes")

        assert "There is no row to send again." in asked.out
        named = team.start("retry", "2", "--unknown", "--yes")
        assert (named.code, "sending" in named.err) == (2, True)
