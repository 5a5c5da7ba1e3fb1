"""Killed at any moment: no row is paid twice, no recorded result is lost, the file stays intact.

The real program is ended by SIGKILL at moments that are observed from outside: a proxy holds up
requests, and the sheet's folder is watched. *After* each kill, the file, the store on disk and the
API's own count show to which class the moment belongs; it is counted in that class. A few rows are
added before each start, as a team does.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from pathlib import Path
from random import Random

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.pausing_proxy import Moment, PausingProxy, pausing_proxy
from tests.fakes.program import KEY, Program, call, until
from tests.fakes.sandbox_process import sandbox_process, shows
from tests.fakes.team import Team

#: Rows that are added before each start, and requests in the air at once.
ROWS, CONCURRENCY = 5, 3
#: Seconds for a submission; afterwards the next pass may treat its answer as lost.
DEADLINE = 2


class Class(Enum):
    """The step in which the program was killed."""

    MINTED = "ids are in the file, nothing is sent"
    INTENT = "the intent is in the store, the API has not read the request"
    TAKEN = "taken, not answered"
    ANSWERED = "answered, not recorded"
    REPLACING = "in the replacement of the file"


@dataclass
class Ordeal:
    """One sheet, whose program is killed repeatedly, and the results."""

    team: Team
    sandbox: Sandbox
    proxy: PausingProxy
    chance: Random
    prompts: list[str] = field(default_factory=list)
    kills: Counter[Class] = field(default_factory=Counter)
    elsewhere: int = 0
    #: Prompts in flight at a kill, and those whose task was recorded by then.
    in_air: set[str] = field(default_factory=set)
    recorded: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    def kill_in(self, wanted: Class) -> None:
        """Add rows, start the program, kill it in this step, and determine the actual step."""
        new = [f"a fox, number {next(self.numbers)}" for _ in range(ROWS)]
        self.prompts += new
        self.team.add_prompts(new)
        config = self.team.folder / "pipeline.toml"
        with watching(self.team.folder) as watch, Program("run", config, "--wait") as program:
            self._strike(wanted, program, watch)
            ended = program.end()
            assert ended.code == -9, (wanted, ended)
        self.proxy.cut()
        self._take_stock(wanted, new)

    def finish(self) -> None:
        """Run without kills until there is nothing left to do."""
        self.team.answers_within(30)
        for _ in range(3):
            ended = call("run", self.team.folder / "pipeline.toml", "--wait")
            assert ended.is_plain, ended.said
            assert ended.code in (0, 1), ended.said
            if set(self.team.statuses()) <= {"done", "check needed"}:
                return
        notes = {row["note"] for row in self.team.rows()}
        raise AssertionError(f"not at an end: {self.team.statuses()}, {notes}")

    def tell(self) -> None:
        """The histogram, and the safety and liveness numbers."""
        taken = Counter(self.sandbox.state()["tasks"])
        statuses = self.team.statuses()
        print()
        for one in Class:
            print(f"{self.kills[one]:4}  {one.value}")
        print(f"{self.elsewhere:4}  elsewhere")
        print(
            f"safety: paid twice {sum(n - 1 for n in taken.values())}, "
            f"results lost {len(self.lost_results())}; liveness: {statuses['done']} of "
            f"{len(self.prompts)} rows done, {statuses['check needed']} to be checked "
            f"of {len(self.in_air)} requests in the air at {self.kills.total()} kills"
        )

    def assert_kept(self) -> None:
        """Check all promises."""
        tasks = self.sandbox.state()["tasks"]
        statuses = self.team.statuses()
        self.team.assert_whole(self.prompts)
        assert max(tasks.values()) == 1  # by the API's own count
        assert set(tasks) <= set(self.prompts)
        assert statuses["check needed"] <= len(self.in_air)
        assert statuses["done"] + statuses["check needed"] == len(self.prompts)
        assert self.lost_results() == []
        done = [row for row in self.team.rows() if row["status"] == "done"]
        assert all(shows(row["Prompt"], row["image_urls"]) for row in done)
        assert len({row["row_id"] for row in self.team.rows()}) == len(self.prompts)

    def lost_results(self) -> list[str]:
        """Prompts whose task was recorded at a kill, and whose row is not done."""
        done = {row["Prompt"] for row in self.team.rows() if row["status"] == "done"}
        return sorted(self.recorded - done)

    def _strike(self, wanted: Class, program: Program, watch: Watch) -> None:
        if wanted in MOMENTS:
            number = self.chance.randint(1, ROWS)
            self.proxy.pause_at(MOMENTS[wanted], number, program.kill)
            until(lambda: program.is_over, f"killed: {wanted.value}")
            return
        event, name = self.chance.choice(STEPS[wanted])
        watch.until(event, name)
        program.kill()

    def _take_stock(self, wanted: Class, new: list[str]) -> None:
        """After a kill: check that the file is intact, and determine where the program was."""
        self.team.assert_whole(self.prompts)
        attempts = self.team.attempts()
        self.recorded |= {one["prompt"] for one in attempts if one["task_id"]}
        left = {one["prompt"] for one in attempts if one["state"] == "submitting"} - self.in_air
        # Open requests, and answers not recorded yet, which keep their places until then.
        assert len(left) <= CONCURRENCY
        self.in_air |= left
        begun = {one["prompt"] for one in attempts}
        found = list(self._signs(new, left, begun))
        if found:
            self.kills[wanted if wanted in found else found[0]] += 1
        else:
            self.elsewhere += 1

    def _signs(self, new: list[str], left: set[str], begun: set[str]) -> Iterator[Class]:
        """The classes to which the moment of the kill belongs."""
        taken = left & self.sandbox.state()["tasks"].keys()
        answered = {json.loads(body)["prompt"] for body in self.proxy.answered}
        if left & answered:
            yield Class.ANSWERED
        if taken - answered:
            yield Class.TAKEN
        if left - taken:
            yield Class.INTENT
        if self.team.left_overs():
            yield Class.REPLACING
            return
        ids = {row["Prompt"] for row in self.team.rows() if row.get("row_id")}
        if ids.issuperset(new) and not begun & {*new}:
            yield Class.MINTED


class Watch:
    """Events in a folder, from the system (inotify)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def until(self, event: int, name: re.Pattern[str]) -> None:
        """Return as soon as this event happens to a file with such a name."""
        while select.select([self._descriptor], [], [], 40)[0]:
            events, at = os.read(self._descriptor, 65536), 0
            while at < len(events):
                _, mask, _, length = struct.unpack_from("iIII", events, at)
                file = events[at + 16 : at + 16 + length].rstrip(b"\0").decode()
                at += 16 + length
                if mask & event and name.fullmatch(file):
                    return
        raise AssertionError(f"waited without success for {name.pattern}")


@contextmanager
def watching(folder: Path) -> Iterator[Watch]:
    """Every event in the folder from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    try:
        assert libc.inotify_add_watch(descriptor, os.fsencode(folder), APPEARS | MOVES | GOES) > 0
        yield Watch(descriptor)
    finally:
        os.close(descriptor)


#: Events, as Linux numbers them.
MOVES, APPEARS, GOES = 0x80, 0x100, 0x200
SHEET = re.compile(r"prompts\.csv")
PART = re.compile(r"\.prompts\.csv\.promptsheet-[0-9a-f]{8}\.part")
#: The new file before the exchange, the old one after it.
OTHER = re.compile(r"\.prompts\.csv\.promptsheet-[0-9a-f]{16}-[0-9a-f]{16}-[0-9a-f]{8}")

MOMENTS = {
    Class.INTENT: Moment.BEFORE,
    Class.TAKEN: Moment.TAKEN,
    Class.ANSWERED: Moment.ANSWERED,
}
STEPS = {
    # Once the old file is deleted, the file with the ids is final.
    Class.MINTED: [(GOES, OTHER)],
    # A new file was started, is complete, and was exchanged with the sheet.
    Class.REPLACING: [(APPEARS, PART), (MOVES, OTHER), (MOVES, SHEET)],
}


@contextmanager
def ordeal(folder: Path, seed: int, version: int = 1) -> Iterator[Ordeal]:
    """A sheet without rows, ready to run."""
    with (
        sandbox_process(KEY, task_seconds=0.2, plain_pictures=True) as sandbox,
        pausing_proxy(sandbox.url) as proxy,
    ):
        team = Team(folder, proxy.url, version)
        team.write_prompts([])
        team.answers_within(DEADLINE)
        # Lost attempts count as in flight for an hour: the limit is high enough for all of them.
        team.configured(concurrency=CONCURRENCY, in_flight=1000)
        yield Ordeal(team, sandbox, proxy, Random(seed))


@pytest.mark.parametrize("wanted", Class)
def test_repeated_kills_in_one_step_pay_nothing_twice_and_lose_nothing(
    wanted: Class, tmp_path: Path
) -> None:
    with ordeal(tmp_path, seed=1) as one:
        for _ in range(12):
            one.kill_in(wanted)
            if one.kills[wanted] == 4:
                break
        one.finish()

        one.tell()
        assert one.kills[wanted] == 4
        one.assert_kept()


@pytest.mark.parametrize("wanted", MOMENTS)
def test_with_an_idempotency_key_kills_leave_nothing_for_a_person_to_check(
    wanted: Class, tmp_path: Path
) -> None:
    with ordeal(tmp_path, seed=3, version=2) as one:
        for _ in range(12):
            one.kill_in(wanted)
            if one.kills[wanted] == 3:
                break
        one.finish()

        one.tell()
        assert one.kills[wanted] == 3
        one.assert_kept()
        assert one.team.statuses() == {"done": len(one.prompts)}


@pytest.mark.soak
def test_of_a_thousand_rows_with_an_idempotency_key_none_is_paid_twice_or_left_to_a_person(
    tmp_path: Path,
) -> None:
    prompts = [f"a fox, number {number}" for number in range(1000)]
    with sandbox_process(KEY, task_seconds=0.5, plain_pictures=True, lost="0.3 rst") as sandbox:
        team = Team(tmp_path, sandbox.url, version=2)
        team.write_prompts(prompts)
        budget = {"budget": {"per_run": 16000, "per_day": 16000}}
        config = team.configured(concurrency=20, in_flight=200, tables=budget)
        for more in (50, 200, 400, 600, 800):
            with Program("run", config, "--wait") as program:
                until(lambda: sandbox.state()["tasks_taken"] >= more, f"{more} tasks", within=120)  # noqa: B023
                program.process.kill()
                assert program.end().code == -9
        ended = call("run", config, "--wait")
        state = sandbox.state()

    print(f"\n{state['idempotent_replays']} lost answers were asked for again")
    assert (ended.code, team.statuses()) == (0, {"done": 1000}), ended.said
    assert state["tasks"] == dict.fromkeys(prompts, 1)
    assert state["credits_charged"] == 16000
    assert state["idempotent_replays"] > 100


@pytest.mark.soak
def test_kills_in_all_steps_pay_nothing_twice_and_lose_nothing(tmp_path: Path) -> None:
    with ordeal(tmp_path, seed=2) as one:
        for _ in range(15 * len(Class) * 3):
            rare = [wanted for wanted in Class if one.kills[wanted] < 15]
            if not rare:
                break
            one.kill_in(one.chance.choice(rare))
        one.finish()

        one.tell()
        assert min(one.kills[wanted] for wanted in Class) >= 15
        one.assert_kept()
