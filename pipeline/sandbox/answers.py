"""Answers: status, headers, body, what they count as, and whether they get lost on the way."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, replace
from email.utils import formatdate

from pipeline.sandbox.tasks import Task

JSON = (b"content-type", b"application/json")
HTML = (b"content-type", b"text/html; charset=utf-8")
TEXT = (b"content-type", b"text/plain; charset=utf-8")

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, worked out and not yet sent."""

    status: int
    body: bytes
    headers: Headers = (JSON,)
    #: What a submission that is answered so counts as.
    outcome: str = ""
    #: How it is lost: a word of `settings.LOSSES`, or "" for an answer that is sent.
    loss: str = ""
    #: What was taken, whatever the answer says of it.
    task: Task | None = None

    def as_outcome(self, outcome: str) -> Reply:
        """The same answer, counted as this."""
        return replace(self, outcome=outcome)


def say(body: object, status: int = 200, outcome: str = "", headers: Headers = ()) -> Reply:
    """An answer in JSON."""
    return Reply(status, compact(body), (JSON, *headers), outcome)


def compact(body: object) -> bytes:
    """JSON as it goes over the wire."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass")


def errors(message: str, status: int = 400, outcome: str = "invalid") -> Reply:
    """The documented form of a refusal."""
    return say({"errors": [{"msg": message}]}, status, outcome)


def message(text: str, status: int, outcome: str, headers: Headers = ()) -> Reply:
    """The form of 402 and 429: undocumented; the vendor's Node client reads `message` from them."""
    return say({"message": text}, status, outcome, headers)


def page(status: int, title: str, outcome: str) -> Reply:
    """What a gateway in front of the API says: HTML."""
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
