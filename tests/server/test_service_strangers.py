"""Idle connections from outside stop neither the passes nor the page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.fakes.program import KEY, KEY_NAME, ROOT, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import TOKEN, free_port, is_up, service
from tests.fakes.team import Team

#: Fewer file descriptors than idle connections: a pass needs some of them as well.
FILES = 256
IDLE = 300
HALF_HEAD = b"GET /login HTTP/1.1\r\nHost: x\r\nX-Half:"
HALF_BODY = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\ntoken="


def test_three_hundred_silent_connections_stop_neither_pass_nor_page_nor_receiver(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0.1) as sandbox, ExitStack() as stack:
        team, page, hooks = Team(tmp_path, sandbox.url), free_port(), free_port()
        team.write_prompts(["a fox"])
        config = service(team, page=page, hooks=hooks, media="media/")
        watch = f"ulimit -n {FILES} && exec {sys.executable} -m pipeline watch {config}"
        said = stack.enter_context((tmp_path / "said").open("w+"))
        program = subprocess.Popen(
            ["sh", "-c", watch],
            cwd=ROOT,
            env=os.environ | {KEY_NAME: KEY},
            stdout=said,
            stderr=said,
        )
        stack.callback(program.wait, 30)
        stack.callback(program.send_signal, signal.SIGTERM)
        until(lambda: is_up(page) and team.statuses()["done"] == 1, "the first row is done")
        for number in range(IDLE):
            where = ("127.0.0.1", (page, hooks)[number % 2])
            wire = stack.enter_context(socket.create_connection(where, timeout=10))
            wire.sendall((b"", HALF_HEAD, HALF_BODY)[number % 3])

        team.add_prompts(["an owl"])
        until(lambda: team.statuses()["done"] == 2, "a new row is done as well")
        address = f"http://127.0.0.1:{page}"
        with httpx.Client(base_url=address, trust_env=False, headers={"Origin": address}) as client:
            assert client.post("/login", data={"token": TOKEN}).status_code == 303
            assert client.get("/").status_code == 200
        assert is_up(hooks)
        assert sandbox.state()["tasks_taken"] == 2
        assert len(list((tmp_path / "media").glob("*.png"))) == 8
        assert program.poll() is None


def test_page_and_receiver_never_share_an_address(tmp_path: Path) -> None:
    team, port = Team(tmp_path, "http://127.0.0.1:9"), free_port()
    team.write_prompts(["a fox"])
    ended = call("serve", service(team, page=port, hooks=port))

    assert ended.code == 2
    assert "Give one of them another port" in ended.said
