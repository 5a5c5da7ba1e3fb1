"""What is spent at several accounts: each amount has its own unit, and is added to no other.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pipeline.core.api.accounts import Api, SentTo
from pipeline.core.credits import Credits, exact, total
from pipeline.core.language import Said, figures, of_a_file, of_units, say, say_counted, together
from pipeline.core.model import Job
from pipeline.core.rows.rules import Rules
from pipeline.core.states import cost_of_attempt

#: The unit of most accounts.
CREDIT: Final = "credit"


class Account(NamedTuple):
    """Where something is paid."""

    #: Its name for people.
    name: str
    #: What its amounts are in, for one of them: "credit" or "US cent".
    unit: str
    #: True for the sheet's own account.
    is_own: bool = False
    #: True if rows can be sent to no other account; then amounts are shown without its name.
    is_only: bool = False
    #: The price of one of its units, such as "0.01 USD"; empty where it is not known.
    credit_price: str = ""


#: The account of a sheet before anything is known of it.
OWN: Final = Account("", CREDIT, is_own=True, is_only=True)


class Cost(NamedTuple):
    """An amount at one account."""

    amount: Credits
    account: Account

    def in_words(self, form: str = "", of: Credits | None = None) -> Said:
        """Such as 40 credits, 40 Apiframe credits, 12 US cents at Luma, or 40 of 50 credits.

        `form` is a format such as `,` for 1,234 credits.
        """
        name, number = self._name, self.amount if of is None else of
        shown = figures(f"{number:{form}}")
        if name and self._is_named_first:
            words = say_counted(
                number,
                "{number} {api} credit",
                "{number} {api} credits",
                number=shown,
                api=name,
            )
        else:
            words = of_units(number, self.account.unit, shown)
        if of is not None:
            words = say("{used} of {amount}", used=figures(f"{self.amount:{form}}"), amount=words)
        if not name or self._is_named_first:
            return words
        return say("{amount} at {api}", amount=words, api=name)

    @property
    def label(self) -> Said:
        """What the number is: credits, Apiframe credits, US cents at Replicate."""
        unit, name = self.account.unit, self._name
        if name and self._is_named_first:
            return say("{api} credits", api=name)
        units = say("credits") if unit == CREDIT else of_a_file(f"{unit}s")
        return say("{amount} at {api}", amount=units, api=name) if name else units

    @property
    def _name(self) -> str:
        return "" if self.account.is_only else self.account.name

    @property
    def _is_named_first(self) -> bool:
        """True for 40 Apiframe credits, False for 40 US cents at Luma."""
        return self.account.unit == CREDIT and "(" not in self._name

    def as_json(self) -> dict[str, object]:
        """The amount for programs."""
        at = self.account
        return {"account": at.name, "unit": at.unit, "amount": self.amount, "is_own": at.is_own}


def accounts(apis: Sequence[Api]) -> list[Account]:
    """The account of each API; the first is the sheet's own."""
    titles, names = [api.title for api in apis], [api.provider.full_title for api in apis]
    found = []
    for at, api in enumerate(apis):
        name = api.title
        if titles.count(name) > 1:
            name = names[at]
        if names.count(name) > 1:
            name += f" ({api.prefix.rstrip('/') or 'the own one' if api.sends else 'former'})"
        is_only = not at and not any(one.sends for one in apis[1:])
        price = api.provider.credit_price
        found.append(Account(name, api.provider.unit, not at, is_only, price))
    return found


def summed(amounts: Iterable[tuple[Account, Credits]]) -> tuple[Cost, ...]:
    """The total of each account, the sheet's own first; without accounts at which it is 0."""
    totals: dict[Account, Credits] = {}
    for account, amount in amounts:
        totals[account] = exact(totals.get(account, 0) + amount)
    costs = (Cost(amount, account) for account, amount in totals.items() if amount)
    return tuple(sorted(costs, key=lambda cost: not cost.account.is_own))


def own(costs: Iterable[Cost]) -> Credits:
    """The amount at the sheet's own account."""
    return next((cost.amount for cost in costs if cost.account.is_own), 0)


def in_words(costs: Sequence[Cost], form: str = "") -> Said:
    """Such as "40 Apiframe credits, 12 US cents at Replicate"; "0 credits" for nothing."""
    return together([cost.in_words(form) for cost in costs or (Cost(0, OWN),)], ", ")


def listed(rules: Rules, inputs: Iterable[str]) -> tuple[Cost, ...]:
    """The listed costs of rows with these inputs (canonical text)."""
    if not rules.others:  # Most sheets; a plan may have 100,000 rows.
        amount = total(rules.price(one) or 0 for one in inputs)
        return summed([(accounts([rules.api])[0], amount)])
    known = dict(zip((api.prefix for api in rules.apis if api.sends), _sending(rules), strict=True))
    return summed(
        (known[rules.api_named(rules.endpoint_name(one)).prefix], rules.price(one) or 0)
        for one in inputs
    )


def _sending(rules: Rules) -> list[Account]:
    its = zip(rules.apis, accounts(rules.apis), strict=True)
    return [account for api, account in its if api.sends]


def account_of(rules: Rules, attempt: SentTo) -> Account:
    """The account at which an attempt is paid, also if its key is not configured any more."""
    if not rules.others:
        return accounts([rules.api])[0]
    apis, its = rules.apis, rules.api_of(attempt)
    at = next((at for at, one in enumerate(apis) if one == its), None)
    return Account(attempt.provider, CREDIT) if at is None else accounts(apis)[at]


def costs_of(rules: Rules, job: Job) -> tuple[Cost, ...]:
    """What all attempts of a job cost, at each account."""
    return summed((account_of(rules, one), cost_of_attempt(one)) for one in job.attempts)
