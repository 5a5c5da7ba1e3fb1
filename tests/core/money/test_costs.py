"""Amounts at several accounts are never added up, and each is shown with its unit."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.api.accounts import Api
from pipeline.core.inputs import canonical
from pipeline.core.money.costs import (
    Account,
    Cost,
    accounts,
    costs_of,
    in_words,
    listed,
    own,
    summed,
)
from tests.core.build import PROVIDER, RULES, attempt, job
from tests.fakes.cases import each

VENDOR = Api(
    replace(PROVIDER, title="Vendor", name="vendor", about="", unit="US cent"), "v", "v", "v/"
)
FORMER = Api(replace(PROVIDER, name="old"), "f", "f", sends=False)
OWN, AT_VENDOR = accounts([RULES.api, VENDOR])


def test_each_account_has_its_total_with_its_unit() -> None:
    costs = summed([(AT_VENDOR, 4.5), (OWN, 40), (AT_VENDOR, 7.5)])

    assert in_words(costs) == "40 Apiframe credits, 12 US cents at Vendor"
    assert own(costs) == 40
    assert [cost.label for cost in costs] == ["Apiframe credits", "US cents at Vendor"]
    assert Cost(1, AT_VENDOR).in_words() == "1 US cent at Vendor"
    assert Cost(1, OWN).in_words(of=50) == "1 of 50 Apiframe credits"


def test_a_sheet_with_one_account_shows_its_amounts_without_a_name() -> None:
    (only,) = accounts([RULES.api])

    assert in_words(summed([(only, 1200), (only, 34)]), ",") == "1,234 credits"
    assert in_words(summed([(only, 0)])) == "0 credits"


def test_a_former_account_of_the_same_vendor_is_told_apart() -> None:
    here, former = accounts([RULES.api, FORMER])

    assert here.is_only
    assert Cost(3, former).in_words().startswith("3 credits at Apiframe (API version 1)")


@each("prefixes", [("a/", "b/"), ("a/", "")])
def test_two_accounts_never_have_one_name(prefixes: tuple[str, str]) -> None:
    two = [replace(VENDOR, prefix=one, account=one, sends=bool(one)) for one in prefixes]

    assert len({one.name for one in accounts([RULES.api, *two])}) == 3


def test_rows_and_attempts_count_at_the_account_that_is_paid() -> None:
    rules = replace(RULES, others=(VENDOR,))
    here, there = canonical({"prompt": "a"}), canonical({"endpoint": "v/imagine", "prompt": "a"})
    mine = attempt(provider=PROVIDER.name, price=4)
    theirs = attempt(provider="vendor", base_url="v", account="v", price=3)

    assert in_words(listed(rules, [here, there, there])) == (
        "4 Apiframe credits, 8 US cents at Vendor"
    )
    assert in_words(costs_of(rules, job(mine, theirs))) == (
        "4 Apiframe credits, 3 US cents at Vendor"
    )
    gone = Account("gone", "credit")
    away = attempt(provider="gone", base_url="g", account="g", price=2)
    assert costs_of(rules, job(away)) == (Cost(2, gone),)
