"""What systemd hears of `watch` and `serve`: ready, alive, ending."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.fakes.program import KEY, KEY_NAME, Program
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import free_port, is_up, service
from tests.fakes.team import Team


@pytest.mark.parametrize("command", ["watch", "serve"])
def test_systemd_hears_that_it_is_ready_alive_and_ending(tmp_path: Path, command: str) -> None:
    with sandbox_process(KEY, task_seconds=0) as sandbox, _systemd(tmp_path) as systemd:
        team, page = Team(tmp_path, sandbox.url), free_port()
        team.write_prompts(["a kite"])
        environment = {
            **os.environ,
            KEY_NAME: KEY,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "100000",
        }
        config = service(team, page=page)
        with Program(command, config, folder=tmp_path, environment=environment) as program:
            first = systemd.recv(100)
            answered = is_up(page)
            alive = {systemd.recv(100) for _ in range(3)}
            program.signal(signal.SIGTERM)
            ended = program.end()
        last = _all(systemd)

    assert (first, alive) == (b"READY=1", {b"WATCHDOG=1"})
    assert answered
    assert b"STOPPING=1" in last
    assert ended.code in {0, 130}
    assert ended.is_plain


def test_a_service_that_systemd_does_not_watch_sends_no_signs_of_life(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0) as sandbox, _systemd(tmp_path) as systemd:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(["a kite"])
        of_another = {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
        environment = {**os.environ, KEY_NAME: KEY, **of_another}
        environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        config = service(team, page=free_port())
        with Program("watch", config, folder=tmp_path, environment=environment) as program:
            program.until(lambda: team.statuses() == {"done": 1}, "the row is done")
            program.signal(signal.SIGTERM)
            program.end()

        assert _all(systemd) == [b"READY=1", b"STOPPING=1"]


def test_a_service_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(["a kite"])
        environment = {**os.environ, KEY_NAME: KEY, "NOTIFY_SOCKET": str(tmp_path / "gone")}
        environment["WATCHDOG_USEC"] = "soon"
        config = service(team, page=free_port())
        with Program("watch", config, folder=tmp_path, environment=environment) as program:
            program.until(lambda: team.statuses() == {"done": 1}, "the row is done")
            program.signal(signal.SIGTERM)

            assert program.end().is_plain


def _systemd(folder: Path) -> socket.socket:
    """The end of the socket at which systemd listens."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(30)
    listener.bind(str(folder / "notify"))
    return listener


def _all(systemd: socket.socket) -> list[bytes]:
    """All lines that have arrived."""
    systemd.setblocking(False)
    found = []
    while True:
        try:
            found.append(systemd.recv(100))
        except BlockingIOError:
            return found
