"""The disk fills up during a run: nothing is paid twice, and nothing is lost.

Store and sheet are on a file system of 2 MB. If it cannot be mounted, and in one test in any case,
a limit on the length of the program's files is used instead.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, Ended, Program, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.small_disk import SmallDisk, mounted
from tests.fakes.team import Team

PROMPTS = [f"a bridge, number {number}" for number in range(12)]
IN_AIR = 4


class ShortFiles(SmallDisk):
    """The same without the right to mount: the length of files is limited."""

    def fill(self, process: int = 0) -> None:
        length = (self.folder / "promptsheet.db-wal").stat().st_size
        resource.prlimit(process, resource.RLIMIT_FSIZE, (length, length))


def small(folder: Path) -> AbstractContextManager[SmallDisk]:
    """A file system of 2 MB, or files that cannot grow."""
    return mounted(folder, ShortFiles)


@contextmanager
def shortened(folder: Path) -> Iterator[SmallDisk]:
    """A folder in which files cannot grow."""
    yield ShortFiles(folder)


@pytest.mark.parametrize(("place", "wait"), [(small, ["--wait"]), (shortened, [])])
def test_answers_without_disk_space_are_recorded_by_the_next_run(
    place: Callable[[Path], AbstractContextManager[SmallDisk]], wait: list[str], tmp_path: Path
) -> None:
    with sandbox_process(KEY, task_seconds=0.2) as sandbox, place(tmp_path) as disk:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS[:3])
        config = team.configured(concurrency=IN_AIR)
        # A first run, so that there is some history; then more rows, and answers take their time.
        call("run", config, "--wait")
        team.add_prompts(PROMPTS[3:])
        sandbox.set(answer_seconds=1)
        with Program("run", config, *wait) as program:
            program.until(
                lambda: sandbox.state()["tasks_taken"] == 3 + IN_AIR, "four are on their way"
            )
            disk.fill(program.process.pid)
            ended = program.end()
        at_the_end = sandbox.state()["tasks_taken"]
        team.assert_whole(PROMPTS)
        sandbox.set(answer_seconds=0)
        disk.free()
        after = call("run", config, "--wait")

        assert ended.code == 3
        assert ended.is_plain, ended.said
        assert "No space is left for the store" in ended.said
        assert " saved in" in ended.said
        assert at_the_end == 3 + IN_AIR
        assert_all_done(team, sandbox, after)


def test_results_without_disk_space_are_written_by_the_next_run(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=3) as sandbox, small(tmp_path) as disk:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        config = team.configured(in_flight=IN_AIR, poll_every="1s")
        with Program("run", config, "--wait") as program:
            program.until(lambda: team.statuses()["in progress"] == IN_AIR, "four are being made")
            disk.fill(program.process.pid)
            before = sandbox.state()["tasks_taken"]
            ended = program.end()
        at_the_end = sandbox.state()["tasks_taken"]
        team.assert_whole(PROMPTS)
        sandbox.set(task_seconds=0.2)
        disk.free()
        after = call("run", config, "--wait")

        assert ended.code == 3
        assert ended.is_plain, ended.said
        assert "No space is left for the store" in ended.said
        assert at_the_end - before <= IN_AIR  # requests in flight at that moment
        assert_all_done(team, sandbox, after)


def assert_all_done(team: Team, sandbox: Sandbox, after: Ended) -> None:
    """Check that everything was finished once there was space again, and nothing was paid twice."""
    tasks, statuses = sandbox.state()["tasks"], team.statuses()
    print(f"\nsafety: paid twice {sum(tasks.values()) - len(tasks)}; liveness: {dict(statuses)}")
    assert after.code == 0
    assert tasks == dict.fromkeys(PROMPTS, 1)
    assert statuses == {"done": len(PROMPTS)}
    team.assert_whole(PROMPTS)
