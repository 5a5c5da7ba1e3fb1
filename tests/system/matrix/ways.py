"""The ways to run the program: how each sends new rows and collects results.

The test decides when tasks end: all of them end between `send` and `collect`. A way that is started
again and again has no process at that time.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from contextlib import ExitStack
from itertools import cycle
from types import TracebackType
from typing import Self

from tests.fakes.program import Ended, Program
from tests.fakes.service import free_port, is_up
from tests.system.matrix.world import World, until


class Way(ABC):
    """One way of running; used in a `with`."""

    #: True if a process keeps running and receives the API's calls.
    receives = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self.stack:
            if error is None:
                self.end()

    def open(self) -> None:
        """Write the configuration, and start the process that keeps running, if there is one."""
        self.world.configure()

    def end(self) -> None:  # noqa: B027 (most ways leave nothing behind that could be ended)
        """End the process that keeps running, as people do."""

    @abstractmethod
    def send(self, total: int) -> None:
        """Make the program send its new rows: afterwards, the API has accepted `total` tasks."""

    @abstractmethod
    def collect(self, done: int) -> Ended | None:
        """Make the program collect the ended tasks, so that `done` rows are done."""

    def die(self, total: int) -> None:
        """`kill -9` when the API has accepted `total` tasks and some of them are open."""
        with self.world.start("run", "--wait") as program:
            self.world.until_running(total)
            program.kill()
            program.process.wait(20)

    def once(self, *words: str) -> Ended:
        """One start, which polls the open tasks (here at most 20) at most once."""
        before = self.world.asked
        ended = self.world.call(*words)
        assert self.world.asked - before <= 1, "asked about one task twice in one start"
        return ended

    def collect_by(self, *words: str) -> Ended:
        """One start, which polls exactly once, because tasks may have ended."""
        before = self.world.asked
        ended = self.world.call(*words)
        assert self.world.asked - before == 1, "requests about tasks in one start"
        return ended


class Cron(Way):
    """`run`, started repeatedly as cron does."""

    def send(self, total: int) -> None:
        self.once("run")
        assert self.world.taken == total

    def collect(self, done: int) -> Ended:
        return self.collect_by("run")


class Narrow(Cron):
    """`run --limit 1` or, every second time, `run --row R`; then `run` for the other rows."""

    def open(self) -> None:
        super().open()
        self.narrowly = cycle((self._limit, self._row))

    def send(self, total: int) -> None:
        if (before := self.world.taken) < total:
            self.once("run", *next(self.narrowly)())
            assert self.world.taken == before + 1, "it sends one row only"
        super().send(total)

    def _limit(self) -> tuple[str, str]:
        return "--limit", "1"

    def _row(self) -> tuple[str, str]:
        rows = enumerate(self.world.kind.rows(), 2)
        return "--row", str(next(n for n, row in rows if row.get("status") != "done"))


class Repair(Cron):
    """`run`, and then `doctor --repair` instead of a second `run`."""

    def collect(self, done: int) -> Ended:
        return self.collect_by("doctor", "--repair")


class Wait(Way):
    """`run --wait`: one process, which runs until all tasks have ended."""

    receives = True

    def open(self) -> None:
        self.world.configure(poll_every="100ms")
        self.program: Program | None = None

    def send(self, total: int) -> None:
        self.program = self.stack.enter_context(self.world.start("run", "--wait"))
        self.world.until_taken(total)

    def collect(self, done: int) -> Ended:
        assert self.program
        ended = self.program.end()
        assert ended.is_plain, ended.said
        return ended


class Watch(Way):
    """`watch`, which reads the sheet at its own times."""

    receives = True

    def open(self) -> None:
        self.page = free_port()
        self.world.configure(
            poll_every="100ms",
            schedule={"every": self.world.kind.every},
            page={"token": "file:token", "listen": f"127.0.0.1:{self.page}"},
        )
        self._start()

    def send(self, total: int) -> None:
        self.world.until_running(total)

    def collect(self, done: int) -> None:
        self.world.until_done(done)

    def die(self, total: int) -> None:
        self.world.until_running(total)
        self.program.kill()
        self.program.process.wait(20)
        self._start()

    def _start(self) -> None:
        self.program = self.stack.enter_context(self.world.start("watch"))
        until(lambda: is_up(self.page) or self.program.is_over, "watch is up")

    def end(self) -> None:
        self.program.signal(signal.SIGTERM)
        ended = self.program.end()
        assert ended.is_plain, ended.said


class Serve(Cron):
    """`serve` keeps running and receives the API's calls, while cron starts `run`."""

    receives = True

    def open(self) -> None:
        self.page = free_port()
        self.world.configure(page={"token": "file:token", "listen": f"127.0.0.1:{self.page}"})
        self._start()

    def collect(self, done: int) -> Ended:
        if not self.world.hears:
            return super().collect(done)
        self.world.until_heard()
        return self.once("run")

    def die(self, total: int) -> None:
        self.once("run")
        self.program.kill()
        self.program.process.wait(20)
        self._start()

    def _start(self) -> None:
        self.program = self.stack.enter_context(self.world.start("serve"))
        until(lambda: is_up(self.page) or self.program.is_over, "serve is up")


WAYS: dict[str, type[Way]] = {
    "run again and again": Cron,
    "run --wait": Wait,
    "run --limit or --row, run": Narrow,
    "watch": Watch,
    "serve and run": Serve,
    "doctor --repair": Repair,
}
