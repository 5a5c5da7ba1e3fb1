"""Ctrl-C while sending: no further request leaves, and open requests are waited for."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from pipeline.sandbox import Sandbox
from pipeline.server import event_loop
from pipeline.server.signals import interrupting
from tests.fakes.program import KEY, Program, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

PROMPTS = [f"a kite, number {number}" for number in range(20)]
IN_AIR = 4


@contextmanager
def slow_answers(folder: Path, seconds: float) -> Iterator[tuple[Sandbox, Team, Path]]:
    """An API that answers slowly, and twenty rows for it."""
    with sandbox_process(KEY, task_seconds=0.2, answer_seconds=seconds) as sandbox:
        team = Team(folder, sandbox.url)
        team.write_prompts(PROMPTS)
        yield sandbox, team, team.configured(concurrency=IN_AIR)


def taken(sandbox: Sandbox) -> int:
    """How many tasks the API has accepted."""
    return int(sandbox.state()["tasks_taken"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_ctrl_c_open_requests_are_recorded_and_no_more_are_sent(
    number: signal.Signals, tmp_path: Path
) -> None:
    with slow_answers(tmp_path, 1) as (sandbox, team, config):
        with Program("run", config, "--wait") as program:
            program.until(lambda: taken(sandbox) == IN_AIR, "four are on their way")
            program.signal(number)
            ended = program.end()
        at_the_end = taken(sandbox)
        statuses = team.statuses()
        sandbox.set(answer_seconds=0)
        call("run", config, "--wait")

        assert ended.code == 130
        assert ended.is_plain, ended.said
        assert at_the_end == IN_AIR
        assert statuses == {"in progress": IN_AIR, "queued": 20 - IN_AIR}
        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert team.statuses() == {"done": 20}
        team.assert_whole(PROMPTS)


def test_a_second_ctrl_c_ends_at_once_and_a_later_run_completes_the_work(tmp_path: Path) -> None:
    with slow_answers(tmp_path, 60) as (sandbox, team, config):
        with Program("run", config, "--wait") as program:
            program.until(lambda: taken(sandbox) == IN_AIR, "four are on their way")
            program.signal(signal.SIGINT)
            program.until(lambda: _has_default_sigterm(program), "the first Ctrl-C is handled")
            program.signal(signal.SIGINT)
            asked = monotonic()
            ended = program.end()
            took = monotonic() - asked
        sandbox.set(answer_seconds=0)
        call("run", config, "--wait")

        assert ended.code == 130
        assert ended.is_plain, ended.said
        assert took < 10
        assert max(sandbox.state()["tasks"].values()) == 1
        assert team.statuses() == {"check needed": IN_AIR, "done": 20 - IN_AIR}
        team.assert_whole(PROMPTS)


def test_a_run_interrupted_before_its_start_sends_nothing(tmp_path: Path) -> None:
    with slow_answers(tmp_path, 0) as (sandbox, team, config):
        with Program("run", config, "--wait") as program:
            program.until(lambda: program.handles_sigterm(), "the program listens for Ctrl-C")
            program.signal(signal.SIGTERM)
            ended = program.end()
        sent = taken(sandbox)
        call("run", config, "--wait")

        assert ended.code == 130
        assert ended.is_plain, ended.said
        assert sent < len(PROMPTS)
        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert team.statuses() == {"done": 20}


def test_a_second_ctrl_c_during_a_step_cancels_all_tasks() -> None:
    errors: list[str] = []

    async def step() -> None:
        first = asyncio.Event()
        with interrupting(first.set):
            os.kill(os.getpid(), signal.SIGINT)
            await first.wait()
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(60)
            except BaseException as e:
                errors.append(type(e).__name__)
                raise

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            event_loop.run(step())
    finally:
        signal.signal(signal.SIGINT, before)

    assert errors == ["CancelledError"]


def _has_default_sigterm(program: Program) -> bool:
    """True if the next SIGTERM ends it: the handler is no longer installed."""
    return not program.handles_sigterm()
