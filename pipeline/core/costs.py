"""What is spent at several accounts: each amount has its own unit, and is added to no other.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pipeline.core.apis import Api, SentTo
from pipeline.core.credits import Credits, exact, total
from pipeline.core.model import Job
from pipeline.core.rules import Rules
from pipeline.core.states import cost_of_attempt
from pipeline.core.text import counted


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
OWN: Final = Account("", "credit", is_own=True, is_only=True)


class Cost(NamedTuple):
    """An amount at one account."""

    amount: Credits
    account: Account

    def in_words(self, form: str = "", of: Credits | None = None) -> str:
        """Such as 40 credits, 40 Apiframe credits, 12 US cents at Luma, or 40 of 50 credits."""
        unit = self.account.unit
        name = "" if self.account.is_only else self.account.name
        is_before = bool(name) and unit == "credit" and "(" not in name
        words = counted(
            self.amount if of is None else of, f"{name} {unit}" if is_before else unit, form
        )
        part = "" if of is None else f"{self.amount:{form}} of "
        return f"{part}{words}" + (f" at {name}" if name and not is_before else "")

    @property
    def label(self) -> str:
        """What the number is, for a heading: Credits, Apiframe credits, US cents at Replicate."""
        words = self._replace(amount=0).in_words().removeprefix("0 ")
        return words[0].upper() + words[1:]

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


def in_words(costs: Sequence[Cost], form: str = "") -> str:
    """Such as "40 Apiframe credits, 12 US cents at Replicate"; "0 credits" for nothing."""
    return ", ".join(cost.in_words(form) for cost in costs) or counted(0, "credit", form)


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
    return Account(attempt.provider, "credit") if at is None else accounts(apis)[at]


def costs_of(rules: Rules, job: Job) -> tuple[Cost, ...]:
    """What all attempts of a job cost, at each account."""
    return summed((account_of(rules, one), cost_of_attempt(one)) for one in job.attempts)
