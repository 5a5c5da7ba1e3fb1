"""How to ask an API for a picture, and what its answers mean.

Functions over the tables of `provider`: the request for a row, the event behind an answer to a
submission, the events behind an answer to a poll. They know nothing of HTTP but status codes and
headers.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from pipeline.core.model import MOST_RESULTS, Request, Response, Result
from pipeline.core.provider import MEANINGS, Endpoint, Meaning, Poll, Provider, typed_value
from pipeline.core.states import Accepted, Event, Failed, Lost, Postponed, Progressed, Succeeded
from pipeline.core.text import shortened

#: No percentage and no price is as high, and a database has no room for any number at all.
MUCH = 10**9
#: The most characters of the API's own words that are kept.
MOST_WORDS = 300
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
    endpoint: Endpoint, inputs: Mapping[str, str], defaults: Mapping[str, object]
) -> Request:
    """The request that asks for what the inputs say. The inputs must be without problems."""
    body: dict[str, object] = {n: v for n, v in defaults.items() if n in endpoint.fields}
    for name, asked in endpoint.fields.items():
        if text := inputs.get(name):
            body[name] = typed_value(asked, text)
    return Request("POST", endpoint.path, body)


def polls(poll: Poll, task_ids: Sequence[str], alone: frozenset[str]) -> Iterator[Question]:
    """The fewest requests that poll all these tasks, each with its tasks.

    Tasks in `alone` are polled one by one, because an answer for many did not mention them.
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
        yield Question(Request("POST", poll.one, {poll.one_field: task}), (task,))


def verdict(provider: Provider, endpoint: Endpoint, response: Response, now: datetime) -> Verdict:
    """What an answer to a submission means (the table in the design, section 3)."""
    meaning = meaning_of(provider, response)
    if meaning == "taken":
        return Verdict(_taken(provider, endpoint, response))
    words = reason_of(provider, response)
    wait = retry_after(response, now)
    match meaning:
        case "refused":
            return Verdict(Failed(words, refused=True))
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
    told = _tasks(provider, _json(response))
    if not told:  # not an answer of this API: nothing is said of any task, so none is missing
        return Answers({})
    for body in told:
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
    """The event behind a description of a task, from a poll, a webhook or a submission.

    Failed if the status says so; succeeded if it says finished, or says nothing, and results are
    there; running otherwise, whatever the status is called.
    """
    task = provider.task
    status = str(body.get(task.status) or "").strip().casefold()
    result = _result(endpoint, body)
    reported = _whole(body.get(task.credits)) if task.credits else None
    if status in task.failed:
        reason = (
            shortened(_first(body, task.reason), MOST_WORDS) or f"{provider.title} gave no reason"
        )
        return Failed(reason, task_id, reported=reported)
    if (not status or status in task.finished) and result.urls:
        return Succeeded(result, task_id, reported)
    percent = _whole(body.get(task.percent)) if task.percent else None
    return Progressed(percent if percent is None else min(percent, 100), task_id)


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
        return shortened(_first(body, provider.task.reason), MOST_WORDS)
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
        return Lost(f"HTTP {response.status} without a readable answer")
    task_id = _task_id(provider, body)
    event = task_event(provider, endpoint, body, task_id)
    if isinstance(event, Progressed):
        return Accepted(task_id) if task_id else Lost(f"HTTP {response.status} without a task id")
    return event


def _stop_sentence(provider: Provider, response: Response, words: str) -> str:
    api, code = provider.title, response.status
    said = f' It says: "{words}".' if words else ""
    if code == 402:
        return f"{api} is out of credits (402).{said} Top up the account, then run again."
    if 300 <= code < 400:
        place = shortened(response.headers.get("location", ""), MOST_WORDS) or "another address"
        return f"{api} has moved: it points to {place} ({code}). Set [provider] base_url."
    return f"{api} refused the API key ({code}).{said} Check [provider] api_key."


def _tasks(provider: Provider, body: Any) -> list[Mapping[str, Any]]:
    many = body.get(provider.poll.many_tasks) if isinstance(body, dict) else None
    found = many if isinstance(many, list) else [body]
    return [task for task in found if isinstance(task, dict)]


def _result(endpoint: Endpoint, body: Mapping[str, Any]) -> Result:
    urls: list[str] = []
    for name in endpoint.urls:
        value = body.get(name)
        urls += filter(None, map(_address, value if isinstance(value, list) else [value]))
    kept = tuple(urls[:MOST_RESULTS])
    return Result(kept, _address(body.get(endpoint.grid_url)), left_out=len(urls) - len(kept))


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


def _first(body: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = body.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def _task_id(provider: Provider, body: Mapping[str, Any]) -> str:
    # A task with an id that cannot be printed could never be polled.
    named = _first(body, provider.task.id)
    return named if named.isprintable() else ""


def _whole(value: object) -> int | None:
    """A number that comes as a number or as text, with or without a per cent sign.

    None where it is no number that can be meant: the budget must not grow by negative credits.
    """
    try:
        number = int(float(str(value).strip().rstrip("%")))
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < MUCH else None
