"""Output to a terminal, a pipe or a log: in any encoding, without control characters.

The real command line in its own process; the tests read its raw bytes.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import terminal as output
from pipeline.core.text import one_line, printable
from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, KEY_NAME, ROOT
from tests.fakes.team import Team
from tests.fakes.terminal import terminal
from tests.fakes.web_service import Reply, serving

#: Terminal controls: escape, return, bell, backspace, C1, direction marks, line ends.
EVIL = "\x1b[31mred\x1b]0;title\x07 \x08\r\x9b2J\x85 \u202erot\u2066\u2028.\x7f"
#: The same without what ends a line of a CSV, or cannot be part of a file name.
OBEYED = frozenset("\x1b\x07\x08\r\x9b\x85\u202e\u2066\u2028\x7f")


def test_a_command_prints_its_message_in_an_encoding_without_its_characters(team: Team) -> None:
    team.write("prompt,name", "“ein Leuchtturm” – 灯台 …,Zoë", "a bad fox [fail] ✓,bad")

    plan = _start(team, "run", "--plan", encoding="ascii")
    ran = _start(team, "run", "--wait", encoding="cp437")
    as_json = _start(team, "run", "--json", "--strict", encoding="ascii")
    doctor = _start(team, "doctor", encoding="latin-1")
    wrong = _start(team, "run", "gibt-es-nicht-✓.toml", encoding="ascii")

    ends = [one.returncode for one in (plan, ran, as_json, doctor, wrong)]
    assert ends == [0, 1, 1, 1, 2]
    assert b'"ein Leuchtturm" - ?? ...' in plan.stdout
    assert b"ok promptsheet.toml can be used." in doctor.stdout
    assert b"gibt-es-nicht-ok.toml" in wrong.stderr
    # Whatever the encoding, JSON loses nothing.
    assert json.loads(as_json.stdout)["details"][0]["note"] == team.rows()[1]["note"]
    assert [one.stderr for one in (plan, ran, as_json, doctor)] == [b""] * 4


def test_a_watch_starts_in_an_encoding_without_its_characters(team: Team) -> None:
    team.write("prompt", "a fox", sheet="灯台 ….csv")
    team.configure('[schedule]\nevery = "200ms"\n[media]\nsave_to = ""\n', sheet="灯台 ….csv")
    with _process(team, "watch", encoding="ascii") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode("ascii") for _ in range(2)]
        process.terminate()
        _, complained = process.communicate(timeout=30)

    assert lines[0].startswith("Watching ?? ....csv, every 0.2 s, and within 2 s after an edit.")
    assert " 1 new, 1 done, 4 credits" in lines[1]
    assert lines[1][2] == lines[1][5] == ":"  # it begins with the time
    assert complained == b""


def test_a_closed_output_pipe_ends_a_command_quietly_and_a_run_does_all_its_work(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", *(f"a bad fox {number} [fail]" for number in range(12)))
    ends = []
    for words in (["run", "--wait"], ["run", "--json", "--strict"], ["status"]):
        with _process(team, *words) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            complained = process.stderr.read()
            ends.append((process.wait(60), complained))

    assert ends == [(1, b"")] * 3
    assert api.state()["tasks_taken"] == 12
    assert {row["status"] for row in team.rows()} == {"failed"}


def test_a_full_disk_for_the_output_is_reported(team: Team) -> None:
    team.write("prompt", "a fox")
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, ROOT / "run.py", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (
        3,
        b"The output cannot be used: No space left on device.\n",
    )


def test_no_text_from_a_sheet_a_file_name_or_the_api_controls_the_terminal(tmp_path: Path) -> None:
    with _rude_api() as url:
        team = Team(tmp_path, url)
        name = EVIL.replace("/", "") + ".csv"
        config = team.configure('[media]\nsave_to = "pictures"\n', name=EVIL, sheet="x.csv")
        config.write_text(config.read_text().replace('"x.csv"', json.dumps(name)))
        team.write("prompt,name,take", sheet=name)
        rows = [f'"a fox {EVIL}","{EVIL}",', f'"an owl {EVIL}",,"{EVIL}"', '"#N/A",,']
        with (team.folder / name).open("a", encoding="utf-8", newline="") as sheet:
            sheet.write("\n".join(rows))
        wrong = team.folder / "wrong.toml"
        wrong.write_text(f"[sheet]\nsource = {json.dumps(EVIL)}\n{json.dumps(EVIL)} = 1\n")

        commands = (
            ["run", config, "--plan"],
            ["run", config, "--plan", "--json"],
            ["run", config, "--wait"],
            ["run", config, "--wait", "--strict", "-v"],
            ["run", config, "--json", "--strict"],
            ["run", config, "--row", EVIL],
            ["run", config, f"--{EVIL}"],
            ["run", f"{EVIL}-not-there.toml"],
            ["run", wrong],
            ["status", config],
            ["status", config, "--json"],
            ["status", config, "--row", "2"],
            ["retry", config, EVIL],
            ["retry", config],
            ["doctor", config],
            ["pause", config],
            ["run", config],
            ["resume", config],
            ["gallery", config, "-o", f"{EVIL}.html"],
            ["init", f"{EVIL}.csv", "--config", f"{EVIL}-new.toml"],
            ["init", f"{EVIL}.xls"],
            [EVIL],
        )
        for words in commands:
            ended = team.start(*words)
            said = ended.out + ended.err
            assert said.strip(), words
            assert OBEYED & set(said) == set(), (words, said)
        for words in (["status", config], ["run", config, "--wait", "--strict"]):
            with terminal(team.folder, *map(str, words), key=KEY) as screen:
                screen.end()
            # Only our own colours and cursor movements may remain.
            assert OBEYED & set(screen.shown.replace("\r", "")) == set(), screen.shown
            assert "\x1b[31mred" not in screen.raw


def test_a_log_line_is_one_line_without_control_characters() -> None:
    record = logging.LogRecord("promptsheet", 40, "", 0, "it said %s", (f"a\nb {EVIL}",), None)

    line = output.OneLine("%(message)s").format(record)

    assert line.startswith("it said a b ")
    assert OBEYED & set(line) == set()
    assert len(line.splitlines()) == 1


def test_ordinary_text_in_any_language_is_printed_unchanged() -> None:
    family = "👩‍👩‍👧"
    kept = f"Ä é 灯台 {family} نمی‌خواهم a\u00a0b"
    assert printable(kept) == kept
    assert one_line(f"  {family}\n\x1b[2J b ") == f"{family} [2J b"


@contextmanager
def _process(
    team: Team, *words: str | Path, encoding: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment[KEY_NAME] = KEY
    environment |= {"PYTHONIOENCODING": encoding} if encoding else {}
    with subprocess.Popen(
        [sys.executable, ROOT / "run.py", *words],
        cwd=team.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _start(
    team: Team, *words: str | Path, encoding: str = ""
) -> subprocess.CompletedProcess[bytes]:
    with _process(team, *words, encoding=encoding) as process:
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)


@contextmanager
def _rude_api() -> Iterator[str]:
    """An API that refuses everything, with control characters in its messages."""

    body = json.dumps({"errors": [{"msg": f"no {EVIL}"}]}).encode()
    with serving(lambda call: Reply(400, body)) as service:
        yield service.url
