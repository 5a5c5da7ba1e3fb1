"""The log for programs: `--log-format json`."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import event_log, terminal
from pipeline.sandbox import Sandbox
from tests.fakes.cases import each
from tests.fakes.program import KEY
from tests.fakes.team import Team

TEAM_TABLES = '[media]\nsave_to = "media/"\n'
PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "logs.md").read_text("utf-8")


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_logs_each_event_of_each_row_and_the_pass_once(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox", "a bad owl [fail]", "no cat [refuse]")
    ended = team.finish("--log-format", "json")
    lines = _lines(ended.err)
    jobs = [line for line in lines if line["event"] in event_log.JOB_EVENTS]
    by_row = {row["prompt"]: row["row_id"] for row in team.rows()}
    fox = [line for line in jobs if line["row_id"] == by_row["a fox"]]
    history = team.start("status", team.config, "--row", by_row["a fox"]).out

    assert ended.code == 1
    assert all(line.keys() == {"time", "level", "event", *event_log.JOB_FIELDS} for line in jobs)
    assert all(datetime.fromisoformat(line["time"]) and line["time"][-1] == "Z" for line in lines)
    told = Counter(line["event"] for line in fox)
    assert told["downloaded"] >= 1
    assert {name: told[name] for name in ("sent", "accepted", "succeeded", "written")} == {
        "sent": 1,
        "accepted": 1,
        "succeeded": 1,
        "written": 1,
    }
    assert all(name in history for name in ("sent", "accepted", "succeeded"))
    assert [line["level"] for line in jobs if line["event"] == "failed"] == ["warning"] * 2
    (last,) = (line for line in fox if line["event"] == "succeeded")
    assert (last["credits"], last["endpoint"], last["take"]) == (4, "imagine", 1)
    assert last["task_id"] == team.row("a fox")["task_id"]
    began, end = (line for line in lines if line["event"] in event_log.PASS_EVENTS)
    assert (began["event"], began["sheet"]) == ("pass_began", "prompts.csv")
    assert end.keys() == {"time", "level", "event", *event_log.PASS_FIELDS}
    assert (end["new"], end["done"], end["refused"], end["failed"]) == (3, 1, 1, 1)
    assert (end["result"], end["exit_code"], end["need_a_person"]) == ("ok", 1, 2)
    # Neither prompts nor words of the API, which quote them, nor the key.
    assert not any(word in ended.err for word in ("fox", "owl", "banned", KEY))
    assert api.state()["tasks"] == {"a fox": 1, "a bad owl [fail]": 1}


def test_a_run_with_nothing_to_do_logs_one_line_and_a_quiet_one_none(team: Team) -> None:
    team.write("prompt", "a fox")
    team.finish()
    team.run()
    (line,) = _lines(team.run("--log-format", "json").err)

    assert (line["event"], line["result"], line["new"]) == ("pass_ended", "unchanged", 0)
    assert team.run("--log-format", "json", "-q").err == ""
    assert team.run().err == ""


def test_a_wrong_configuration_is_one_line_of_the_log(team: Team) -> None:
    team.configure("[nonsense]\na = 1\n")
    ended = team.run("--log-format", "json")
    (line,) = _lines(ended.err)

    assert (ended.code, line["level"], line["event"]) == (2, "error", "message")
    assert "nonsense" in line["message"]


def test_a_retry_of_a_person_is_logged_as_asked_and_sent_again(
    team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    team.write("prompt", "a bad owl [fail]")
    team.finish()
    team.start("retry", team.config, "--yes")
    lines = _lines(team.finish("--log-format", "json").err)

    assert [line["attempt"] for line in lines if line["event"] == "sent"] == [2]


@each("text", ['a"\n{"level": "info"}', "\u2028\u202e", "\ud800", "\x1b[2J\r"])
def test_no_text_from_outside_breaks_a_line(text: str) -> None:
    record = logging.LogRecord("promptsheet", logging.INFO, "", 0, "%s", (text,), None)
    event = logging.LogRecord("promptsheet.events", logging.INFO, "", 0, "sent", (), None)
    event.fields = {"sheet": text, "credits": 4}
    for one in (record, event):
        line = terminal.JsonLines().format(one)
        assert re.fullmatch(r"[ -~]+", line)
        assert "\\ud800" not in line
        assert json.loads(line)["level"] == "info"


def test_what_a_library_prints_is_a_line_of_the_log_too() -> None:
    program = """
import threading, warnings
from pipeline.cli.logs import set_verbosity
from pipeline.cli.options import LogFormats
set_verbosity(verbose=False, log_format=LogFormats.JSON)
broken = threading.Thread(target=lambda: 1 / 0, name="a library")
broken.start()
broken.join()
warnings.warn("an old\\nway", UserWarning)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    thread, warning = _lines(ended.stderr)

    assert "a library" in thread["message"]
    assert "ZeroDivisionError" in thread["traceback"]
    assert (thread["level"], warning["level"]) == ("error", "warning")
    assert "an old way" in warning["message"]


def test_the_page_lists_all_events_and_fields() -> None:
    part = PAGE.split("## Events of rows")[1].split("## OpenTelemetry")[0]
    tables = re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", part)
    rows = [row for row in tables if row[0] != "event"]

    assert rows == [
        *event_log.JOB_EVENTS.items(),
        *event_log.JOB_FIELDS.items(),
        *event_log.PASS_EVENTS.items(),
        *event_log.PASS_FIELDS.items(),
    ]
