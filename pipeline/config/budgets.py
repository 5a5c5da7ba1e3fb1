"""Whether the budgets of a configuration are in the currency of the price of a credit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.config.schema import BudgetTable
from pipeline.config.settings import ApiSettings
from pipeline.core.api.provider import Provider
from pipeline.core.money.currency import EXAMPLE, Money, credit_price


def budget_problems(
    provider: Provider, budget: BudgetTable, others: Sequence[ApiSettings]
) -> Iterator[str]:
    """A sentence for each budget in money that no price of a credit makes credits of."""
    yield from _problems("provider", "budget", provider, budget)
    for one in others:
        place = f"providers.{one.prefix.rstrip('/')}"
        yield from _problems(place, f"{place}.budget", one.provider, one.budget)


def _problems(table: str, place: str, provider: Provider, budget: BudgetTable) -> Iterator[str]:
    price = credit_price(provider.credit_price)
    for key, cap in budget.caps().items():
        if isinstance(cap, Money) and price is None:
            yield (
                f"{place}.{key}: {cap.in_words()} needs the price of one {provider.unit} of "
                f"{provider.title}. Set {table}.credit_price, such as {EXAMPLE}, or write a number "
                f"of {provider.unit}s."
            )
        elif isinstance(cap, Money) and price and cap.currency != price.currency:
            yield (
                f"{place}.{key}: {cap.in_words()} is not in {price.currency}, the currency of "
                f"{table}.credit_price, and exchange rates are not known. Write the budget in "
                f"{price.currency}."
            )
