"""The client of the API: requests, answers, and which requests are repeated."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config.provider_files import read_provider
from pipeline.core.api.provider import Key, Provider
from pipeline.core.errors import ConfigError, NoAnswer, NotSent, WireError
from pipeline.core.model import Request, Response
from pipeline.provider.client import ApiClient
from pipeline.server import event_loop
from tests.fakes.cases import each
from tests.fakes.raw_server import (
    RawServer,
    Script,
    answer,
    answers,
    closes_after_reading,
    head,
    keeps_silent,
    resets_after_reading,
)

ROOT = Path(__file__).parents[2]
APIFRAME = read_provider("apiframe-v1", None, Path(), ROOT / "configs/providers")
KEY = "3f1c-secret-key"
IMAGINE = Request("POST", "/imagine", {"prompt": "a fox, \u98db\u884c \U0001f98a"})
FETCH = Request("POST", "/fetch", {"task_id": "29e983ca"})
ACCOUNT = Request("GET", "/account")
FINE = answer(200, {"ok": 1})

#: Certificate and key of a test server, not signed by any authority. They protect nothing.
SELF_SIGNED = """\
-----BEGIN CERTIFICATE-----
MIIBoDCCAUagAwIBAgIUF3HT6o7y6HY2HMJLqBvIMSt7Mj0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMjEzMzkxOFoYDzIxMjYxMDI5
MTMzOTE4WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASae1HWBtwRl7zCucswtnphW+16pFHVVFdjyI0BbwW6hHiw6UxNydBK
VS7XTqVCi8uGvgfLJjW+crLBCXMB5Y99o3QwcjAdBgNVHQ4EFgQURCnYtFUWYMyj
SJvqaJwtQRQlxKEwHwYDVR0jBBgwFoAURCnYtFUWYMyjSJvqaJwtQRQlxKEwDwYD
VR0RBAgwBocEfwAAATAOBgNVHQ8BAf8EBAMCAoQwDwYDVR0TAQH/BAUwAwEB/zAK
BggqhkjOPQQDAgNIADBFAiEA0oz9cg4CSFokYa1TUQ+ch47VH2FjLgLPsZP6Q9Fp
/bMCIBrmYHdzgIf/t8Wlu5w+Ss5tfDkfVEiQznW8+KPW6+yk
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgu9B35uGE3nhCaCE4
T+isEzAJ5ZI5peM+fH2YeIx8MR6hRANCAASae1HWBtwRl7zCucswtnphW+16pFHV
VFdjyI0BbwW6hHiw6UxNydBKVS7XTqVCi8uGvgfLJjW+crLBCXMB5Y99
-----END PRIVATE KEY-----
"""


def test_a_request_has_a_user_agent_the_key_and_json() -> None:
    sent = event_loop.run(what_arrives(IMAGINE))

    first, *lines = sent.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    named = dict(line.lower().split(": ", 1) for line in lines)
    assert first == "POST /imagine HTTP/1.1"
    assert json.loads(sent.partition(b"\r\n\r\n")[2]) == IMAGINE.body
    assert {name: named[name] for name in ("authorization", "user-agent", "content-type")} == {
        "authorization": KEY,
        "user-agent": "promptsheet/0.1 (+python)",
        "content-type": "application/json",
    }


def test_a_request_without_a_body_has_no_body() -> None:
    assert event_loop.run(what_arrives(ACCOUNT)).endswith(b"\r\n\r\n")


def test_a_provider_file_can_set_a_scheme_before_the_key() -> None:
    bearer = replace(APIFRAME, key=Key("X-Auth", "Bearer {key}"))

    assert f"X-Auth: Bearer {KEY}\r\n".encode() in event_loop.run(what_arrives(IMAGINE, bearer))


def test_the_key_is_in_no_repr_and_no_error() -> None:
    async def run() -> list[str]:
        api = ApiClient(APIFRAME, KEY, base_url="http://127.0.0.1:1", concurrency=1)
        async with api:
            try:
                await api.submit(IMAGINE, 1.0)
            except WireError as error:
                return [repr(api), repr(error), str(error), repr(error.__cause__)]
        return []

    shown = event_loop.run(run())

    assert shown[0] == "ApiClient('Apiframe', 'http://127.0.0.1:1')"
    assert not [text for text in shown if KEY in text]


@each("key", ["", "  ", "two\nlines", "clé"])
def test_a_key_that_is_invalid_in_a_header_is_a_configuration_error(key: str) -> None:
    with pytest.raises(ConfigError):
        ApiClient(APIFRAME, key, base_url="http://127.0.0.1:1", concurrency=1)


def test_a_line_break_at_the_end_of_a_key_file_is_not_part_of_the_key() -> None:
    assert f"Authorization: {KEY}\r\n".encode() in event_loop.run(
        what_arrives(IMAGINE, key=KEY + "\n")
    )


def test_an_answer_has_its_header_names_in_lower_case_and_its_body_unpacked() -> None:
    packed = gzip.compress(b'{"credits": 12}')
    text = answer(200, packed, Content_Encoding="gzip", X_Request_ID="Ab1")

    response = event_loop.run(asked(RawServer(answers(text)), ACCOUNT))

    assert response == Response(
        200,
        {
            "content-length": str(len(packed)),
            "content-encoding": "gzip",
            "x-request-id": "Ab1",
        },
        b'{"credits": 12}',
    )


@each(
    "text",
    [
        answer(200, b"x" * 8_000_001),
        answer(200, gzip.compress(b"x" * 8_000_001), Content_Encoding="gzip"),
        head(200, {"Connection": "close"}) + b"x" * 8_000_001,
    ],
)
def test_a_far_too_large_answer_counts_as_no_answer(text: bytes) -> None:
    with pytest.raises(NoAnswer, match="larger than 8 MB"):
        event_loop.run(submitted(RawServer(answers(text))))


def test_an_answer_that_cannot_be_decompressed_counts_as_no_answer() -> None:
    text = answer(200, b"not gzip at all", Content_Encoding="gzip")

    with pytest.raises(NoAnswer, match="cannot be unpacked"):
        event_loop.run(submitted(RawServer(answers(text))))


@each("method", ["GET", "PUT", "DELETE"])
def test_no_library_repeats_a_submission(method: str) -> None:
    server = RawServer(answers(FINE))

    with pytest.raises(NotSent, match="must be a POST"):
        event_loop.run(submitted(server, Request(method, "/imagine")))

    assert server.read == 0


def test_a_body_that_cannot_be_written_as_json_is_not_sent() -> None:
    server = RawServer(answers(FINE))

    with pytest.raises(NotSent, match="cannot be written"):
        event_loop.run(submitted(server, Request("POST", "/imagine", {"prompt": "\ud800"})))

    assert server.read == 0


def test_after_the_pass_nothing_is_sent() -> None:
    async def run() -> None:
        async with api_at("http://127.0.0.1:1") as api:
            pass
        await api.submit(IMAGINE, 1.0)

    with pytest.raises(NotSent, match="closed already"):
        event_loop.run(run())


def test_a_cancelled_submission_stays_cancelled() -> None:
    server = RawServer(keeps_silent)

    async def run() -> None:
        async with server, api_at(server.url) as api:
            task = asyncio.create_task(api.submit(IMAGINE, 5.0))
            await server.has(lambda it: it.read == 1)
            task.cancel()
            await task

    with pytest.raises(asyncio.CancelledError):
        event_loop.run(run())


def test_an_untrusted_certificate_stops_the_request_before_it_leaves(
    tmp_path: Path,
) -> None:
    server = RawServer(answers(FINE), tls=self_signed(tmp_path))

    with pytest.raises(NotSent, match="certificate is not trusted"):
        event_loop.run(submitted(server))

    assert server.read == 0


def test_a_certificate_named_in_ssl_cert_file_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RawServer(answers(FINE), tls=self_signed(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))

    assert event_loop.run(submitted(server)).status == 200


def test_a_proxy_from_the_environment_gets_neither_request_nor_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")

    assert event_loop.run(submitted(RawServer(answers(FINE)))).status == 200


@each(
    "trouble",
    [resets_after_reading, closes_after_reading, answers(answer(500, {}, Connection="close"))],
)
def test_a_poll_is_repeated_after_a_failure(trouble: Script) -> None:
    server = RawServer(trouble, trouble, answers(FINE))
    pauses: list[float] = []

    response = event_loop.run(asked(server, FETCH, pauses))

    assert (response.status, server.read, len(pauses)) == (200, 3, 2)
    assert max(pauses) <= 2.5


def test_a_poll_is_tried_at_most_three_times_and_the_last_error_is_reported() -> None:
    server = RawServer(resets_after_reading)

    with pytest.raises(NoAnswer, match=r"broke|closed"):
        event_loop.run(asked(server, FETCH))

    assert server.read == 3


def test_a_poll_without_a_body_is_sent_no_more_often_than_another() -> None:
    server = RawServer(resets_after_reading)

    with pytest.raises(NoAnswer):
        event_loop.run(asked(server, ACCOUNT))

    assert server.read == 3


def test_the_last_answer_is_reported_when_an_api_keeps_failing() -> None:
    server = RawServer(answers(answer(502, b"Bad gateway")))

    response = event_loop.run(asked(server, FETCH))

    assert (response.status, response.body, server.read) == (502, b"Bad gateway", 3)


@each(
    "text",
    [
        answer(400, {}),
        answer(401, {}),
        answer(404, {}),
        answer(429, {}),
        answer(503, {}, Retry_After="5"),
        answer(301, b"", Location="/elsewhere"),
    ],
)
def test_a_permanent_error_is_reported_at_once_without_another_try(text: bytes) -> None:
    server = RawServer(answers(text))

    event_loop.run(asked(server, FETCH))

    assert server.read == 1


def test_a_missing_answer_leaves_time_for_another_try() -> None:
    server = RawServer(keeps_silent, answers(FINE))

    assert event_loop.run(asked(server, FETCH, within=1.0)).status == 200
    assert server.read == 2


def test_polling_ends_in_time_even_if_the_api_never_answers() -> None:
    async def run() -> float:
        server = RawServer(keeps_silent)
        clock = asyncio.get_running_loop().time
        async with server, api_at(server.url) as api:
            began = clock()
            with pytest.raises(NoAnswer, match="no whole answer"):
                await api.ask(FETCH, 0.4)
            return clock() - began

    assert event_loop.run(run()) < 4.0


async def what_arrives(request: Request, provider: Provider = APIFRAME, key: str = KEY) -> bytes:
    async with (
        RawServer(answers(FINE)) as server,
        ApiClient(provider, key, base_url=server.url + "/", concurrency=1) as api,
    ):
        await api.ask(request, 5.0)
        return server.requests[0]


async def submitted(server: RawServer, request: Request = IMAGINE) -> Response:
    async with server, api_at(server.url) as api:
        return await api.submit(request, 20.0)


async def asked(
    server: RawServer, request: Request, pauses: list[float] | None = None, within: float = 10.0
) -> Response:
    async def note(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    async with (
        server,
        ApiClient(APIFRAME, KEY, base_url=server.url, concurrency=1, sleep=note) as api,
    ):
        return await api.ask(request, within)


def api_at(base_url: str) -> ApiClient:
    return ApiClient(APIFRAME, KEY, base_url=base_url, concurrency=2)


def self_signed(folder: Path) -> ssl.SSLContext:
    both = folder / "server.pem"
    both.write_text(SELF_SIGNED)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    return tls
