"""`watch` notices edits of a Google Sheet: by reading it, or because Google Drive calls.

Google is a fake: when it calls after an edit, and which addresses it accepts, was not tried at
Google.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.google_sheets import google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.program import Program, call
from tests.fakes.service import free_port
from tests.fakes.trigger import TOKEN, Caller

TASK_SECONDS = 0.1
TEAM_TABLES = None
HOST = "runs.example.com"


@pytest.fixture
def team(tmp_path: Path, api: Sandbox) -> Iterator[GoogleTeam]:
    api.reset()
    with google_sheets() as google:
        book = google.new_book("Spring", [["prompt", "remark"], ["a fox", ""]])
        yield GoogleTeam(google, book, tmp_path, api)


def configured(
    team: GoogleTeam, *, react: str | None = None, public_url: str = f"https://{HOST}"
) -> tuple[Path, Caller]:
    """A configuration whose passes begin by themselves only after an edit, and a caller."""
    config, port = team.configure(), free_port()
    (team.folder / "run-token").write_text(TOKEN)
    (team.folder / "run-token").chmod(0o600)
    react_line = "" if react is None else f'react = "{react}"\n'
    with config.open("a") as file:
        file.write(
            f'[trigger]\ntoken = "file:run-token"\nlisten = "127.0.0.1:{port}"\napart = "100ms"\n'
            f'public_url = "{public_url}"\n'
            f'[schedule]\nevery = "1h"\n{react_line}'
        )
    team.google.channels.hosts[HOST] = f"http://127.0.0.1:{port}"
    return config, Caller(port, "promptsheet")


def statuses(team: GoogleTeam) -> list[str]:
    with team.google.paused():
        return [row.get("status", "") for row in team.rows()]


def write_row(team: GoogleTeam, row: int, prompt: str) -> None:
    with team.google.paused():
        team.book.sheets[0].enter(row, 0, prompt)


def test_a_call_of_google_makes_watch_read_the_sheet_and_send_the_new_row(
    team: GoogleTeam, api: Sandbox
) -> None:
    config, caller = configured(team)
    channels = team.google.channels
    with Program("watch", config) as program:
        program.until(lambda: statuses(team) == ["done"], "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        program.until(lambda: len(channels.open) == 1, "a channel is open")
        reads = team.google.reads
        own = channels.tell(team.book.id)
        program.until(lambda: team.google.reads > reads, "the sheet is checked")
        after_own = caller.state()["passes"]
        write_row(team, 2, "an owl")
        told = channels.tell(team.book.id)
        program.until(lambda: statuses(team) == ["done", "done"], "the new row is done")
        program.until(lambda: caller.is_idle(2), "the pass has ended")
        passes = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        ended = program.end()

    (channel,) = channels.opened
    assert channel.address == f"https://{HOST}/run/promptsheet/edited"
    assert (own, told) == ([200], [200])
    assert (after_own, passes) == (1, 2), "what watch wrote itself starts no pass"
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}
    assert (channels.open, channels.stopped) == ({}, [channel.number])
    assert (ended.code, ended.is_plain) == (0, True)
    assert channel.token not in ended.said


def test_a_call_without_the_token_of_the_channel_starts_nothing(
    team: GoogleTeam, api: Sandbox
) -> None:
    config, caller = configured(team)
    channels = team.google.channels
    with Program("watch", config) as program:
        program.until(lambda: statuses(team) == ["done"], "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        program.until(lambda: len(channels.open) == 1, "a channel is open")
        reads = team.google.reads
        write_row(team, 2, "an owl")
        forged = [
            channels.tell(team.book.id, **{"X-Goog-Channel-Token": token})
            for token in ("", "another", TOKEN, "ü" * 3)
        ]
        unknown = caller.send(name="another/edited", headers={})
        state = caller.state()
        after = team.google.reads
        program.signal(signal.SIGTERM)
        program.end()

    assert forged == [[404]] * 4
    assert (unknown.status, unknown.said) == (404, "Not Found")
    assert (state["passes"], after) == (1, reads)
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_channel_is_renewed_before_it_ends_and_one_of_a_killed_watch_counts_as_ours(
    team: GoogleTeam, api: Sandbox
) -> None:
    config, caller = configured(team)
    channels = team.google.channels
    channels.longest = 2.0
    with Program("watch", config) as program:
        program.until(lambda: len(channels.opened) == 3, "it is renewed twice")
        program.until(lambda: len(channels.stopped) == 2, "the earlier ones are stopped")
        program.kill()
        program.end()
    first, second, left = channels.opened
    channels.longest = 3600.0
    with Program("watch", config) as program:
        program.until(lambda: len(channels.opened) == 4, "a new channel is open")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        answers = channels.call(left), channels.call(channels.opened[3])
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert channels.stopped[:2] == [first.number, second.number]
    assert answers == (200, 200)
    assert [*channels.open] == [left.number], "it ends by itself"
    assert ended.is_plain


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ("accessNotConfigured", "The Google Drive API is not enabled in the project of bot@"),
        ("push.webhookUrlUnauthorized", f"Google does not call https://{HOST}/run/promptsheet"),
    ],
)
def test_a_refused_channel_is_named_once_and_passes_run_without_it(
    team: GoogleTeam, api: Sandbox, refusal: str, says: str
) -> None:
    team.google.channels.refusal = refusal
    config, caller = configured(team)
    with Program("watch", config) as program:
        program.until(lambda: statuses(team) == ["done"], "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        write_row(team, 2, "an owl")
        caller.run()
        program.until(lambda: statuses(team) == ["done", "done"], "the new row is done")
        program.until(lambda: caller.is_idle(2), "the pass has ended")
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert ended.said.count("Google does not tell about edits.") == 1
    assert says in ended.said
    assert (ended.code, ended.is_plain) == (0, True)


def test_no_channel_is_opened_where_edits_are_to_wait(team: GoogleTeam, api: Sandbox) -> None:
    config, caller = configured(team, react="")
    with Program("watch", config) as program:
        program.until(lambda: statuses(team) == ["done"], "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        reads = team.google.reads
        write_row(team, 2, "an owl")
        caller.run()
        program.until(lambda: statuses(team) == ["done", "done"], "the new row is done")
        program.until(lambda: caller.is_idle(2), "the pass has ended")
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert team.google.channels.opened == []
    assert team.google.reads > reads
    assert (ended.code, ended.is_plain) == (0, True)


def test_an_edit_is_noticed_by_reading_the_sheet(team: GoogleTeam, api: Sandbox) -> None:
    config, caller = configured(team, react="5s", public_url="")
    with Program("watch", config) as program:
        program.until(lambda: statuses(team) == ["done"], "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        write_row(team, 2, "an owl")
        program.until(lambda: statuses(team) == ["done", "done"], "the new row is done")
        program.until(lambda: caller.is_idle(2), "the pass has ended")
        passes, reads = caller.state()["passes"], team.google.reads
        program.until(lambda: team.google.reads > reads, "the sheet is checked again")
        again = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert (passes, again) == (2, 2), "what watch wrote itself starts no pass"
    assert team.google.channels.opened == []
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}
    assert (ended.code, ended.is_plain) == (0, True)


def test_checks_of_a_google_sheet_may_not_use_up_its_readings(team: GoogleTeam) -> None:
    config, _ = configured(team, react="4s", public_url="")
    ended = call("watch", config)

    assert ended.code == 2
    assert "schedule.react: write 5s or more for a Google Sheet" in ended.said
