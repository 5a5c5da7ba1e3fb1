"""Who may start passes by HTTP: the tokens, and how often each may be used.

`TriggerAccess` owns the counts of wrong tokens and of requests.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from pipeline.callers import caller_of, limited_logger
from pipeline.config import Secret
from pipeline.page import Tries
from pipeline.server.trigger_orders import Refused

log = limited_logger("trigger")

#: Most requests with one token in a minute.
MOST_REQUESTS: Final = 600
# The connection is closed, because the body is not read.
_CLOSE: Final = {"Connection": "close"}
_ASK: Final = {"WWW-Authenticate": "Bearer", **_CLOSE}


class TriggerAccess:
    """The tokens of these sheets, by the names of the sheets."""

    def __init__(self, tokens: Mapping[str, Secret | None]) -> None:
        # A random token if one is missing, so that none is right.
        self._tokens = {
            name: _digest(token.reveal() if token else secrets.token_hex(32))
            for name, token in tokens.items()
        }
        self._tries = Tries(time.time)
        #: Digest of a token -> the times of its requests in the last minute.
        self._requests: dict[bytes, deque[float]] = defaultdict(deque)

    def sheet_of(self, request: Request) -> str:
        """The name of the sheet that the address names.

        Raises Refused if the token is missing (401), wrong (401) or for other sheets (404), or if
        there are too many requests (429).
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        caller = caller_of(request.client.host if request.client else "")
        if scheme.casefold() != "bearer":
            raise Refused(401, "Send the token: Authorization: Bearer TOKEN.", **_ASK)
        if not self._tries.begin(caller):
            again = {"Retry-After": "1", **_CLOSE}
            raise Refused(429, "Too many wrong tokens. Wait a second.", **again)
        given = _digest(token.strip())
        # Every token is compared, also after a match, so that the time reveals nothing.
        right = [name for name, good in self._tokens.items() if hmac.compare_digest(good, given)]
        if not right:
            log.info("a wrong token was refused; the caller was %s", caller)
            words = "This is not the token. It is the one that [trigger] token names."
            raise Refused(401, words, **_ASK)
        self._tries.try_succeeded(caller)
        self._count(given)
        name: str = request.path_params["name"]
        if name not in right:
            there = ", ".join(right)
            raise Refused(404, f"There is no such sheet for this token. There is: {there}.")
        return name

    def _count(self, token: bytes) -> None:
        now, times = time.monotonic(), self._requests[token]
        while times and now - times[0] >= 60:
            times.popleft()
        if len(times) >= MOST_REQUESTS:
            wait = str(int(60 - (now - times[0])) + 1)
            again = {"Retry-After": wait, **_CLOSE}
            raise Refused(429, f"Too many requests. Wait {wait} s.", **again)
        times.append(now)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
