"""Posts to one address, for the outlets whose service has no client library.

A message is posted once: no second try, no redirect, no cookies, and no proxy of the environment.
What comes of it is an answer, or an `Undelivered` that says whether the message may have arrived.
The address is a secret, because chats and automation services have no other password. No repr and
no reason shows it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from yarl import URL

from pipeline.core.api.protocol import retry_after
from pipeline.core.errors import NoAnswer, NotSent
from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Trouble, Undelivered
from pipeline.core.text import duration
from pipeline.provider.http import BadAddress, HttpAnswer, HttpClient
from pipeline.provider.public_network import PrivateAddress, PublicOnly
from pipeline.provider.tls import authorities

#: Seconds until the answer must have begun (Standard Webhooks recommend 15 to 30).
WITHIN: Final = 20.0
#: Seconds until there must be a connection.
CONNECT: Final = 10.0
#: Bytes that are read of an answer; what it says is in its first sentence.
MOST_OF_ANSWER: Final = 64_000
#: Answers of a service that is busy or away: the message did not get through.
_LATER: Final = (408, 425, 429, 502, 503, 504)
#: Answers that say that this message cannot be used; another one may be.
_REFUSED: Final = (400, 413, 422)

_PRIVATE: Final = Undelivered(
    Trouble.CLOSED,
    "The address leads into a private network. If that is intended, set allow_private = true.",
)
_UNUSABLE: Final = Undelivered(Trouble.CLOSED, "The address cannot be used. Correct it.")


class Poster:
    """Posts to one address; `close` ends its connections. For one event loop.

    `headers` go with every request, and `connections` is how many posts may run at one time.
    Without `allow_private` nothing is sent into a private network, which is checked for each
    connection. Nothing is connected before the first post.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        allow_private: bool = False,
        connections: int = 4,
        within: float = WITHIN,
    ) -> None:
        self._url = url
        self._headers = {"User-Agent": "promptsheet", **(headers or {})}
        self._guard = None if allow_private else PublicOnly()
        self._connections = connections
        self._within = within
        self._client: HttpClient | None = None

    def __repr__(self) -> str:
        return "Poster(…)"

    async def post(
        self,
        body: bytes,
        *,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Response | Undelivered:
        """Post a body of this type once: the answer, whatever its status.

        `headers` go with this request alone. The answer's body is cut after MOST_OF_ANSWER bytes.
        """
        return await self._exchange("POST", body, kind, headers)

    async def read(self) -> Response | Undelivered:
        """What a GET of the address answers. Nothing is posted."""
        return await self._exchange("GET")

    async def _exchange(
        self,
        method: str,
        body: bytes | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response | Undelivered:
        try:
            client, address = self._opened(), self._address()
            async with asyncio.timeout(self._within):
                answer = await client.send(
                    method, address, body=body, kind=kind, headers=headers, connect=CONNECT
                )
            async with answer:
                return Response(answer.status, answer.headers, await _start_of(answer))
        except (PrivateAddress, BadAddress, NotSent, NoAnswer, TimeoutError) as error:
            return self._undelivered(error)

    async def reach(self) -> Undelivered | None:
        """Connect without a request: what is wrong, or None if there is a server."""
        try:
            address = self._address()
            async with asyncio.timeout(CONNECT):
                await self._connect(address)
        except (PrivateAddress, BadAddress) as error:
            return self._undelivered(error)
        except ssl.SSLError:
            return unreachable("no TLS connection could be made, or its certificate is not trusted")
        except TimeoutError:
            return unreachable("no connection in time")
        except OSError as error:
            return unreachable((error.strerror or "no connection").lower())
        return None

    async def close(self) -> None:
        """End the connections."""
        if self._client:
            await self._client.close()

    async def _connect(self, address: URL) -> None:
        assert address.host
        host, port = address.host, address.port or 0
        if self._guard:
            # Connect to the address that was checked: a second resolution could lead elsewhere.
            host = (await self._guard.resolve(host, port))[0]["host"]
        tls = authorities() if address.scheme == "https" else None
        _, writer = await asyncio.open_connection(
            host, port, ssl=tls, server_hostname=address.host if tls else None
        )
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def _address(self) -> URL:
        try:
            # Letter by letter, because a part of it may be a signature.
            address = URL(self._url, encoded=re.fullmatch(r"[!-~]*", self._url) is not None)
            if re.search(r"\s", self._url):
                raise ValueError("blanks")
        except ValueError:
            raise BadAddress("its address cannot be used") from None
        if address.scheme not in ("http", "https") or not address.raw_host:
            raise BadAddress("its address cannot be used")
        if self._guard:
            self._guard.check(address)
        return address

    def _opened(self) -> HttpClient:
        self._client = self._client or HttpClient(
            headers=self._headers,
            tls=authorities() if self._url.startswith("https") else None,
            connections=self._connections,
            resolver=self._guard,
        )
        return self._client

    def _undelivered(self, error: Exception) -> Undelivered:
        match error:
            case PrivateAddress():
                return _PRIVATE
            case BadAddress():
                return _UNUSABLE
            case NotSent():
                return unreachable(str(error))
            case NoAnswer():
                return unsure(f"There was no whole answer: {error}.")
        return unsure(f"There was no answer within {duration(self._within)}.")


def unreachable(why: str) -> Undelivered:
    """The message certainly did not leave; `why` in a few words, without the address."""
    return Undelivered(
        Trouble.LATER, f"The address cannot be reached: {why}. Check that its server is running."
    )


def unsure(what: str) -> Undelivered:
    """The message may have arrived; `what` is a sentence."""
    return Undelivered(Trouble.UNSURE, f"{what} The message may have arrived all the same.")


def verdict(answer: Response) -> Undelivered | None:
    """What an answer means, by its status alone; None if the message was delivered.

    Services that give statuses another meaning check them first. The rules are those of Standard
    Webhooks 1.0.0: only 2xx is success, a redirect is not, and 410 ends the deliveries.
    """
    status = answer.status
    if 200 <= status < 300:
        return None
    if status in _LATER:
        wait = retry_after(answer, datetime.now(UTC)) or 0.0
        busy = "is receiving too much" if status == 429 else "is not ready"
        return Undelivered(Trouble.LATER, f"The server {busy} (HTTP {status}).", wait)
    if status >= 500:
        return unsure(f"The server failed (HTTP {status}). Its own log says why.")
    if 300 <= status < 400:
        return Undelivered(
            Trouble.CLOSED,
            f"The address redirects (HTTP {status}), and a message is not sent on. Configure the "
            "address that it leads to.",
        )
    if status in (401, 403):
        return Undelivered(
            Trouble.CLOSED,
            f"The server refuses the access (HTTP {status}). Check the secret and the headers.",
        )
    if status in (404, 405, 410):
        return Undelivered(
            Trouble.CLOSED,
            f"Nothing receives messages at the address (HTTP {status}). Switch the receiver on, "
            "or configure its new address.",
        )
    if status in _REFUSED:
        why = "is too long for it" if status == 413 else "cannot be used there"
        return Undelivered(
            Trouble.REFUSED,
            f"The server says that the message {why} (HTTP {status}). Its own log says why.",
        )
    return Undelivered(
        Trouble.REFUSED, f"The server refused the message (HTTP {status}). Its own log says why."
    )


async def _start_of(answer: HttpAnswer) -> bytes:
    """What has come of an answer's body; one that breaks off changes nothing about its status."""
    body = b""
    with suppress(NoAnswer, TimeoutError):
        async with asyncio.timeout(CONNECT):
            async for part in answer.chunks():
                body += part
                if len(body) >= MOST_OF_ANSWER:
                    break
    return body[:MOST_OF_ANSWER]
