"""What `doctor` says about the APIs: keys, accounts, limits, and prices. Never pays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from pipeline import wiring
from pipeline.cli.doctor.case import Case, Finding
from pipeline.config import configs
from pipeline.config.provider_files import read_provider
from pipeline.core.api.accounts import Api
from pipeline.core.api.fields import as_texts
from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits, exact
from pipeline.core.messages import row_notes
from pipeline.core.money.charges import OtherPrice, listed_otherwise, other_prices
from pipeline.core.text import counted, in_credits
from pipeline.store import Balance

#: Prices in a provider file are worth another look after this time.
OLD: Final = timedelta(days=180)


def keys(case: Case) -> Iterator[Finding]:
    """Whether each account accepts its key, and has credits left."""
    yield from (Finding(one.sign, one.sentence) for one in case.answers if one.sentence)


def limit(case: Case) -> Iterator[Finding]:
    """How many tasks the account may have at once."""
    if (at_once := case.answers[0].at_once) is not None:
        yield Finding("ok", _at_once(at_once, case.settings.pace.in_flight))


def clock(case: Case) -> Iterator[Finding]:
    """Whether the clock of this machine is right. Said once: it is one clock."""
    yield from [Finding("person", one.clock) for one in case.answers if one.clock][:1]


def balance(case: Case) -> Iterator[Finding]:
    """Compare what the account lost since the last repair with what was counted for it.

    If the API does not report the cost of each task, only this reveals wrong prices. After a
    repair, the next comparison starts here; otherwise nothing is changed.
    """
    settings, left = case.settings, case.answers[0].left
    if left is None or not case.has_store:
        return  # nothing was ever sent
    key = wiring.limits(settings).api_key
    with (wiring.open_store if case.is_repaired else wiring.scratch_store)(settings) as store:
        if (counted := store.accounts.counted(key)) is None:
            return
        before = store.accounts.balance(key)
        if case.is_repaired:
            store.accounts.keep(key, Balance(left, counted, wiring.now()))
    if before is None:
        return
    fell, spent = exact(before.left - left), exact(counted - before.counted)
    # After a top-up in the meantime, the comparison means nothing.
    if spent and 0 <= fell != spent:
        since = before.at.astimezone().strftime("%Y-%m-%d %H:%M")
        yield Finding("ok", row_notes.account_differs(settings.provider.title, fell, spent, since))


def listed_prices(case: Case) -> Iterator[Finding]:
    """Compare the API's price list with the provider file, but not with a person's own prices."""
    settings, prices = case.settings, case.answers[0].prices
    if not prices:
        return
    provider, own = settings.provider, settings.path.parent / "providers"
    file = read_provider(provider.name, settings.api_key, own, configs() / "providers")
    used = {name: one for name, one in file.endpoints.items() if provider.endpoints[name] == one}
    for one in listed_otherwise(replace(file, endpoints=used), prices):
        names = ", ".join(one.endpoints)
        yield Finding(
            "ok",
            f"The price list of {provider.title} says up to {in_credits(one.there)} for "
            f"{one.model}, and the provider file {one.here} ({names}). If that is right, "
            f"{_how_to_set(provider, one.endpoints, one.there)}.",
        )


def old_prices(case: Case) -> Iterator[Finding]:
    """Name provider files whose prices were read long ago, where the API has no price list."""
    for provider in (one.provider for one in case.settings.apis):
        read = provider.credits_read
        has_list = provider.account is not None and provider.account.prices
        if read and not has_list and wiring.now().date() - read > OLD:
            yield Finding(
                "ok",
                f"The prices of {provider.title} in its provider file were read on {read}. "
                "Compare them with the vendor's price page.",
            )


def charges(case: Case) -> Iterator[Finding]:
    """Compare the listed prices with what the finished tasks of each account cost."""
    if not case.has_store:
        return
    defaults = as_texts(case.settings.defaults)
    with wiring.scratch_store(case.settings) as store:
        for api in wiring.rules(case.settings, "", store).apis:
            charged = store.charges.other_than_listed(api.account) if api.sends else []
            for one in other_prices(api, defaults, charged):
                yield Finding("ok", _charged_otherwise(api, one))


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
