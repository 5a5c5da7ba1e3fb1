"""`watch` and `serve`: real processes that keep running, and how they end."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.fakes.lacking import without
from tests.fakes.program import KEY, Program, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import TOKEN, free_port, get, is_at_rest, is_up, passed_at, service
from tests.fakes.team import Team

PROMPTS = [f"a kite, number {number}" for number in range(8)]


def test_watch_fills_the_sheet_sees_new_rows_and_ends_on_a_signal(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        team, page = Team(tmp_path, sandbox.url), free_port()
        team.write_prompts(PROMPTS)
        with Program("watch", service(team, page=page)) as program:
            program.until(lambda: team.statuses()["done"] == 8, "the first rows are done")
            team.add_prompts(["one more"])
            program.until(lambda: team.statuses()["done"] == 9, "the new row is done")
            cells = "cells_seconds_count"
            program.until(lambda: _metric(page, cells) == "9.0", "it says when the cells did")
            submissions = _metric(page, "submissions_total")
            done = _metric(page, "jobs", 'state="succeeded"')
            took, held = _metric(page, "result_seconds_count"), _metric(page, "held")
            status_without_token = get(f"http://127.0.0.1:{page}/metrics")[0]
            program.until(lambda: is_at_rest(team), "the pass is over")
            program.signal(signal.SIGTERM)
            ended = program.end()

        assert ended.is_plain, ended.said
        assert ended.code == 0
        assert (submissions, done, status_without_token) == ("9.0", "9.0", 401)
        assert (took, held) == ("9.0", "0.0")
        assert sandbox.state()["tasks"] == dict.fromkeys([*PROMPTS, "one more"], 1)
        # A slow first pass also sends the ninth row.
        counts = re.findall(r"prompts\.csv: (\d) new, (\d) done", ended.said)
        assert counts in ([("8", "8"), ("1", "1")], [("9", "9")])
        assert TOKEN not in ended.said


def test_a_watch_that_ends_sends_nothing_more_and_records_open_requests(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0.2, answer_seconds=1) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        config = service(team, concurrency=3)
        with Program("watch", config) as program:
            program.until(lambda: sandbox.state()["tasks_taken"] == 3, "three are on their way")
            program.signal(signal.SIGTERM)
            ended = program.end()
        taken, statuses = sandbox.state()["tasks_taken"], team.statuses()
        sandbox.set(answer_seconds=0)
        call("run", config, "--wait")

        assert ended.is_plain, ended.said
        assert ended.code == 130
        assert taken == 3
        assert statuses == {"in progress": 3, "queued": 5}
        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert team.statuses() == {"done": 8}


def test_a_second_signal_ends_watch_at_once(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.2, answer_seconds=60) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        with Program("watch", service(team, concurrency=3)) as program:
            program.until(lambda: sandbox.state()["tasks_taken"] == 3, "three are on their way")
            program.signal(signal.SIGINT)
            program.until(lambda: not program.handles_sigterm(), "the first signal has arrived")
            program.signal(signal.SIGINT)
            ended = program.end(10)

        assert ended.is_plain, ended.said
        assert ended.code == 130


def test_serve_answers_until_it_ends_and_a_second_one_reports_the_address_in_use(
    tmp_path: Path,
) -> None:
    team, page = Team(tmp_path, "http://127.0.0.1:9"), free_port()
    team.write_prompts(PROMPTS)
    config = service(team, page=page)
    with Program("serve", config) as program:
        program.until(lambda: is_up(page), "it answers")
        second = call("serve", config)
        watching = call("watch", config)
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert (ended.code, ended.is_plain) == (0, True), ended.said
    assert "The page of prompts.csv: http://127.0.0.1:" in ended.said
    for refused in (second, watching):
        assert refused.code == 3
        assert f"Another program listens at 127.0.0.1:{page} already" in refused.said
        assert refused.is_plain


def test_serve_reports_that_there_is_nothing_to_serve(tmp_path: Path) -> None:
    team = Team(tmp_path, "http://127.0.0.1:9")
    team.write_prompts(PROMPTS)
    ended = call("serve", team.configured())

    assert ended.code == 2
    assert "There is nothing to serve" in ended.said


def test_serve_says_which_webhooks_it_does_not_receive(tmp_path: Path) -> None:
    team, page, hooks = Team(tmp_path, "http://127.0.0.1:9"), free_port(), free_port()
    team.write_prompts(PROMPTS)
    team.write_prompts(PROMPTS, "others.csv")
    first = service(team, page=page, hooks=hooks)
    second = service(team, "others", sheet="others.csv", page=page, hooks=hooks)
    first.write_text(first.read_text().replace(f'listen = "127.0.0.1:{hooks}"\n', ""))
    with Program("serve", first, second) as program:
        program.until(lambda: is_up(page) and is_up(hooks), "it answers")
        program.signal(signal.SIGTERM)
        said = program.end().said

    assert "Webhooks for others.csv are received at http://127.0.0.1:" in said
    assert "Webhooks for prompts.csv are not received here: [webhook] listen is not set." in said


def test_serve_says_for_which_sheets_no_webhook_will_come(tmp_path: Path) -> None:
    team, page, hooks = Team(tmp_path, "http://127.0.0.1:9"), free_port(), free_port()
    team.write_prompts(PROMPTS)
    config = service(team, page=page, hooks=hooks)
    config.write_text(config.read_text().replace(f'public_url = "http://127.0.0.1:{hooks}"\n', ""))
    with Program("serve", config) as program:
        program.until(lambda: is_up(page) and is_up(hooks), "it answers")
        program.signal(signal.SIGTERM)
        said = program.end().said

    assert "No API is asked to call about prompts.csv: [webhook] public_url is not set." in said


def test_two_configurations_that_share_a_page_must_agree_on_its_token(tmp_path: Path) -> None:
    team, page = Team(tmp_path, "http://127.0.0.1:9"), free_port()
    team.write_prompts(PROMPTS)
    team.write_prompts(PROMPTS, "others.csv")
    here = {"listen": f"127.0.0.1:{page}"}
    first = service(team, page=page)
    second = team.configured("others", sheet="others.csv", tables={"page": here})
    ended = call("serve", first, second)

    assert ended.code == 2
    assert "are to be shown at one address" in ended.said


def test_a_stop_rule_holds_until_a_person_resumes_the_sheet(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.1, code="1 400") as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        config = service(team, schedule={"every": "200ms"})
        with Program("watch", config) as program:
            program.until(lambda: team.statuses()["failed"] == 5, "five are refused alike")
            sandbox.set(code="off")
            since = passed_at(team)
            program.until(lambda: passed_at(team) > since + 1_000_000, "more passes went by")
            asked = sandbox.state()["requests"]["/imagine"]
            held = team.statuses()
            assert team.start("resume", config).code == 0
            program.until(lambda: team.statuses()["done"] == 3, "the others are done")
            program.signal(signal.SIGTERM)
            ended = program.end()

        assert (asked, held) == (5, {"failed": 5, "queued": 3})
        until = "Nothing more is sent until you run promptsheet resume"
        assert -1 < ended.said.find("were all refused alike") < ended.said.find(until)
        assert sandbox.state()["requests"]["/imagine"] == 8


def test_each_pass_of_a_watch_has_the_budget_of_a_run(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.1) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        budget: dict[str, object] = {"per_run": 12}
        config = service(team, schedule={"every": "200ms"}, budget=budget)
        with Program("watch", config) as program:
            program.until(lambda: team.statuses()["done"] == 8, "all are done, three a pass")
            program.signal(signal.SIGTERM)
            program.end()

        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)


def test_a_sheet_paused_on_the_page_sends_nothing_gets_results_and_can_be_resumed(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=4) as sandbox:
        team, page = Team(tmp_path, sandbox.url), free_port()
        team.write_prompts(PROMPTS)
        config = service(team, page=page, in_flight=3, schedule={"every": "200ms"})
        address = f"http://127.0.0.1:{page}"
        with (
            Program("watch", config) as program,
            httpx.Client(base_url=address, trust_env=False, headers={"Origin": address}) as client,
        ):
            program.until(lambda: sandbox.state()["tasks_taken"] == 3, "three are on their way")
            client.post("/login", data={"token": TOKEN})
            found = re.search(r'name="csrf" value="(\w+)"', client.get("/").text)
            assert found
            form = {"csrf": found[1]}
            assert client.post("/pause/1", data=form).headers["location"].endswith("said=paused")
            sandbox.set(task_seconds=0)
            team.add_prompts(["one more"])
            program.until(lambda: team.statuses()["done"] == 3, "what was under way is done")
            since = passed_at(team)
            program.until(lambda: passed_at(team) > since + 1_000_000, "more passes went by")
            paused = sandbox.state()["tasks_taken"], team.statuses()
            shown = client.get("/").text
            client.post("/resume/1", data=form)
            program.until(lambda: team.statuses()["done"] == 9, "it has gone on")
            program.signal(signal.SIGTERM)
            ended = program.end()

        assert paused[0] == 3
        assert paused[1] == {"done": 3, "queued": 5, "": 1}
        assert "This sheet is paused. Nothing more is sent" in shown
        assert sandbox.state()["tasks"] == dict.fromkeys([*PROMPTS, "one more"], 1)
        assert ended.is_plain, ended.said


@pytest.mark.parametrize(
    ("command", "missing"), [("watch", "cronsim"), ("serve", "prometheus_client")]
)
def test_missing_settings_are_named_before_anything_starts(
    command: str, missing: str, tmp_path: Path
) -> None:
    team = Team(tmp_path, "http://127.0.0.1:9")
    team.write_prompts(PROMPTS)
    ended = without(missing, [command, str(service(team, hooks=free_port()))], tmp_path)

    assert ended.code == 2
    assert 'Install "promptsheet[serve]" with pip, uv or pipx' in ended.said
    assert team.statuses() == {"": 8}


def _metric(page: int, name: str, label: str = "") -> str:
    """A metric as the service shows it; empty while it is not available."""
    try:
        status, text = get(f"http://127.0.0.1:{page}/metrics", TOKEN)
    except OSError:
        return ""
    found = [
        line.rpartition(" ")[2]
        for line in text.splitlines()
        if line.startswith(f"promptsheet_{name}{{") and label in line
    ]
    return found[0] if status == 200 and found else ""
