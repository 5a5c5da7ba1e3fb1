"""What outlets are told of a job."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pipeline.core.announcements import row_message
from pipeline.core.model import Attempt
from pipeline.core.outbox import MessageKind, RowMessage
from tests.core.build import PROVIDER, RULES, attempt, job
from tests.core.test_costs import VENDOR

AT = datetime(2026, 11, 28, tzinfo=UTC)


def told(its: Attempt) -> RowMessage:
    """The message about a job with this attempt, which is done."""
    made = row_message(
        job(its),
        its.number,
        MessageKind.DONE,
        id="m",
        at=AT,
        sheet="Spring",
        labels={},
        rules=replace(RULES, others=(VENDOR,)),
        now=AT,
    )
    assert made is not None
    return made


def test_a_cost_has_the_unit_of_the_account_that_is_paid() -> None:
    here = told(attempt(provider=PROVIDER.name, price=4))
    there = told(attempt(provider="vendor", price=2.5, base_url="v", account="v"))

    assert (here.credits, here.unit, here.vendor) == (4, "credits", "Apiframe")
    assert (there.credits, there.unit, there.vendor) == (2.5, "US cents", "Vendor")
