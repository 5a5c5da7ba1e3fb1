"""The receipt: every charge of the sandbox's own account has a row, and the rest is named.

The program runs as cron runs it, again and again; the sandbox counts what it charged.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, KEY_NAME, Program
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

#: Every fault that the sandbox has. Each strikes, and ends.
FAULTS: Mapping[str, object] = {
    "cut": "next 1 rst",
    "html": "next 1",
    "code": "next 1 404",
    "unavailable": "next 1 retry",
    "error": "next 2",
    "busy": "next 1",
    "lost": "next 3 any",
    "error_after": "next 1",
    "html_after": "next 1",
    "garbled": "next 3 any",
    "fail": "next 2 object",
    "no_capacity": "next 1",
    "odd_status": "next 1",
}
PROMPTS = [f"picture number {n}" for n in range(14)]


#: The API calls back to an address at which nobody listens.
LOST_CALLS = {"webhook": {"public_url": "http://127.0.0.1:9", "secret": "file:secret"}}


def team_at(folder: Path, url: str, version: int) -> Team:
    team = Team(folder, url, version)
    (folder / "secret").write_text("a-secret-of-thirty-two-characters")
    team.configured(
        "promptsheet", media="media", tables=LOST_CALLS, poll_every="50ms", write_every="50ms"
    )
    team.answers_within(1)
    return team


def receipt(team: Team, *words: str | Path) -> dict[str, Any]:
    ended = team.start("receipt", "--json", *words)
    found: dict[str, Any] = json.loads(ended.out)
    assert ended.code == found["exit_code"], ended.said
    return found


def run_until_done(team: Team, api: Sandbox) -> None:
    """Run as cron does until every row is done; failed rows are sent again as a person does.

    The first run is killed after the first charges.
    """
    taken = api.state()["tasks_taken"]
    environment = {**os.environ, KEY_NAME: KEY}
    with Program("run", team.config, folder=team.folder, environment=environment) as program:
        program.until(lambda: api.state()["tasks_taken"] != taken, "a first charge")
        program.kill()
    for _ in range(60):
        team.run()
        if set(team.statuses()) == {"done"}:
            return
        if {"failed", "check needed"} & set(team.statuses()):
            team.start("retry", "--unknown", "--yes")
    raise AssertionError(f"not done: {team.statuses()}, {api.state()}")


def pay_as_a_stranger(api: Sandbox, prompt: str) -> str:
    """Another program makes a task with the same key of version 2. Returns its id."""
    body = {"model": "midjourney", "prompt": prompt}
    request = urllib.request.Request(
        f"{api.url}/v2/images/generate",
        json.dumps(body).encode(),
        {"X-API-Key": f"afk_{KEY}", "Content-Type": "application/json", "User-Agent": "other/1"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(json.load(answer)["jobId"])


def after_every_fault(folder: Path, api: Sandbox, version: int) -> Team:
    """A team whose rows are all done, though everything that can go wrong did."""
    team = team_at(folder, api.url, version=version)
    team.write("prompt")
    team.finish()
    team.start("doctor", "--repair")
    api.set(**FAULTS)
    team.write("prompt", *PROMPTS)
    run_until_done(team, api)
    api.set(**dict.fromkeys(FAULTS, "off"))
    return team


def test_with_every_fault_each_charge_has_a_row_and_a_strangers_task_is_named(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0.05, plain_pictures="true") as api:
        team = after_every_fault(tmp_path, api, version=2)
        found = receipt(team)
        state = api.state()
        stranger = pay_as_a_stranger(api, "a cat of another program")
        other = receipt(team)
        shown = team.start("receipt")

    assert set(team.statuses()) == {"done"}
    assert (found["unmatched"], found["refunds_due"], found["refunds_to_check"]) == (0, 0, 0)
    assert (found["charges"], found["exit_code"]) == (state["tasks_taken"], 0)
    charged = sum(line["charged"] for line in found["details"])
    assert charged == found["accounts"][0]["amount"] == state["credits_charged"]
    assert {line["row_id"] for line in found["details"]} == {r["row_id"] for r in team.rows()}
    assert found["closing"].startswith(f"{state['tasks_taken']} charges, 14 rows, 0 unmatched, ")
    assert (other["unmatched"], other["exit_code"]) == (1, 1)
    assert [line["task_id"] for line in other["details"] if not line["row_id"]] == [stranger]
    assert f'task {stranger}, 16 credits: "a cat of another program"' in shown.out
    assert ", 1 unmatched, 0 refunds due" in shown.out


def test_version_1_says_what_its_receipt_rests_on_and_what_the_balance_does_not_explain(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0.05, plain_pictures="true") as api:
        team = after_every_fault(tmp_path, api, version=1)
        found = receipt(team)
        words = team.start("receipt").out
        api.set(credits=int(str(api.state()["credits_left"])) - 4000)
        fell = team.start("receipt")

    assert set(team.statuses()) == {"done"}
    assert (found["unmatched"], found["exit_code"]) == (0, 0)
    assert found["accounts"][0]["unexplained"] == 0
    assert "Apiframe (API version 1) has no list of charges." in words
    assert "cannot name charges of other programs, or of tasks whose answer was lost" in words
    assert "agrees with the charges" in words
    assert "credits more than all known charges" in fell.said
    assert fell.out.rstrip().endswith(" credits not explained")
    assert fell.code == 1


def test_refunds_that_did_not_come_are_due_and_the_claim_names_them(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true", refunds="none") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt")
        team.finish()
        team.start("doctor", "--repair")
        api.set(fail="next 2")
        team.write("prompt,name", "a fox,Fox", "an owl,=Owl", "a hen,Hen")
        team.finish()
        ended = team.start("receipt", "--claim", "claim.txt", "-o", "all.csv")
        tasks = [row["task_id"] for row in team.rows() if row["status"] == "failed"]
        stood = {*team.traces()}
        again = team.start("receipt", "--claim", "-")

    claim = (tmp_path / "claim.txt").read_text()
    lines = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text("utf-8-sig"))))
    assert ended.code == 1
    assert "3 charges, 3 rows, 0 unmatched, 2 refunds due" in ended.out
    assert "Subject: Request for a refund of 32 credits" in claim
    assert len(tasks) == 2
    assert all(f"task {task}  16 credits (generation failed)" in claim for task in tasks)
    assert claim.strip() in again.out
    assert {*team.traces()} == stood
    # Requests leave side by side, so any two of the three rows may be the failed ones.
    assert sorted((line["refund"], line["why"]) for line in lines) == [
        ("", ""),
        ("16", "the task failed"),
        ("16", "the task failed"),
    ]
    assert {line["name"] for line in lines} == {"Fox", "'=Owl", "Hen"}
    assert all(line["task_id"] and line["files"] for line in lines if not line["why"])


def test_without_an_earlier_balance_refunds_are_to_be_checked(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        api.set(fail="next 1")
        team.write("prompt", "a fox", "an owl")
        team.finish()
        ended = team.start("receipt", "--claim", "-")

    assert ended.code == 0
    assert "2 charges, 2 rows, 0 unmatched, 0 refunds due, 1 refund to check" in ended.out
    assert "Please check them, and refund what is missing." in ended.out


def test_a_charge_names_the_part_of_a_row_that_makes_several_pictures(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt,ratios,count", 'a fox,"1:1, 9:16",2', "an owl,,", "a hen,,2")
        team.finish()
        found = receipt(team)
        shown = team.start("receipt")

    # The first picture is a row's own; only what it asks for besides has a name.
    parts = sorted((one["prompt"], one["part"]) for one in found["details"])
    assert parts == [
        *(("a fox", part) for part in ("1:1", "1:1 (2)", "9:16", "9:16 (2)")),
        *(("a hen", part) for part in ("", "number 2")),
        ("an owl", ""),
    ]
    assert "1, 9:16 (2)" in shown.out
    assert found["closing"] == "7 charges, 3 rows, 0 unmatched, 0 refunds due"


def test_a_second_charge_for_one_idempotency_key_is_due(tmp_path: Path) -> None:
    # The stand-in forgets every key, so each submission that is sent again is a new task.
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true", idempotency_seconds=0) as api:
        team = team_at(tmp_path, api.url, version=2)
        api.set(lost="next 1 fin")
        team.write("prompt", "a fox", "an owl")
        for _ in range(3):
            team.finish()
        found = receipt(team)
        taken = api.state()["tasks_taken"]

    assert team.statuses() == {"done": 2}
    assert taken == 3
    assert found["closing"] == "3 charges, 2 rows, 0 unmatched, 1 refund due"
    assert "which we sent again with the same idempotency key" in found["claim"]


def test_a_charge_above_the_listed_price_is_due_by_the_difference(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true", surcharge=4) as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt", "a fox")
        team.finish()
        found = receipt(team)

    assert found["closing"] == "1 charge, 1 row, 0 unmatched, 1 refund due"
    assert "4 credits (charged 20, listed 16)" in found["claim"]


def test_a_list_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt", "a fox")
        team.finish()
        api.set(code="next 9 403 /v2/jobs")
        ended = team.start("receipt")

    assert ended.code == 3
    assert "could not be read to its end: it answers 403" in ended.out
    assert "has no list" not in ended.out
    assert "1 charge, 1 row, 0 unmatched, 0 refunds due" in ended.out


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01"])
def test_a_day_that_is_no_date_is_refused(tmp_path: Path, since: str) -> None:
    team = Team(tmp_path, "http://127.0.0.1:9")
    team.configure()
    team.write("prompt")

    ended = team.start("receipt", "--since", since)

    assert (ended.code, ended.err.strip()) == (
        2,
        f"--since {since} is not a date: write it as 2026-11-01.",
    )


def test_a_row_whose_task_the_account_does_not_know_is_named_everywhere(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt,name", "a fox,Fox", "an owl,Owl")
        team.finish()
        with closing(sqlite3.connect(tmp_path / "promptsheet.db")) as store, store:
            store.execute("update attempts set task_id = 'gone' where inputs like '%owl%'")
        ended = team.start("receipt", "-o", "all.csv")

    lines = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text("utf-8-sig"))))
    assert ended.code == 1
    assert 'row 3, "Owl", take 1, attempt 1' in ended.out
    assert "2 charges, 1 row, 2 unmatched, 0 refunds due" in ended.out
    assert [(line["row"], line["charged"], line["why"]) for line in lines] == [
        ("2", "16", ""),
        ("", "16", "no row knows this charge"),
        ("3", "", "the task is not in the account's list"),
    ]


def test_since_leaves_out_earlier_charges(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt", "a fox")
        team.finish()

        assert receipt(team, "--since", "2020-01-01")["charges"] == 1
        assert receipt(team, "--since", "2999-01-01")["charges"] == 0


def test_a_list_of_several_pages_is_read_as_far_back_as_the_first_row(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt", "a fox")
        team.finish()
        for n in range(120):
            pay_as_a_stranger(api, f"other {n}")
        before = api.state()
        found = receipt(team)
        after = api.state()

    assert found["closing"] == "121 charges, 1 row, 120 unmatched, 0 refunds due"
    assert after["tasks_taken"] == before["tasks_taken"]
    reads = {
        path: number - before["requests"].get(path, 0)
        for path, number in after["requests"].items()
        if number != before["requests"].get(path, 0)
    }
    assert reads == {"/v2/jobs": 2, "/v2/me": 1, "/v2/jobs/{id}": 20}


def test_charges_of_an_earlier_key_are_shown_and_said_to_be_unproved(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt", "a fox")
        team.finish()
    with sandbox_process("other", task_seconds=0, plain_pictures="true") as other:
        (tmp_path / "key").write_text("afk_other")
        team.config.write_text(team.config.read_text().replace(api.url, other.url))
        ended = team.start("receipt")

    assert ended.code == 0
    assert "The key for apiframe-v2 is not configured any more, so it was not asked." in ended.out
    assert "1 charge, 1 row, 0 unmatched, 0 refunds due" in ended.out


def test_a_new_key_of_the_same_account_finds_the_charges_of_the_earlier_one(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt", "a fox")
        team.finish()
        with closing(sqlite3.connect(tmp_path / "promptsheet.db")) as store, store:
            store.execute("update attempts set api_key = 'of an earlier key'")
        found = receipt(team)

    assert found["closing"] == "1 charge, 1 row, 0 unmatched, 0 refunds due"
    assert [one["has_list"] for one in found["accounts"]] == [True]


def test_without_a_key_the_receipt_says_that_it_asked_nothing(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=1)
        team.write("prompt", "a fox")
        team.finish()
        ended = team.start("receipt", key=None)

    assert "1 charge, 1 row, 0 unmatched, 0 refunds due" in ended.out


@pytest.mark.parametrize("name", ["prompts.csv", "promptsheet.toml", "./promptsheet.db"])
@pytest.mark.parametrize("flag", ["-o", "--claim"])
def test_a_receipt_never_replaces_the_sheet_the_configuration_or_the_store(
    tmp_path: Path, name: str, flag: str
) -> None:
    team = Team(tmp_path, "http://127.0.0.1:9")
    team.configure()
    team.write("prompt", "a fox")
    (tmp_path / "promptsheet.db").write_text("")
    before = team.traces()

    ended = team.start("receipt", flag, name)

    assert ended.code == 2
    assert "is the sheet or belongs to it, and would be replaced. Name another file." in ended.err
    assert team.traces() == before


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as api:
        team = team_at(tmp_path, api.url, version=2)
        team.write("prompt", "a fox")
        team.finish()
        ended = team.start("receipt", "-o", "prompts.csv/all.csv")

    assert ended.code == 2
    assert "prompts.csv/all.csv cannot be written: " in ended.said


def test_before_the_first_run_there_is_no_receipt(tmp_path: Path) -> None:
    team = Team(tmp_path, "http://127.0.0.1:9")
    team.configure()
    team.write("prompt", "a fox")

    ended = team.start("receipt")

    assert ended.code == 3
    assert "Nothing has been run yet" in ended.err
