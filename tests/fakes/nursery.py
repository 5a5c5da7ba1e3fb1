"""Processes that start fast: forked from a process that has loaded the program.

An interpreter needs most of a second to load the program, and a test may start six. Each child is
its own process all the same, with its own start of the program, its own signals and its own end.
What the program loads, and when, is tested with real interpreters.

`python -m tests.fakes.nursery ORDERS OWNER` is the process that forks: for each child it receives
an order over the first socket, with the output file of the child and a socket for its exit code. It
ends when the other end of the second socket is closed. Further arguments name the modules to load
instead of the program.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from typer.main import get_command

ROOT = Path(__file__).resolve().parents[2]
#: Modules that the program imports on demand: a child would import them again at each start.
LOADED = (
    *("pipeline.cli.commands", "pipeline.cli.run", "pipeline.cli.init", "pipeline.cli.status"),
    *("pipeline.cli.demo", "pipeline.cli.doctor", "pipeline.cli.screen", "pipeline.server.watch"),
    *("pipeline.server.metrics", "pipeline.page", "pipeline.reports.gallery"),
    *("pipeline.provider.client", "pipeline.provider.downloads", "pipeline.sandbox.__main__"),
    *("sqlalchemy.dialects.sqlite", "aiohttp", "cronsim", "jinja2", "uvloop", "stringprep"),
    *("rich._emoji_codes", "typer._adapters", "typer._click.decorators"),
    *("pipeline.sheets.excel", "pipeline.sheets.google", "pipeline.sheets.google.sheet"),
    *("gspread", "google.oauth2.service_account", "openpyxl", "xml.etree.ElementTree"),
    *("uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on"),
    *("PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.WebPImagePlugin"),
)
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
            [sys.executable, "-m", "tests.fakes.nursery", *map(str, files), *loaded],
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


def _raise_children(orders: socket.socket, owner: socket.socket, loaded: Sequence[str]) -> None:
    """Fork for each order, and send pid and exit code of each child, until the owner has ended.

    The program is loaded when the first order comes: some runs need none.
    """
    if orders not in select.select([orders, owner], [], [])[0]:
        return
    for name in loaded:
        importlib.import_module(name)
    if "pipeline.cli.commands" in loaded:
        commands: Any = importlib.import_module("pipeline.cli.commands")
        commands.app = get_command(commands.app)  # each start would build it again, in 20 ms
        _warm_up(commands)
    gc.collect()
    gc.freeze()
    writers: dict[int, socket.socket] = {}
    ended, ending = socket.socketpair()
    ending.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ending.fileno(), warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([orders, owner, ended], [], [])
        if ended in ready:
            ended.recv(4096)
            _tell_ends(writers)
        if owner in ready:
            return
        if orders not in ready:
            continue
        order, files, *_ = socket.recv_fds(orders, LONGEST, 4)
        telling = socket.socket(fileno=files[0])
        if not (child := os.fork()):
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (orders, owner, ended, ending, telling, *writers.values()):
                one.close()
            _be(json.loads(order), *files[1:])
        writers[child] = telling
        _tell(telling, child)
        for file in files[1:]:
            os.close(file)


def _warm_up(commands: Any) -> None:
    """Run the program a few times, so that everything that is made at the first use exists in the
    children, such as compiled statements.
    """
    importlib.import_module("pipeline.provider.tls").authorities()
    providers = importlib.import_module("pipeline.wiring").configs() / "providers"
    files = importlib.import_module("pipeline.config.provider_files")
    for file in providers.glob("*.toml"):
        files.every_version(file.stem, Path(), providers)
    argv, here = sys.argv, Path.cwd()
    with TemporaryDirectory() as folder, _sandbox() as url:
        os.chdir(folder)
        rows = Path("rows.csv")
        rows.write_text("prompt,take\na fox,1\n", "utf-8")
        Path("promptsheet.toml").write_text(
            '[sheet]\nsource = "rows.csv"\n'
            f'[provider]\nbase_url = "{url}"\napi_key = "env:WARM_UP_KEY"\n'
            '[pace]\npoll_every = "100ms"\nper_minute = 0\n',
            "utf-8",
        )
        os.environ["WARM_UP_KEY"] = "sandbox"

        def start(*words: str) -> None:
            sys.argv = ["promptsheet", *words]
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()), suppress(SystemExit):
                commands.main()

        start("run", "--plan")
        start("run", "--wait")
        # A new row, and a later pass that finds nothing.
        rows.write_text(f"{rows.read_text('utf-8')}an owl,1\na [refuse] cat,1\n", "utf-8")
        start("run", "--wait")
        start("run")
        # An edited row, and one that is wanted once more.
        edited = rows.read_text("utf-8").replace("an owl", "a grey owl").replace("fox,1", "fox,2")
        rows.write_text(edited, "utf-8")
        start("run", "--wait")
        for command in ("pause", "resume", "retry", "status", "doctor"):
            start(command)
        assert rows.read_text("utf-8").count("done") == 1, "the program does not work"
        del os.environ["WARM_UP_KEY"]
        os.chdir(here)
    sys.argv = argv
    assert threading.active_count() == 1, "a child would lack the other threads"


@contextmanager
def _sandbox() -> Iterator[str]:
    """The address of a sandbox in a child, for one short use."""
    ours, theirs = os.pipe()
    words = ["--port=0", "--print-url", "--task-seconds=0", "--plain-pictures=true"]
    order = {
        "run": "pipeline.sandbox.__main__",
        "words": words,
        "environment": dict(os.environ),
        "in": str(Path.cwd()),
        "tty": False,
    }
    if not (child := os.fork()):
        os.close(ours)
        _be(order, theirs, os.dup(2))
    os.close(theirs)
    try:
        with os.fdopen(ours, encoding="utf-8") as said:
            yield said.readline().strip()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _tell_ends(writers: dict[int, socket.socket]) -> None:
    with suppress(ChildProcessError):
        while ended := os.waitpid(-1, os.WNOHANG):
            if not (child := ended[0]):
                return
            with writers.pop(child) as telling:
                _tell(telling, os.waitstatus_to_exitcode(ended[1]))


def _tell(telling: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):  # the test does not need it any more
        telling.sendall(number.to_bytes(4, "big", signed=True))


def _be(order: dict[str, Any], out: int, err: int, gate: int | None = None) -> NoReturn:
    """Run it as an interpreter of its own would, and end with the exit code that it would have."""
    if gate is not None:
        os.read(gate, 1)
        os.close(gate)
    if order["tty"]:
        _sit_at(out)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["in"])
    sys.argv = [order["run"], *order["words"]]
    # Each child is a start of its own.
    wiring: Any = importlib.import_module("pipeline.wiring")
    lease: Any = importlib.import_module("pipeline.sync.lease")
    lease.BEGAN = wiring.now()
    wiring.START = f"{lease.BEGAN:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    _end(_exit_code(importlib.import_module(order["run"]).main))


def _exit_code(main: Callable[[], object]) -> int:
    """Call it. Returns the exit code that Python would end with; negative for a signal."""
    try:
        code = main()
    except SystemExit as ending:
        code = ending.code
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        return 1
    if code is None or isinstance(code, int):
        return int(code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


def _end(code: int) -> NoReturn:
    """End the process, without freeing what was loaded before the fork.

    Python would free every object of the program, and so copy most of the memory that this process
    shares with the one that it was forked from: that takes longer than most starts.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as Python does
    atexit._run_exitfuncs()
    gc.collect()  # what was made since the fork: unclosed things report themselves
    try:
        sys.stdout.flush()
    except OSError:
        traceback.print_exc()
        code = 120
    with suppress(OSError):
        sys.stderr.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _sit_at(tty: int) -> None:
    """Make this the controlling terminal of the process, whose keys reach it as signals."""
    os.setsid()
    os.dup2(tty, 0)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Tests that were started in the background inherit that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, buffering=1, closefd=False)  # noqa: SIM115
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )


if __name__ == "__main__":
    orders, owner = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    _raise_children(orders, owner, sys.argv[3:] or LOADED)
