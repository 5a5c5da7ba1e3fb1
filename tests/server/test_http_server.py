"""Idle connections are closed in time, and never block other callers."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipeline.callers import in_both_forms
from pipeline.server.http_server import Capacity, Connections, capacity_for
from pipeline.server.serve import hosting
from tests.fakes.cases import each
from tests.fakes.hasty import hasty
from tests.fakes.program import until

SMALL = Capacity(most=20, each=12, backlog=64)


async def answer(request: Request) -> Response:
    """The length of the body."""
    return PlainTextResponse(str(len(await request.body())))


async def refuse(request: Request) -> Response:
    """An answer before the body is read."""
    return PlainTextResponse("no", 404)


async def much(request: Request) -> Response:
    """More than all buffers on the way can take."""
    return PlainTextResponse("x" * 30_000_000)


@contextmanager
def served(
    capacity: Capacity, listen: str = "127.0.0.1:0", proxies: Sequence[str] = ()
) -> Iterator[tuple[str, int, Connections]]:
    """An app with these limits, in a thread: host, port, connections."""
    routes = [
        Route("/", answer, methods=["GET", "POST"]),
        Route("/no", refuse, methods=["POST"]),
        Route("/much", much),
    ]
    loop, ended, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    connections, addresses = Connections(capacity, proxies), list[str]()

    async def serve() -> None:
        async with hosting(Starlette(routes=routes), listen, connections) as address:
            addresses.append(address)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    with hasty():
        thread.start()
        assert ready.wait(20)
        host, _, port = addresses[0].removeprefix("http://").rpartition(":")
        try:
            yield host, int(port), connections
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join(30)
            loop.close()


def idle_connections(
    stack: ExitStack, where: tuple[str, int], number: int, says: bytes
) -> list[socket.socket]:
    """This number of connections that send this text and nothing more."""
    wires = []
    for _ in range(number):
        wire = stack.enter_context(socket.create_connection(where, timeout=10))
        wire.sendall(says)
        wires.append(wire)
    return wires


def until_ends(wire: socket.socket, ending: bytes) -> bytes:
    """What arrives until the answers end like this."""
    answers = b""
    while not answers.endswith(ending):
        piece = wire.recv(1000)
        assert piece, answers
        answers += piece
    return answers


def is_closed(wire: socket.socket) -> bool:
    """True if the other side closed the connection."""
    wire.setblocking(False)
    try:
        return wire.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


HALVES = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\nX-",
    "half a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
    "half an unread body": b"POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
    "half of a second request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT",
}


@pytest.mark.parametrize("says", HALVES.values(), ids=HALVES)
def test_a_request_that_is_incomplete_after_the_time_limit_is_closed(
    says: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.server.http_server.REQUEST_WITHIN", 0.2)
    monkeypatch.setattr("pipeline.server.http_server.LOOK_EVERY", 0.02)
    with served(Capacity()) as (host, port, connections), ExitStack() as stack:
        idle_connections(stack, (host, port), 3, says)
        until(lambda: len(connections) == 0, "all of them are closed", within=10)


def test_a_slow_trickle_does_not_keep_a_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.server.http_server.REQUEST_WITHIN", 0.3)
    monkeypatch.setattr("pipeline.server.http_server.LOOK_EVERY", 0.02)
    with served(Capacity()) as (host, port, _), ExitStack() as stack:
        (wire,) = idle_connections(stack, (host, port), 1, HALVES["half an unread body"])

        def trickles() -> bool:
            try:
                wire.sendall(b"x")
            except OSError:
                return True
            return False

        until(trickles, "it is closed though a byte comes every moment", within=10)


def test_an_answer_that_the_client_does_not_read_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.server.http_server.READ_WITHIN", 0.2)
    monkeypatch.setattr("pipeline.server.http_server.LOOK_EVERY", 0.02)
    with served(Capacity()) as (host, port, connections), ExitStack() as stack:
        asking = b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n"
        idle_connections(stack, (host, port), 2, asking)
        until(lambda: len(connections) == 2, "they are open")
        until(lambda: len(connections) == 0, "they are closed", within=10)


def test_a_slow_reader_gets_the_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.server.http_server.READ_WITHIN", 2)
    monkeypatch.setattr("pipeline.server.http_server.REQUEST_WITHIN", 0.2)
    monkeypatch.setattr("pipeline.server.http_server.LOOK_EVERY", 0.02)
    with served(Capacity()) as (host, port, connections), ExitStack() as stack:
        phone = stack.enter_context(socket.socket())
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        phone.connect((host, port))
        phone.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        pace, got = threading.Event(), 0
        until_slow = time.monotonic() + 4
        while piece := phone.recv(20_000 if time.monotonic() < until_slow else 1_000_000):
            got += len(piece)
            if time.monotonic() < until_slow:
                pace.wait(0.02)
        assert got > 30_000_000
        until(lambda: len(connections) == 0, "it is closed afterwards", within=10)


UNREAD = "GET /much HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {}\r\n\r\n"


def test_clients_behind_a_trusted_proxy_are_counted_separately() -> None:
    with (
        served(SMALL, proxies=["127.0.0.0/8"]) as (host, port, connections),
        ExitStack() as stack,
    ):
        many = SMALL.each + 3
        wires = [
            idle_connections(stack, (host, port), 1, UNREAD.format(f"203.0.113.{at}").encode())[0]
            for at in range(many)
        ]
        until(lambda: all(wire.recv(1) for wire in wires), "all of them are answered")
        assert len(connections) == many


def test_one_client_behind_a_trusted_proxy_cannot_count_as_many() -> None:
    with (
        served(SMALL, proxies=["127.0.0.0/8"]) as (host, port, connections),
        ExitStack() as stack,
    ):
        for at in range(SMALL.each + 3):
            # The client's own claim comes before the entry of the proxy.
            named = f"198.51.100.{at}, 203.0.113.7"
            idle_connections(stack, (host, port), 1, UNREAD.format(named).encode())
        until(lambda: len(connections) == SMALL.each, "it has its share")
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
            answered = client.post("/", content=b"x", headers={"X-Forwarded-For": "203.0.113.8"})
        assert answered.text == "1"


def test_a_proxy_is_recognised_also_on_a_dual_stack_socket() -> None:
    async def nothing(*_: object) -> None:
        """No app."""

    known = ProxyHeadersMiddleware(nothing, in_both_forms(["127.0.0.1/32", "fd00::/8"]))

    assert "127.0.0.1" in known.trusted_hosts
    assert "::ffff:127.0.0.1" in known.trusted_hosts
    assert "::ffff:127.0.0.2" not in known.trusted_hosts
    assert "fd00::1" in known.trusted_hosts


@each("says", HALVES.values())
def test_a_request_is_answered_despite_many_idle_connections(says: bytes) -> None:
    with served(SMALL) as (host, port, connections), ExitStack() as stack:
        for _ in range(3):
            wires = idle_connections(stack, (host, port), 20, says)
            # A complete request is answered first: only then its connection is idle.
            if says == HALVES["half of a second request"]:
                for wire in wires:
                    with suppress(OSError):
                        wire.recv(1)
            with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
                assert client.post("/", content=b"x" * 1000).text == "1000"
            assert len(connections) <= SMALL.each


def test_one_address_gets_only_its_share_and_closes_only_its_own_connections() -> None:
    with served(SMALL, "0.0.0.0:0") as (_, port, connections), ExitStack() as stack:
        others = idle_connections(stack, ("127.0.0.2", port), 5, b"")
        until(lambda: len(connections) == 5, "the others are there")
        wires = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", port), 10, source_address=("127.0.0.3", 0))
            )
            for _ in range(100)
        ]
        until(
            lambda: sum(map(is_closed, wires)) == 100 - SMALL.each, "the oldest of them are closed"
        )
        assert len(connections) == 5 + SMALL.each
        assert not any(map(is_closed, others))


def test_a_too_long_head_and_an_invalid_request_are_refused_and_closed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.callers.MINUTE", 60)
    with served(Capacity()) as (host, port, connections), ExitStack() as stack:
        for _ in range(5):
            long, wild = (
                idle_connections(stack, (host, port), 1, says)[0]
                for says in (b"GET /" + b"x" * 40_000, b"\x1b[2J forged\r\n\r\n")
            )
            assert wild.recv(100).startswith(b"HTTP/1.1 400")
            assert long.recv(100).startswith(b"HTTP/1.1 400")
        until(lambda: len(connections) == 0, "all of them are closed")
    warnings = [one for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) <= 1
    assert "forged" not in caplog.text


OFFER = b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"


def test_a_request_that_offers_http_2_is_answered_with_its_body() -> None:
    with served(SMALL) as (host, port, _), ExitStack() as stack:
        asking = (
            b"POST / HTTP/1.1\r\n" + OFFER + b"Content-Length: 18\r\n\r\na\r\nupgrade: b\r\n\r\nc"
        )
        (wire,) = idle_connections(stack, (host, port), 1, asking)
        assert until_ends(wire, b"\r\n\r\n18")
        wire.sendall(b"GET / HTTP/1.1\r\n" + OFFER + b"\r\n")
        assert until_ends(wire, b"\r\n\r\n0")


def test_an_offer_that_cannot_be_left_out_is_refused_instead_of_losing_the_body() -> None:
    with served(SMALL) as (host, port, connections), ExitStack() as stack:
        first = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        second = b"POST / HTTP/1.1\r\n" + OFFER + b"Content-Length: 3\r\n\r\nabc"
        idle_connections(stack, (host, port), 3, first + second)
        until(lambda: len(connections) == 0, "they are closed", within=4)


def test_requests_sent_ahead_are_answered_in_order_and_too_many_end_the_connection() -> None:
    def asking(number: int) -> bytes:
        return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % number + b"x" * number

    with served(SMALL) as (host, port, connections), ExitStack() as stack:
        (wire,) = idle_connections(stack, (host, port), 1, b"".join(map(asking, range(1, 9))))
        answers = until_ends(wire, b"\r\n\r\n8")
        assert [int(one[:1]) for one in answers.split(b"\r\n\r\n")[1:]] == [*range(1, 9)]
        wire.close()
        idle_connections(stack, (host, port), 3, asking(1) * 1000)
        until(lambda: len(connections) == 0, "they are closed", within=4)


def test_a_head_that_never_ends_is_refused_also_while_another_request_is_answered() -> None:
    with served(SMALL) as (host, port, connections), ExitStack() as stack:
        (wire,) = idle_connections(stack, (host, port), 1, b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)
        until(lambda: len(connections) == 0, "it is closed", within=4)


@each("servers", [1, 2, 3])
@each("files", [128, 256, 1024, 4096, 8192, 1_000_000])
def test_file_descriptors_are_reserved_for_passes(files: int, servers: int) -> None:
    capacity = capacity_for(files, servers)

    assert capacity.each <= capacity.most
    # Open connections, those that all servers accept at once, and the files of a pass.
    assert capacity.most + servers * capacity.backlog + min(files // 2, 512) <= files
