"""The three measurements: a run, a run that is killed, and a run while a person sorts the sheet.

What was paid is counted by the API, and where a result belongs by the API's prompt of the task.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

from pipeline.sandbox import Sandbox
from tests.fakes.program import until
from tests.rivals.runner import Runner
from tests.rivals.sheets import Results, Sheet, prompts

#: Seconds that a run may take.
PATIENCE = 600.0
#: Seconds between two looks at a run.
LOOK_EVERY = 0.05
#: Seconds between two sorts of the sheet.
SORT_EVERY = 1.0
_TASK = re.compile(r"/pictures/([0-9a-f-]+)-\d+\.png")


@dataclass(frozen=True, slots=True)
class Cost:
    """One run: seconds until the last row has its result, requests to the API and to the sheet in
    the whole run, and peak memory in MB.
    """

    seconds: float
    requests: int
    sheet_requests: int
    peak: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the rows, by the count of the API."""

    #: Tasks that were paid beyond one for each row.
    paid_twice: int
    #: Rows without a result.
    without: int
    #: Paid tasks whose pictures are beside no prompt.
    unseen: int
    #: Rows with pictures of another prompt.
    wrong: int


def run(runner: Runner, api: Sandbox, sheet: Sheet) -> Cost:
    """Run the sheet once to its end. Raises RuntimeError if a row has no result of its own."""
    began, peak, filled, pause = 0.0, 0.0, 0.0, Event()
    with _opened(runner):
        before = sheet.requests()
        began = time.perf_counter()
        runner.begin()
        while not runner.is_over():
            peak = max(peak, sum(map(_resident, _family(runner.pid))) / 1024)
            if not filled and _is_full(runner.results(), sheet.rows):
                filled = time.perf_counter()
            if time.perf_counter() > began + PATIENCE:
                raise RuntimeError(f"the run still goes on after {PATIENCE:g} s")
            pause.wait(LOOK_EVERY)
        seconds = (filled or time.perf_counter()) - began
        verdict = judge(runner.results(), api.state(ids=True), sheet.rows)
    if verdict != Verdict(0, 0, 0, 0):
        raise RuntimeError(f"an undisturbed run left {verdict}")
    requests = sum(api.state()["requests"].values())
    return Cost(seconds, requests, sheet.requests() - before, peak)


def kill(runner: Runner, api: Sandbox, sheet: Sheet, at: int) -> Verdict:
    """Kill the run once the API has taken `at` tasks, start it again, and judge its end."""
    with _opened(runner):
        runner.begin()
        until(lambda: api.state()["tasks_taken"] >= at, f"{at} tasks are taken", PATIENCE, 0.002)
        runner.kill()
        _again(runner)
        return judge(runner.results(), api.state(ids=True), sheet.rows)


def sort(runner: Runner, api: Sandbox, sheet: Sheet) -> Verdict:
    """Sort the sheet during the run, start once more in peace, and judge what is there then."""
    is_over, chance = Event(), Random(1)

    def sorting() -> None:
        while not is_over.wait(SORT_EVERY):
            sheet.shuffle(chance)

    person = Thread(target=sorting)
    with _opened(runner):
        runner.begin()
        person.start()
        try:
            until(runner.is_over, "the run ends", PATIENCE)
        finally:
            is_over.set()
            person.join()
        _again(runner)
        return judge(runner.results(), api.state(ids=True), sheet.rows)


def judge(results: Results, state: Mapping[str, Any], rows: int) -> Verdict:
    """Compare what a person finds with what the API has counted (a state with `ids`)."""
    tasks, ids = state["tasks"], state["ids"]
    shown = [(words, _TASK.findall(urls)) for words, urls in results]
    done = {words for words, its in shown if its}
    return Verdict(
        paid_twice=sum(times - 1 for times in tasks.values()),
        without=sum(words not in done for words in prompts(rows)),
        unseen=len(ids.keys() - {task for _, its in shown for task in its}),
        wrong=sum(any(ids[task] != words for task in its) for words, its in shown),
    )


def _is_full(results: Results, rows: int) -> bool:
    return sum(bool(urls) for _, urls in results) >= rows


def _again(runner: Runner) -> None:
    runner.open()
    runner.begin()
    until(runner.is_over, "the second run ends", PATIENCE)


@contextmanager
def _opened(runner: Runner) -> Iterator[None]:
    try:
        runner.open()
        yield
    finally:
        runner.close()


def _family(pid: int) -> Iterator[int]:
    yield pid
    # A process that ends meanwhile has no files any more.
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _family(int(child))


def _resident(pid: int) -> int:
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int((re.findall(r"VmRSS:\s+(\d+) kB", status) or [0])[0])
    return 0
