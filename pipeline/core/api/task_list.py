"""The list of an account's tasks, which some APIs have: one request polls all tasks of a page.

The list has the newest tasks first. Each page says how the next one is named, by its *cursor*.
Tasks of other programs are in the list too. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from pipeline.core.api.paths import elements, first_text, is_list
from pipeline.core.api.protocol import Answers, meaning_of, reported_by, task_event
from pipeline.core.api.provider import CURSOR, Endpoint, Poll, Provider
from pipeline.core.credits import Credits
from pipeline.core.model import Request, Response
from pipeline.core.states import Event, Failed


class Page(NamedTuple):
    """One page of the list."""

    #: Task id -> how the page describes the task.
    tasks: Mapping[str, Mapping[str, Any]] = {}
    #: The cursor of the next page; empty if there is none.
    next: str = ""
    #: Open tasks that it calls finished without a result.
    unclear: frozenset[str] = frozenset()


class ListedCharge(NamedTuple):
    """A task in the account's list."""

    task_id: str
    #: When it was made; None if the list does not say.
    at: datetime | None
    #: None if the list does not say.
    amount: Credits | None
    has_failed: bool
    #: What was asked for, as the API keeps it; None if it was not read.
    content: Mapping[str, Any] | None = None

    @property
    def prompt(self) -> str:
        """The prompt in its content; empty if it is not known."""
        return _prompt_in(self.content or {})


def page_request(poll: Poll, cursor: str) -> Request:
    """The request for the page with this cursor; an empty one names the first page."""
    path = poll.list
    path = path.replace("{cursor}", quote(cursor, safe="")) if cursor else CURSOR.sub("", path)
    return Request("GET", path)


def page_of(provider: Provider, response: Response) -> Page | None:
    """The page that an answer holds; an empty one if the API refuses the request for it.

    None for an answer that says nothing about the list, such as an error page.
    """
    meaning, poll = meaning_of(provider, response), provider.poll
    if meaning == "refused":
        return Page()
    try:
        body = json.loads(response.body) if meaning == "taken" else None
    except (ValueError, RecursionError):
        return None
    if not is_list(body, poll.list_tasks):
        return None
    described = [one for one in elements(body, poll.list_tasks) if isinstance(one, dict)]
    return Page(
        {name: one for one in described if (name := first_text(one, provider.task.id))},
        first_text(body, [poll.list_next]),
    )


def charges_on(provider: Provider, page: Page) -> list[ListedCharge]:
    """What a page says that its tasks cost."""
    return [charge_of(provider, task_id, body) for task_id, body in page.tasks.items()]


def charge_of(provider: Provider, task_id: str, body: Mapping[str, Any]) -> ListedCharge:
    """What an API says that a task cost."""
    status = first_text(body, provider.task.status).casefold()
    made = first_text(body, [provider.poll.list_made]) if provider.poll.list_made else ""
    has_failed = status in {word.casefold() for word in provider.task.failed}
    return ListedCharge(task_id, _moment(made), reported_by(provider, body), has_failed)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def page_answers(provider: Provider, endpoint_of: Mapping[str, Endpoint], page: Page) -> Answers:
    """What a page says of these open tasks, which are on it: task -> its endpoint.

    Missing are those that it calls finished without a result: an answer about that task alone may
    have one.
    """
    events: dict[str, Event] = {}
    for task, endpoint in endpoint_of.items():
        body = page.tasks[task]
        event = task_event(provider, endpoint, body, task)
        if not (isinstance(event, Failed) and _is_finished(provider, body)):
            events[task] = event
    return Answers(events, tuple(sorted(endpoint_of.keys() - events.keys())))


def _is_finished(provider: Provider, body: Mapping[str, Any]) -> bool:
    status = first_text(body, provider.task.status).casefold()
    return status in {word.casefold() for word in provider.task.finished}


def _prompt_in(content: Mapping[str, Any]) -> str:
    if isinstance(prompt := content.get("prompt"), str):
        return prompt
    inner = (_prompt_in(part) for part in content.values() if isinstance(part, dict))
    return next(filter(None, inner), "")
