"""`outlets fill`: new outlets learn of rows that ended before, in tables, programs and chats."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.outlets.chat_services import Channel, channel
from tests.fakes.outlets.receiver import SECRET, Receiver
from tests.fakes.program import KEY, Program, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team
from tests.fakes.terminal import terminal
from tests.fakes.web_service import Service, serving

ROWS = 5


class Desk:
    """A sheet whose rows have ended, one with a second take, before it gets any outlet."""

    def __init__(self, folder: Path, sandbox: Sandbox, service: Service, slack: str) -> None:
        self.team, self.sandbox = Team(folder, sandbox.url), sandbox
        secrets = {"push": service.url, "secret": SECRET, "slack": slack}
        secrets["shop"] = f"sqlite:///{folder}/shop.db"
        for name, text in secrets.items():
            (folder / name).write_text(text)
        with closing(sqlite3.connect(folder / "shop.db")) as file:
            columns = "row_id TEXT PRIMARY KEY, take INTEGER, status, team, finished_at"
            file.execute(f"CREATE TABLE pictures ({columns})")
        self.config = self.team.configure('[media]\nsave_to = ""\n')
        prompts = [f"a fox {n}" for n in range(ROWS - 1)]
        self.team.write("prompt,team,take", *(f"{p},blue," for p in prompts), "a hen [refuse],red,")
        self.team.finish()
        with self.team.editing() as rows:
            rows[1]["take"] = "2"
        self.team.finish()
        self.team.configure(
            '[media]\nsave_to = ""\n'
            '[[outlets]]\nkind = "slack"\nurl = "file:slack"\n'
            '[[outlets]]\nkind = "push"\nurl = "file:push"\nsecret = "file:secret"\n'
            'allow_private = true\nfields = { team = "team" }\n'
            '[[outlets]]\nkind = "sql"\nurl = "file:shop"\ntable = "pictures"\n'
        )

    def lines(self) -> dict[str, tuple[object, ...]]:
        """The lines of the SQL table, by row."""
        with closing(sqlite3.connect(self.team.folder / "shop.db")) as file:
            return {one: tuple(rest) for one, *rest in file.execute("SELECT * FROM pictures")}


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def service(receiver: Receiver) -> Iterator[Service]:
    with serving(receiver) as service:
        yield service


@pytest.fixture
def chat() -> Iterator[tuple[Channel, str]]:
    with channel("slack") as (chat, _, url):
        yield chat, url


@pytest.fixture
def desk(tmp_path: Path, service: Service, chat: tuple[Channel, str]) -> Iterator[Desk]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(sandbox_process(KEY, task_seconds=0.1))
        yield Desk(tmp_path, sandbox, service, chat[1])


def test_a_table_a_program_and_a_chat_are_filled_after_the_number_was_shown(
    desk: Desk, receiver: Receiver, service: Service, chat: tuple[Channel, str]
) -> None:
    team = desk.team
    taken = desk.sandbox.state()["tasks_taken"]
    shown = team.start("outlets", "fill", "push")
    assert shown.code == 2
    assert f"push does not have {ROWS} rows: {ROWS - 1} done, 1 failed. They " in shown.said
    assert "Add --yes to send them to push." in shown.said
    with terminal(team.folder, "outlets", "fill", "push", key=KEY) as asked:
        asked.answer("Send them to push?", "n\r")
        assert asked.end() == 1
    assert service.calls == []

    for name, said in (("push", f"push: {ROWS} delivered"), ("sql", f"sql: {ROWS} delivered")):
        filled = team.start("outlets", "fill", name, "--yes")
        assert (filled.code, said in filled.said) == (0, True), filled
    digest = team.start("outlets", "fill", "slack", "--yes")
    assert "It gets a digest." in digest.said
    assert len(chat[0].posted) == 1
    assert f"{ROWS - 1} done, 1 needs attention" in chat[0].shown()

    rows = team.rows()
    told = [body["data"] for body in receiver.accepted.values()]
    assert sorted(one["row_id"] for one in told) == sorted(row["row_id"] for row in rows)
    assert {one["prompt"]: one["take"] for one in told}["a fox 1"] == 2
    assert {one["columns"]["team"] for one in told} == {"blue", "red"}
    assert desk.lines().keys() == {row["row_id"] for row in rows}
    assert {(line[1], line[2]) for line in desk.lines().values()} == {
        ("done", "blue"),
        ("failed", "red"),
    }

    calls = len(service.calls)
    for name in ("push", "sql", "slack"):
        again = team.start("outlets", "fill", name)
        assert (again.code, "There is nothing to fill" in again.said) == (0, True)
    team.finish()
    assert (len(service.calls), len(chat[0].posted)) == (calls, 1)
    assert desk.sandbox.state()["tasks_taken"] == taken, "filling pays nothing"


def test_rows_of_a_later_day_only_and_outlets_that_cannot_be_filled(desk: Desk) -> None:
    team = desk.team
    later = team.start("outlets", "fill", "push", "--since", "2999-01-01", "--yes")
    assert (later.code, later.said) == (
        0,
        "There is nothing to fill: push has all rows that ended since 2999-01-01.",
    )
    wrong = team.start("outlets", "fill", "push", "--since", "May", "--yes")
    assert (wrong.code, "--since May is not a date" in wrong.said) == (2, True)
    none = team.start("outlets", "fill", "mail", "--yes")
    assert (none.code, 'There is no outlet "mail"' in none.said) == (2, True)

    text = desk.config.read_text()
    desk.config.write_text(text.replace('"file:slack"', '"file:slack"\nsend = "rows"'))
    rows = team.start("outlets", "fill", "slack", "--yes")
    assert (rows.code, 'Set send = "digest" to fill it.' in rows.said) == (2, True)
    desk.config.write_text(text.replace('"file:slack"', '"file:slack"\nwhen = ["stopped"]'))
    assert "slack gets no messages about rows (when)" in team.start("outlets", "fill", "slack").said

    begun = team.start("outlets", "fill", "push", "--since", "2026-01-01", "--yes")
    assert f"push: {ROWS} delivered" in begun.said


def test_a_filling_that_is_killed_is_finished_by_runs_of_cron(
    desk: Desk, receiver: Receiver, service: Service
) -> None:
    running = list[Program]()
    accept = service.accept

    def killing(arrived):  # type: ignore[no-untyped-def]
        reply = accept(arrived)
        if running and len(receiver.accepted) == 2:
            running.pop().kill()
        return reply

    service.accept = killing
    with Program("outlets", "fill", "push", desk.config, "--yes") as program:
        running.append(program)
        assert program.end().code == -9
    until(lambda: call("run", desk.config).code == 0 and len(receiver.accepted) == ROWS, "told")
    call("outlets", "fill", "push", desk.config, "--yes")

    assert len({body["data"]["row_id"] for body in receiver.accepted.values()}) == ROWS
    assert len(receiver.accepted) == ROWS, "no row has two messages"
