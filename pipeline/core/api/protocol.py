"""How to ask an API for a picture, and what its answers mean.

Functions over the tables of `provider`: the request for a row, the event behind an answer to a
submission, the events behind an answer to a poll. They know nothing of HTTP but status codes and
headers.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from pipeline.core.api.fields import Parent, body_of
from pipeline.core.api.paths import elements, first_text, is_list, put
from pipeline.core.api.provider import MEANINGS, Endpoint, Meaning, Once, Poll, Provider
from pipeline.core.credits import Credits, exact
from pipeline.core.messages import reasons
from pipeline.core.messages.sent_notes import NOT_FOUND
from pipeline.core.model import MOST_RESULTS, Request, Response, Result
from pipeline.core.states import Accepted, Event, Failed, Lost, Postponed, Progressed, Succeeded
from pipeline.core.text import shortened

#: Greater numbers are ignored: no percentage or price is as high, and a column has a limit.
MUCH = 10**9
#: The most characters of the API's own words that are kept, and of a result that is text.
MOST_WORDS = 300
MOST_TEXT = 20_000
_ADDRESS = re.compile(r"https?://\S+")


class Question(NamedTuple):
    """A poll, and the tasks that it is about."""

    request: Request
    task_ids: tuple[str, ...]


class TaskEvent(NamedTuple):
    """What a webhook reports: the task, empty if it names none, and what happened to it."""

    task_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer to a submission means for its attempt, and for all that follow."""

    event: Event
    #: If not empty: why nothing more may be sent in this start.
    stop: str = ""
    #: Seconds for which nothing may be sent under this API key.
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What an answer to a poll says."""

    events: Mapping[str, Event]
    #: Tasks that were polled and are not in the answer: to be polled one by one.
    missing: tuple[str, ...] = ()
    #: Tasks in the answer that were not polled.
    strange: tuple[str, ...] = ()
    stop: str = ""
    pause: float = 0.0


def submission(
    endpoint: Endpoint, given: Mapping[str, str], parent: Parent | None = None
) -> Request:
    """The request that asks for what a row says (`Rules.given`), which has no problems."""
    body, parts = body_of(endpoint, given, parent)
    return Request("POST", endpoint.path, body, parts=parts)


def sent_once(request: Request, provider: Provider, resend_key: str) -> Request:
    """The same submission with a key: the API makes one task of it, however often it is sent."""
    if provider.once is None or not resend_key:
        return request
    return replace(request, headers={**request.headers, provider.once.header: resend_key})


def resend_key(provider: Provider, endpoint: Endpoint, token: str) -> str:
    """The key for a submission to this endpoint, from a random token; "" if the API knows no keys.

    Its end says where it is sent and in which header. Elsewhere, or in another header, the API
    would not recognise it, and would make a second task.
    """
    return f"{token}.{_way(provider.once, endpoint)}" if provider.once else ""


def is_key_for(key: str, provider: Provider, endpoint: Endpoint) -> bool:
    """True if the API recognises this key at this endpoint, as the provider file is now.

    Keys of earlier programs do not say where they were sent. They count.
    """
    _, _, way = key.partition(".")
    return provider.once is not None and way in ("", _way(provider.once, endpoint))


def _way(once: Once, endpoint: Endpoint) -> str:
    way = f"{once.header.casefold()} {endpoint.path}"
    return hashlib.sha256(way.encode()).hexdigest()[:8]


def polls(
    poll: Poll,
    task_ids: Sequence[str],
    alone: frozenset[str],
    addresses: Mapping[str, str] | None = None,
) -> Iterator[Question]:
    """The fewest requests that poll all these tasks, each with its tasks.

    Tasks in `alone` are polled one by one, because an answer for many did not mention them.
    `addresses` holds where the API said that a task is to be polled: task -> address.
    """
    together = [task for task in task_ids if task not in alone] if poll.many else []
    for start in range(0, len(together), poll.most):
        batch = tuple(together[start : start + poll.most])
        if len(batch) >= poll.least:
            yield Question(Request("POST", poll.many, {poll.many_field: list(batch)}), batch)
    grouped = len(together) - len(together) % poll.most if poll.many else 0
    rest = together[grouped:]
    singles = rest if len(rest) < poll.least else []
    for task in (*singles, *(t for t in task_ids if t in alone or not poll.many)):
        yield Question(_poll(poll, task, (addresses or {}).get(task, "")), (task,))


def _poll(poll: Poll, task: str, address: str) -> Request:
    if poll.method == "GET":
        path = poll.one.replace("{id}", quote(task, safe=""))
        return Request("GET", path, address=address)
    body: dict[str, object] = {}
    put(body, poll.one_field, task)
    return Request("POST", poll.one, body)


def may_be_polled_at(poll: Poll, address: str, base_url: str) -> bool:
    """True if the API key may go to an address that an answer named.

    It may go to the API itself and, encrypted, to the hosts that the provider file names.
    """
    home = urlsplit(base_url)
    try:
        there = urlsplit(address)
        is_usual_port = there.port in (None, 443)
    except ValueError:  # It is no address: the task is polled at the usual place.
        return False
    if (there.scheme, there.netloc) == (home.scheme, home.netloc):
        return True
    host = there.hostname or ""
    if there.scheme != "https" or there.username or there.password or not is_usual_port:
        return False
    return any(
        host.endswith(one[1:]) if one.startswith("*.") else host == one for one in poll.hosts
    )


def verdict(provider: Provider, endpoint: Endpoint, response: Response, now: datetime) -> Verdict:
    """What an answer to a submission means (the table in the design, section 3)."""
    meaning = meaning_of(provider, response)
    if meaning == "taken":
        return Verdict(_taken(provider, endpoint, response))
    words = reason_of(provider, response)
    wait = retry_after(response, now)
    match meaning:
        case "refused":
            # Often the address is wrong, not the row.
            where = NOT_FOUND if response.status == 404 else ""
            return Verdict(Failed(f"{where}{words}", refused=True))
        case "busy":
            return Verdict(Postponed(words or "busy"), pause=wait or 10.0)
        case "stop":
            return Verdict(Postponed(words), stop=_stop_sentence(provider, response, words))
        case "lost":
            return Verdict(Lost(f"HTTP {response.status}{': ' + words if words else ''}"))


def poll_answer(
    provider: Provider,
    endpoint_of: Mapping[str, Endpoint],
    response: Response,
    now: datetime,
) -> Answers:
    """What an answer to a poll says of the polled tasks: task -> its endpoint.

    An answer that says nothing of them (an error page) changes nothing, and they are polled again.
    """
    meaning = meaning_of(provider, response)
    if meaning != "taken":
        stop = meaning == "stop"
        words = reason_of(provider, response)
        return Answers(
            {},
            stop=_stop_sentence(provider, response, words) if stop else "",
            pause=(retry_after(response, now) or 10.0) if meaning == "busy" else 0.0,
        )
    asked = set(endpoint_of)
    events: dict[str, Event] = {}
    strange = []
    bodies = _tasks(provider, _json(response))
    if not bodies:  # Not an answer of this API: it says nothing about any task, so none is missing.
        return Answers({})
    for body in bodies:
        named = _task_id(provider, body)
        # A single answer without an id can only be about the one task that was polled.
        task_id = named or (next(iter(asked)) if len(asked) == 1 else "")
        if task_id in asked:
            events[task_id] = task_event(provider, endpoint_of[task_id], body, task_id)
        elif task_id:
            strange.append(task_id)
    return Answers(events, tuple(sorted(asked - events.keys())), tuple(strange))


def task_event(
    provider: Provider, endpoint: Endpoint, body: Mapping[str, Any], task_id: str = ""
) -> Event:
    """The event that a description of a task reports, in a poll, a webhook or a submission.

    Failed if the status says so, or says finished and there is no result; succeeded if it says
    finished, or says nothing, and results are there; running otherwise, whatever the status is
    called.
    """
    task = provider.task
    word = first_text(body, task.status)
    status = word.casefold()
    has_failed, is_finished = status in _folded(task.failed), status in _folded(task.finished)
    if status and not has_failed and not is_finished:
        return Progressed(_percent(provider, body), task_id)
    reported = reported_by(provider, body)
    if not has_failed and not (result := _result(endpoint, body)).is_empty:
        return Succeeded(result, task_id, reported)
    if not status:
        return Progressed(_percent(provider, body), task_id)
    reason = shortened(first_text(body, task.reason), MOST_WORDS)
    if has_failed:
        reason = reason or reasons.NO_REASON.format(api=provider.title)
        return Failed(reason, task_id, reported=reported)
    if not endpoint.is_known:  # Its result may be at a place that no other endpoint has.
        return Progressed(_percent(provider, body), task_id)
    return Failed(_nothing_came(provider, word, reason), task_id, reported=reported)


def webhook_event(provider: Provider, endpoint: Endpoint, body: Mapping[str, Any]) -> TaskEvent:
    """The task that a call speaks of (empty if it names none), and the event behind it.

    The body is the same description of a task that an answer to a poll holds.
    """
    task_id = _task_id(provider, body)
    return TaskEvent(task_id, task_event(provider, endpoint, body, task_id))


def meaning_of(provider: Provider, response: Response) -> Meaning:
    """What the status code means, by the provider's table, then by the default one."""
    code = str(response.status)
    if code == "503" and "retry-after" in response.headers and code not in provider.meanings:
        return "busy"
    for table in (provider.meanings, MEANINGS):
        for name in (code, f"{code[0]}xx"):
            if name in table:
                return table[name]
    return "lost"


def reason_of(provider: Provider, response: Response) -> str:
    """The API's own words for what went wrong, as one short line; empty if it gave none."""
    body = _json(response)
    if isinstance(body, dict):
        errors = body.get("errors")
        if isinstance(errors, list):
            said = [str(e.get("msg", "")) if isinstance(e, dict) else str(e) for e in errors]
            if words := shortened("; ".join(filter(None, said)), MOST_WORDS):
                return words
        return shortened(first_text(body, provider.task.reason), MOST_WORDS)
    text = response.body[:4000].decode("utf-8", "replace")
    if "<" in text and (
        title := re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    ):
        text = title[1]
    return shortened(html.unescape(re.sub(r"<[^>]*>", " ", text)), MOST_WORDS)


def retry_after(response: Response, now: datetime) -> float | None:
    """Seconds that the answer asks to wait, given as a number or as a date; at most an hour."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        wait = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        wait = (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds()
    return min(max(wait, 1.0), 3600.0) if wait == wait else None


def _taken(provider: Provider, endpoint: Endpoint, response: Response) -> Event:
    body = _json(response)
    if not isinstance(body, dict):
        return Lost(reasons.NOT_READABLE.format(status=response.status))
    task_id = _task_id(provider, body)
    event = task_event(provider, endpoint, body, task_id)
    # A submission that is sent again may be answered with the status of its task and nothing else.
    says_nothing = isinstance(event, Progressed) or (
        isinstance(event, Failed)
        and (_is_finished(provider, body) or not first_text(body, provider.task.reason))
    )
    if says_nothing and not task_id:
        return Lost(reasons.NO_TASK.format(status=response.status))
    if says_nothing:
        address = next(iter(_addresses(body, provider.poll.address)), "")
        return Accepted(task_id, address, reported_by(provider, body))
    return event


def _stop_sentence(provider: Provider, response: Response, words: str) -> str:
    api, code = provider.title, response.status
    said = f' It says: "{words}".' if words else ""
    if code == 402:
        return f"{api} is out of credits (402).{said} Top up the account, then run again."
    if 300 <= code < 400:
        place = shortened(response.headers.get("location", ""), MOST_WORDS) or "another address"
        return f"{api} has moved: it points to {place} ({code}). Set [provider] base_url."
    cure = "Check [provider] api_key, and restart watch if it runs."
    return f"{api} refused the API key ({code}).{said} {cure}"


def _tasks(provider: Provider, body: Any) -> list[Mapping[str, Any]]:
    many = provider.poll.many_tasks
    found = elements(body, many) if many and is_list(body, many) else [body]
    return [task for task in found if isinstance(task, dict)]


def _result(endpoint: Endpoint, body: Mapping[str, Any]) -> Result:
    urls = _addresses(body, endpoint.urls)
    grid = _addresses(body, endpoint.grid_url)
    # Where the endpoint is not known, a text beside addresses may be an echo of the request.
    has_text = endpoint.is_known or not urls
    text, ids = _texts(body, endpoint.text if has_text else ()), _texts(body, endpoint.ids)
    kept = tuple(urls[:MOST_RESULTS])
    return Result(
        kept,
        next(iter(grid), ""),
        left_out=len(urls) - len(kept),
        text="\n".join(text)[:MOST_TEXT],
        ids=tuple(text for text in ids[:MOST_RESULTS] if text.isprintable()),
    )


def _addresses(body: Mapping[str, Any], paths: Sequence[str]) -> list[str]:
    """The addresses at the first path that leads to any."""
    for path in paths:
        if found := [one for one in map(_address, elements(body, path)) if one]:
            return found
    return []


def _texts(body: Mapping[str, Any], paths: Sequence[str]) -> list[str]:
    """The texts at the first path that leads to any."""
    for path in paths:
        found = [
            str(one).strip()
            for one in elements(body, path)
            if isinstance(one, str | int) and not isinstance(one, bool) and str(one).strip()
        ]
        if found:
            return found
    return []


def _nothing_came(provider: Provider, status: str, reason: str) -> str:
    if not reason:
        return reasons.NO_RESULT.format(api=provider.title, status=status)
    return reasons.SAID_AND_NO_RESULT.format(api=provider.title, status=status, reason=reason)


def _is_finished(provider: Provider, body: Mapping[str, Any]) -> bool:
    status = first_text(body, provider.task.status).casefold()
    return status in _folded(provider.task.finished)


def _percent(provider: Provider, body: Mapping[str, Any]) -> int | None:
    text = first_text(body, provider.task.percent)
    if provider.task.percent_of == 1:
        try:
            text = str(float(text) * 100)
        except ValueError:
            return None
    percent = _whole(text)
    return percent if percent is None else min(percent, 100)


@cache
def _folded(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word.casefold() for word in words)


def _address(value: object) -> str:
    # Anything else could be a formula, a path or a script in a cell or on a page.
    if isinstance(value, str) and _ADDRESS.fullmatch(value) and value.isprintable():
        return value
    return ""


def _json(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _task_id(provider: Provider, body: Mapping[str, Any]) -> str:
    # A task with an id that cannot be printed could never be polled.
    named = first_text(body, provider.task.id)
    return named if named.isprintable() else ""


def reported_by(provider: Provider, body: Mapping[str, Any]) -> Credits | None:
    """The credits that an answer names; None if it names none that can be meant."""
    try:
        amount = float(first_text(body, provider.task.credits))
    except ValueError:
        return None
    # The budget must not grow by negative credits.
    return exact(amount) if 0 <= amount < MUCH else None


def _whole(value: object) -> int | None:
    """A number that comes as a number or as text, with or without a per cent sign.

    None where it is no number that can be meant.
    """
    try:
        number = int(float(str(value).strip().rstrip("%")))
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < MUCH else None
