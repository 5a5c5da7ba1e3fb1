"""What a program must offer to be compared, and the programs that are one command."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from tests.rivals.sheets import Results

ROOT: Final = Path(__file__).parents[2]


class Runner(Protocol):
    """One program with one sheet and one API. `close` ends whatever still runs."""

    @property
    def pid(self) -> int:
        """The first process; its children count too."""

    def open(self) -> None:
        """Start what must be up before a run. Its time is not measured."""

    def begin(self) -> None:
        """Start one run over the sheet."""

    def is_over(self) -> bool:
        """True if the run has ended. Raises RuntimeError if it failed."""

    def kill(self) -> None:
        """End every process by SIGKILL, at once."""

    def results(self) -> Results:
        """What a person finds: in the sheet, or in the file that the program writes instead."""

    def close(self) -> None:
        """End everything."""


class Command(ABC):
    """A program that is one process, started once for each run."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The words of the command."""

    @property
    @abstractmethod
    def good_codes(self) -> tuple[int, ...]:
        """Exit codes of a run that came to its end."""

    @property
    def pid(self) -> int:
        return self._started.pid

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("no run has begun")
        return self._process

    def open(self) -> None:
        """Nothing must be up; what an earlier run left is ended."""
        self.close()

    def begin(self) -> None:
        """Start the command. What it says is not kept."""
        self._process = subprocess.Popen(
            self.command(),
            cwd=ROOT,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def is_over(self) -> bool:
        """True if it has ended."""
        code = self._started.poll()
        if code is not None and code not in self.good_codes:
            raise RuntimeError(f"{self.command()} ended with exit code {code}")
        return code is not None

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._started.kill()
        self._started.wait(30)

    def close(self) -> None:
        """End it."""
        with suppress(RuntimeError):
            self.kill()
