"""The table of answers: the meaning of each possible answer to a submission.

Each line uses the real transport and a server with plain sockets that counts the requests it read
to the end. `Postponed` without an answer means that it read none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import ANY

import pytest

from pipeline.config.provider_files import read_provider
from pipeline.core.api.protocol import Verdict, submission, verdict
from pipeline.core.errors import NoAnswer, NotSent
from pipeline.core.model import Result
from pipeline.core.states import Accepted, Event, Failed, Lost, Postponed, Succeeded
from pipeline.provider.client import ApiClient
from pipeline.server import event_loop
from tests.fakes.cases import each
from tests.fakes.no_server import (
    no_accept,
    no_listener,
    no_tls,
    unknown_host,
)
from tests.fakes.raw_server import (
    RawServer,
    Script,
    a_few_turns,
    answer,
    answers,
    answers_then,
    closes_after_reading,
    closes_at_once,
    half,
    keeps_silent,
    resets_after_reading,
    trickles,
)

NOW = datetime(2026, 3, 15, 10, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
APIFRAME = read_provider("apiframe-v1", None, Path(), ROOT / "configs/providers")
IMAGINE = APIFRAME.endpoints["imagine"]
REQUEST = submission(IMAGINE, {"prompt": "a fox in the snow"})
TASK = "29e983ca-7e86-4017-a9e3-ef6fe9cd5f2a"
ACCEPTED = answer(200, {"task_id": TASK})
CLOUDFLARE = (
    b"<!DOCTYPE html><html><head><title>api.apiframe.pro | 502: Bad gateway</title></head>"
    b"<body><h1>Bad gateway</h1></body></html>"
)

#: Lost; the sentence about the broken connection depends on the system.
BROKEN = Lost(ANY)


@dataclass(frozen=True)
class Line:
    """One line of the table: the server's behaviour, its meaning, and the requests read."""

    what: str
    server: Script
    event: Event
    stop: str = ""
    pause: float = 0.0
    read: int = 1
    within: float = 20.0


LINES = [
    Line("200 with a task id", answers(ACCEPTED), Accepted(TASK)),
    Line("200 with the id spelled taskId", answers(answer(200, {"taskId": TASK})), Accepted(TASK)),
    Line("202 with a task id", answers(answer(202, {"task_id": TASK})), Accepted(TASK)),
    Line(
        "200 with the finished thing",
        answers(
            answer(
                200,
                {"task_id": TASK, "status": "finished", "image_urls": ["https://cdn.test/1.png"]},
            )
        ),
        Succeeded(Result(("https://cdn.test/1.png",)), TASK),
    ),
    Line(
        "200 without an id", answers(answer(200, {"ok": True})), Lost("HTTP 200 without a task id")
    ),
    Line(
        "200 that is no JSON",
        answers(answer(200, b"OK, queued")),
        Lost("HTTP 200 without a readable answer"),
    ),
    Line("200 empty", answers(answer(200)), Lost("HTTP 200 without a readable answer")),
    Line(
        "204",
        answers(b"HTTP/1.1 204 No Content\r\n\r\n"),
        Lost("HTTP 204 without a readable answer"),
    ),
    *(
        Line(
            f"{status} with the API's words",
            answers(answer(status, {"errors": [{"msg": "Banned word: blood"}]})),
            Failed("Banned word: blood", refused=True),
        )
        for status in (400, 413, 422)
    ),
    Line(
        "404, which may be about the address",
        answers(answer(404, {"errors": [{"msg": "Not Found"}]})),
        Failed("404: Not Found", refused=True),
    ),
    Line(
        "401 {}",
        answers(answer(401, {})),
        Postponed(""),
        stop="Apiframe refused the API key (401). Check [provider] api_key, and "
        "restart watch if it runs.",
    ),
    Line(
        "402",
        answers(answer(402, {"message": "Insufficient credits"})),
        Postponed("Insufficient credits"),
        stop="Apiframe is out of credits (402)."
        ' It says: "Insufficient credits". Top up the account, then run again.',
    ),
    Line(
        "403 in plain text",
        answers(answer(403, b"error code: 1010")),
        Postponed("error code: 1010"),
        stop="Apiframe refused the API key (403)."
        ' It says: "error code: 1010". Check [provider] api_key, and restart watch if it runs.',
    ),
    Line("409", answers(answer(409, {"error": "Conflict"})), Lost("HTTP 409: Conflict")),
    Line("408", answers(answer(408, {})), Lost("HTTP 408")),
    Line("429", answers(answer(429, {})), Postponed("busy"), pause=10.0),
    Line(
        "429 with seconds to wait",
        answers(answer(429, {"error": "Too many requests"}, Retry_After="7")),
        Postponed("Too many requests"),
        pause=7.0,
    ),
    Line(
        "429 with a date to wait for",
        answers(answer(429, {}, Retry_After="Sun, 15 Mar 2026 10:00:30 GMT")),
        Postponed("busy"),
        pause=30.0,
    ),
    Line("500 {}", answers(answer(500, {})), Lost("HTTP 500")),
    Line(
        "502 in HTML",
        answers(answer(502, CLOUDFLARE, Content_Type="text/html")),
        Lost("HTTP 502: api.apiframe.pro | 502: Bad gateway"),
    ),
    Line("503", answers(answer(503, {})), Lost("HTTP 503")),
    Line(
        "503 with seconds to wait",
        answers(answer(503, {}, Retry_After="20")),
        Postponed("busy"),
        pause=20.0,
    ),
    Line(
        "FIN after reading",
        closes_after_reading,
        Lost("the connection was closed without an answer"),
    ),
    Line("FIN before reading", closes_at_once, BROKEN, read=0),
    Line(
        "RST after reading",
        resets_after_reading,
        BROKEN,
    ),
    Line(
        "half an answer, then FIN",
        half(ACCEPTED, reset=False),
        Lost("the answer broke off, or cannot be unpacked"),
    ),
    Line(
        "half an answer, then RST",
        half(ACCEPTED, reset=True),
        BROKEN,
    ),
    Line(
        "half a head, then FIN",
        half(ACCEPTED[:40], reset=False),
        Lost("the connection was closed without an answer"),
    ),
    Line(
        "silence",
        keeps_silent,
        Lost("no whole answer within 1 s"),
        within=1.0,
    ),
    Line(
        "an answer that trickles past the deadline",
        trickles(ACCEPTED, every=0.1),
        Lost("no whole answer within 1 s"),
        within=1.0,
    ),
    Line(
        "something that is not HTTP",
        answers(b"220 mail.example.com ESMTP\r\n\r\n"),
        Lost("the answer is not HTTP"),
    ),
]


@each("line", LINES)
def test_each_answer_has_one_meaning(line: Line) -> None:
    server = RawServer(line.server)

    meant = event_loop.run(sent_to(server, within=line.within))

    assert (meant, server.read) == (Verdict(line.event, line.stop, line.pause), line.read)


@each("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_reported_and_never_followed(status: int) -> None:
    elsewhere = RawServer(answers(ACCEPTED))

    async def run() -> tuple[Verdict, int]:
        async with elsewhere:
            moved = answer(status, b"", Location=f"{elsewhere.url}/imagine")
            async with RawServer(answers(moved)) as server:
                return await submitted(server.url), server.read

    meant, read = event_loop.run(run())

    assert (meant, read, elsewhere.read) == (
        Verdict(
            Postponed(""),
            stop=f"Apiframe has moved: it points to {elsewhere.url}/imagine ({status})."
            " Set [provider] base_url.",
        ),
        1,
        0,
    )


@each(
    ("place", "within", "why"),
    [
        (no_listener, 10.0, "no connection (connection refused)"),
        (no_accept, 1.0, "no connection in time"),
        (unknown_host, 10.0, "its name was not found (DNS)"),
        (no_tls, 10.0, "no TLS connection could be made"),
    ],
)
def test_a_request_that_never_left_is_postponed(
    place: Callable[[], AbstractAsyncContextManager[str]], within: float, why: str
) -> None:
    async def run() -> Verdict:
        async with place() as base_url:
            return await submitted(base_url, within)

    assert event_loop.run(run()) == Verdict(Postponed(why))


def test_a_request_that_got_no_connection_in_time_is_postponed() -> None:
    server = RawServer(keeps_silent)

    async def run() -> Verdict:
        async with server, api_at(server.url, concurrency=1) as api:
            first = [asyncio.create_task(meaning(api, within=30.0)) for _ in range(5)]
            await server.has(lambda it: it.read == 5)
            late = await meaning(api, within=1.0)
            for task in first:
                task.cancel()
            await asyncio.gather(*first, return_exceptions=True)
            return late

    assert (event_loop.run(run()), server.read) == (Verdict(Postponed("no connection in time")), 5)


@dataclass
class Clock:
    """The clock of the connection pool, which the test moves."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("aiohttp.connector.monotonic", clock)
    return clock


@pytest.mark.parametrize("trap", [resets_after_reading, closes_after_reading])
def test_a_connection_idle_for_two_seconds_is_not_used_again(clock: Clock, trap: Script) -> None:
    server = RawServer(answers_then(trap, ACCEPTED), answers(ACCEPTED))

    meant = event_loop.run(two_in_a_row(server, clock, idle=2.01))

    assert (meant, server.read, server.connections) == ([Verdict(Accepted(TASK))] * 2, 2, 2)


@pytest.mark.parametrize("trap", [resets_after_reading, closes_after_reading])
def test_a_submission_on_a_dying_kept_connection_is_lost_and_not_repeated(
    clock: Clock, trap: Script
) -> None:
    server = RawServer(answers_then(trap, ACCEPTED), answers(ACCEPTED))

    first, second = event_loop.run(two_in_a_row(server, clock, idle=1.0))

    assert (first, type(second.event)) == (Verdict(Accepted(TASK)), Lost)
    assert (server.read, server.connections) == (2, 1)


def test_a_kept_connection_that_the_server_has_closed_is_replaced(clock: Clock) -> None:
    server = RawServer(answers_then(closes_at_once, ACCEPTED), answers(ACCEPTED))

    async def run() -> list[Verdict]:
        async with server, api_at(server.url) as api:
            first = await meaning(api)
            await server.has(lambda it: it.ended == 1)
            await a_few_turns()  # until the client's end has noticed it
            return [first, await meaning(api)]

    assert event_loop.run(run()) == [Verdict(Accepted(TASK))] * 2
    assert (server.read, server.connections) == (2, 2)


def test_a_hundred_resets_are_a_hundred_lost_answers_and_nothing_is_repeated() -> None:
    server = RawServer(resets_after_reading)

    async def run() -> list[Verdict]:
        async with server, api_at(server.url, concurrency=100) as api:
            return await asyncio.gather(*(meaning(api) for _ in range(100)))

    assert event_loop.run(run()) == [Verdict(BROKEN)] * 100
    assert server.read == 100


async def sent_to(server: RawServer, within: float) -> Verdict:
    async with server:
        return await submitted(server.url, within)


async def submitted(base_url: str, within: float = 20.0) -> Verdict:
    async with api_at(base_url) as api:
        return await meaning(api, within)


async def two_in_a_row(server: RawServer, clock: Clock, idle: float) -> list[Verdict]:
    async with server, api_at(server.url) as api:
        first = await meaning(api)
        clock.ahead += idle
        return [first, await meaning(api)]


async def meaning(api: ApiClient, within: float = 20.0) -> Verdict:
    try:
        response = await api.submit(REQUEST, within)
    except NotSent as error:
        return Verdict(Postponed(str(error)))
    except NoAnswer as error:
        return Verdict(Lost(str(error)))
    return verdict(APIFRAME, IMAGINE, response, NOW)


def api_at(base_url: str, concurrency: int = 4) -> ApiClient:
    return ApiClient(APIFRAME, "secret-key", base_url=base_url, concurrency=concurrency)
