"""Saving many pictures, compared with `xargs -P 16 curl` on the same files.

    python -m tests.benchmarks.downloads [FILES] [ANOTHER_BUILD]

The files have 1 MB each and come from a plain file server in its own process. The program saves
them in one plain `run`, with its store, its sheet and its manifest. ANOTHER_BUILD is the folder of
another version of the program, which is measured in between.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fakes.program import KEY, KEY_NAME, ROOT
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

SIZE = 1_000_000
IN_A_ROW = 4

#: Serves /NUMBER.png: a valid picture of noise, with the number in a text of its own.
SERVER = f"""
import asyncio, io, os, struct, zlib
from PIL import Image
SIDE = 577  # noise cannot be compressed
picture = io.BytesIO()
Image.frombytes("RGB", (SIDE, SIDE), os.urandom(3 * SIDE * SIDE)).save(picture, "png")
START, REST = picture.getvalue()[:33], picture.getvalue()[33:]
LENGTH = len(START) + 12 + 20 + len(REST)
assert abs(LENGTH - {SIZE}) < {SIZE} // 100
HEAD = (b"HTTP/1.1 200 OK\\r\\nContent-Type: image/png\\r\\nContent-Length: %d\\r\\n"
        b"Accept-Ranges: bytes\\r\\n\\r\\n" % LENGTH)
class Files(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        number = data.split(b" ", 2)[1].strip(b"/").split(b".")[0]
        text = b"tEXtNumber\\0" + number.rjust(13, b"0")
        check = struct.pack(">I", zlib.crc32(text))
        self.transport.writelines([HEAD, START, struct.pack(">I", 20), text, check, REST])
async def main():
    server = await asyncio.get_running_loop().create_server(Files, "127.0.0.1", 0, backlog=500)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
import uvloop
uvloop.run(main())
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What saving all files took: seconds, seconds of CPU, and the most megabytes of memory."""

    seconds: float
    cpu: float
    memory: float


def main(files: int, other: Path | None) -> None:
    """Measure, and print a table."""
    with file_server() as url, tempfile.TemporaryDirectory() as place:
        costs = {"xargs -P 16 curl": with_curl(url, files, Path(place))}
        for build in filter(None, (other, ROOT)):
            name = "this build" if build == ROOT else "the other build"
            costs[name] = with_program(url, files, Path(place), build)
    table = Table(title=f"Saving {files} files of 1 MB")
    for column in ("how", "seconds", "speed", "CPU", "memory"):
        table.add_column(column, justify="left" if column == "how" else "right")
    least = costs["xargs -P 16 curl"].seconds
    for name, cost in costs.items():
        speed = f"{least / cost.seconds:.2f}"
        memory = f"{cost.memory:.0f} MB"
        table.add_row(name, f"{cost.seconds:.1f}", speed, f"{cost.cpu:.1f}", memory)
    Console(width=100).print(table)


@contextmanager
def file_server() -> Iterator[str]:
    """The address of the server, while it runs."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    try:
        assert server.stdout
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.communicate()


def with_curl(url: str, files: int, place: Path) -> Cost:
    """Save the files with curl, one process for each file."""
    folder = place / "curl"
    folder.mkdir()
    urls = "\n".join(f"{url}/{number}.png" for number in range(files))
    command = ["xargs", "-P", "16", "-n", "1", "curl", "-sS", "-O"]
    cost = measured(command, folder, urls)
    assert len(list(folder.iterdir())) == files
    shutil.rmtree(folder)
    return cost


def with_program(url: str, files: int, place: Path, build: Path) -> Cost:
    """Save the files with the program of that build."""
    folder = place / "program"
    folder.mkdir()
    rows = files // IN_A_ROW
    with sandbox_process(KEY) as sandbox:
        team = Team(folder, sandbox.url)
        team.write("prompt", *(f"a fox number {number}" for number in range(rows)))
        pace = {"in_flight": 1000, "concurrency": 50, "per_minute": 0}
        config = team.configured(tables={"pace": pace, "media": {"save_to": ""}})
        command = [sys.executable, str(build / "run.py"), "run", str(config)]
        prepared = command_ended([*command, "--wait"], folder)
        assert prepared.returncode == 0, prepared.stderr
    with closing(sqlite3.connect(folder / "promptsheet.db")) as store, store:
        numbers = iter(range(files))
        ended = "select job, result from attempts where state = 'succeeded'"
        for job, text in store.execute(ended).fetchall():
            result = json.loads(text)
            result["urls"] = [f"{url}/{next(numbers)}.png" for _ in result["urls"]]
            store.execute("update attempts set result = ? where job = ?", (json.dumps(result), job))
        store.execute("update sheets set moved = moved + 1")
        store.execute("update jobs set moved = (select max(moved) from sheets)")
    team = Team(folder, url)
    team.configured(tables={"media": {"save_to": "media/"}})
    cost = measured(command, folder)
    assert len(list((folder / "media").glob("*.png"))) == files
    shutil.rmtree(folder)
    return cost


def command_ended(command: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    environ = os.environ | {KEY_NAME: KEY}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)


def measured(command: list[str], folder: Path, text: str = "") -> Cost:
    """Run a command to its end."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environ = os.environ | {KEY_NAME: KEY}
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin
    process.stdin.write(text.encode())
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.monotonic() - began, cpu, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 5000,
        Path(sys.argv[2]) if len(sys.argv) > 2 else None,
    )
