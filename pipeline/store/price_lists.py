"""The price lists that APIs publish, kept from one pass to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from pipeline.core.credits import Credits, exact
from pipeline.store.column_types import from_number, to_number
from pipeline.store.transactions import StorePart, digest, keep_value, value_of


class PriceList(NamedTuple):
    """Model -> the most that it costs, in credits, and when that was read."""

    prices: Mapping[str, Credits]
    read_at: datetime | None
    #: Model -> the list's word for what the price is for; empty where it has none.
    modes: Mapping[str, str] = MappingProxyType({})


class PriceLists(StorePart):
    """One list for each API: a provider file and an address."""

    def get(self, provider: str, base_url: str) -> PriceList:
        """The list as it was last read; empty if it never was."""
        with self._database.reading() as connection:
            text = value_of(connection, _name(provider, base_url))
        try:
            kept = json.loads(text or "{}")
            prices = {str(model): exact(price) for model, price in kept["prices"].items()}
            modes = {str(model): str(mode) for model, mode in kept["modes"].items()}
            return PriceList(prices, from_number(int(kept["read_at"])), modes)
        except (ValueError, TypeError, KeyError, AttributeError):
            return PriceList({}, None)

    def keep(self, provider: str, base_url: str, prices: PriceList) -> None:
        """Keep this list instead of the earlier one."""
        kept = {
            "prices": dict(prices.prices),
            "modes": dict(prices.modes),
            "read_at": to_number(prices.read_at),
        }
        with self._database.writing() as connection:
            keep_value(connection, _name(provider, base_url), json.dumps(kept))


def _name(provider: str, base_url: str) -> str:
    return f"prices {digest(f'{provider} {base_url}')[:24]}"
