"""A team at its sheet: it edits a CSV as people do, and starts the program from the command line.

What the program may never do is looked at in every reading: a cell of ours that a spreadsheet would
take for a formula, a row that is wider than the header.

Each start is a process of its own. Most are forked from one that has imported the program already
(`python -m tests.fakes.team`): that leaves time for many; `fresh` ones are a new interpreter.
"""

from __future__ import annotations

import atexit
import csv
import gc
import importlib
import io
import json
import os
import secrets
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from tests.fakes import nursery

ROOT = nursery.ROOT
KEY = "sandbox"
KEY_NAME = "APIFRAME_API_KEY"
#: Our columns that a sheet of these tests can have.
OURS = (
    *("row_id", "status", "task_id", "image_urls", "note", "image_1", "image_2", "grid_url"),
    *("files", "credits", "progress", "submitted_at", "finished_at"),
)
#: How a cell begins that a spreadsheet takes for a formula.
LIVE = ("=", "+", "-", "@", "\t", "\r")

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How one start of the program ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that it said, people's view of it: one line is one space apart from the next."""
        return " ".join((self.out + self.err).split())


@dataclass(frozen=True)
class Team:
    """A folder with a sheet and a configuration, and the API that it speaks to."""

    folder: Path
    url: str

    @property
    def sheet(self) -> Path:
        return self.folder / "prompts.csv"

    @property
    def config(self) -> Path:
        return self.folder / "promptsheet.toml"

    def configure(self, more: str = "", *, name: str = "promptsheet", sheet: str = "") -> Path:
        """A configuration that is quick; `more` holds further tables."""
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'[sheet]\nsource = "{sheet or self.sheet.name}"\n'
            f'[provider]\nbase_url = "{self.url}"\n'
            '[pace]\npoll_every = "100ms"\nwrite_every = "100ms"\nper_minute = 0\n' + more
        )
        return path

    def write(self, header: str, *rows: str, sheet: str = "") -> None:
        """A new sheet, as lines of a CSV."""
        path = self.folder / (sheet or self.sheet.name)
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")

    def rows(self, sheet: str = "") -> list[Row]:
        """The rows by their titles, in the order of the sheet."""
        header, *rows = _grid(self.folder / (sheet or self.sheet.name))
        assert all(len(row) <= len(header) for row in rows), "a row wider than the header"
        named = [dict(zip(header, row + [""] * len(header), strict=False)) for row in rows]
        assert_no_formula(named)
        return named

    def row(self, prompt: str) -> Row:
        """The one row with that prompt."""
        (found,) = (row for row in self.rows() if row["prompt"] == prompt)
        return found

    def said_of(self, *prompts: str) -> list[str]:
        """What the sheet says of these rows: their status words."""
        return [self.row(prompt)["status"] for prompt in prompts]

    @contextmanager
    def editing(self) -> Iterator[list[Row]]:
        """The rows, to be changed in place; saved at the end as an editor saves."""
        header = _grid(self.sheet)[0]
        rows = self.rows()
        yield rows
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(header)
        writer.writerows([row.get(title, "") for title in header] for row in rows)
        beside = self.sheet.with_name("saving.tmp")
        beside.write_bytes(text.getvalue().encode())
        beside.replace(self.sheet)

    def retitle(self, change: Callable[[str], str]) -> None:
        """Change the first line of the sheet."""
        head, rest = self.sheet.read_text("utf-8").split("\n", 1)
        self.sheet.write_text(f"{change(head)}\n{rest}", encoding="utf-8", newline="")

    def start(self, *words: str | Path, key: str | None = KEY, fresh: bool = False) -> Ended:
        """Start the program in the folder, to its end; without `key` it finds none."""
        environment = {n: v for n, v in os.environ.items() if n not in (KEY_NAME, "COLUMNS")}
        if key is not None:
            environment[KEY_NAME] = key
        with tempfile.TemporaryDirectory() as place:
            out, err = Path(place, "out"), Path(place, "err")
            if fresh:
                with out.open("wb") as said, err.open("wb") as complained:
                    code = subprocess.run(
                        [sys.executable, ROOT / "run.py", *words],
                        cwd=self.folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=said,
                        stderr=complained,
                        timeout=60,
                        check=False,
                    ).returncode
            else:
                told = [str(word) for word in words]
                code = _forked(told, str(self.folder), environment, str(out), str(err))
            # As bytes: a carriage return is to be seen as one.
            ended = Ended(code, out.read_bytes().decode(), err.read_bytes().decode())
        assert "Traceback" not in ended.said, ended.err
        return ended

    def run(self, *words: str | Path, key: str | None = KEY) -> Ended:
        """`promptsheet run` with the configuration."""
        return self.start("run", self.config, *words, key=key)

    def finish(self, *words: str | Path) -> Ended:
        """`promptsheet run --wait`: until all is there."""
        return self.run("--wait", *words)

    def traces(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the folder, its bytes and when it was changed."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in files
        }


def assert_no_formula(rows: Sequence[Row]) -> None:
    """None of our cells is one that a spreadsheet would compute."""
    live = [row[title] for row in rows for title in OURS if row.get(title, "").startswith(LIVE)]
    assert live == []


def _grid(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def _forked(*start: object) -> int:
    """The exit code of one start, forked from the process that has imported the program."""
    driver = _driver()
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps(start) + "\n")
    driver.stdin.flush()
    return int(driver.stdout.readline())


@cache
def _driver() -> subprocess.Popen[str]:
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.team"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(driver.communicate)  # at the end of its input it ends
    return driver


def _drive() -> None:
    """Fork a start for each line that comes in, and answer with its exit code."""
    for name in nursery.LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that a child's collections do not copy the pages of its parent
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _be(*json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


def _be(words: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> NoReturn:
    """Be one start of the program: its folder, its environment, its files to speak into."""
    from pipeline.cli import commands

    wiring: Any = importlib.import_module("pipeline.wiring")
    lease: Any = importlib.import_module("pipeline.sync.lease")
    code = 70
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for number, path in enumerate((os.devnull, out, err)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.argv = ["promptsheet", *words]
        lease.BEGAN = wiring.now()
        wiring.START = f"start-{secrets.token_hex(8)}"  # each of them is a start of its own
        commands.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _drive()
