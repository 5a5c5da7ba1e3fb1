"""One team, its sheet and the API: the state that every way of running works on, and the checks."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from typer.main import get_command

from pipeline.cli.commands import app
from pipeline.core.errors import PromptsheetError
from pipeline.sandbox import Sandbox
from pipeline.sandbox.pictures import code_of, read_code
from tests.fakes.program import Ended, Program
from tests.fakes.program import until as until_
from tests.fakes.service import SECRET, TOKEN, free_port
from tests.fakes.team import Team
from tests.system.matrix.kinds import HEADER, Kind, line

#: Seconds between two checks of a condition; checking sheet, store or API takes time.
until = partial(until_, every=0.05, within=60.0)
#: Pictures of one task.
PICTURES = 4


@dataclass
class World:
    """A sheet of one kind, a configuration with or without webhooks, and the API."""

    folder: Path
    api: Sandbox
    kind: Kind
    hears: bool
    #: What people have written so far, from the first row to the last.
    prompts: list[str] = field(default_factory=list)
    #: The rows that are paid more than once because people asked for it.
    paid: dict[str, int] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def config(self) -> Path:
        return self.folder / "pipeline.toml"

    def configure(self, *, poll_every: str = "1m", **tables: dict[str, object]) -> None:
        """Write the configuration.

        By default the polling interval is longer than any test: the program polls only because it
        was started.
        """
        (self.folder / "secret").write_text(SECRET)
        (self.folder / "token").write_text(TOKEN)
        if self.hears:
            tables["webhook"] = {
                "public_url": f"http://127.0.0.1:{self.port}",
                "secret": "file:secret",
                "listen": f"127.0.0.1:{self.port}",
            }
        tables["sheet"] = self.kind.source()
        Team(self.folder, self.api.url).configured(
            media="media", tables=tables, poll_every=poll_every, write_every="250ms"
        )

    def add(self, *prompts: str) -> None:
        """People write new rows."""
        self.kind.add(prompts)
        self.prompts += prompts

    def call(self, *words: str) -> Ended:
        """One start of the command line in this process: like cron, but faster."""
        command, *rest = words
        said = io.StringIO()
        code: object = 0
        with redirect_stdout(said), redirect_stderr(said):
            try:
                _command().main([command, str(self.config), *rest], prog_name="promptsheet")
            except PromptsheetError as e:
                code = e.exit_code
                said.write(str(e))
            except SystemExit as e:
                code = e.code or 0
        assert isinstance(code, int), code
        return Ended(code, said.getvalue())

    def start(self, *words: str) -> Program:
        """The program in a process of its own."""
        command, *rest = words
        return Program(command, self.config, *rest)

    # -- counts of the API -----------------------------------------------------------------------

    @property
    def taken(self) -> int:
        """How many tasks the API has accepted."""
        return int(self.api.state()["tasks_taken"])

    @property
    def asked(self) -> int:
        """How many requests polled tasks."""
        requests = Counter(self.api.state()["requests"])
        return requests["/fetch"] + requests["/fetch-many"]

    def until_taken(self, number: int) -> None:
        until(lambda: self.taken >= number, f"{number} tasks are taken")

    def until_running(self, number: int, store: str = "promptsheet.db") -> None:
        """Wait until the store has `count` tasks as accepted or ended."""
        known = {"running", "succeeded", "failed"}
        team = Team(self.folder, self.api.url)
        until(
            lambda: sum(one["state"] in known for one in team.attempts(store)) >= number,
            f"the store knows of {number} tasks",
        )

    def until_heard(self) -> None:
        """Wait until the API has called about the end of every task."""
        team = Team(self.folder, self.api.url)
        until(
            lambda: all(one["state"] in ("succeeded", "failed") for one in team.attempts()),
            "all calls are recorded",
        )

    def until_done(self, number: int) -> None:
        """Wait until this number of rows is `done` and their pictures are saved."""
        until(
            lambda: (
                len(self.files()) >= number * PICTURES
                and sum(row.get("status") == "done" for row in self.kind.rows()) >= number
            ),
            f"{number} rows are done",
        )

    def until_says(self, prompt: str, status: str) -> None:
        """Wait until the row has this status."""
        until(
            lambda: (
                (prompt, status) in [(row["Prompt"], row.get("status")) for row in self.kind.rows()]
            ),
            f"{prompt} is {status}",
        )

    # -- checks ----------------------------------------------------------------------------------

    def files(self) -> list[Path]:
        """The pictures on disk."""
        folder = self.folder / "media"
        return [path for path in folder.rglob("*") if path.is_file() and path.suffix == ".png"]

    def assert_done(self, but: Sequence[str] = ()) -> None:
        """Check that all rows are done, paid once (or as in `paid`), saved and written into their
        rows.

        The rows in `but` have not been sent and cost nothing.
        """
        done = [prompt for prompt in self.prompts if prompt not in but]
        state = self.api.state(ids=True)
        assert state["tasks"] == dict.fromkeys(done, 1) | self.paid, "paid for each row"
        assert Counter(state["submissions"]) == {"accepted": sum(state["tasks"].values())}
        self.assert_theirs()
        rows = {row["Prompt"]: row for row in self.kind.rows()}
        for prompt in done:
            row = rows[prompt]
            assert (row["status"], row["note"]) == ("done", ""), row
            assert state["ids"][row["task_id"]] == prompt
            urls = row["image_urls"].split("\n")
            assert len(urls) == PICTURES
            assert all(row["task_id"] in url for url in urls), urls
        assert not any(rows[prompt].get("task_id") for prompt in but)
        saved = Counter(map(_code_in, self.files()))
        assert saved == {code_of(prompt): PICTURES for prompt in done}, "pictures on disk"

    def assert_theirs(self) -> None:
        """Check that people's cells are as they wrote them."""
        theirs = [[row[title] for title in HEADER] for row in self.kind.rows()]
        assert theirs == [line(prompt) for prompt in self.prompts]


@cache
def _code_in(picture: Path) -> str:
    """Which prompt a picture was made from."""
    return read_code(picture.read_bytes())[0]


@cache
def _command() -> Any:
    """The command line, built once, because building it takes 20 ms."""
    return get_command(app)
