"""Many simultaneous starts: every row is sent once, and no budget is overspent.

Each start is a process of its own. The numbers come from the API's count.
"""

from __future__ import annotations

import re
import signal
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.pausing_proxy import Moment, pausing_proxy
from tests.fakes.program import KEY, Ended, Program, at_one_instant, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

PROMPTS = [f"a lighthouse, number {number}" for number in range(500)]
#: Fast, so that the test is fast; the number of requests in flight is not tested here.
WIDE: dict[str, dict[str, object]] = {"pace": {"concurrency": 100, "in_flight": 500}}
HELD = re.compile(
    r"prompts\.csv: another run \(\S+:\d+\) has been working on it since \d\d:\d\d:\d\d\. "
    r"Nothing was done\."
)


def test_ten_simultaneous_starts_send_every_row_once(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        config = team.configured(tables=WIDE)

        ended = at_one_instant([["run", config, "--wait"]] * 10)

        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert team.statuses() == {"done": 500}
        team.assert_whole(PROMPTS)
        assert [one.code for one in ended] == [0] * 10
        assert all(one.said == "" or HELD.fullmatch(one.said) for one in ended)
        # A start during the pass of another one says so; a later start finds nothing to do.
        assert any(one.said for one in ended)


def test_ten_starts_with_two_configurations_send_every_row_once(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        configs = [team.configured(name, tables=WIDE) for name in ("one", "other")]

        ended = at_one_instant([["run", config, "--wait"] for config in configs * 5])

        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert team.statuses() == {"done": 500}
        team.assert_whole(PROMPTS)
        for one in ended:
            reason = (
                "is run by another configuration" if one.code else "has been working on it since"
            )
            assert one.code in (0, 1)
            assert one.said == "" or reason in one.said


def test_ten_starts_with_two_stores_send_every_row_once(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        configs = [
            team.configured(name, store=f"{name}.db", tables=WIDE) for name in ("one", "other")
        ]

        ended = at_one_instant([["run", config, "--wait"] for config in configs * 5])

        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert team.statuses() == {"done": 500}
        team.assert_whole(PROMPTS)
        assert {one.code for one in ended} == {0, 1}
        for one in ended:
            reason = "(belongs to|taken over)" if one.code else "has been working on it since"
            assert one.said == "" or re.search(reason, one.said)


def test_a_sheet_named_twice_in_one_command_is_sent_once(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS[:40])
        configs = [team.configured(name) for name in ("one", "other")]

        ended = call("run", configs[0], configs[1], configs[0], "--wait")

        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS[:40], 1)
        assert team.statuses() == {"done": 40}
        assert ended.is_plain, ended.said
        assert ended.code == 0
        assert len([line for line in ended.out.splitlines() if HELD.fullmatch(line)]) == 2


def test_a_second_start_gets_a_message_and_a_dead_holder_blocks_no_start(tmp_path: Path) -> None:
    with (
        sandbox_process(KEY, task_seconds=0.2) as sandbox,
        pausing_proxy(sandbox.url) as proxy,
    ):
        team = Team(tmp_path, proxy.url)
        team.write_prompts(PROMPTS[:8])
        team.answers_within(4)
        config = team.configured(concurrency=2)
        proxy.pause_at(Moment.TAKEN)

        with Program("run", config, "--wait") as first:
            first.until(lambda: proxy.is_paused, "a submission is on its way")
            second = call("run", config)
            first.kill()
            first.end()
        proxy.cut()
        team.answers_within(30)
        third = call("run", config, "--wait")

        assert HELD.fullmatch(second.said)
        assert f":{first.process.pid}) has" in second.said
        assert second.code == 0
        assert "working on it" not in third.said
        assert max(sandbox.state()["tasks"].values()) == 1
        statuses = team.statuses()
        assert statuses["check needed"] <= 2
        assert statuses["done"] + statuses["check needed"] == 8


@dataclass
class Rush:
    """Processes over one small budget in one store, of which some were killed."""

    kills: int
    ended: list[Ended]


#: The rows of each sheet, and the price of a row.
ROWS, COST = 4, 4


def rush(folder: Path, seed: int, sheets: int) -> Rush:
    """Start one process for each sheet, all at one moment, kill some while they send, and start
    those again.
    """
    chance = Random(seed)
    # In credits, for less than half of the rows. A kill leaves at most one attempt in doubt, whose
    # price stays held: that is less than 5 %.
    cap, most_kills = sheets * 15 // 2, sheets // 12
    with sandbox_process(KEY, seed=seed, task_seconds=0.2, answer_seconds=0.05) as sandbox:
        team = Team(folder, sandbox.url)
        starts: list[list[str | Path]] = []
        for number in range(sheets):
            sheet = f"sheet-{number}.csv"
            team.write_prompts([f"a boat, {number}-{row}" for row in range(ROWS)], sheet)
            limits: dict[str, dict[str, object]] = {"budget": {"per_day": cap}}
            config = team.configured(f"config-{number}", sheet, tables=limits, concurrency=1)
            starts.append(["run", config])
        moments = sorted(chance.sample(range(1, cap // COST * 3 // 4), most_kills))
        killed: list[int] = []

        def kill_some(programs: list[Program]) -> None:
            for moment in moments:
                until(
                    partial(_has_taken, sandbox, moment),
                    "so many tasks are taken",
                    within=200,
                    every=0.02,
                )
                alive = [n for n, one in enumerate(programs) if not one.is_over]
                if alive:
                    killed.append(chance.choice(alive))
                    programs[killed[-1]].kill()

        ended = at_one_instant(starts, meanwhile=kill_some)
        again = [call(*starts[number]) for number in dict.fromkeys(killed)]

        state = sandbox.state()
        statuses: Counter[str] = Counter()
        for number in range(sheets):
            statuses += team.statuses(f"sheet-{number}.csv")
        kills = sum(one.code == -signal.SIGKILL for one in ended)
        charged, taken = state["credits_charged"], state["tasks_taken"]
        print(
            f"\nseed {seed}: {kills} kills; safety: overspent {max(0, charged - cap)} of {cap}, "
            f"paid twice {taken - len(state['tasks'])}; liveness: used {charged / cap:.1%}, "
            f"{dict(statuses)}"
        )
        assert charged <= cap
        assert set(state["tasks"].values()) == {1}
        assert charged >= cap * 0.95
        rest = [one for one in ended if one.code != -signal.SIGKILL]
        assert all(one.code == 0 and one.is_plain for one in rest + again), _worst(rest + again)
        # A row says `queued` until the next run if others spent the rest while it was written.
        assert statuses["over budget"] + statuses["queued"] >= sheets * ROWS - cap // COST
        return Rush(kills, ended)


def _has_taken(sandbox: Sandbox, many: int) -> bool:
    taken: int = sandbox.state()["tasks_taken"]
    return taken >= many


def test_32_processes_never_overspend_one_small_budget_though_some_are_killed(
    tmp_path: Path,
) -> None:
    assert rush(tmp_path, 1, sheets=32).kills >= 1


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_processes_never_overspend_the_budget_that_64_share(tmp_path: Path) -> None:
    runs, kills = 0, 0
    for seed in range(2, 18):
        folder = tmp_path / str(seed)
        folder.mkdir()
        one = rush(folder, seed, sheets=64)
        runs, kills = runs + len(one.ended), kills + one.kills
    print(f"\n{runs} processes, {kills} killed")
    assert runs >= 1000
    assert kills >= 50


def _worst(ended: list[Ended]) -> list[Ended]:
    return [one for one in ended if one.code][:3]
