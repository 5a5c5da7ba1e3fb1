"""Starts of the real program: its command line, each in its own process.

Tests see it from outside: its exit code, its output, and the files of its folder
(`tests/fakes/team.py`). The processes are forked from one that has loaded the program
(`tests/fakes/nursery.py`), because most tests start several.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tests.fakes import nursery
from tests.fakes.nursery import Child

ROOT = nursery.ROOT
KEY = "sandbox"
KEY_NAME = "APIFRAME_API_KEY"


def until(
    is_so: Callable[[], object], what: str, within: float = 40.0, every: float = 0.01
) -> None:
    """Wait for a condition, checked every `every` seconds. Raises AssertionError after the time
    limit.
    """
    end, pause = time.monotonic() + within, Event()
    while not is_so():
        assert time.monotonic() < end, f"waited {within:g} s without success: {what}"
        pause.wait(every)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one start of the program: its exit code, its output and its errors."""

    code: int
    #: Includes the errors if both went into one pipe.
    out: str
    err: str = ""

    @property
    def said(self) -> str:
        """Output and errors with single spaces between the words."""
        return " ".join((self.out + self.err).split())

    @property
    def is_plain(self) -> bool:
        """True if there is no traceback in it."""
        return "Traceback" not in self.out + self.err


class Program:
    """One start of the command line. Use it in a `with`, at whose end the process has ended."""

    def __init__(
        self,
        *words: str | Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        err: int | None = None,
        gate: int | None = None,
        run: str = "pipeline.cli.start",
    ) -> None:
        self.process = Child(
            run,
            list(map(str, words)),
            {**os.environ, KEY_NAME: KEY} if environment is None else environment,
            folder=folder,
            err=err,
            gate=gate,
        )

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def handles_sigterm(self) -> bool:
        """True if the program has installed a handler for SIGTERM, according to the system."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait for a condition while the program runs. Raises AssertionError if the program ends
        first.
        """
        until(lambda: is_so() or self.is_over, what)
        if self.is_over and not is_so():
            raise AssertionError(f"ended before {what}: {self.end()}")

    def end(self, within: float = 60.0) -> Ended:
        """Wait for its end."""
        said, _ = self.process.communicate(timeout=within)
        return Ended(self.process.wait(), said)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        if not self.process.stdout.closed:
            self.process.communicate(timeout=20)
        self.process.close()


def call(*words: str | Path, within: float = 90.0) -> Ended:
    """One start of the program, to its end."""
    with Program(*words) as program:
        return program.end(within)


def at_one_instant(
    starts: Sequence[Sequence[str | Path]],
    within: float = 100.0,
    meanwhile: Callable[[list[Program]], None] = lambda programs: None,
) -> list[Ended]:
    """Start the program this number of times at the same moment, and run each to its end.

    `meanwhile` is called once they run.
    """
    gate, opening = os.pipe()
    with ExitStack() as stack:
        try:
            programs = [stack.enter_context(Program(*words, gate=gate)) for words in starts]
        finally:
            os.close(gate)
            os.close(opening)  # each of them waits for the end of this pipe
        meanwhile(programs)
        return [program.end(within) for program in programs]
