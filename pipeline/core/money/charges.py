"""Which prices differ from what the API charged. Pure.

In: finished tasks with the credits that were held for them, and those that the API reported. Out:
one line for each endpoint and model, and sentences about what cost more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline.core.api.accounts import Api, endpoint_of, model_of, price_at
from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits
from pipeline.core.inputs import parsed
from pipeline.core.language import Said
from pipeline.core.messages import row_notes
from pipeline.core.states import Charge


@dataclass(frozen=True, slots=True)
class Charged:
    """One finished task that cost other credits than were held for it."""

    endpoint: str
    #: The canonical text of the row's inputs.
    inputs: str
    listed: Credits
    reported: Credits
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class OtherPrice:
    """What finished tasks of one kind cost, where that is not what is listed now."""

    endpoint: str
    #: In lower case; empty where the row names none.
    model: str
    #: The least and the most that was listed for one, in credits.
    listed: tuple[Credits, Credits]
    #: The least and the most that one task cost, in credits.
    least: Credits
    most: Credits
    tasks: int
    #: When the first of them was sent.
    since: datetime


def other_prices(
    api: Api, defaults: Mapping[str, str], charged: Iterable[Charged]
) -> list[OtherPrice]:
    """The prices of an API that differ from charges, those of most tasks first.

    Tasks for which another price was held than is listed now do not count: the price was corrected
    since then, or the vendor changed it.
    """
    found: defaultdict[tuple[str, str], list[Charged]] = defaultdict(list)
    for one in charged:
        try:
            endpoint = endpoint_of(api.provider, one.endpoint, api.prefix)
        except KeyError:
            continue
        given = {**defaults, **parsed(one.inputs)}
        if price_at(api, endpoint, given) == one.listed:
            name = one.endpoint.rpartition("/")[2]
            found[name, model_of(endpoint, given)].append(one)
    lines = [
        OtherPrice(
            endpoint,
            model,
            (min(one.listed for one in tasks), max(one.listed for one in tasks)),
            min(one.reported for one in tasks),
            max(one.reported for one in tasks),
            len(tasks),
            min(one.sent_at for one in tasks),
        )
        for (endpoint, model), tasks in found.items()
    ]
    return sorted(lines, key=lambda line: -line.tasks)


def sentences(charges: Iterable[Charge], apis: Iterable[Api]) -> list[Said]:
    """One sentence for each API that charged more than listed."""
    known = {api.provider.name: (api.title, api.provider.unit) for api in apis}
    found: defaultdict[tuple[str, str], list[Charge]] = defaultdict(list)
    for one in charges:
        found[known.get(one.provider, (one.provider, "credit"))].append(one)
    return [row_notes.charged_more(title, every, unit) for (title, unit), every in found.items()]


@dataclass(frozen=True, slots=True)
class ListedTwice:
    """A model whose price in the provider file is not that of the API's own list."""

    model: str
    #: The endpoints that have this price.
    endpoints: tuple[str, ...]
    #: Credits in the file (or in the configuration), and in the list: the most that one costs.
    here: Credits
    there: Credits


def listed_otherwise(provider: Provider, prices: Mapping[str, Credits]) -> list[ListedTwice]:
    """The models that cost other credits by the API's list than by the provider file.

    `prices`: model, in lower case -> the most that it costs. Models without a price in the file are
    left out: for them the list counts.
    """
    found: defaultdict[tuple[str, Credits], list[str]] = defaultdict(list)
    for name, endpoint in provider.endpoints.items():
        most: dict[str, Credits] = {}
        model = str(endpoint.send.get("model", "")).casefold()
        if model and endpoint.credits is not None:
            most[model] = max(endpoint.credits, *(price.credits for price in endpoint.prices), 0)
        for price in endpoint.prices:
            if chosen := price.when.get(endpoint.select or "model", "").casefold():
                most[chosen] = max(most.get(chosen, 0), price.credits)
        for model, here in most.items():
            if prices.get(model, here) != here:
                found[model, here].append(name)
    return [
        ListedTwice(model, tuple(names), here, prices[model])
        for (model, here), names in found.items()
    ]
