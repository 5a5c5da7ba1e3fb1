"""Reads the list of an account's tasks, and what single tasks are for. Costs nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pipeline import wiring
from pipeline.core.api.accounts import Api
from pipeline.core.api.protocol import meaning_of, polls, retry_after
from pipeline.core.api.provider import MARGIN, Provider
from pipeline.core.api.task_list import ListedCharge, Page, charges_on, page_of, page_request
from pipeline.core.errors import WireError
from pipeline.core.money.receipt_lines import Bodies, Sent
from pipeline.store import Store
from pipeline.sync.ports import Wire

#: Seconds for one request.
WITHIN: Final = 20.0
#: So many pages of a list are read at most, and so many single tasks.
MOST_PAGES: Final = 2_000
MOST_SINGLE: Final = 20
#: How often a page is asked for if the API says that it is busy.
TRIES: Final = 5


class Unread(Exception):
    """A page of the list could not be read."""


class TooLong(Unread):
    """The list has more pages than are read."""


async def listed(
    way: Wire,
    provider: Provider,
    start: datetime | None,
    pause: float,
    most_pages: int = MOST_PAGES,
) -> list[ListedCharge]:
    """The tasks of the list that were made since a little before `start`; None: all of them.

    `pause` is the seconds between two requests. Raises Unread.
    """
    found: list[ListedCharge] = []
    cursor = ""
    for _ in range(most_pages):
        page = await _page(way, provider, cursor)
        charges = charges_on(provider, page)
        found += charges
        cursor = page.next
        oldest = min((one.at for one in charges if one.at), default=None)
        if not cursor or not charges or (start and oldest and oldest < start - MARGIN):
            return found
        await asyncio.sleep(pause)
    raise TooLong(f"it has more than {most_pages:,} pages")


async def _page(way: Wire, provider: Provider, cursor: str) -> Page:
    for _ in range(TRIES):
        try:
            response = await way.ask(page_request(provider.poll, cursor), WITHIN)
        except WireError as e:
            raise Unread(str(e).rstrip(".")) from e
        if meaning_of(provider, response) == "busy":
            await asyncio.sleep(retry_after(response, wiring.now()) or 1.0)
            continue
        page = page_of(provider, response)
        if page is None or meaning_of(provider, response) != "taken":
            break
        return page
    raise Unread(f"it answers {response.status}")


async def contents(
    way: Wire,
    api: Api,
    store: Store,
    attempts: Sequence[Sent],
    charges: Sequence[ListedCharge],
    pause: float,
    most: int = MOST_SINGLE,
) -> tuple[list[ListedCharge], Bodies]:
    """Read what some charges are for that no row knows, and what our attempts asked.

    At most `most` tasks are read: first those that may be for a lost submission.
    """
    provider = api.provider
    known = {one.task_id for one in attempts}
    first = min((one.sent_at for one in attempts), default=None)
    fits = [one for one in attempts if one.is_lost or (one.task_id and one.again_at)]
    unknown = [
        one
        for one in charges
        if one.task_id not in known and not (first and one.at and one.at < first - MARGIN)
    ]
    # First those that may be for a submission whose answer was lost, then the newest.
    near = {part for one in fits for part in _parts_of_an_hour(one.sent_at, one.heard_until)}
    unknown.sort(key=lambda one: one.at is None or _part_of_an_hour(one.at) not in near)
    content = {}
    for task_id in [one.task_id for one in unknown[:most]]:
        content[task_id] = await _content(way, provider, task_id)
        await asyncio.sleep(pause)
    full = [one._replace(content=content.get(one.task_id)) for one in charges]
    bodies = store.charges.bodies([(one.job, one.number) for one in fits]) if unknown else {}
    hook = provider.webhook
    left_out = (hook.url_field, hook.secret_field, *hook.fields) if hook else ()
    usable = {place: body for place, body in bodies.items() if isinstance(body, dict)}
    return full, Bodies(usable, frozenset(left_out))


def _part_of_an_hour(at: datetime) -> int:
    """The number of the ten minutes of a moment."""
    return int(at.timestamp() // MARGIN.total_seconds())


def _parts_of_an_hour(first: datetime, last: datetime) -> range:
    return range(_part_of_an_hour(first) - 1, _part_of_an_hour(last) + 2)


async def _content(way: Wire, provider: Provider, task_id: str) -> dict[str, object] | None:
    """The API's description of one task; None if there is none."""
    question = next(polls(provider.poll, [task_id], frozenset([task_id])))
    try:
        response = await way.ask(question.request, WITHIN)
        body = json.loads(response.body) if meaning_of(provider, response) == "taken" else None
    except (WireError, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
