"""The HTTP transport: which failures prove that a request never left; one call is one request.

The libraries' exceptions are no proof. httpx-aiohttp raises `httpx.ConnectTimeout` when a name is
not found, and also when a server reads a request and then resets the connection. So each failure
here happens on a real socket, and the number of requests that were read to the end is checked.
"""

from __future__ import annotations

import errno
import gzip
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import httpx
import pytest
from httpx_aiohttp.transport import map_aiohttp_exceptions

from pipeline.core.errors import NoAnswer, NotSent, WireError
from pipeline.provider import http
from pipeline.provider.http import BadAddress, HttpClient
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
    answer,
    answers,
    answers_then,
    closes_after_reading,
    closes_at_once,
    half,
    resets_after_reading,
)

ROOT = Path(__file__).parents[2]
FINE = answer(200, {"task_id": "29e983ca-7e86-4017-a9e3-ef6fe9cd5f2a"})

#: aiohttp's exceptions that are raised only before there is a connection.
BEFORE = {
    "ClientConnectorError",
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorSSLError",
    "ClientProxyConnectionError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "UnixClientConnectorError",
}
#: All other exceptions of the two libraries. They prove nothing, including those we never see.
NO_PROOF = {
    # aiohttp: the connection, the answer, the address
    *("ClientError", "ClientConnectionError", "ClientConnectionResetError", "ClientOSError"),
    *("ServerConnectionError", "ServerDisconnectedError", "ServerFingerprintMismatch"),
    *("ServerTimeoutError", "SocketTimeoutError", "ClientPayloadError", "ClientResponseError"),
    *("ClientHttpProxyError", "ContentTypeError", "TooManyRedirects", "WSServerHandshakeError"),
    *("UploadAbortedError", "InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError"),
    *("RedirectClientError", "InvalidUrlRedirectClientError", "NonHttpUrlRedirectClientError"),
    "_Broken",  # ours, around one of these
    # httpx
    *("HTTPError", "RequestError", "HTTPStatusError", "TransportError", "DecodingError"),
    *("httpx.TooManyRedirects", "TimeoutException", "ConnectTimeout", "ReadTimeout"),
    *("WriteTimeout", "PoolTimeout", "NetworkError", "ConnectError", "ReadError", "WriteError"),
    *("CloseError", "ProtocolError", "LocalProtocolError", "RemoteProtocolError"),
    *("ProxyError", "UnsupportedProtocol", "StreamError", "StreamConsumed", "StreamClosed"),
    *("ResponseNotRead", "RequestNotRead", "httpx.InvalidURL", "CookieConflict"),
}


def test_every_exception_of_both_libraries_is_classified() -> None:
    roots = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict)
    kinds = set(chain.from_iterable(map(_family, (aiohttp.ClientError, *roots))))

    proofs = {_name(kind) for kind in kinds if isinstance(http.failed(_made(kind)), NotSent)}

    assert proofs == BEFORE
    assert {_name(kind) for kind in kinds} == BEFORE | NO_PROOF


@each("kind", sorted(BEFORE))
def test_the_proof_is_found_behind_the_librarys_own_exception(kind: str) -> None:
    (found,) = [one for one in _family(aiohttp.ClientError) if one.__name__ == kind]

    assert isinstance(http.failed(_mapped(_made(found))), NotSent)


@each("kind", sorted(httpx.TransportError.__subclasses__(), key=str))
def test_an_earlier_handled_exception_proves_nothing_about_a_later_failure(
    kind: type[httpx.TransportError],
) -> None:
    later = _made(kind)
    later.__context__ = _mapped(_made(aiohttp.ClientConnectorDNSError))

    assert isinstance(http.failed(later), NoAnswer)


def test_a_failure_while_handling_an_unsent_request_is_no_proof() -> None:
    server = RawServer(resets_after_reading)

    async def run() -> None:
        async with server, no_listener() as nowhere, wire() as out:
            try:
                await out.send("POST", nowhere)
            except NotSent:
                await out.send("POST", server.url)

    with pytest.raises(NoAnswer):
        event_loop.run(run())
    assert server.read == 1


@dataclass(frozen=True)
class Failure:
    """The target of a request, the root exception of aiohttp or httpx, and the requests read."""

    what: str
    script: Script | None
    roots: tuple[type[Exception], ...]
    read: int = 0
    place: Callable[[], AbstractAsyncContextManager[str]] | None = None


#: Systems report a closed connection in either way.
EITHER = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
FAILURES = [
    Failure("nobody listens", None, (aiohttp.ClientConnectorError,), place=no_listener),
    Failure("nobody accepts", None, (aiohttp.ConnectionTimeoutError,), place=no_accept),
    Failure("no DNS", None, (aiohttp.ClientConnectorDNSError,), place=unknown_host),
    Failure("no TLS", None, (aiohttp.ClientConnectorSSLError,), place=no_tls),
    Failure("closed at once", closes_at_once, EITHER),
    Failure("closed after reading", closes_after_reading, (aiohttp.ServerDisconnectedError,), 1),
    Failure("reset after reading", resets_after_reading, EITHER, 1),
    Failure("half an answer", half(FINE, reset=False), (aiohttp.ClientPayloadError,), 1),
    Failure("half, then reset", half(FINE, reset=True), (aiohttp.ClientPayloadError, *EITHER), 1),
    Failure("not HTTP", answers(b"220 ESMTP\r\n\r\n"), (aiohttp.ClientResponseError,), 1),
    Failure(
        "not gzip",
        answers(answer(200, b"not gzip", Content_Encoding="gzip")),
        (zlib.error,),
        1,
    ),
]


@each("method", ["POST", "GET", "PUT"])
@each("failure", FAILURES)
def test_one_call_is_one_request_and_its_failure_says_whether_it_left(
    failure: Failure, method: str
) -> None:
    error, read = event_loop.run(_failing(failure, method))

    assert read == failure.read
    assert isinstance(error, NotSent) is (failure.place is not None)
    assert type(_root(error)) in failure.roots


def test_httpx_exceptions_do_not_distinguish_sent_from_unsent_requests() -> None:
    async def run() -> list[type]:
        both = [one for one in FAILURES if one.what in ("no DNS", "closed after reading")]
        return [type((await _failing(one, "POST"))[0].__cause__) for one in both]

    # If this fails, httpx-aiohttp now distinguishes them: then change the module's docstring.
    assert event_loop.run(run()) == [httpx.ConnectTimeout] * 2


@each("trap", [resets_after_reading, closes_after_reading])
def test_a_get_over_a_kept_connection_that_dies_is_one_request(trap: Script) -> None:
    server = RawServer(answers_then(trap, FINE), answers(FINE))

    async def run() -> None:
        async with server, wire() as out:
            for _ in range(2):
                await _whole(out, "GET", server.url)

    with pytest.raises(NoAnswer):
        event_loop.run(run())
    assert (server.read, server.connections) == (2, 1)


RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
BODY = b'{"credits": 12}'
LARGE = bytes(5_000_000)


@each(
    ("packing", "packed", "body"),
    [
        ("gzip", gzip.compress(BODY), BODY),
        ("GZIP", gzip.compress(BODY[:4]) + gzip.compress(BODY[4:]), BODY),
        ("deflate", zlib.compress(BODY), BODY),
        ("deflate", RAW.compress(BODY) + RAW.flush(), BODY),
        ("gzip", gzip.compress(LARGE), LARGE),
        ("deflate", zlib.compress(LARGE), LARGE),
        ("gzip", gzip.compress(BODY)[:-8], BODY),
        ("gzip", b"", b""),
        ("identity", BODY, BODY),
    ],
)
def test_an_answer_is_decompressed_completely(packing: str, packed: bytes, body: bytes) -> None:
    assert event_loop.run(_got(answer(200, packed, Content_Encoding=packing))) == body


@each(
    ("packing", "packed"),
    [
        ("gzip", gzip.compress(BODY) + b"junk"),
        ("deflate", zlib.compress(BODY)[:-5]),
        ("gzip", BODY),
    ],
)
def test_an_answer_that_cannot_be_decompressed_completely_is_no_answer(
    packing: str, packed: bytes
) -> None:
    with pytest.raises(NoAnswer, match="cannot be unpacked"):
        event_loop.run(_got(answer(200, packed, Content_Encoding=packing)))


@each("packing", ["gzip, gzip", "br", "zstd", "x-unknown"])
def test_an_answer_in_an_unrequested_encoding_is_left_compressed(packing: str) -> None:
    packed = gzip.compress(gzip.compress(b"x" * 1_000_000))

    got = event_loop.run(_got(answer(200, packed, Content_Encoding=packing)))

    assert got == packed


@each("address", ["http://", "http://[::1", "http://x:99999/"])
def test_a_request_to_an_invalid_address_never_leaves(address: str) -> None:
    async def run() -> None:
        async with wire() as out:
            await out.send("POST", address)

    with pytest.raises(BadAddress):
        event_loop.run(run())


def test_neither_help_nor_version_loads_the_http_libraries() -> None:
    for words in (["--help"], ["--version"]):
        output = subprocess.run(
            [sys.executable, "-X", "importtime", ROOT / "run.py", *words],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        loaded = {line.rpartition("|")[2].strip() for line in output.splitlines()}
        assert "typer" in loaded
        assert loaded.isdisjoint({"httpx", "httpx_aiohttp", "aiohttp", "tenacity"})


async def _got(text: bytes) -> bytes:
    async with RawServer(answers(text)) as server, wire() as out:
        return await _whole(out, "GET", server.url)


async def _whole(out: HttpClient, method: str, url: str) -> bytes:
    async with await out.send(method, url, body=b"{}", connect=0.5) as answer:
        return b"".join([part async for part in answer.chunks()])


async def _failing(failure: Failure, method: str) -> tuple[WireError, int]:
    server = RawServer(failure.script or closes_at_once)
    async with AsyncExitStack() as stack:
        if failure.place:
            url = await stack.enter_async_context(failure.place())
        else:
            url = (await stack.enter_async_context(server)).url
        out = await stack.enter_async_context(wire())
        with pytest.raises(WireError) as caught:
            await _whole(out, method, url)
        return caught.value, server.read


@asynccontextmanager
async def wire() -> AsyncIterator[HttpClient]:
    out = HttpClient(headers={})
    try:
        yield out
    finally:
        await out.close()


def _family(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*map(_family, kind.__subclasses__()))


def _name(kind: type[Exception]) -> str:
    both = hasattr(aiohttp, kind.__name__) and hasattr(httpx, kind.__name__)
    return f"httpx.{kind.__name__}" if both and kind.__module__ == "httpx" else kind.__name__


def _made(kind: type[Exception]) -> Exception:
    error = kind.__new__(kind)  # each has other required arguments, which do not matter here
    if isinstance(error, aiohttp.ClientConnectorError):
        # The attributes used in their texts.
        refused = OSError(errno.ECONNREFUSED, "refused")
        place = SimpleNamespace(host="api.test", port=443, ssl=True, is_ssl=True)
        vars(error).update(_conn_key=place, _os_error=refused, _certificate_error=refused)
        vars(error).update(_path="")
    return error


def _mapped(error: Exception) -> Exception:
    """The exception that httpx-aiohttp raises for it."""
    with pytest.raises(httpx.HTTPError) as caught, map_aiohttp_exceptions():
        raise error
    return caught.value


def _root(error: BaseException) -> BaseException:
    """The first exception in the chain of our error that is not from the transport."""
    while (
        isinstance(error, WireError | httpx.HTTPError) or type(error).__name__ == "_Broken"
    ) and error.__cause__:
        error = error.__cause__
    return error
