"""The rows that can follow a picture: what can be made from it with no more than a prompt. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pipeline.core.api.fields import INDEX, PARENT, fields_of, problems_with
from pipeline.core.credits import Credits
from pipeline.core.inputs import PROMPT, canonical
from pipeline.core.language import Said, say
from pipeline.core.model import Attempt
from pipeline.core.rows.following import can_follow, unfit, unusable
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns, folded
from pipeline.core.text import all_of

ENDPOINT: Final = "endpoint"


class FollowUp(NamedTuple):
    """A row that can be made from a picture."""

    endpoint: str
    #: What it makes, in a few words.
    about: str
    #: Listed credits, and what they are.
    price: Credits
    unit: str
    #: True if it may have a prompt; True if it must.
    takes_prompt: bool
    needs_prompt: bool


def follow_ups(
    row_id: str, attempt: Attempt, number: int, rules: Rules, now: datetime
) -> Iterator[FollowUp]:
    """What can be made from a picture of a row, in the order of the provider files.

    `attempt` has made it; `number` is its number, from 1. Of the same kind of request, only those
    are offered that have a listed price and need no other cell than a prompt.
    """
    for name in rules.endpoint_names:
        if one := _follow_up(name, row_id, attempt, number, rules, now):
            yield one


def cells_for(endpoint: str, parent: str, number: int, prompt: str) -> dict[str, str]:
    """The cells of the new row: our name for a column -> text.

    `parent` names what it follows: a row, or a take or part of one.
    """
    cells = {PARENT: parent, INDEX: str(number), ENDPOINT: endpoint, PROMPT: prompt}
    return {name: text for name, text in cells.items() if text}


def missing_columns(cells: Mapping[str, str], columns: Columns) -> list[str]:
    """The titles of the columns that the sheet lacks for these cells."""
    return [columns.title(name) for name in cells if place_of(name, columns) is None]


def place_of(name: str, columns: Columns) -> int | None:
    """The place of a column; None if there is none. No row needs to use it yet.

    A column that the team keeps for itself is none.
    """
    if name in columns.index:
        return columns.index[name]
    is_ignored = folded(columns.titles.get(name, name)) in columns.ignored
    return None if is_ignored else columns.titled(name)


def lacks(titles: Sequence[str]) -> Said:
    """A sentence that says which columns to add."""
    if len(titles) == 1:
        return say("The sheet has no column {column}: add it in its first row.", column=titles[0])
    names = all_of(titles)
    return say("The sheet has no columns {columns}: add them in its first row.", columns=names)


def _follow_up(
    name: str, row_id: str, attempt: Attempt, number: int, rules: Rules, now: datetime
) -> FollowUp | None:
    endpoint, today = rules.endpoint_of(name), now.date()
    if endpoint is None or not (endpoint.is_known and endpoint.takes_parent):
        return None
    if endpoint.ended and endpoint.ended <= today:
        return None

    def has_problems(prompt: str) -> bool:
        cells = rules.cells(canonical(cells_for(name, row_id, number, prompt)))
        found = problems_with(
            endpoint, cells.wrote, cells.defaults, has_parent=True, files=rules.files, today=today
        )
        return bool(found)

    inputs = canonical(cells_for(name, row_id, number, ""))
    given = rules.values(inputs)
    takes_prompt = PROMPT in fields_of(endpoint, given)
    if (takes_prompt and rules.prompts) or not can_follow(endpoint, given):
        return None
    if unfit(row_id, name, given, attempt.endpoint, rules):
        return None
    if unusable(row_id, name, given, attempt, rules, now):
        return None
    price, needs_prompt = rules.price(inputs), has_problems("")
    if price is None or (needs_prompt and (not takes_prompt or has_problems("x"))):
        return None
    unit = rules.api_named(name).provider.unit
    return FollowUp(name, endpoint.about, price, unit, takes_prompt, needs_prompt)
