"""Processes that start fast: forked from a process that has loaded the program.

An interpreter needs most of a second to load the program, and a test may start six. Each start has
its own signals and its own end all the same, in a process that no other start uses meanwhile (see
`tests/fakes/forking.py`). What the program loads, and when, is tested with real interpreters.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The start of the variables of the environment that name the sockets of the processes that all
#: workers use.
SHARED = "PROMPTSHEET_TESTS_NURSERY"
#: The longest order: an environment and some words.
LONGEST = 200_000


class Child:
    """One process, with the interface of `subprocess`. `stdout` has its output and its errors.

    `err`: a separate file for its errors; `folder`: its working directory; `gate`: the reading end
    of a pipe, the process starts when all writing ends are closed; `tty`: its controlling terminal,
    for input, output and errors.
    """

    def __init__(
        self,
        run: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        nursery: socket.socket | None = None,
        *,
        folder: Path | None = None,
        err: int | None = None,
        gate: int | None = None,
        tty: int | None = None,
    ) -> None:
        self.args = (run, *words)
        self.returncode: int | None = None
        order = {
            "run": run,
            "words": words,
            "environment": dict(environment),
            "in": str(folder or Path.cwd()),
            "tty": tty is not None,
        }
        self._exit_reader, telling = socket.socketpair()
        speech, mouth = os.pipe()
        self.stdout = os.fdopen(speech, encoding="utf-8")
        with telling:
            try:
                files = [telling.fileno(), *([mouth, err or mouth] if tty is None else [tty, tty])]
                files += [] if gate is None else [gate]
                socket.send_fds(nursery or opened(), [json.dumps(order).encode()], files)
            finally:
                os.close(mouth)
        self.pid = self._number()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Its remaining output, to its end."""
        until = None if timeout is None else time.monotonic() + timeout
        said = bytearray()
        while True:
            left = None if until is None else max(until - time.monotonic(), 0)
            if not select.select([self.stdout], [], [], left)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0, bytes(said))
            if not (more := os.read(self.stdout.fileno(), 65536)):
                break
            said += more
        self.stdout.close()
        self.wait(left)
        return said.decode(), None

    def send_signal(self, number: int) -> None:
        """Send a signal; does nothing if the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ends at this moment
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Release its files, once it has ended."""
        self.wait(10)
        self.stdout.close()
        self._exit_reader.close()

    def _ended(self, within: float | None) -> int | None:
        if self.returncode is None and select.select([self._exit_reader], [], [], within)[0]:
            self.returncode = self._number()
        return self.returncode

    def _number(self) -> int:
        code = self._exit_reader.recv(4, socket.MSG_WAITALL)
        assert len(code) == 4, f"nothing more is known of {self.args}"
        return int.from_bytes(code, "big", signed=True)


@cache
def opened(*loaded: str, hashes: str = "random") -> socket.socket:
    """A socket for orders to the process that forks, with `loaded` in it.

    All workers of a run use the process that `share` started.
    """
    shared = os.environ.get(_variable(*loaded, hashes=hashes), "")
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.connect("\0" + (shared or _started(*loaded, hashes=hashes)))
    atexit.register(ours.close)
    return ours


def share(*loaded: str, hashes: str = "random") -> None:
    """Start the process that forks, for the processes that this one will start."""
    os.environ[_variable(*loaded, hashes=hashes)] = _started(*loaded, hashes=hashes)


def _variable(*loaded: str, hashes: str) -> str:
    return "_".join((SHARED, *loaded, hashes))


def _started(*loaded: str, hashes: str = "random") -> str:
    """Start the process that forks; it ends when this process ends. Returns the name of the socket
    on which it receives orders.
    """
    name = f"promptsheet-{secrets.token_hex(8)}"
    orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    orders.bind("\0" + name)  # without a file, so that nothing is left behind
    ours, theirs = socket.socketpair()
    with orders, theirs:
        files = [orders.fileno(), theirs.fileno()]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.forking", *map(str, files), *loaded],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashes},
            pass_fds=files,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def close() -> None:
        ours.close()
        process.wait(10)

    atexit.register(close)
    return name
