"""Killed at any request to Google: the next pass completes the work, and nothing is paid twice.

The fake Google ends the real program by SIGKILL when a request arrives: before it is applied, or
after it was applied and before the answer. A row is added before each start, and people move the
rows at the moment of the kill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.google.a1 import Area
from tests.fakes.google_sheets import Asked, Cut, google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.program import Ended, Program, at_one_instant
from tests.fakes.sandbox_process import shows

#: How long a task takes at the API.
TASK_SECONDS = 0


@contextmanager
def google_team(folder: Path, api: Sandbox) -> Iterator[GoogleTeam]:
    api.reset()
    with google_sheets(reads=10**6, writes=10**6) as google:
        book = google.new_book("Spring", [["prompt", "remark"]], rows=100)
        yield GoogleTeam(google, book, folder, api)


def add(team: GoogleTeam, number: int) -> None:
    """Add a row with a formula in another column."""
    with team.google.paused():
        tab = team.book.sheets[0]
        row = tab.filled
        tab.enter(row, 0, f"a fox, number {number}")
        tab.enter(row, 1, f'=UPPER("r{number}")', locale="en_US")


def run_and_kill(
    team: GoogleTeam, config: Path, number: int, applied: bool, chance: Random
) -> Ended:
    """Start the program and kill it at the request with this number, if it makes that many."""
    before = len(team.google.log)
    with Program("run", config, "--wait") as program:

        def kill(asked: Asked) -> None:
            if asked.number - before == number:
                program.kill()
                shuffle(team, chance)
                if not applied:
                    raise Cut(reset=True)

        team.google.between(kill)
        ended = program.end()
        team.google.between(None)
    return ended


def shuffle(team: GoogleTeam, chance: Random) -> None:
    """Change the order of the rows, as a person does."""
    tab = team.book.sheets[0]
    order = list(range(1, tab.filled))
    chance.shuffle(order)
    team.book.rearrange(tab, Area(1, tab.filled, 0, len(tab.columns)), order)


def kill_at_requests(team: GoogleTeam, step: int) -> tuple[int, int, int]:
    """Start repeatedly, with the kill `step` requests later each time: number of rows and of kills.

    With a step of 1, both kinds of kill at each request, else alternately. Also returns the number
    of requests of the last start, which ended by itself.
    """
    config = team.configure(write_every="10s")
    chance = Random(1)
    rows = 0
    for number in count(1, step):
        for applied in (False, True) if step == 1 else (number // step % 2 == 1,):
            rows += 1
            add(team, rows)
            team.another_account(rows)  # one account may not make so many requests in a minute
            before = len(team.google.log)
            ended = run_and_kill(team, config, number, applied, chance)
            if ended.code != -9:
                assert ended.is_plain, ended.said
                return rows, rows - 1, len(team.google.log) - before
    raise AssertionError("numbers do not end")


@pytest.mark.parametrize(
    "step", [2, pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_killed_at_requests_to_google_all_rows_are_done_and_none_is_paid_twice(
    tmp_path: Path, api: Sandbox, step: int
) -> None:
    with google_team(tmp_path, api) as team:
        rows, kills, asked = kill_at_requests(team, step)

        taken = team.api.state()["tasks"]
        found = {row["prompt"]: row for row in team.rows() if row["prompt"]}
        done = sum(row["status"] == "done" for row in found.values())
        print(f"{kills} kills: paid twice {sum(n - 1 for n in taken.values())}, {done} of {rows}")
        assert taken == {f"a fox, number {n}": 1 for n in range(1, rows + 1)}
        assert Counter(row["status"] for row in found.values()) == {"done": rows}
        assert all(shows(words, row["image_urls"]) for words, row in found.items())
        tab = team.book.sheets[0]
        remarks = {str(tab.cell(n, 1).formula) for n in range(1, tab.filled)}
        assert remarks == {f'=UPPER("r{n}")' for n in range(1, rows + 1)}
        # To read, claim the sheet, write the id and read it back; to write the result.
        assert asked >= 8
        assert kills >= (2 * asked if step == 1 else asked // step)


def test_of_two_stores_that_start_together_one_claims_the_sheet(
    tmp_path: Path, api: Sandbox
) -> None:
    with google_team(tmp_path, api) as team:
        for number in range(1, 6):
            add(team, number)
        configs = [team.configure(name) for name in ("first", "second")]

        ended = at_one_instant([["run", config, "--wait"] for config in configs * 2])

        taken = team.api.state()["tasks"]
        assert taken == {f"a fox, number {n}": 1 for n in range(1, 6)}
        assert {row["status"] for row in team.rows()} == {"done"}
        assert len({row["row_id"] for row in team.rows()}) == 5
        assert {one.code for one in ended} == {0, 1}
