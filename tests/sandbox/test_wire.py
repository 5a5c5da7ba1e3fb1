"""Answers are lost for real: a plain socket sees the end, the reset, the half and the trickle."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from pipeline.sandbox import Sandbox, running
from tests.fakes.sandbox_process import sandbox_process
from tests.sandbox.calls import until


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with running(task_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@contextmanager
def submission(sandbox: Sandbox, prompt: str = "a fox") -> Iterator[socket.socket]:
    """A socket on which a submission was sent whole."""
    address = urlsplit(sandbox.url)
    body = json.dumps({"prompt": prompt})
    head = f"POST /imagine HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {sandbox.key}\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), 20) as wire:
        wire.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        yield wire


def all_of(wire: socket.socket) -> bytes:
    received = b""
    while part := wire.recv(65536):
        received += part
    return received


@pytest.mark.parametrize(("switch", "taken"), [("lost", 1), ("cut", 0)])
def test_the_connection_ends_cleanly_without_an_answer(
    sandbox: Sandbox, switch: str, taken: int
) -> None:
    sandbox.set(**{switch: "next 1 fin"})
    with submission(sandbox) as wire:
        assert all_of(wire) == b""

    assert sandbox.state()["tasks_taken"] == taken


@pytest.mark.parametrize(("switch", "taken"), [("lost", 1), ("cut", 0)])
def test_the_connection_is_reset(sandbox: Sandbox, switch: str, taken: int) -> None:
    sandbox.set(**{switch: "next 1 rst"})
    with submission(sandbox) as wire, pytest.raises(ConnectionResetError):
        all_of(wire)

    assert sandbox.state()["tasks_taken"] == taken


def test_the_connection_ends_after_half_of_the_body(sandbox: Sandbox) -> None:
    sandbox.set(lost="next 1 half")
    with submission(sandbox) as wire:
        head, _, body = all_of(wire).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    promised = int(head.rpartition(b"content-length: ")[2])
    assert len(body) == promised // 2
    assert sandbox.state()["submissions"] == {"lost_half": 1}


def test_a_trickling_body_never_lets_a_read_time_out_and_never_ends(sandbox: Sandbox) -> None:
    sandbox.set(lost="next 1 trickle", trickle_seconds=0.02)
    with submission(sandbox) as wire:
        wire.settimeout(5)
        reads = [wire.recv(65536) for _ in range(12)]

    head, _, begin = reads[0].partition(b"\r\n\r\n")
    body = begin + b"".join(reads[1:])
    assert b"content-length: 600" in head
    assert max(len(read) for read in reads[1:]) < 5
    assert b'{"task_id"'.startswith(body[:10])
    assert sandbox.state()["submissions"] == {"lost_trickle": 1}


def test_other_requests_are_answered_while_an_answer_trickles(sandbox: Sandbox) -> None:
    sandbox.set(lost="next 1 trickle", trickle_seconds=60)
    with submission(sandbox) as slow:
        assert slow.recv(65536).startswith(b"HTTP/1.1 200 OK")
        with submission(sandbox, "an owl") as quick:
            answered = b""
            while b"task_id" not in answered:
                answered += quick.recv(65536)
        assert sandbox.state()["in_flight"] == 1


def test_every_kind_of_lost_answer_is_counted(sandbox: Sandbox) -> None:
    sandbox.set(lost="1 any", trickle_seconds=0)
    for number in range(40):
        with submission(sandbox, f"p{number}") as wire:
            try:
                all_of(wire)
            except ConnectionResetError:
                continue
    state = sandbox.state()

    assert set(state["submissions"]) == {"lost_fin", "lost_rst", "lost_half", "lost_trickle"}
    assert sum(state["submissions"].values()) == state["tasks_taken"] == 40


def test_a_request_that_never_ends_is_not_counted_as_read(sandbox: Sandbox) -> None:
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as wire:
        wire.sendall(b"POST /imagine HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        until(lambda: sandbox.state()["in_flight"])
    until(lambda: sandbox.state()["unfinished"])
    state = sandbox.state()

    assert (state["requests"], state["unfinished"], state["in_flight"]) == ({}, 1, 0)


def test_an_answer_to_a_client_that_has_left_counts_as_not_received(sandbox: Sandbox) -> None:
    sandbox.set(answer_seconds=0.2)
    with submission(sandbox):
        until(lambda: sandbox.state()["tasks_taken"])
    until(lambda: sandbox.state()["submissions"])

    assert sandbox.state()["submissions"] == {"unheard": 1}


def test_an_answer_is_not_delayed_by_nagles_algorithm(sandbox: Sandbox) -> None:
    with submission(sandbox) as wire:
        answered = wire.recv(65536)
        began = time.monotonic()
        while b"task_id" not in answered:
            answered += wire.recv(65536)

    assert time.monotonic() - began < 0.03


def test_the_sandbox_stops_at_once_although_answers_are_held_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with running(answer_seconds=600) as sandbox, submission(sandbox):
        until(lambda: sandbox.state()["in_flight"])
        began = time.monotonic()

    assert time.monotonic() - began < 5
    assert capfd.readouterr() == ("", "")


def test_the_sandbox_runs_as_its_own_process_and_ends_with_the_block() -> None:
    with sandbox_process("k", seed=3, task_seconds=0, busy="next 1") as sandbox:
        sandbox.set(cost=9)
        with submission(sandbox) as wire:
            assert wire.recv(65536).startswith(b"HTTP/1.1 429 ")
        with submission(sandbox) as wire:
            assert wire.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert sandbox.state()["credits_charged"] == 9

    with pytest.raises(OSError, match=r"refused|reset"):
        sandbox.state()


def test_a_wrong_flag_ends_the_sandbox_with_a_sentence() -> None:
    said = "exit code 2: sandbox: lost: 'zip' is not one of its kinds"
    with pytest.raises(RuntimeError, match=said), sandbox_process(lost="next 1 zip"):
        pass
