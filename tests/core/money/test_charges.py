"""Sentences about tasks that cost more than listed."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.api.accounts import Api
from pipeline.core.model import State
from pipeline.core.money.charges import sentences
from pipeline.core.states import Charge, higher_charge
from tests.core.api.test_accounts import V1, V2
from tests.core.build import attempt


def test_each_api_that_charged_more_is_named_with_its_own_tasks() -> None:
    vendor = Api(replace(V2, title="Other"), prefix="other/")
    charges = [Charge(V2.name, 6, 8), Charge(V1.name, 4, 7), Charge(V2.name, 6, 9)]

    said = sentences(charges, [Api(V1), vendor])

    assert [one.split(". ")[0] for one in said] == [
        "Other charged 17 credits for 2 tasks, and 12 were listed",
        f"{V1.title} charged 7 credits for 1 task, and 4 were listed",
    ]


def test_a_charge_that_is_not_higher_or_not_known_is_no_news() -> None:
    one = attempt(State.SUCCEEDED, price=4)

    assert [higher_charge(one, said) for said in (None, 0, 3, 4)] == [None] * 4
    assert higher_charge(one, 5) == Charge(one.provider, 4, 5)
