"""The waiting time for the page of a very large sheet, and the cost of keeping it open.

    python -m tests.benchmarks.page [ROWS]

The service is a new process; the first search is requested as soon as the first page is loaded, in
a browser too. Everything else is requested when all rows are loaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import expect
from rich.console import Console
from rich.table import Table

from pipeline import wiring
from pipeline.config import load
from pipeline.open_sheet import open_sheet
from tests.benchmarks.big import fill
from tests.fakes.browser import browser, looking
from tests.fakes.service import free_port

ROOT = Path(__file__).parents[2]
PARTLY = "All others are here in a moment"
TICK = os.sysconf("SC_CLK_TCK")


def main(rows: int) -> None:
    """Measure all of it and print a table."""
    table = Table(title=f"The page of {rows:,} rows")
    for column in ("", "seconds", "in a browser"):
        table.add_column(column, justify="right" if column else "left")
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "big.toml"
        port = free_port()
        config.write_text(f'[sheet]\nsource = "prompts.csv"\n[page]\nlisten = "127.0.0.1:{port}"\n')
        fill(config, rows)
        served, seen = dict(_served(config, rows)), dict(_seen(config, rows))
        for what in {**served, **seen}:
            table.add_row(what, served.get(what, ""), seen.get(what, ""))
    Console(width=100).print(table)


def _served(config: Path, rows: int) -> Iterator[tuple[str, str]]:
    """The waiting times of HTTP requests, and the resources of the service meanwhile."""
    with _service(config) as (process, address, link), httpx.Client(trust_env=False) as client:
        client.headers["Origin"] = address
        client.get(link)

        def get(path: str) -> str:
            return client.get(f"{address}{path}", timeout=60).raise_for_status().text

        began = time.monotonic()
        yield "first page", _timed(lambda: get("/"))
        yield "first search, at once after it", _timed(lambda: get("/?q=number+49"))
        while PARTLY in get("/?q=number+49"):
            pass
        yield "all rows are there after", f"{time.monotonic() - began:.2f}"
        yield "search", _timed(lambda: get("/?q=number+49"))
        yield "status", _timed(lambda: get("/?status=done"))
        yield "second page", _timed(lambda: get("/?page=2"))
        yield "last page", _timed(lambda: get(f"/?page={rows // 60}"))
        with client.stream("GET", f"{address}/live/1", timeout=60) as news:
            lines = (line for line in news.iter_lines() if line.startswith("data:"))
            next(lines)
            # Not in the same check: the next may be late because this one took long.
            time.sleep(10)
            used = _cpu(process.pid)
            time.sleep(10)
            quiet = _cpu(process.pid) - used
            used = _cpu(process.pid)
            yield "a change is reported after", _timed(lambda: _change(config) or next(lines))
            yield "processor for that change", f"{_cpu(process.pid) - used:.2f}"
            yield "processor for 10 s without any", f"{quiet:.2f}"
        page = get("/")
        form = {"csrf": re.findall(r'name="csrf" value="(\w+)"', page)[0], "again": "0"}
        row = re.findall(r'id="card-(r_\w+)-1"', page)[1]
        again = f"{address}/again/1/{row}/1"
        press = lambda: client.post(again, data=form, timeout=60, follow_redirects=True)  # noqa: E731
        yield "make again, until it is said", _timed(press)
        yield "memory, MB", f"{_memory(process.pid):.0f}"


def _seen(config: Path, rows: int) -> Iterator[tuple[str, str]]:
    """The waiting times in a browser."""
    with (
        _service(config) as (_, address, link),
        browser() as opened,
        looking(opened, address) as look,
    ):
        page = look.page
        cards, search = page.locator("#board > .card"), page.get_by_role("searchbox")

        def seen(place: str, words: str) -> None:
            # Check at each frame; the default is once a second.
            there = "([p, w]) => document.querySelector(p)?.textContent.includes(w)"
            page.wait_for_function(there, arg=[place, words], timeout=60_000)

        def searched() -> None:
            search.fill("number 77")
            seen("#board > .card", "77")

        def searched_again() -> None:
            search.fill(f"number {rows - 40}")
            seen("#board > .card:last-child", f"{rows - 40}")

        def turned() -> None:
            page.get_by_role("link", name="Older").click()
            seen("#pages", "Page 2 of")

        def opened_first() -> None:
            page.goto(link)
            cards.first.wait_for()

        yield "first page", _timed(opened_first)
        began = time.monotonic()

        yield "first search, at once after it", _timed(searched)
        counted = page.locator("[data-text='count all']")
        expect(counted).not_to_have_text("…", timeout=60_000)
        yield "all rows are there after", f"{time.monotonic() - began:.2f}"
        yield "search", _timed(searched_again)
        search.fill("")
        expect(cards).to_have_count(60)
        yield "second page", _timed(turned)


def _timed(do: Callable[[], object]) -> str:
    began = time.monotonic()
    do()
    return f"{time.monotonic() - began:.2f}"


@contextmanager
def _service(config: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    words = [sys.executable, str(ROOT / "run.py"), "serve", str(config)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        said = next(line for line in lines if "/enter/" in line)
        found = re.search(r"(http://\S+)/enter/\S+", said)
        assert found, said
        yield process, found[1], found[0]
    finally:
        process.terminate()
        process.wait(20)


def _change(config: Path) -> bool:
    """Dismiss a row, as another process does. Returns whether that was possible."""
    settings = load(config)
    with wiring.open_store(settings) as store:
        key = open_sheet(settings, store).key
        store.jobs.dismiss(store.jobs.newest(key, 1)[0], away=True)
        return False


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _memory(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
