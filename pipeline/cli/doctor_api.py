"""What `doctor` says about the API: the key, the account, its limits, and prices. Never pays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline import wiring
from pipeline.config import Settings
from pipeline.config.provider_files import read_provider
from pipeline.core import messages
from pipeline.core.apis import Api
from pipeline.core.charges import OtherPrice, listed_otherwise, other_prices
from pipeline.core.clocks import difference, disagreement
from pipeline.core.credits import Credits, exact
from pipeline.core.errors import WireError
from pipeline.core.fields import as_texts
from pipeline.core.model import Request
from pipeline.core.paths import first_text
from pipeline.core.protocol import meaning_of, reason_of, verdict
from pipeline.core.provider import Account, Provider
from pipeline.core.text import counted, in_credits
from pipeline.server import event_loop
from pipeline.store import Balance
from pipeline.sync import price_list
from pipeline.sync.ports import Wire

Sign = Literal["ok", "person", "unusable", "reach"]


class Finding(NamedTuple):
    """One line of `doctor`: how bad it is, and a sentence; then lines to copy."""

    sign: Sign
    sentence: str
    lines: tuple[str, ...] = ()


#: Seconds for the account.
_WITHIN = 15.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the API says about an account. Values that it does not say are None or empty."""

    sign: Sign
    sentence: str
    left: Credits | None = None
    at_once: int | None = None
    prices: Mapping[str, Credits] = field(default_factory=dict)
    #: What is wrong with the clock of this machine, as a sentence.
    clock: str = ""


def findings(settings: Settings, *, keep: bool) -> Iterator[Finding]:
    """The findings about the API. With `keep`, the next comparison of balances starts here."""
    provider = settings.provider
    clock = ""
    if settings.api_key is None:
        api = provider.full_title
        meant = f" Without it, {api} is assumed." if provider.assumed else ""
        yield Finding("person", f"The API key is not set; nothing can be sent.{meant}")
    elif provider.account:
        answer = event_loop.run(_asked(settings, provider.account))
        yield Finding(answer.sign, answer.sentence)
        clock = answer.clock
        if answer.at_once is not None:
            yield Finding("ok", _at_once(answer.at_once, settings.pace.in_flight))
        if answer.left is not None:
            yield from _of_the_balance(settings, answer.left, keep=keep)
        if answer.prices:
            yield from _of_the_list(settings, answer.prices)
    for answer in event_loop.run(_asked_others(settings)) if settings.others else ():
        yield Finding(answer.sign, answer.sentence)
        clock = clock or answer.clock
    if clock:  # Said once: it is one clock.
        yield Finding("person", clock)
    yield from _of_the_charges(settings)


def _of_the_balance(settings: Settings, left: Credits, *, keep: bool) -> Iterator[Finding]:
    """Compare what the account lost since the last repair with what was counted for it.

    If the API does not report the cost of each task, only this reveals wrong prices. With `keep`,
    the next comparison starts here; without it, nothing is changed.
    """
    if not _has_store(settings):
        return  # nothing was ever sent
    key = wiring.limits(settings).api_key
    with (wiring.open_store if keep else wiring.scratch_store)(settings) as store:
        if (counted := store.accounts.counted(key)) is None:
            return
        before = store.accounts.balance(key)
        if keep:
            store.accounts.keep(key, Balance(left, counted, wiring.now()))
    if before is None:
        return
    fell, spent = exact(before.left - left), exact(counted - before.counted)
    # After a top-up in the meantime, the comparison means nothing.
    if spent and 0 <= fell != spent:
        since = before.at.astimezone().strftime("%Y-%m-%d %H:%M")
        yield Finding("ok", messages.account_differs(settings.provider.title, fell, spent, since))


def _of_the_list(settings: Settings, prices: Mapping[str, Credits]) -> Iterator[Finding]:
    """Compare the API's price list with the provider file, but not with a person's own prices."""
    provider, own = settings.provider, settings.path.parent / "providers"
    file = read_provider(provider.name, settings.api_key, own, wiring.configs() / "providers")
    used = {name: one for name, one in file.endpoints.items() if provider.endpoints[name] == one}
    for one in listed_otherwise(replace(file, endpoints=used), prices):
        names = ", ".join(one.endpoints)
        yield Finding(
            "ok",
            f"The price list of {provider.title} says up to {in_credits(one.there)} for "
            f"{one.model}, and the provider file {one.here} ({names}). If that is right, "
            f"{_how_to_set(provider, one.endpoints, one.there)}.",
        )


def _of_the_charges(settings: Settings) -> Iterator[Finding]:
    """Compare the listed prices with what the finished tasks of each account cost."""
    if not _has_store(settings):
        return
    defaults = as_texts(settings.defaults)
    with wiring.scratch_store(settings) as store:
        for api in wiring.rules(settings, "", store).apis:
            charged = store.charges.other_than_listed(api.account) if api.sends else []
            for one in other_prices(api, defaults, charged):
                yield Finding("ok", _charged_otherwise(api, one))


def _has_store(settings: Settings) -> bool:
    return Path(settings.store_url.removeprefix("sqlite:///")).is_file()


# Sentences ---------------------------------------------------------------------------------------


def _at_once(allowed: int, in_flight: int) -> str:
    said = f"The account may have {counted(allowed, 'task')} at once"
    if allowed < in_flight:
        return f"{said}, so [pace] in_flight = {in_flight} is capped at {allowed}."
    return f"{said}; [pace] in_flight = {in_flight} is not capped by that."


def _charged_otherwise(api: Api, one: OtherPrice) -> str:
    name = f"{api.prefix}{one.endpoint}" + (f" ({one.model})" if one.model else "")
    since = f"{one.since.astimezone():%Y-%m-%d}"
    listed = _range(*one.listed)
    least = f"{one.least} to " if one.least < one.most else ""
    how = _how_to_set(api.provider, (one.endpoint,), one.most, one.model, is_own=not api.prefix)
    from_list = api.provider.endpoints[one.endpoint].credits is None
    if one.most > one.listed[0]:
        todo = (
            f"The budget reserves less than it costs until a task ends. How to correct it: {how}."
        )
    elif from_list:
        todo = f"The list names the highest price. If no row of yours costs more, {how}."
    else:
        todo = (
            f"The budget reserves more than it costs until a task ends. How to correct it: {how}."
        )
    return (
        f"{api.title} charged {least}{in_credits(one.most)} for {name}, and {listed} "
        f"{'is' if listed == '1' else 'are'} listed: {counted(one.tasks, 'task')} since {since}. "
        f"{todo}"
    )


def _range(least: Credits, most: Credits) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _how_to_set(
    provider: Provider,
    names: tuple[str, ...],
    price: Credits,
    model: str = "",
    *,
    is_own: bool = True,
) -> str:
    """How to correct a price: `[provider] credits` has one price for an endpoint, or a model."""
    endpoints = [provider.endpoints[name] for name in names]
    if not is_own or any(one.prices or one.credits_times for one in endpoints):
        return (
            f"change it in a copy of configs/providers/{provider.name}.toml, in a folder providers "
            "next to the configuration"
        )
    keys = [n if e.credits is not None else model for n, e in zip(names, endpoints, strict=True)]
    prices = ", ".join(f'"{key}" = {price}' for key in keys)
    return f"set [provider] credits = {{ {prices} }} in the configuration"


# Questions to the API ----------------------------------------------------------------------------


async def _asked(settings: Settings, account: Account) -> _Answer:
    """The account according to the API, and its price list if it has one."""
    async with AsyncExitStack() as stack:
        (way, *_) = wiring.wires(settings, stack)
        return await _answer(settings.provider, account, way)


async def _asked_others(settings: Settings) -> list[_Answer]:
    """The accounts at other vendors and at the former API, as far as they can be asked for."""
    async with AsyncExitStack() as stack:
        _, *ways = wiring.wires(settings, stack)
        answers = []
        for other, way in zip(settings.others, ways, strict=True):
            provider = other.provider
            if not other.api_key:
                missing = f"The API key of {provider.full_title} is not set."
                answers.append(_Answer("person", missing))
            elif provider.account:
                answers.append(await _answer(provider, provider.account, way))
        return answers


async def _answer(provider: Provider, account: Account, way: Wire) -> _Answer:
    try:
        response = await way.ask(Request("GET", account.path), _WITHIN)
    except WireError as e:
        return _Answer("reach", f"{provider.title} cannot be reached: {e}.")
    clock = disagreement(provider.title, difference(response, wiring.now()))
    if meaning_of(provider, response) != "taken":
        usual = next(iter(provider.endpoints.values()))
        stop = verdict(provider, usual, response, wiring.now()).stop
        said = reason_of(provider, response)
        answer = f"{provider.title} answers {response.status}{': ' + said if said else ''}."
        return _Answer("reach", stop or answer, clock=clock)
    prices: Mapping[str, Credits] = {}
    if account.prices:
        prices = (await price_list.read_list(way, account, wiring.now())).prices
    try:
        body = json.loads(response.body)
        at_once = first_text(body, account.at_once)
        most = int(at_once) if at_once.isdecimal() else None
        left = exact(float(first_text(body, account.credits)))
    except (ValueError, OverflowError):  # also for infinity, and for what is no number
        said = "its answer does not say how many credits are left"
        return _Answer("person", f"{provider.full_title} accepts the key, but {said}.", clock=clock)
    words = f"{provider.full_title} accepts the key; {left} credits are left."
    return _Answer("ok" if left else "person", words, left, most, prices, clock)
