"""The real program: its command line in a process of its own, and a folder in which it works.

What it did is read from outside: its exit code, what it said, the sheet's file, and a look at the
store that goes past the product. Nothing in here is known to the program.

`python -m tests.fakes.program` starts many at one instant: it imports the program once, forks, and
lets all of them go together, which a row of interpreters that are still loading never do.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Event

from tests.fakes import nursery
from tests.fakes.nursery import Child

ROOT = nursery.ROOT
KEY = "sandbox"
KEY_NAME = "PROMPTSHEET_TEST_KEY"
#: How people's cells look where a careless writer would change them.
REMARKS = ('says "now", not later', "zwei\nZeilen", "  spaces ", "=1+1", "Ä, ö; ß", "")


def until(
    is_so: Callable[[], object], what: str, within: float = 40.0, every: float = 0.01
) -> None:
    """Wait for it, and look `every` so many seconds. AssertionError if it takes too long."""
    end, pause = time.monotonic() + within, Event()
    while not is_so():
        assert time.monotonic() < end, f"waited {within:g} s in vain: {what}"
        pause.wait(every)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one start of the program ended: exit code, and all that it said."""

    code: int
    said: str

    @property
    def is_plain(self) -> bool:
        """Whether people were spared a traceback."""
        return "Traceback" not in self.said


class Program:
    """One start of the command line; used in a `with`, at whose end it is no more."""

    def __init__(self, *words: str | Path) -> None:
        self.process = Child("pipeline.cli.commands", list(map(str, words)), _environment())

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it by SIGKILL, at once."""
        self.process.kill()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait for it while the program runs. AssertionError if the program ends before."""
        until(lambda: is_so() or self.is_over, what)
        if self.is_over and not is_so():
            raise AssertionError(f"ended before {what}: {self.end()}")

    def end(self, within: float = 60.0) -> Ended:
        """Wait for its end."""
        said, _ = self.process.communicate(timeout=within)
        return Ended(self.process.wait(), said)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        if not self.process.stdout.closed:
            self.process.communicate(timeout=20)
        self.process.close()


def call(*words: str | Path, within: float = 90.0) -> Ended:
    """One start of the program, to its end."""
    with Program(*words) as program:
        return program.end(within)


def at_one_instant(starts: Sequence[Sequence[str | Path]], within: float = 100.0) -> list[Ended]:
    """So many starts of the program, all let go in the same moment, each to its end."""
    wanted = json.dumps([[str(word) for word in words] for words in starts])
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.program"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=_environment(),
        start_new_session=True,
    )
    try:
        told, _ = driver.communicate(wanted, within)
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
    return [Ended(code, said) for code, said in json.loads(told)]


@dataclass(frozen=True)
class Studio:
    """A folder with sheets, their configurations and their store; the API that they speak to."""

    folder: Path
    url: str

    @property
    def sheet(self) -> Path:
        return self.folder / "prompts.csv"

    def config(
        self,
        name: str = "pipeline",
        sheet: str = "prompts.csv",
        store: str = "promptsheet.db",
        media: str = "",
        tables: Mapping[str, Mapping[str, object]] | None = None,
        **pace: object,
    ) -> Path:
        """A configuration in the folder; `pace` and `tables` say what differs from a quick one."""
        quick = {"per_minute": 0, "poll_every": "200ms", "write_every": "200ms"}
        parts: dict[str, Mapping[str, object]] = {
            "sheet": {"source": sheet},
            "provider": {"api_key": f"env:{KEY_NAME}", "base_url": self.url},
            "store": {"url": f"sqlite:///{store}"},
            "media": {"save_to": media},
            "budget": {"per_run": 1_000_000, "per_day": 1_000_000},
            "pace": quick | pace,
        }
        for table, keys in (tables or {}).items():
            parts[table] = {**parts.get(table, {}), **keys}
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(_table(name, keys) for name, keys in parts.items()))
        return path

    def answers_within(self, seconds: int) -> None:
        """Give each submission only so long: a provider file beside the configuration."""
        text = (ROOT / "configs/providers/apiframe.toml").read_text()
        changed = text.replace("deadline = 60 ", f"deadline = {seconds} ")
        assert changed != text
        (self.folder / "providers").mkdir(exist_ok=True)
        (self.folder / "providers" / "apiframe.toml").write_text(changed)

    def write(self, prompts: Sequence[str], sheet: str = "prompts.csv") -> None:
        """A new sheet with these prompts, between columns of the team's own."""
        _save(self.folder / sheet, [["Owner", "Prompt", "Remark"], *map(_line, prompts)])

    def add(self, prompts: Sequence[str], sheet: str = "prompts.csv") -> None:
        """More rows at the end, saved as an editor does."""
        path = self.folder / sheet
        grid = [*_grid(path), *map(_line, prompts)]
        beside = path.with_name("saving.tmp")
        _save(beside, grid)
        beside.replace(path)

    def rows(self, sheet: str = "prompts.csv") -> list[dict[str, str]]:
        """The rows of the sheet by their titles; every line as wide as the header."""
        header, *rows = _grid(self.folder / sheet)
        assert all(len(row) <= len(header) for row in rows), "a row wider than the header"
        return [dict(zip(header, row + [""] * len(header), strict=False)) for row in rows]

    def statuses(self, sheet: str = "prompts.csv") -> Counter[str]:
        """How many rows there are of each status."""
        return Counter(row.get("status", "") for row in self.rows(sheet))

    def assert_whole(self, prompts: Sequence[str], sheet: str = "prompts.csv") -> None:
        """The file can be read, has these rows and no other; people's cells are as they were."""
        rows = self.rows(sheet)
        theirs = [[row["Owner"], row["Prompt"], row["Remark"]] for row in rows]
        assert theirs == [_line(prompt) for prompt in prompts]

    def left_overs(self) -> list[str]:
        """What the program keeps beside the sheet only while it replaces it."""
        return sorted(p.name for p in self.folder.glob(f".{self.sheet.name}.promptsheet-*"))

    def attempts(self, store: str = "promptsheet.db") -> list[dict[str, str]]:
        """Every attempt that lies in the store on the disk, as it is: prompt, state, task_id.

        Read from a copy: a reader of the file itself would repair what a kill left, and that is
        for the program to do.
        """
        with tempfile.TemporaryDirectory() as place:
            for path in self.folder.glob(f"{store}*"):
                with suppress(FileNotFoundError):
                    shutil.copy(path, place)
            with closing(sqlite3.connect(Path(place) / store)) as connection:
                asked = "select inputs, state, task_id from attempts"
                try:
                    found = connection.execute(asked).fetchall()
                except sqlite3.OperationalError:
                    return []  # killed before there was a table
        return [
            {"prompt": json.loads(inputs)["prompt"], "state": state, "task_id": task_id}
            for inputs, state, task_id in found
        ]


def _line(prompt: str) -> list[str]:
    return ["Zoë", prompt, REMARKS[len(prompt) % len(REMARKS)]]


def _grid(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


def _save(path: Path, grid: Sequence[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(grid)
    path.write_bytes(text.getvalue().encode())


def _table(name: str, keys: Mapping[str, object]) -> str:
    # JSON's texts, numbers and truths are TOML's as well.
    lines = (f"{key} = {json.dumps(value)}" for key, value in keys.items())
    return "\n".join((f"[{name}]", *lines, ""))


def _environment() -> dict[str, str]:
    return {**os.environ, KEY_NAME: KEY}


def _drive() -> None:
    starts: list[list[str]] = json.loads(sys.stdin.read())
    _import_all()
    wait, go = os.pipe()
    with tempfile.TemporaryDirectory() as place:
        said = [Path(place) / str(number) for number in range(len(starts))]
        children = [_child(*one, wait, go) for one in zip(starts, said, strict=True)]
        os.close(go)  # whoever reads at the other end sees the end, all at once
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        told = [path.read_text() for path in said]
    sys.stdout.write(json.dumps(list(zip(codes, told, strict=True))))


def _child(words: list[str], said: Path, wait: int, go: int) -> int:
    if child := os.fork():
        return child
    code = 70
    try:
        os.close(go)
        out = os.open(said, os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.read(wait, 1)
        code = _run(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _run(words: list[str]) -> int:
    from pipeline import wiring
    from pipeline.cli import commands

    wiring.START = f"start-{os.getpid()}"  # each of them is a start of its own
    sys.argv = ["promptsheet", *words]
    try:
        commands.main()
    except SystemExit as end:
        return int(end.code or 0)


def _import_all() -> None:
    """All that a run needs: loaded once, and nothing opened."""
    for name in ("cli.commands", "cli.run", "wiring", "provider.client", "provider.downloads"):
        import_module(f"pipeline.{name}")
    import_module("sqlalchemy.dialects.sqlite")


if __name__ == "__main__":
    _drive()
