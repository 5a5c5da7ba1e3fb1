"""The process that forks a child for each start of the program that a test orders.

`python -m tests.fakes.forking ORDERS OWNER` receives an order over the first socket for each start,
with the output file of the child and a socket for its pid and its exit code. It ends when the other
end of the second socket is closed. Further arguments name the modules to load instead of the
program.

A child that has ended cleanly takes the next order, because a new child copies most of the memory
that it uses, which takes as long as the start itself. It keeps nothing else from one start to the
next: see `_is_as_new`. A start that leaves something behind ends its process.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import logging
import os
import resource
import secrets
import select
import signal
import socket
import sys
import termios
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from typer.main import get_command

from pipeline.core.errors import StoreError
from tests.fakes.nursery import LONGEST, ROOT

#: The module with the start of the program.
PROGRAM = "pipeline.cli.start"
#: Modules that the program imports on demand: a child would import them again at each start.
LOADED = (
    *(PROGRAM, "pipeline.cli.commands", "pipeline.cli.run", "pipeline.cli.init"),
    *("pipeline.cli.status", "pipeline.sync.quick_check"),
    *("pipeline.cli.demo", "pipeline.cli.doctor", "pipeline.cli.screen", "pipeline.server.watch"),
    *("pipeline.server.metrics", "pipeline.page", "pipeline.reports.gallery"),
    *("pipeline.provider.client", "pipeline.provider.downloads", "pipeline.sandbox.__main__"),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg", "psycopg"),
    *("pipeline.store.postgresql", "pipeline.config.outlets", "pipeline.sheets.new_sheet"),
    *("aiohttp", "cronsim", "jinja2", "uvloop", "stringprep"),
    *("rich._emoji_codes", "typer._adapters", "typer._click.decorators"),
    *("pipeline.sheets.excel.sheet", "pipeline.sheets.google.sheet"),
    *("gspread", "google.oauth2.service_account", "openpyxl", "xml.etree.ElementTree"),
    *("uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on"),
    *("PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.WebPImagePlugin"),
)
#: The orders that one child takes; then its memory is given back.
MOST_ORDERS = 50
#: What a start may change in its process.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGWINCH)
LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
#: The leases of this process that its store could not end.
_GIVEN_UP: list[object] = []


@dataclass(slots=True, eq=False)
class _Child:
    """A child, as the process that forks it knows it."""

    pid: int
    #: Takes further orders to the child, and the exit code of each start from it.
    line: socket.socket
    #: Where pid and exit code of the present start go. The test closes the other end when it needs
    #: the process no more: until then, it may still send signals to it.
    telling: socket.socket | None
    is_told: bool = False

    def tell(self, number: int) -> None:
        if self.telling is not None:
            _tell(self.telling, number)

    def release(self) -> None:
        if self.telling is not None:
            self.telling.close()
        self.telling = None


class _Children:
    """All children that run or wait for an order."""

    def __init__(self, orders: socket.socket, owner: socket.socket) -> None:
        self._orders, self._owner = orders, owner
        self._ended, self._ending = socket.socketpair()
        self._ending.setblocking(False)
        self._all: list[_Child] = []

    def serve(self) -> None:
        """Start a child for each order, and send pid and exit code, until the owner has ended."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._ending.fileno(), warn_on_full_buffer=False)
        while True:
            lines = {child.line: child for child in self._all if not child.is_told}
            released = {one.telling: one for one in self._all if one.telling and one.is_told}
            listened = [self._orders, self._owner, self._ended, *lines, *released]
            ready, _, _ = select.select(listened, [], [])
            if self._ended in ready:
                self._ended.recv(4096)
                self._bury()
            if self._owner in ready:
                return
            for one in ready:
                if one in lines:
                    self._hear(lines[one])
                elif one in released:
                    released[one].release()
            if self._orders in ready:
                self._obey()

    def _hear(self, child: _Child) -> None:
        """Tell the exit code that a child reports. That of one that died comes from the system."""
        if child in self._all and not child.is_told:
            with suppress(ConnectionError):
                if code := child.line.recv(4):
                    child.tell(int.from_bytes(code, "big", signed=True))
                    child.is_told = True

    def _bury(self) -> None:
        with suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG):
                if not (pid := ended[0]):
                    return
                child = next(child for child in self._all if child.pid == pid)
                self._hear(child)  # it may have died after its report
                if not child.is_told:
                    child.tell(os.waitstatus_to_exitcode(ended[1]))
                self._all.remove(child)
                child.release()
                child.line.close()

    def _obey(self) -> None:
        said, files, *_ = socket.recv_fds(self._orders, LONGEST, 4)
        telling, given = socket.socket(fileno=files[0]), files[1:]
        order = json.loads(said)
        child = self._given_to_a_free_one(said, given, telling) if _is_plain(order) else None
        if child is None:
            child = self._forked(order, given, telling)
        child.tell(child.pid)
        for file in given:
            os.close(file)

    def _given_to_a_free_one(
        self, said: bytes, files: Sequence[int], telling: socket.socket
    ) -> _Child | None:
        for child in reversed(self._all):
            if child.is_told and child.telling is None:
                with suppress(ConnectionError):  # it has died at this moment
                    socket.send_fds(child.line, [said], files)
                    child.telling, child.is_told = telling, False
                    return child
        return None

    def _forked(self, order: dict[str, Any], files: list[int], telling: socket.socket) -> _Child:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if not (pid := os.fork()):
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            others = [one for child in self._all for one in (child.line, child.telling) if one]
            here = (self._orders, self._owner, self._ended, self._ending, telling, ours)
            for one in (*here, *others):
                one.close()
            _live(theirs, order, *files)
        theirs.close()
        child = _Child(pid, ours, telling)
        self._all.append(child)
        return child


def _is_plain(order: dict[str, Any]) -> bool:
    """True for a start of the command line without a terminal."""
    return order["run"] == PROGRAM and not order["tty"]


def _raise_children(orders: socket.socket, owner: socket.socket, loaded: Sequence[str]) -> None:
    """Load the program when the first order comes, because some runs need none. Then serve."""
    if orders not in select.select([orders, owner], [], [])[0]:
        return
    for name in loaded:
        importlib.import_module(name)
    if PROGRAM in loaded:
        commands: Any = importlib.import_module("pipeline.cli.commands")
        commands.app = get_command(commands.app)  # each start would build it again, in 20 ms
        _note_leases()
        _warm_up(commands)
    gc.collect()
    gc.freeze()
    _Children(orders, owner).serve()


def _note_leases() -> None:
    """Note each lease that a start gives up, because its store does not answer."""
    leases: Any = importlib.import_module("pipeline.store.leases").Leases
    giving_up = leases._giving_up

    @contextmanager
    def noted(self: Any, lease: object) -> Iterator[None]:
        try:
            with giving_up(self, lease):
                yield
        except StoreError:
            _GIVEN_UP.append(lease)
            raise

    leases._giving_up = noted


def _warm_up(commands: Any) -> None:
    """Run the program a few times, so that everything that is made at the first use exists in the
    children, such as compiled statements.
    """
    importlib.import_module("pipeline.provider.tls").authorities()
    providers = importlib.import_module("pipeline.config").configs() / "providers"
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
            '[pace]\npoll_every = "20ms"\nper_minute = 0\n',
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
        _end(_be(order, theirs, os.dup(2)))
    os.close(theirs)
    try:
        with os.fdopen(ours, encoding="utf-8") as said:
            yield said.readline().strip()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _tell(telling: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):  # the test does not need it any more
        telling.sendall(number.to_bytes(4, "big", signed=True))


def _live(line: socket.socket, order: dict[str, Any], *files: int) -> NoReturn:
    """Do the order, and those that come afterwards if nothing is left behind."""
    handlers = _handlers()
    for number in count(1):
        before = _left_behind()
        code = _be(order, *files)
        if number == MOST_ORDERS or not _is_plain(order) or not _is_as_new(code, *before):
            _end(code)
        for one, handler in handlers.items():
            signal.signal(one, handler)
        os.chdir(ROOT)  # a test may remove its folder
        gc.freeze()
        line.send(code.to_bytes(4, "big", signed=True))
        said, received, *_ = socket.recv_fds(line, LONGEST, 3)
        if not said:
            break
        order, files = json.loads(said), tuple(received)
    os._exit(0)


def _handlers() -> dict[signal.Signals, Any]:
    return {number: signal.getsignal(number) for number in SIGNALS}


def _left_behind() -> tuple[object, int, int]:
    """What a start may leave in its process: settings, functions to call at the end, threads."""
    settings = [resource.getrlimit(one) for one in LIMITS], sys.excepthook, _logging()
    return settings, atexit._ncallbacks(), threading.active_count()


def _logging() -> dict[str, tuple[int, list[str]]]:
    """Each logger that logs otherwise than by default: its level, and how it writes."""
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    loggers = [one for one in known if isinstance(one, logging.Logger)]
    writing = {one.name: [repr(type(each.formatter)) for each in one.handlers] for one in loggers}
    return {
        one.name: (one.level, writing[one.name]) for one in loggers if one.level or one.handlers
    }


def _is_as_new(code: int, settings: object, functions: int, threads: int) -> bool:
    """End a start as the end of its process would. Returns whether the next one finds what it would
    find in a new process.
    """
    atexit.unregister(gc.freeze)  # the program's own
    gc.collect()  # unclosed things report themselves
    # Only the end of its process releases a lease that a start had to leave in its store.
    if code < 0 or _GIVEN_UP:
        return False
    # The program itself names one function to call at the end; a start with nothing to do, none.
    now, more, running = _left_behind()
    if (now, running) != (settings, threads) or more - functions > 1:
        return False
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError:
        return False  # `_end` has the exit code
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    return True


def _be(order: dict[str, Any], out: int, err: int, gate: int | None = None) -> int:
    """Run it as an interpreter of its own would. Returns the exit code that it would have."""
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
    return _exit_code(importlib.import_module(order["run"]).main)


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
