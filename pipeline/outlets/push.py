"""Pushes each message as signed JSON to an address: n8n, Make, Zapier, or a program of your own.

The signature is that of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com). The id in
`webhook-id` is the same for every try, so that a receiver can recognise a repeat.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from pipeline.core.api.webhook import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIME_HEADER,
    standard_keys,
    standard_signature,
)
from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Delivered, Message, Result, Trouble, Undelivered
from pipeline.outlets import Pace
from pipeline.outlets.http import Poster, verdict
from pipeline.outlets.push_body import body_of

#: Posts at one time, if nothing else is configured.
AT_ONCE: Final = 50
#: Posts of one call that wait for each other, so that a call has an end.
_IN_A_ROW: Final = 5
#: Where the service publishes no limit.
FAST: Final = Pace(most=100, is_repeatable=True)
#: Zapier takes 30 webhooks a second and 10,000 in five minutes
#: (docs.zapier.com/platform/build/operating-constraints). Make takes 300 in ten seconds.
SLOW: Final = Pace(most=30, every=1.0, is_repeatable=True)
_NOT_SENT: Final = Undelivered(
    Trouble.LATER, "It was not sent, because there was no answer to another message."
)
_SLOW_HOSTS: Final = ("zapier.com", "make.com", "integromat.com")


class Push:
    """Pushes to `url`; see `pipeline.outlets.Outlet`.

    `secret` may hold several, with blanks between them: each message is signed with all, so that a
    secret can be changed without a gap. `headers` go with every message. `fields` are columns of
    the sheet under names of the receiver. At most `at_once` posts run at one time.
    Raises ValueError for a secret that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str = "",
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        at_once: int = AT_ONCE,
        allow_private: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = standard_keys(secret)
        self._poster = Poster(
            url, headers=headers, allow_private=allow_private, connections=at_once
        )
        self._fields = dict(fields or {})
        self._now = now
        self._is_n8n_test = "/webhook-test/" in url
        host = _host(url)
        pace = SLOW if host.endswith(_SLOW_HOSTS) else FAST
        self.pace = replace(pace, most=min(pace.most, at_once * _IN_A_ROW))
        self._at_once = at_once

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """See `Outlet.deliver`. After a failure that concerns all, no further post begins."""
        turns, stopped = asyncio.Semaphore(self._at_once), list[Undelivered]()

        async def one(message: Message) -> Result:
            async with turns:
                if stopped:
                    return stopped[0]
                body = body_of(message, self._fields)
                answer = await self._poster.post(body, headers=self._signed(message.id, body))
                if isinstance(answer, Undelivered):
                    stopped.append(answer if answer.trouble is not Trouble.UNSURE else _NOT_SENT)
                    return answer
                problem = _full_queue(answer) or verdict(answer)
                # A server that failed (HTTP 500) may have failed because of this message alone.
                if problem and problem.trouble in (Trouble.CLOSED, Trouble.LATER):
                    stopped.append(problem)
                return problem or Delivered()

        return await asyncio.gather(*map(one, messages))

    async def check(self) -> Sequence[str]:
        """See `Outlet.check`."""
        problems = []
        if self._is_n8n_test:
            problems.append(
                "This is the test address of n8n, which works only while a person listens to it. "
                "Publish the workflow, and configure the production address of its Webhook node."
            )
        trouble = await self._poster.reach()
        return [*problems, *(trouble.problems if trouble else ())]

    async def close(self) -> None:
        """See `Outlet.close`."""
        await self._poster.close()

    def _signed(self, id: str, body: bytes) -> dict[str, str]:  # noqa: A002
        """The headers of Standard Webhooks for a try now."""
        seconds = str(int(self._now()))
        headers = {ID_HEADER: id, TIME_HEADER: seconds}
        if self._keys:
            signatures = (standard_signature(key, id, seconds, body) for key in self._keys)
            headers[SIGNATURE_HEADER] = " ".join(signatures)
        return headers


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _full_queue(answer: Response) -> Undelivered | None:
    """Make answers 400 when a scenario has not worked off its queue; others mean the message."""
    if answer.status != HTTPStatus.BAD_REQUEST or b"queue is full" not in answer.body.lower():
        return None
    return Undelivered(Trouble.LATER, "The queue of the receiver is full (HTTP 400).", wait=60.0)
