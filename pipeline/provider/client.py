"""Sends one request and returns its response, or says if the request can have arrived.

A submission costs money. So `NotSent` is raised only if it is proved that nothing has reached the
API, and `NoAnswer` for every other failure, known or unknown. A submission is sent once, whatever
the answer. Only requests that are safe to repeat (polls, the account) are repeated a few times.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, Self

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from pipeline.core.api.cell_files import ADDRESS
from pipeline.core.api.paths import first_text, merged
from pipeline.core.api.protocol import may_be_polled_at, reason_of
from pipeline.core.api.provider import Provider
from pipeline.core.errors import ConfigError, NoAnswer, NotSent, PartUnread, WireError
from pipeline.core.messages import reasons
from pipeline.core.model import Request, Response
from pipeline.provider.http import HttpClient
from pipeline.provider.input_files import InputFiles
from pipeline.provider.input_folder import Content
from pipeline.provider.parts import Parts, form_of
from pipeline.provider.tls import authorities

log = logging.getLogger("promptsheet")

#: Seconds after which an idle connection is not used again. A server may close such a connection
#: at the moment when a submission is sent over it. Then it is unknown whether it was received.
IDLE: Final = 2.0
#: Seconds to wait for a place in the pool and a connection: less than any deadline, so that running
#: out of time before there is a connection is always distinguished from running out of it after.
CONNECT: Final = 15.0
#: Bytes of one answer, decompressed. Twenty tasks take some thirty thousand.
MOST_BYTES: Final = 8_000_000
#: Connections beyond those for submissions, for the polls between them.
SPARE: Final = 4
#: How often a request that is safe to repeat is sent at most.
TRIES: Final = 3


class ApiClient:
    """The way to one API with one key: an async context manager, one for a pass.

    Nothing is opened before the first request, so a pass that has nothing to ask pays nothing.
    Raises ConfigError for a key that is not allowed in a header. `inputs` are the
    files that requests may name. `sleep` waits between tries.
    """

    def __init__(
        self,
        provider: Provider,
        api_key: str,
        *,
        base_url: str,
        concurrency: int,
        inputs: InputFiles | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._title = provider.title
        self._base_url = base_url.rstrip("/")
        self._headers = {
            "User-Agent": provider.user_agent,
            "Accept": "application/json",
            **provider.headers,
            provider.key.header: provider.key.value.replace("{key}", _usable(api_key)),
        }
        self._provider, self._poll = provider, provider.poll
        upload = self._uploaded if provider.upload else None
        self._parts = Parts(inputs, allowed=self._base_url, upload=upload)
        self._connections = concurrency + SPARE
        self._sleep = sleep
        self._wire: HttpClient | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"ApiClient({self._title!r}, {self._base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        if self._wire:
            await self._wire.close()

    async def submit(self, request: Request, within: float) -> Response:
        """The answer to a request that is sent once and never again, in `within` seconds in all.

        Raises NotSent if it provably never left, NoAnswer in every other case without a whole
        answer. If it is cancelled, it may have arrived: the caller has to record that.
        """
        if request.method != "POST":
            # Libraries and proxies may repeat other methods (RFC 9110, section 9.2.2).
            raise NotSent(f"a submission must be a POST, not a {request.method}")
        if request.parts:
            clock = asyncio.get_running_loop().time
            end = clock() + within
            request = await self._reading(self._parts.resolved(request), within)
            within = max(end - clock(), 0.0)
        return await self._once(request, within)

    async def uploaded(self, request: Request, within: float) -> Request:
        """The request with addresses instead of the files that the API takes as uploads.

        Raises PartUnread if a file cannot be read or uploaded; the request itself is not sent.
        """
        return await self._reading(self._parts.uploaded(request), within)

    async def ask(self, request: Request, within: float) -> Response:
        """The answer to a request that is safe to repeat: up to three tries in `within` seconds.

        Tried again after a WireError or a 5xx; an answer that says `Retry-After`, any 4xx and any
        3xx are returned as they are. In the end the last answer is returned or the last error
        raised, of the same two kinds as for `submit`.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + within

        async def one_try() -> Response:
            # Half of the time at most: an answer that never comes leaves time for another try.
            return await self._once(request, max(0.0, min(within / 2, end - clock())))

        tries = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(TRIES) | stop_before_delay(within),
            wait=wait_random_exponential(multiplier=0.25, max=within / 4),
            retry=retry_if_exception_type(WireError) | retry_if_result(_worth_repeating),
            retry_error_callback=_last,
        )
        answer: Response = await tries(one_try)
        return answer

    async def _reading(self, request: Coroutine[None, None, Request], within: float) -> Request:
        """A request whose files are being read. Raises PartUnread: the request was not sent."""
        try:
            async with asyncio.timeout(within):
                return await request
        except PartUnread:
            raise
        except TimeoutError as error:
            raise PartUnread(reasons.FILES_TOO_SLOW.format(seconds=f"{within:.3g}")) from error
        except Exception as error:
            raise PartUnread(reasons.FILES_UNREADABLE.format(error=type(error).__name__)) from error

    async def _uploaded(self, content: Content) -> str:
        """The address that a file gets at the API. Raises PartUnread if it gets none."""
        upload = self._provider.upload
        assert upload is not None, "only made for APIs with uploads"
        boundary = secrets.token_hex(16)
        request = Request("POST", upload.path)
        kind = f"multipart/form-data; boundary={boundary}"
        body = form_of(upload.field, content, boundary)
        try:
            response = await self._exchange(request, body, CONNECT * 2, kind)
        except WireError as error:
            raise PartUnread(reasons.NOT_UPLOADED.format(name=content.name, why=error)) from error
        log.info("POST %s: status %d", upload.path, response.status)
        try:
            address = first_text(json.loads(response.body), upload.url)
        except (ValueError, RecursionError):
            address = ""
        if response.status // 100 == 2 and ADDRESS.fullmatch(address):
            return address
        said = reason_of(self._provider, response)
        why = reasons.NOT_TAKEN_AND_SAYS if said else reasons.NOT_TAKEN
        its = {"api": self._title, "name": content.name, "status": response.status, "words": said}
        raise PartUnread(why.format(**its))

    async def _once(self, request: Request, within: float) -> Response:
        try:
            response = await self._sent(request, within)
        except WireError as error:
            log.info("%s %s: %s", request.method, request.path, error)
            raise
        log.info("%s %s: status %d", request.method, request.path, response.status)
        return response

    async def _sent(self, request: Request, within: float) -> Response:
        body = self._written(request)
        try:
            # aiohttp limits each read; an answer that trickles would outlive that.
            async with asyncio.timeout(within):
                return await self._exchange(request, body, within)
        except WireError:
            raise
        except TimeoutError as error:
            raise NoAnswer(reasons.NOT_IN_TIME.format(seconds=f"{within:.3g}")) from error
        except Exception as error:
            raise NoAnswer(reasons.ANSWER_UNREADABLE.format(error=type(error).__name__)) from error

    def _written(self, request: Request) -> bytes | None:
        if self._closed:
            raise NotSent("the way to the API is closed already")
        try:
            return _as_json(request)
        except (TypeError, ValueError) as error:
            raise NotSent(f"the request cannot be written ({type(error).__name__})") from error

    def _address_of(self, request: Request) -> str:
        """Where a request goes: an address that an answer named, where the key may go there."""
        if request.address and may_be_polled_at(self._poll, request.address, self._base_url):
            return request.address
        return self._base_url + request.path

    def _opened(self) -> HttpClient:
        is_encrypted = self._base_url.lower().startswith("https:") or self._poll.hosts
        return HttpClient(
            headers=self._headers,
            tls=authorities() if is_encrypted else None,
            connections=self._connections,
            idle=IDLE,
        )

    async def _exchange(
        self, request: Request, body: bytes | None, within: float, kind: str = "application/json"
    ) -> Response:
        self._wire = self._wire or self._opened()
        answer = await self._wire.send(
            request.method,
            self._address_of(request),
            headers=request.headers,
            body=body,
            kind=kind if body is not None else "",
            connect=min(CONNECT, within / 2),
        )
        async with answer:
            text = bytearray()
            async for chunk in answer.chunks():
                text += chunk
                if len(text) > MOST_BYTES:
                    raise NoAnswer(reasons.ANSWER_TOO_LARGE.format(size=MOST_BYTES // 1_000_000))
            return Response(answer.status, answer.headers, bytes(text))


def _usable(api_key: str) -> str:
    # A line break from a key file is found only when the header is written: too late to be sure.
    key = api_key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError("the API key is empty, or holds characters that no key has")
    return key


def _as_json(request: Request) -> bytes | None:
    if request.body is None:
        return None
    body = merged(request.body, request.hidden)
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def _worth_repeating(answer: Response) -> bool:
    return answer.status >= 500 and "retry-after" not in answer.headers


def _last(state: RetryCallState) -> Response:
    assert state.outcome
    answer: Response = state.outcome.result()
    return answer
