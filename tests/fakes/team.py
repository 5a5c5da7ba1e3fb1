"""A team with its sheet: it edits a CSV file as people do, and starts the program.

Each reading of the sheet checks that no cell of the program is a formula for a spreadsheet, and
that no row is wider than the header.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.program import KEY, KEY_NAME, ROOT, Ended, Program

#: Our columns that a sheet of these tests can have.
OURS = (
    *("row_id", "status", "task_id", "image_urls", "note", "image_1", "image_2", "grid_url"),
    *("files", "credits", "progress", "submitted_at", "finished_at"),
)
#: The beginnings of cells that a spreadsheet treats as formulas.
LIVE = ("=", "+", "-", "@", "\t", "\r")
#: People's cells with text that careless code would change.
REMARKS = ('says "now", not later', "zwei\nZeilen", "  spaces ", "=1+1", "Ä, ö; ß", "")

Row = dict[str, str]


@dataclass(frozen=True)
class Team:
    """A folder with a sheet and a configuration, and the API that it uses."""

    folder: Path
    url: str
    #: Which version of the API it uses: the version decides about the key and the address.
    version: int = 1

    @property
    def sheet(self) -> Path:
        return self.folder / "prompts.csv"

    @property
    def config(self) -> Path:
        return self.folder / "promptsheet.toml"

    def configure(self, more: str = "", *, name: str = "promptsheet", sheet: str = "") -> Path:
        """Write a configuration with short times; `more` has further tables."""
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'[sheet]\nsource = "{sheet or self.sheet.name}"\n'
            f'[provider]\nbase_url = "{self.url}"\n'
            '[pace]\npoll_every = "20ms"\nwrite_every = "20ms"\nper_minute = 0\n' + more
        )
        return path

    def configured(
        self,
        name: str = "pipeline",
        sheet: str = "prompts.csv",
        store: str = "promptsheet.db",
        media: str = "",
        tables: Mapping[str, Mapping[str, object]] | None = None,
        **pace: object,
    ) -> Path:
        """The same from values: `pace` and `tables` have the differences."""
        quick = {"per_minute": 0, "poll_every": "50ms", "write_every": "50ms"}
        parts: dict[str, Mapping[str, object]] = {
            "sheet": {"source": sheet},
            "provider": self._provider(),
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

    def _provider(self) -> dict[str, object]:
        if self.version == 1:
            return {"api_key": f"env:{KEY_NAME}", "base_url": self.url}
        (self.folder / "key").write_text(f"afk_{KEY}")
        return {"api_key": "file:key", "base_url": self.url}

    def answers_within(self, seconds: int) -> None:
        """Set the time limit of a submission, in a provider file next to the configuration."""
        text = (ROOT / f"configs/providers/apiframe-v{self.version}.toml").read_text()
        before, its = text.split("[endpoints.imagine]\n", 1)
        own, after = its.split("[endpoints.imagine.fields]", 1)
        own = re.sub(r"deadline = .*\n", "", own) + f"deadline = {seconds}\n"
        changed = f"{before}[endpoints.imagine]\n{own}[endpoints.imagine.fields]{after}"
        (self.folder / "providers").mkdir(exist_ok=True)
        (self.folder / "providers" / f"apiframe-v{self.version}.toml").write_text(changed)

    def write(self, header: str, *rows: str, sheet: str = "") -> None:
        """A new sheet, as lines of a CSV."""
        path = self.folder / (sheet or self.sheet.name)
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")

    def write_prompts(self, prompts: Sequence[str], sheet: str = "prompts.csv") -> None:
        """A new sheet with these prompts, between columns of the team's own."""
        _save(self.folder / sheet, [["Owner", "Prompt", "Remark"], *map(_line, prompts)])

    def add_prompts(self, prompts: Sequence[str], sheet: str = "prompts.csv") -> None:
        """More such rows at the end, saved as an editor saves."""
        path = self.folder / sheet
        _replace(path, [*_grid(path), *map(_line, prompts)])

    def rows(self, sheet: str = "") -> list[Row]:
        """The rows by their titles, in the order of the sheet."""
        header, *rows = _grid(self.folder / (sheet or self.sheet.name))
        assert all(len(row) <= len(header) for row in rows), "a row wider than the header"
        named = [dict(zip(header, row + [""] * len(header), strict=False)) for row in rows]
        assert_no_formula(named)
        return named

    def row(self, prompt: str) -> Row:
        """The only row with this prompt."""
        (found,) = (row for row in self.rows() if row["prompt"] == prompt)
        return found

    def said_of(self, *prompts: str) -> list[str]:
        """The status words of these rows."""
        return [self.row(prompt)["status"] for prompt in prompts]

    def statuses(self, sheet: str = "") -> Counter[str]:
        """How many rows there are of each status."""
        return Counter(row.get("status", "") for row in self.rows(sheet))

    def assert_whole(self, prompts: Sequence[str], sheet: str = "") -> None:
        """Check that the file has exactly these rows, and that people's cells are unchanged."""
        theirs = [[row["Owner"], row["Prompt"], row["Remark"]] for row in self.rows(sheet)]
        assert theirs == [_line(prompt) for prompt in prompts]

    @contextmanager
    def editing(self) -> Iterator[list[Row]]:
        """Yields the rows to be changed in place; they are saved at the end as an editor saves."""
        header = _grid(self.sheet)[0]
        rows = self.rows()
        yield rows
        _replace(self.sheet, [header, *([row.get(t, "") for t in header] for row in rows)])

    def retitle(self, change: Callable[[str], str]) -> None:
        """Change the first line of the sheet."""
        head, rest = self.sheet.read_text("utf-8").split("\n", 1)
        self.sheet.write_text(f"{change(head)}\n{rest}", encoding="utf-8", newline="")

    def start(self, *words: str | Path, key: str | None = KEY, fresh: bool = False) -> Ended:
        """Run the program in the folder to its end; with `key=None` there is no API key."""
        environment = {n: v for n, v in os.environ.items() if n not in (KEY_NAME, "COLUMNS")}
        if key is not None:
            environment[KEY_NAME] = key
        if fresh:
            ended = self._start_fresh(words, environment)
        else:
            with tempfile.TemporaryFile() as err:
                with Program(
                    *words, folder=self.folder, environment=environment, err=err.fileno()
                ) as program:
                    out = program.end()
                err.seek(0)
                ended = Ended(out.code, out.out, err.read().decode())
        assert ended.is_plain, ended.err
        return ended

    def _start_fresh(self, words: Sequence[str | Path], environment: Mapping[str, str]) -> Ended:
        """Start it in a new interpreter."""
        done = subprocess.run(
            [sys.executable, ROOT / "run.py", *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        # As bytes, so that a carriage return is seen as one.
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def run(self, *words: str | Path, key: str | None = KEY) -> Ended:
        """`promptsheet run` with the configuration."""
        return self.start("run", self.config, *words, key=key)

    def finish(self, *words: str | Path) -> Ended:
        """`promptsheet run --wait`: run until all results are written."""
        return self.run("--wait", *words)

    def traces(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the folder, with its content and modification time."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in files
        }

    def left_overs(self) -> list[str]:
        """The temporary files that the program keeps next to the sheet only while it replaces the
        sheet.
        """
        return sorted(p.name for p in self.folder.glob(f".{self.sheet.name}.promptsheet-*"))

    def attempts(self, store: str = "promptsheet.db") -> list[dict[str, str]]:
        """Every attempt in the store on disk: prompt, state, task_id.

        Reads a copy, because opening the file itself would repair it after a kill, and that is
        the task of the program.
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


def assert_no_formula(rows: Sequence[Row]) -> None:
    """Check that none of our cells is a formula for a spreadsheet."""
    live = [row[title] for row in rows for title in OURS if row.get(title, "").startswith(LIVE)]
    assert live == []


def _grid(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def _line(prompt: str) -> list[str]:
    return ["Zoë", prompt, REMARKS[len(prompt) % len(REMARKS)]]


def _save(path: Path, grid: Sequence[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(grid)
    path.write_bytes(text.getvalue().encode())


def _replace(path: Path, grid: Sequence[Sequence[str]]) -> None:
    """Save as an editor does: a new file takes the place of the old one."""
    beside = path.with_name("saving.tmp")
    _save(beside, grid)
    beside.replace(path)


def _table(name: str, keys: Mapping[str, object]) -> str:
    # JSON's texts, numbers and truths are TOML's as well.
    lines = (f"{key} = {json.dumps(value)}" for key, value in keys.items())
    return "\n".join((f"[{name}]", *lines, ""))
