"""Amounts in a currency, from a person's or a provider file's price of one credit. Pure.

Nothing here knows an exchange rate, and no price is guessed: without `credit_price` there are only
credits. A budget in money is kept in credits: counters count those, at each price by themselves, so
that another price of a credit changes nothing that was charged before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

from pipeline.core.credits import DIGITS, Credits, exact
from pipeline.core.language import Said, figures, say, together
from pipeline.core.money.costs import Account, Cost, in_words

#: What a price of one credit looks like, and what a budget; for people.
EXAMPLE: Final = '"0.01 USD"'
BUDGET_EXAMPLE: Final = '"50 USD"'
_PRICE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([A-Za-z]{3})\s*", re.ASCII)


class Money(NamedTuple):
    """An amount in a currency, which has three letters (ISO 4217)."""

    amount: Decimal
    currency: str

    def in_words(self) -> Said:
        """Such as 4.20 USD; small amounts have as many digits as they need."""
        cents = self.amount.quantize(Decimal("0.01"))
        shown = cents if cents == self.amount or self.amount >= 1 else self.amount.normalize()
        return together([figures(f"{shown:,f}"), self.currency])

    def as_json(self) -> dict[str, str]:
        """The same for programs, with the exact amount as text."""
        return {"amount": f"{self.amount.normalize():f}", "currency": self.currency}


#: A limit of a budget, in the unit in which a person wrote it.
Cap = Credits | Money


def budget(text: str) -> Money:
    """An amount that may be spent, written as `BUDGET_EXAMPLE`. Raises ValueError."""
    found = _PRICE.fullmatch(text)
    if found is None:
        raise ValueError(
            "write a whole number of credits, or an amount and the letters of its currency, such "
            f"as {BUDGET_EXAMPLE}"
        )
    return Money(Decimal(found[1]), found[2].upper())


def credit_price(text: str) -> Money | None:
    """The price of one credit, written as `EXAMPLE`; None for an empty text. Raises ValueError."""
    if not text.strip():
        return None
    found = _PRICE.fullmatch(text)
    if found is None or not Decimal(found[1]):
        raise ValueError(f"write an amount and the letters of its currency, such as {EXAMPLE}")
    return Money(Decimal(found[1]), found[2].upper())


def of_budget(used: Cap, cap: Cap | None, account: Account, form: str = "") -> Said:
    """What is used of a budget, in the unit of the budget: 40 of 500 credits, 0.40 of 5.00 USD."""
    if isinstance(used, Money):
        words = used.in_words()
        if isinstance(cap, Money):
            amount = figures(words.split()[0])
            words = say("{used} of {amount}", used=amount, amount=cap.in_words())
        if account.is_only or not account.name:
            return words
        return say("{amount} at {api}", amount=words, api=account.name)
    return Cost(used, account).in_words(form, of=None if isinstance(cap, Money) else cap)


def in_credits(cap: Money, price: str, at_other: Mapping[str, Credits] | None = None) -> Credits:
    """How many credits in all an account may spend within a cap, at this price of one; 0 or more.

    `at_other` are the credits that were spent at other prices: price -> credits. They count as what
    they cost then, where it is the same currency.
    """
    one = _price(price)
    left = (cap.amount - _dearer(one, at_other or {})) / one.amount
    return max(exact(float(left.quantize(Decimal(1).scaleb(-DIGITS), ROUND_FLOOR))), 0)


def spent(number: Credits, price: str, at_other: Mapping[str, Credits] | None = None) -> Money:
    """What so many credits cost, in money; `at_other` as for `in_credits`."""
    one = _price(price)
    return Money(Decimal(str(number)) * one.amount + _dearer(one, at_other or {}), one.currency)


def _dearer(price: Money, at_other: Mapping[str, Credits]) -> Decimal:
    """How much more the credits at other prices cost than they would at this one."""
    prices = ((credit_price(text), number) for text, number in at_other.items())
    return sum(
        (
            (other.amount - price.amount) * Decimal(str(number))
            for other, number in prices
            if other and other.currency == price.currency
        ),
        Decimal(0),
    )


def _price(text: str) -> Money:
    price = credit_price(text)
    assert price, "a budget in money needs a price of a credit, which the configuration checked"
    return price


def in_currency(costs: Sequence[Cost]) -> tuple[Money, ...]:
    """What these costs are in money, for the accounts with a price of a credit.

    One amount for each currency.
    """
    totals: dict[str, Decimal] = {}
    for cost in costs:
        if price := credit_price(cost.account.credit_price):
            more = Decimal(str(cost.amount)) * price.amount
            totals[price.currency] = totals.get(price.currency, Decimal(0)) + more
    return tuple(Money(amount, currency) for currency, amount in totals.items())


def in_credits_and_money(costs: Sequence[Cost], form: str = "") -> Said:
    """The costs in words, with the money in brackets where it is known: 40 credits (0.40 USD).

    If it is known for some of the accounts only, it is beside the amount of each of these.
    """
    if len(costs) > 1 and not all(cost.account.credit_price for cost in costs):
        return together([in_credits_and_money([cost], form) for cost in costs], ", ")
    money = together([one.in_words() for one in in_currency(costs)], ", ")
    words = in_words(costs, form)
    return say("{amount} ({money})", amount=words, money=money) if money else words


def in_json(costs: Sequence[Cost]) -> list[dict[str, str]]:
    """The same money for programs, with exact amounts as text."""
    return [one.as_json() for one in in_currency(costs)]
