"""The program at a pseudo-terminal, which a test reads and types into."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from tests.fakes.nursery import Child
from tests.fakes.program import KEY_NAME

_LONGEST = 30.0
#: Terminal controls in the output: colours and cursor movements.
_SIGNS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """One start of the program at a terminal, with all its output."""

    def __init__(self, process: Child, screen: int) -> None:
        self._process = process
        self._screen = screen
        self._read = b""
        self._answered = 0

    @property
    def raw(self) -> str:
        """The output with its colours."""
        return self._read.decode(errors="replace").replace("\r\n", "\n")

    @property
    def shown(self) -> str:
        """The output as people see it."""
        return _SIGNS.sub("", self.raw)

    def answer(self, question: str, text: str) -> None:
        """Wait for the question, which must come after the last answer, and type."""
        self._until(lambda: question in self.shown[self._answered :] and self._waits(), question)
        self._answered = len(self.shown)
        os.write(self._screen, text.encode())

    def shows(self, text: str) -> None:
        """Wait until this text is shown."""
        self._until(lambda: text in self.shown, text)

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        self._until(lambda: False, "")
        return self._process.wait(_LONGEST)

    def leave(self, key: str) -> int:
        """Press a key until the program has ended; returns the exit code.

        A signal that comes after a question was written and before its answer is waited for is
        noticed with the next key only, by Python as by people.
        """
        for _ in range(int(_LONGEST)):
            os.write(self._screen, key.encode())
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
                break
        return self.end()

    def _waits(self) -> bool:
        return self.shown.endswith((": ", "]: "))

    def _until(self, is_so: Callable[[], bool], question: str) -> None:
        end = monotonic() + _LONGEST
        while not is_so():
            ready, _, _ = select.select([self._screen], [], [], end - monotonic())
            assert ready, f"{question!r} was not shown; it shows {self.shown!r}"
            try:
                came = os.read(self._screen, 10_000)
            except OSError:  # the other end is closed
                came = b""
            if not came:
                assert not question, f"ended before {question!r}: {self.shown!r}"
                return
            self._read += came


@contextmanager
def terminal(
    folder: Path, *words: str, width: int = 80, key: str | None = None, **environment: str
) -> Iterator[Terminal]:
    """`promptsheet` with these arguments, in a folder, at a terminal of this width."""
    ours = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", KEY_NAME)
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    # No test opens a real browser.
    ours_now = {"TERM": "xterm-256color", "COLUMNS": str(width), "BROWSER": "true"}
    known = inherited | ours_now | environment
    if key is not None:
        known[KEY_NAME] = key
    ours_end, its_end = pty.openpty()
    try:
        process = Child("pipeline.cli.start", words, known, folder=folder, tty=its_end)
    finally:
        os.close(its_end)
    try:
        yield Terminal(process, ours_end)
    finally:
        process.kill()
        process.close()
        os.close(ours_end)
