"""Amounts in a currency: exact, and only where a price of a credit is given."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipeline.core.money.costs import Account, Cost
from pipeline.core.money.currency import (
    Money,
    budget,
    credit_price,
    in_credits,
    in_credits_and_money,
    in_currency,
    in_json,
    of_budget,
    spent,
)
from tests.fakes.cases import each

OWN = Account("Apiframe", "credit", is_own=True, is_only=True)


@each(
    ("text", "price"),
    [
        ("0.01 USD", Money(Decimal("0.01"), "USD")),
        (" 0.0095eur ", Money(Decimal("0.0095"), "EUR")),
        ("1 JPY", Money(Decimal(1), "JPY")),
        ("", None),
        ("  ", None),
    ],
)
def test_a_price_of_a_credit_is_an_amount_and_a_currency(text: str, price: Money | None) -> None:
    assert credit_price(text) == price


@each("text", ["0.01", "USD", "0 USD", "-1 USD", "$0.01", "1e-2 USD", "0.01 US dollars", "nan USD"])
def test_a_wrong_price_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as \"0\.01 USD\""):
        credit_price(text)


def test_money_is_added_up_exactly_and_by_currency() -> None:
    here, there = OWN._replace(credit_price="0.1 USD"), OWN._replace(credit_price="0.2 EUR")
    costs = [Cost(1, here), Cost(2, here), Cost(0.5, there), Cost(7, OWN)]

    assert in_currency(costs) == (Money(Decimal("0.3"), "USD"), Money(Decimal("0.10"), "EUR"))
    assert in_json(costs) == [
        {"amount": "0.3", "currency": "USD"},
        {"amount": "0.1", "currency": "EUR"},
    ]


@each(
    ("amount", "price", "said"),
    [
        (40, "0.01 USD", "40 credits (0.40 USD)"),
        (123456, "0.01 USD", "123456 credits (1,234.56 USD)"),
        (1, "0.004 USD", "1 credit (0.004 USD)"),
        (1000, "0.0055 EUR", "1000 credits (5.50 EUR)"),
        (40, "", "40 credits"),
    ],
)
def test_the_words_have_money_only_where_it_is_known(amount: int, price: str, said: str) -> None:
    assert in_credits_and_money([Cost(amount, OWN._replace(credit_price=price))]) == said


def test_money_of_one_account_is_not_shown_as_that_of_all() -> None:
    own = Account("Apiframe", "credit", is_own=True, credit_price="0.01 USD")
    there = Account("Replicate", "US cent")

    said = in_credits_and_money([Cost(12, own), Cost(0.6, there)])
    assert said == "12 Apiframe credits (0.12 USD), 0.6 US cents at Replicate"
    said = in_credits_and_money([Cost(12, own), Cost(3, there._replace(credit_price="0.01 USD"))])
    assert said == "12 Apiframe credits, 3 US cents at Replicate (0.15 USD)"


def test_a_budget_in_money_allows_whole_prices_and_never_more_than_it_is() -> None:
    cap = budget("1 USD")
    assert in_credits(cap, "0.03 USD") == 33.3333
    assert spent(in_credits(cap, "0.03 USD"), "0.03 USD").amount <= cap.amount
    assert in_credits(cap, "0.03 USD", {"0.05 USD": 10}) == 26.6666
    assert in_credits(cap, "0.03 USD", {"9 USD": 10}) == 0
    # No exchange rate is known: those credits count at the present price.
    assert in_credits(cap, "0.03 USD", {"0.05 EUR": 10}) == 33.3333


def test_a_budget_is_shown_in_the_unit_in_which_it_was_written() -> None:
    used = spent(40, "0.01 USD")
    assert of_budget(used, budget("5 usd"), OWN) == "0.40 of 5.00 USD"
    assert of_budget(used, budget("5 usd"), OWN._replace(is_only=False)) == (
        "0.40 of 5.00 USD at Apiframe"
    )
    assert of_budget(40, 500, OWN) == "40 of 500 credits"
    assert of_budget(4000, None, OWN, ",") == "4,000 credits"
