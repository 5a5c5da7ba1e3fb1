"""What a caller asks for in the body of `POST /run/{sheet}`, and how requests are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request

from pipeline.core.planning.causes import BY_CALL
from pipeline.core.text import one_line
from pipeline.server.pass_requests import PassRequest

#: Longest body in bytes.
MOST_BYTES: Final = 16_384
#: Most characters of a row's name.
LONGEST_ROW: Final = 200
_EXAMPLE: Final = '{"action": "run", "limit": 10}'
_KNOWN: Final = ("action", "limit", "row", "quick")


class Refused(Exception):
    """A request that is refused: its status and sentence."""

    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers


@dataclass(frozen=True, slots=True)
class TriggerOrder:
    """What a body asks for."""

    action: str = "run"
    request: PassRequest = field(default_factory=PassRequest)
    #: Answer at once, without the figures of the plan.
    is_quick: bool = False


def is_text(text: str) -> bool:
    """False for half of a character, which JSON can hold and no sheet has."""
    return not any("\ud800" <= one <= "\udfff" for one in text)


def trigger_order_of(body: bytes) -> TriggerOrder:
    """What a body asks for. Raises Refused if it is not understood."""
    if not body.strip():
        return TriggerOrder()
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Refused(400, f"The body is not JSON. Send none, or one such as {_EXAMPLE}.")
    if others := sorted(set(given) - set(_KNOWN)):
        shown = one_line(others[0])[:40]
        raise Refused(400, f'There is no "{shown}". There is: {", ".join(_KNOWN)}.')
    action, limit, row = given.get("action", "run"), given.get("limit"), given.get("row", "")
    if action not in ("run", "plan", "pause", "resume"):
        raise Refused(400, "action is one of: run, plan, pause, resume.")
    if limit is not None and (type(limit) is not int or not 0 <= limit <= 1_000_000):
        raise Refused(400, "limit is a whole number of rows, such as 10.")
    if type(row) is int:
        row = str(row)
    if not isinstance(row, str) or len(row) > LONGEST_ROW or not is_text(row):
        raise Refused(400, "row is the row_id, the name or the line number of a row.")
    is_quick = given.get("quick", False)
    if not isinstance(is_quick, bool):
        raise Refused(400, "quick is true or false.")
    return TriggerOrder(action, PassRequest(limit, row.strip(), BY_CALL), is_quick)


async def body_of(request: Request) -> bytes:
    """The whole body. Raises Refused if it is too long, and ClientDisconnect."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            words = f"The body is too long. It has at most {MOST_BYTES:,} bytes."
            raise Refused(413, words, Connection="close")
    return body
