"""The one way out to the internet: httpx over aiohttp's connections.

A request goes to httpx-aiohttp's transport directly, not through `httpx.AsyncClient`: the client
costs 0.4 ms of CPU more for each request, and all that it adds (cookies, redirects, default
headers, an environment's proxy) must not happen here.

A failed exchange is `NotSent` only on proof that nothing left this machine, and `NoAnswer`
otherwise. The classes of httpx are no such proof: httpx-aiohttp 0.2.0 raises `httpx.ConnectTimeout`
for a connection that is reset after the server read the request. The proof is the class of
aiohttp's own exception.
"""

from __future__ import annotations

import os
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, Self

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream
from yarl import URL

from pipeline.core.errors import NoAnswer, NotSent, PromptsheetError, WireError
from pipeline.core.messages import reasons

#: Each of these is raised only before there is a connection, so the request never left. Every other
#: exception, known or not, proves nothing.
NEVER_LEFT: Final = (
    aiohttp.ClientConnectorError,  # refused, unreachable, DNS, TLS, certificate
    aiohttp.ConnectionTimeoutError,  # no place in the pool or no connection in time
)

#: What went wrong, in a few words without address or key; the first that fits.
WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, reasons.NOT_TRUSTED),
    (aiohttp.ClientSSLError, reasons.NO_TLS),
    (aiohttp.ClientConnectorDNSError, reasons.NAME_NOT_FOUND),
    (aiohttp.ConnectionTimeoutError, reasons.NOT_CONNECTED),
    (aiohttp.ServerDisconnectedError, reasons.CLOSED),
    (aiohttp.ClientConnectionError, reasons.CONNECTION_BROKE),
    (aiohttp.ClientPayloadError, reasons.BROKE_OFF),
    (zlib.error, reasons.BROKE_OFF),
    (aiohttp.ClientResponseError, reasons.NOT_HTTP),
)

#: What is asked for and unpacked. An answer that is packed in any other way, or twice, stays as it
#: is.
PACKINGS: Final = ("gzip", "deflate")
#: Most bytes of a body that are passed on at once, and bytes after which the server must wait.
PART: Final = 1 << 18
#: Most bytes that are unpacked in one step: a few packed bytes can become very many.
STEP: Final = 1 << 20


class BadAddress(NotSent):
    """The address is not valid, so no connection was tried."""


class HttpAnswer:
    """A status and headers that have come, and a body that still comes: an async context manager.

    `headers` has the names in lower case; of a name that comes twice, the last value.
    """

    def __init__(self, answer: httpx.Response) -> None:
        assert isinstance(answer.stream, AiohttpResponseStream)
        # Of a large file, parts of its usual 16 kB would cost more CPU than reading it.
        answer.stream.CHUNK_SIZE = PART
        self._stream = answer.stream
        self.status = answer.status_code
        self.headers: Mapping[str, str] = {
            name.decode("latin-1").lower(): value.decode("utf-8", "replace")
            for name, value in answer.headers.raw
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, unpacked, part by part. Raises NoAnswer if it does not come whole."""
        packing = self.headers.get("content-encoding", "").strip().lower()
        is_packed = packing in PACKINGS
        # `Response.aiter_raw` would give the same parts as the stream, for twice the CPU.
        try:
            async for part in _unpacked(self._stream, packing) if is_packed else self._stream:
                yield part
        except Exception as error:
            raise failed(error) from error


class HttpClient:
    """Connections to one or many servers; `close` ends them.

    `headers` go with every request, `connections` is how many there are at most, and `idle` the
    seconds after which an unused one is not used again. `tls` says which certificates count.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None = None,
        connections: int = 100,
        idle: float = 15.0,
        resolver: AbstractResolver | None = None,
    ) -> None:
        # Without `tls` no certificate counts: loading authorities takes a twentieth of a second.
        tls = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=tls, limit=connections, keepalive_timeout=idle, resolver=resolver
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": ", ".join(PACKINGS), **headers},
            middlewares=(_once_and_as_it_stands,),
            trust_env=False,
            read_bufsize=PART,
        )
        self._transport = AiohttpTransport(verify=tls, client=session)

    async def send(
        self,
        method: str,
        address: str | URL,
        *,
        body: bytes | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
        connect: float | None = None,
    ) -> HttpAnswer:
        """Send one request, once, and return the answer as soon as its headers are here.

        `kind` is the type of the body, `headers` go with this request alone, and `connect` is the
        seconds in which there must be a connection.
        Raises BadAddress or another NotSent if the request certainly never left, and NoAnswer if it
        may have arrived.
        """
        try:
            exact, tidied = _parsed(address)
            request = httpx.Request(
                method,
                tidied,
                headers={**(headers or {}), **({"Content-Type": kind} if kind else {})} or None,
                # As a stream: for `content`, httpx would write headers that aiohttp writes anyway.
                stream=httpx.ByteStream(body or b""),
                extensions={"timeout": {"pool": connect}},
            )
            request.read()
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise BadAddress("its address cannot be used") from error
        token = _address.set(exact)
        try:
            return HttpAnswer(await self._transport.handle_async_request(request))
        except PromptsheetError:
            raise
        except Exception as error:
            raise failed(error) from error
        finally:
            _address.reset(token)

    async def close(self) -> None:
        """End all connections."""
        await self._transport.aclose()


@lru_cache(maxsize=64)
def _parsed(address: str | URL) -> tuple[URL, httpx.URL]:
    # The few addresses of an API come again and again.
    exact = URL(address)
    if not exact.raw_host:
        raise ValueError("no host")
    return exact, httpx.URL(str(exact))


#: The address of the request that is being sent.
_address: ContextVar[URL] = ContextVar("address")


class _Broken(aiohttp.ClientConnectionError):
    """The connection broke after there was one; its cause is aiohttp's own exception."""


async def _once_and_as_it_stands(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # httpx and aiohttp both tidy an address; a signed link is valid only letter by letter.
    request.url = _address.get()
    try:
        return await send(request)
    except NEVER_LEFT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        # Under its own class, aiohttp would send a GET a second time, uncounted.
        raise _Broken from error


async def _unpacked(parts: httpx.AsyncByteStream, packing: str) -> AsyncIterator[bytes]:
    """The parts unpacked, in steps. Raises zlib.error if they cannot be unpacked.

    httpx 0.28 would stop at the end of the first gzip member, without an error, though an answer
    may have several (RFC 1952, section 2.2).
    """
    stream = None
    async for part in parts:
        left, may_hold_back = part, False
        while left or may_hold_back:
            stream = stream or zlib.decompressobj(_window(packing, left))
            chunk = stream.decompress(left, STEP)
            if chunk:
                yield chunk
            if stream.eof:
                left, stream = stream.unused_data, None
            else:
                left = stream.unconsumed_tail
            may_hold_back = stream is not None and len(chunk) == STEP
    # A gzip without its last bytes, a checksum, counts: HTTP itself says that the answer is whole.
    if stream and packing == "deflate":
        raise zlib.error("the end is missing")


def _window(packing: str, start: bytes) -> int:
    # Some servers call it deflate and leave out the header of RFC 1950, whose first half is 8.
    if packing == "gzip":
        return 16 + zlib.MAX_WBITS
    return zlib.MAX_WBITS if start[0] & 0xF == 8 else -zlib.MAX_WBITS


def failed(error: Exception) -> WireError:
    """Classifies an exception of httpx-aiohttp, httpx or aiohttp: NotSent or NoAnswer."""
    cause: BaseException = error
    # `__cause__` only: `__context__` may be the failure of an earlier request.
    while isinstance(cause, httpx.TransportError | _Broken) and cause.__cause__:
        cause = cause.__cause__
    kind = NotSent if isinstance(cause, NEVER_LEFT) else NoAnswer
    return kind(_why(cause))


def _why(cause: BaseException) -> str:
    if type(cause) is aiohttp.ClientConnectorError:
        # The text of the exception itself names the address.
        return reasons.NO_CONNECTION.format(why=os.strerror(cause.errno or 0).lower())
    for kind, words in WORDS:
        if isinstance(cause, kind):
            return words
    return reasons.ANSWER_UNREADABLE.format(error=type(cause).__name__)
