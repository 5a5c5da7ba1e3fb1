"""What the accounts say when `doctor` asks them: key, credits, limits, prices, clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Literal

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.api.clocks import difference, disagreement
from pipeline.core.api.paths import first_text
from pipeline.core.api.protocol import meaning_of, reason_of, verdict
from pipeline.core.api.provider import Account, Provider
from pipeline.core.credits import Credits, exact
from pipeline.core.errors import WireError
from pipeline.core.model import Request
from pipeline.sync import price_list
from pipeline.sync.ports import Wire

#: Seconds for one answer.
_WITHIN: Final = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API says about an account. Values that it does not say are None or empty."""

    sign: Literal["ok", "person", "reach"]
    sentence: str
    left: Credits | None = None
    at_once: int | None = None
    prices: Mapping[str, Credits] = field(default_factory=dict)
    #: What is wrong with the clock of this machine, as a sentence.
    clock: str = ""
    #: True if the API answered that the key, or the account, may not be used.
    is_refused: bool = False


async def asked(settings: Settings) -> list[Answer]:
    """The sheet's own account, then those at other vendors and at the former API."""
    answers = []
    async with AsyncExitStack() as stack:
        ways = wiring.wires(settings, stack)
        for at, (api, way) in enumerate(zip(settings.apis, ways, strict=True)):
            provider = api.provider
            if api.api_key is None:
                answers.append(_without_a_key(provider, is_own=at == 0))
            elif provider.account:
                answers.append(await _answer(provider, provider.account, way, is_own=at == 0))
            elif at == 0:
                answers.append(Answer("ok", ""))
    return answers


def _without_a_key(provider: Provider, *, is_own: bool) -> Answer:
    api = provider.full_title
    if not is_own:
        return Answer("person", f"The API key of {api} is not set.")
    meant = f" Without it, {api} is assumed." if provider.assumed else ""
    return Answer("person", f"The API key is not set; nothing can be sent.{meant}")


async def _answer(provider: Provider, account: Account, way: Wire, *, is_own: bool) -> Answer:
    try:
        response = await way.ask(Request("GET", account.path), _WITHIN)
    except WireError as e:
        return Answer("reach", f"{provider.title} cannot be reached: {e}.")
    clock = disagreement(provider.title, difference(response, wiring.now()))
    if meaning_of(provider, response) != "taken":
        usual = next(iter(provider.endpoints.values()))
        stop = verdict(provider, usual, response, wiring.now()).stop
        said = reason_of(provider, response)
        answer = f"{provider.title} answers {response.status}{': ' + said if said else ''}."
        return Answer("reach", stop or answer, clock=clock, is_refused=bool(stop))
    prices: Mapping[str, Credits] = {}
    if account.prices and is_own:
        prices = (await price_list.read_list(way, account, wiring.now())).prices
    try:
        body = json.loads(response.body)
        at_once = first_text(body, account.at_once)
        most = int(at_once) if at_once.isdecimal() else None
        left = exact(float(first_text(body, account.credits)))
    except (ValueError, OverflowError):  # also for infinity, and for what is no number
        said = "its answer does not say how many credits are left"
        return Answer("person", f"{provider.full_title} accepts the key, but {said}.", clock=clock)
    words = f"{provider.full_title} accepts the key; {left} credits are left."
    return Answer("ok" if left else "person", words, left, most, prices, clock)
