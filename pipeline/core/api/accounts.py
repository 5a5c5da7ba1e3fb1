"""The APIs that a sheet may use: the one of its configuration, other vendors, and former ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.core.api.fields import price_of
from pipeline.core.api.list_prices import times
from pipeline.core.api.provider import Endpoint, Provider
from pipeline.core.credits import Credits, exact


class SentTo(Protocol):
    """The API that an attempt was sent to, as the attempt keeps it."""

    @property
    def provider(self) -> str:
        """The name of the provider file; empty where it is not known."""

    @property
    def base_url(self) -> str:
        """The address."""

    @property
    def account(self) -> str:
        """A digest of the account's address and key."""


@dataclass(frozen=True, slots=True)
class Api:
    """One API with one account: where requests go, and what they look like."""

    provider: Provider
    base_url: str = ""
    #: A digest of the account's address and key; empty where it is not known.
    account: str = ""
    #: What the names of its endpoints begin with in the sheet; empty for the sheet's own API.
    prefix: str = ""
    #: False: nothing new is sent there, and only open tasks are polled.
    sends: bool = True
    #: Model -> the most that it costs, by the API's own price list; for what the file has no price.
    prices: Mapping[str, Credits] = field(default_factory=dict)
    #: Model -> what the list's price is for (see `list_prices`); none: for one submission.
    modes: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.provider.title

    def has(self, attempt: SentTo) -> bool:
        """Returns whether the attempt was sent to this API, as far as the store knows.

        Attempts of earlier programs have no address, and adopted ones no API at all.
        """
        if not attempt.provider:
            return not self.prefix and self.sends
        is_here = not attempt.base_url or attempt.base_url == self.base_url
        return attempt.provider == self.provider.name and is_here


def model_of(endpoint: Endpoint, given: Mapping[str, str]) -> str:
    """The model that a row with these values is for, in lower case; empty if none is named."""
    column = endpoint.select or "model"
    chosen = given.get(column, "") if column in endpoint.fields else ""
    return (chosen or str(endpoint.send.get("model", ""))).casefold()


def price_at(api: Api, endpoint: Endpoint, given: Mapping[str, str]) -> Credits | None:
    """Listed credits of one submission with these values; None if there is no price.

    Where the provider file has none, the API's own price list counts.
    """
    price = price_of(endpoint, given)
    if price is not None or not api.prices:
        return price
    model = model_of(endpoint, given)
    price, mode = api.prices.get(model), api.modes.get(model)
    if price is None or mode is None:
        return price
    return exact(price * times(api.provider, endpoint, given, mode))


def endpoint_of(provider: Provider, name: str, prefix: str = "") -> Endpoint:
    """The endpoint that rows call by this name. Raises KeyError if the API has none.

    An attempt may name its API as it was called earlier: `[providers]` may have changed since.
    """
    plain = name.removeprefix(prefix)
    if plain not in provider.endpoints:
        plain = plain.rpartition("/")[2]
    return provider.endpoints[plain]


def reading(provider: Provider, name: str, prefix: str = "") -> Endpoint:
    """What reads the result of an attempt: its endpoint, or else all of the API together.

    An endpoint may be removed from the file, or renamed, while its task is open. Its result is then
    read where the results of the other endpoints are; the most usual place comes first.
    """
    try:
        return endpoint_of(provider, name, prefix)
    except KeyError:
        every = provider.endpoints.values()
        return Endpoint(
            path="",
            fields={},
            urls=_usual(one.urls for one in every),
            grid_url=_usual(one.grid_url for one in every),
            text=_usual(one.text for one in every),
            ids=_usual(one.ids for one in every),
        )


def _usual(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """All paths, those of most endpoints first."""
    return tuple(path for path, _ in Counter(one for each in paths for one in each).most_common())
