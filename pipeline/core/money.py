"""Amounts in a currency, from a person's or a provider file's price of one credit. Pure.

Nothing here knows an exchange rate, and no price is guessed: without `credit_price` there are only
credits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from pipeline.core.costs import Cost, in_words

#: What a price of one credit looks like; for people.
EXAMPLE: Final = '"0.01 USD"'
_PRICE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([A-Za-z]{3})\s*", re.ASCII)


class Money(NamedTuple):
    """An amount in a currency, which has three letters (ISO 4217)."""

    amount: Decimal
    currency: str

    def in_words(self) -> str:
        """Such as 4.20 USD; small amounts have as many digits as they need."""
        cents = self.amount.quantize(Decimal("0.01"))
        shown = cents if cents == self.amount or self.amount >= 1 else self.amount.normalize()
        return f"{shown:,f} {self.currency}"


def credit_price(text: str) -> Money | None:
    """The price of one credit, written as `EXAMPLE`; None for an empty text. Raises ValueError."""
    if not text.strip():
        return None
    found = _PRICE.fullmatch(text)
    if found is None or not Decimal(found[1]):
        raise ValueError(f"write an amount and the letters of its currency, such as {EXAMPLE}")
    return Money(Decimal(found[1]), found[2].upper())


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


def in_credits_and_money(costs: Sequence[Cost], form: str = "") -> str:
    """The costs in words, with the money in brackets where it is known: 40 credits (0.40 USD)."""
    money = ", ".join(one.in_words() for one in in_currency(costs))
    words = in_words(costs, form)
    return f"{words} ({money})" if money else words


def in_json(costs: Sequence[Cost]) -> list[dict[str, str]]:
    """The same money for programs, with exact amounts as text."""
    return [
        {"amount": f"{one.amount.normalize():f}", "currency": one.currency}
        for one in in_currency(costs)
    ]
