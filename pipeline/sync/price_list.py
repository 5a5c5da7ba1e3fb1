"""Reads the price list that an API publishes, at most once a day.

In: the store and the ways to the APIs. Out: a list in the store, for rows whose endpoint has no
price in the provider file. An API that cannot be reached changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from pipeline.core.api.paths import elements, first_text
from pipeline.core.api.provider import Account, Provider
from pipeline.core.credits import Credits, exact
from pipeline.core.errors import WireError
from pipeline.core.model import Request
from pipeline.store import PriceList, Store
from pipeline.sync.ports import Wire

log = logging.getLogger("promptsheet")

#: How long a list counts, and how long to wait after a list that could not be read; less if rows
#: may be waiting for the first one.
FRESH, AGAIN, SOON = timedelta(days=1), timedelta(hours=1), timedelta(minutes=5)
#: Seconds for one list.
WITHIN = 10.0
#: No price is as high.
MOST = 1_000_000


async def refresh(store: Store, apis: Iterable[tuple[Provider, str, Wire]], now: datetime) -> None:
    """Read the lists that are older than a day, for APIs with endpoints that have no price.

    Each API is given with its address and the way to it.
    """
    for provider, base_url, wire in apis:
        account = provider.account
        has_gaps = any(one.credits is None for one in provider.endpoints.values())
        if account is None or not account.prices or not has_gaps:
            continue
        known = store.price_lists.get(provider.name, base_url)
        if known.read_at and now - known.read_at < FRESH:
            continue
        found = await read_list(wire, account, now)
        if found.prices:
            store.price_lists.keep(provider.name, base_url, found)
        else:
            log.info("the price list of %s cannot be read", provider.title)
            again = AGAIN if known.prices else SOON
            late = known._replace(read_at=now - FRESH + again)
            store.price_lists.keep(provider.name, base_url, late)


async def read_list(wire: Wire, account: Account, now: datetime) -> PriceList:
    """The list as it is now, with models in lower case; empty if there is no answer."""
    try:
        response = await wire.ask(Request("GET", account.prices), WITHIN)
        body = json.loads(response.body) if response.status == 200 else None
    except (WireError, ValueError):
        return PriceList({}, now)
    found: dict[str, Credits] = {}
    modes: dict[str, str] = {}
    for item in elements(body, account.price_items):
        model = first_text(item, [account.price_id]).casefold()
        price = _amount(first_text(item, [account.price_most]))
        if model and 0 < price < MOST:
            mode = first_text(item, [account.price_mode]) if account.price_mode else ""
            # Of several prices for one model, the highest counts; if they are for different things,
            # it is not known for what.
            modes[model] = mode if modes.get(model, mode) == mode else ""
            found[model] = max(price, found.get(model, 0))
    return PriceList(found, now, modes)


def _amount(text: str) -> Credits:
    """The credits that a text names; 0 if it names none."""
    try:
        return exact(float(text))
    except (ValueError, OverflowError):
        return 0
