"""What is left at the accounts that a plan would pay with: one reading request for each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits, exact
from pipeline.core.language import NOTHING, Said, figures, say
from pipeline.core.money.costs import Account, Cost, accounts
from pipeline.core.rows.rules import Rules
from pipeline.sync.balance import ask_balance
from pipeline.sync.ports import Wire


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account says of itself when it is asked."""

    account: Account
    #: What the plan would pay there.
    cost: Credits
    #: None if the account does not say, or was not asked.
    left: Credits | None = None
    #: How many tasks it may have at once, if it says so.
    at_once: int | None = None
    #: Why it is not known, as a sentence; empty if it is.
    trouble: Said = NOTHING

    @property
    def covers(self) -> bool | None:
        """Whether what is left is enough; None if that is not known."""
        return None if self.left is None else self.left >= self.cost

    @property
    def sentence(self) -> Said:
        """What is left, and whether that is enough; or why it is not known."""
        if self.left is None:
            return self.trouble
        left = Cost(self.left, self.account).in_words(",")
        if self.covers:
            return say("The account has {amount}: enough.", amount=left)
        return say(
            "The account has only {amount}: {missing} too few for all of these rows.",
            amount=left,
            missing=figures(f"{exact(self.cost - self.left):,}"),
        )

    def as_json(self) -> dict[str, object]:
        """The balance for programs."""
        return {
            "account": self.account.name,
            "unit": self.account.unit,
            "left": self.left,
            "covers": self.covers,
            "message": self.sentence,
        }


def balances(settings: Settings, rules: Rules, costs: Sequence[Cost]) -> tuple[Balance, ...]:
    """The balances of the accounts at which these costs are paid, as far as they can be asked.

    Only of accounts whose key is set, and whose API tells. Nothing is raised.
    """
    paid = {cost.account: cost.amount for cost in costs}
    each = zip(settings.apis, accounts(rules.apis), strict=True)
    wanted = [
        (at, account, paid[account])
        for at, (api, account) in enumerate(each)
        if account in paid and api.api_key is not None and api.provider.account
    ]
    return asyncio.run(_asked(settings, wanted)) if wanted else ()


async def _asked(
    settings: Settings, wanted: Sequence[tuple[int, Account, Credits]]
) -> tuple[Balance, ...]:
    apis = settings.apis
    async with AsyncExitStack() as stack:
        ways = wiring.wires(settings, stack)
        asked = (_balance(apis[at].provider, ways[at], which, cost) for at, which, cost in wanted)
        return tuple(await asyncio.gather(*asked))


async def _balance(provider: Provider, way: Wire, account: Account, cost: Credits) -> Balance:
    told = await ask_balance(provider, way)
    return Balance(account, cost, told.left, told.at_once, told.trouble)
