"""Answers: status, headers, body, what they count as, and whether they get lost on the way."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from uuid import uuid4

from pipeline.sandbox.tasks import Task

JSON = (b"content-type", b"application/json")
HTML = (b"content-type", b"text/html; charset=utf-8")
TEXT = (b"content-type", b"text/plain; charset=utf-8")

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, complete and not yet sent."""

    status: int
    body: bytes
    headers: Headers = (JSON,)
    #: What a submission with this answer counts as.
    outcome: str = ""
    #: How it is lost: a word of `settings.LOSSES`, or "" for an answer that is sent.
    loss: str = ""
    #: The task that was accepted, whatever the answer says about it.
    task: Task | None = None


def say(
    body: object,
    status: int = 200,
    outcome: str = "",
    headers: Headers = (),
    task: Task | None = None,
) -> Reply:
    """An answer in JSON."""
    return Reply(status, compact(body), (JSON, *headers), outcome, task=task)


def compact(body: object) -> bytes:
    """JSON as it goes over the wire."""
    return _as_json(body).encode(errors="surrogatepass")


# One encoder for all: `json.dumps` would make a new one each time.
_as_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def errors(message: str, status: int = 400, outcome: str = "invalid") -> Reply:
    """A refusal as version 1 documents it."""
    return say({"errors": [{"msg": message}]}, status, outcome)


def refusal(
    api: str,
    text: str,
    status: int,
    outcome: str = "",
    headers: Headers = (),
    more: Mapping[str, object] | None = None,
) -> Reply:
    """A refusal that both versions write with one sentence, each under its own key.

    Version 1 does not document its 402 and 429; the vendor's Node client reads `message` from them.
    """
    return say(
        {"message" if api == "v1" else "error": text, **(more or {})}, status, outcome, headers
    )


def broken(api: str, outcome: str) -> Reply:
    """500: version 1 documents an empty object."""
    return say({} if api == "v1" else {"error": "Internal server error"}, 500, outcome)


def page(status: int, title: str, outcome: str) -> Reply:
    """The answer of a gateway in front of the API: HTML."""
    html = (
        f"<!DOCTYPE html>\n<html><head><title>{status} {title}</title></head>\n"
        f"<body><center><h1>{status} {title}</h1></center><hr>nginx</body></html>\n"
    )
    return Reply(status, html.encode(), (HTML,), outcome)


def retry_after(seconds: int, form: str) -> Headers:
    """The header `Retry-After`; none for 0 seconds."""
    if not seconds:
        return ()
    # An HTTP date has whole seconds: rounded up, so that it never asks for less.
    date = formatdate(math.ceil(time.time()) + seconds, usegmt=True)
    return ((b"retry-after", (date if form == "date" else str(seconds)).encode()),)


def request_id() -> tuple[bytes, bytes]:
    """The header with which version 2 names each request."""
    return (b"x-request-id", str(uuid4()).encode())
