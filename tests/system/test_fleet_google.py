"""`watch` on three machines with Google Sheets: edits are noticed wherever the news arrives.

Google is a fake. One sheet is told of by a push channel, the other is read every five seconds.
"""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from pipeline.store import Store
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets, google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.postgresql import PostgresqlServer
from tests.fakes.program import KEY, Program, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.trigger import TOKEN

HOST = "runs.example.com"
TOLD, READ = "told", "read"


class Machine:
    """One `watch` and the address at which it is called."""

    def __init__(self, program: Program) -> None:
        self.program = program
        line = ""
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+)/run/", line)):
            line = program.process.stdout.readline()
        self.url = found[1]


class Sheets:
    """Two sheets and their configurations, whose passes begin by themselves once an hour."""

    def __init__(self, folder: Path, google: GoogleSheets, api: Sandbox, store: str) -> None:
        self.google = google
        self.books: dict[str, Book] = {}
        self.configs: list[Path] = []
        for name, text in {"run-token": TOKEN, "store-address": store}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        for name in (TOLD, READ):
            book = self.books[name] = google.new_book(name, [["prompt"], [f"{name} 0"]])
            its = GoogleTeam(google, book, folder, api)
            config = its.configure(name)
            # Each has an account of its own: Google allows one account 60 readings in a minute.
            its.another_account(len(self.configs))
            (folder / "bot.json").rename(folder / f"{name}.json")
            trigger = f'public_url = "https://{HOST}"\n' if name == TOLD else ""
            react = 'react = "5s"\n' if name == READ else ""
            config.write_text(
                config.read_text()
                .replace(f"sqlite:///{name}.db", "file:store-address")
                .replace("bot.json", f"{name}.json")
                + f'[trigger]\ntoken = "file:run-token"\nlisten = "127.0.0.1:0"\n{trigger}'
                f'[schedule]\nevery = "1h"\n{react}'
            )
            self.configs.append(config)

    def rows(self, name: str) -> list[dict[str, str]]:
        with self.google.paused():
            header, *rows = self.google.table(self.books[name])
        return [dict(zip(header, row, strict=False)) for row in rows]

    def add(self, name: str) -> None:
        """Write a prompt below the last row, as a person does."""
        place = len(self.rows(name)) + 1
        with self.google.paused():
            self.books[name].sheets[0].enter(place, 0, f"{name} {place - 1}")

    def are_done(self) -> bool:
        return all(row.get("status") == "done" for name in self.books for row in self.rows(name))


@pytest.fixture
def url(postgresql_server: PostgresqlServer, worker_id: str) -> str:
    """The address of an empty database."""
    return postgresql_server.make_database(f"google_{worker_id}")


def pid_of_watching(store: Store, book: Book) -> int:
    """The process of the machine that watches for edits of a sheet; 0 if none does."""
    machines = {one.sheet: one.holder for one in store.turns.machines()}
    turn = next(turn for key, turn in store.turns.all().items() if book.id in key)
    holder = machines.get(store.turns.name_of_machine(turn.machine), ":0")
    return int(holder.rpartition(":")[2])


def test_edits_are_noticed_on_whichever_machine_the_news_arrives_and_after_one_is_killed(
    tmp_path: Path, url: str
) -> None:
    with (
        google_sheets() as google,
        sandbox_process(KEY, task_seconds=0.1) as api,
        ExitStack() as on,
    ):
        sheets = Sheets(tmp_path, google, api, url)
        store = on.enter_context(Store(url))
        machines = [Machine(on.enter_context(Program("watch", *sheets.configs))) for _ in range(3)]
        channels = google.channels

        until(sheets.are_done, "the first rows are done", 60, every=0.1)
        until(lambda: len(channels.open) == 1, "a channel is open", every=0.1)
        for machine in machines[1:]:  # a balancer sends each call to another one
            sheets.add(TOLD)
            channels.hosts[HOST] = machine.url
            assert set(channels.tell(sheets.books[TOLD].id)) == {200}
            until(sheets.are_done, "the row that Google told of is done", every=0.1)
        until(lambda: not any(turn.holder for turn in store.turns.all().values()), "all is at rest")
        sheets.add(READ)
        until(sheets.are_done, "the row is done that was found by reading", every=0.1)

        watching: list[Machine] = []

        def is_watched() -> bool:
            pid = pid_of_watching(store, sheets.books[READ])
            watching[:] = [one for one in machines if one.program.process.pid == pid]
            return bool(watching)

        until(is_watched, "the end of the pass is noted", every=0.1)
        (killed,) = watching
        machines.remove(killed)
        killed.program.kill()
        sheets.add(READ)
        until(sheets.are_done, "the row is done that was written after the kill", every=0.1)
        sheets.add(READ)
        sheets.add(TOLD)
        channels.hosts[HOST] = machines[0].url
        channels.tell(sheets.books[TOLD].id)
        until(sheets.are_done, "both sheets are watched again", every=0.1)
        read = sheets.configs[1]
        said = [
            call(*words, read)
            for words in (["status", "--row", "3"], ["run", "--plan"], ["doctor"])
        ]
        for one in machines:
            one.program.signal(signal.SIGTERM)
        ended = [one.program.end() for one in machines]

        rows = [row["prompt"] for name in (TOLD, READ) for row in sheets.rows(name)]
        assert len(rows) == 4 + 4
        assert api.state()["tasks"] == dict.fromkeys(rows, 1)
        assert [one.code for one in said] == [0] * 3, said
        assert "watch, after an edit" in said[0].said
        assert all(one.is_plain for one in ended), ended
