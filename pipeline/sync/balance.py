"""Asks an account what is left there: one request that only reads."""

from __future__ import annotations

import json
from typing import NamedTuple

from pipeline.core.api.paths import first_text
from pipeline.core.api.protocol import meaning_of, reason_of
from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits, exact
from pipeline.core.errors import WireError
from pipeline.core.language import NOTHING, Said, say, together
from pipeline.core.messages.reasons import told
from pipeline.core.model import Request
from pipeline.sync.ports import Wire

#: Seconds for one account: nothing waits longer for it.
WITHIN = 5.0


class AccountAnswer(NamedTuple):
    """What an account says of itself."""

    #: What is left; None if that is not known.
    left: Credits | None = None
    #: How many tasks it may have at once, if it says so.
    at_once: int | None = None
    #: Why it is not known, as a sentence; empty if it is.
    trouble: Said = NOTHING


async def ask_balance(provider: Provider, way: Wire) -> AccountAnswer:
    """Ask the account of an API that tells (`provider.account`). Nothing is raised."""

    def unknown(why: str) -> AccountAnswer:
        sentence = say("The balance at {api} is not known: {why}.", api=provider.title, why=why)
        return AccountAnswer(trouble=sentence)

    its = provider.account
    assert its is not None, "only accounts that tell are asked"
    try:
        response = await way.ask(Request("GET", its.path), WITHIN)
    except WireError as e:
        return unknown(told(str(e).rstrip(".")))
    if meaning_of(provider, response) != "taken":
        said = reason_of(provider, response).rstrip(".")
        status = say("it answers {status}", status=response.status)
        return unknown(together([status, said], ", "))
    try:
        body = json.loads(response.body)
        left = exact(float(first_text(body, its.credits)))
    except (ValueError, OverflowError):  # also for infinity, and for what is no number
        return unknown(say("its answer does not say it"))
    at_once = first_text(body, its.at_once)
    return AccountAnswer(left, int(at_once) if at_once.isdecimal() and int(at_once) else None)
