"""What outlets are told of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.core.model import Attempt, Result, State
from pipeline.core.outlets.announcements import notice, row_message
from pipeline.core.outlets.outbox import MessageKind, RowMessage
from pipeline.core.pictures.cell_links import CellLinks
from tests.core.build import PROVIDER, RULES, attempt, job
from tests.core.money.test_costs import VENDOR
from tests.fakes.cases import each

AT = datetime(2026, 11, 28, tzinfo=UTC)


def told(
    its: Attempt, *, own_links: bool = False, picked: Sequence[str] = (), **more: object
) -> RowMessage:
    """The message about a job with this attempt, which is done."""
    made = row_message(
        replace(job(its), **more),  # type: ignore[arg-type]
        its.number,
        MessageKind.DONE,
        id="m",
        at=AT,
        sheet="Spring",
        labels={},
        rules=replace(RULES, others=(VENDOR,), links=CellLinks(own_links)),
        now=AT,
        picked=picked,
    )
    assert made is not None
    return made


def test_a_cost_has_the_unit_of_the_account_that_is_paid() -> None:
    here = told(attempt(provider=PROVIDER.name, price=4))
    there = told(attempt(provider="vendor", price=2.5, base_url="v", account="v"))

    assert (here.credits, here.unit, here.vendor) == (4, "credits", "Apiframe")
    assert (there.credits, there.unit, there.vendor) == (2.5, "US cents", "Vendor")


def test_picked_pictures_are_told_of_if_there_are_any() -> None:
    its = attempt(state=State.SUCCEEDED, result=Result(("https://cdn.test/1.png", "https://x/2")))

    assert "picked" not in told(its).values
    assert told(its, picked=["https://x/2"]).values["picked"] == ("https://x/2",)


@each("own_links", [True, False])
def test_results_have_the_links_that_the_sheet_shows(own_links: bool) -> None:
    theirs = "https://cdn.test/1.png", "https://cdn.test/2.png", "https://cdn.test/3.png"
    ours = {theirs[0]: "https://ours.test/1.png", theirs[1]: "/on/this/machine/2.png"}
    made = told(
        attempt(state=State.SUCCEEDED, result=Result(theirs)), own_links=own_links, links=ours
    )

    assert made.urls == ((ours[theirs[0]], *theirs[1:]) if own_links else theirs)
    assert made.values["image_urls"] == made.urls


def budget(**body: object) -> str:
    """What is told of a budget, with the account of the sheet, "", and that of a vendor, "v"."""
    rules = replace(RULES, others=(VENDOR,))
    return notice(MessageKind.BUDGET, body, id="m", at=AT, sheet="Spring", rules=rules).sentence


def test_a_budget_is_told_in_the_unit_of_its_account_with_what_comes_next() -> None:
    here = budget(budget="day", used=1800, cap=2000, account="")
    there = budget(budget="run", used=2.5, cap=3, account="v")

    assert here == (
        "90 % of today's budget is used: 1,800 of 2,000 Apiframe credits. When all is used, more "
        "rows are sent tomorrow. To send more before that, raise [budget] per_day."
    )
    assert there == (
        "83 % of the budget of this run is used: 2.5 of 3 US cents at Vendor. When all is used, "
        "the next run sends more rows. To send more before that, raise per_run of this account."
    )


def test_a_budget_in_money_is_told_in_its_currency() -> None:
    told = budget(budget="month", used="1800.0000", cap="2000", currency="EUR", account="")

    assert told.startswith("90 % of this month's budget is used: 1,800.00 of 2,000.00 EUR at Apif")


def test_files_are_named_as_in_the_sheet() -> None:
    theirs = "https://cdn.test/1.png", "https://cdn.test/2.png", "https://cdn.test/3.png"
    saved = {theirs[0]: "spring/1.png", theirs[2]: "s3://pictures/3.png"}
    made = told(attempt(state=State.SUCCEEDED, result=Result(theirs)), files=saved)

    assert made.values["files"] == ("spring/1.png", "s3://pictures/3.png")
