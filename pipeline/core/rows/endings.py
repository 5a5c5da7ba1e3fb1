"""What will end on a known day: an endpoint, or a value of a field such as a model. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from pipeline.core.api.fields import as_texts, fields_of
from pipeline.core.api.provider import Endpoint, is_over
from pipeline.core.rows.rules import Rules
from pipeline.core.text import counted


class Ending(NamedTuple):
    """The name of an endpoint or a value, and the first day on which it does not work any more."""

    name: str
    day: date


def endings_of(
    name: str, endpoint: Endpoint, given: Mapping[str, str], today: date
) -> Iterator[Ending]:
    """What a row with these values uses that works today and will end."""
    if endpoint.ended and not is_over(endpoint.ended, today):
        yield Ending(name, endpoint.ended)
    constant = str(endpoint.send.get("model", ""))
    for field, one in fields_of(endpoint, given).items():
        if not one.ended:
            continue
        text = given.get(field) or (constant if field == (endpoint.select or "model") else "")
        if (end := one.end_of(text)) and not is_over(end, today):
            yield Ending(text, end)


def warnings(rules: Rules, inputs: Iterable[str], today: date) -> list[str]:
    """One sentence for each thing that will end, if rows or the configuration ask for it.

    The first to end comes first. `inputs`: for each row, what it asks for as canonical text.
    """
    defaults = as_texts(rules.defaults)
    usual = rules.provider.endpoints[rules.endpoint]
    found = Counter(dict.fromkeys(endings_of(rules.endpoint, usual, defaults, today), 0))
    for each in inputs:
        name = rules.endpoint_name(each)
        if (endpoint := rules.endpoint_of(name)) is not None:
            found.update(endings_of(name, endpoint, rules.values(each), today))
    return [
        f"{one.name} ends on {one.day}, and {_who(count)} it. From that day on, such rows are "
        "refused: choose another one."
        for one, count in sorted(found.items(), key=lambda each: (each[0].day, each[0].name))
    ]


def _who(rows: int) -> str:
    if not rows:
        return "the configuration asks for"
    return f"{counted(rows, 'row')} to send {'asks' if rows == 1 else 'ask'} for"
