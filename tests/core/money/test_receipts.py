"""Each charge is matched once, and what cannot be matched or proved is said, never guessed."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pipeline.config.provider_files import read_provider
from pipeline.core.api.task_list import ListedCharge, charge_of
from pipeline.core.credits import Credits
from pipeline.core.model import State
from pipeline.core.money.costs import Account
from pipeline.core.money.receipt_lines import Basis, Bodies, Sent
from pipeline.core.money.receipts import Reading, Receipt, ReceiptScope, Why, closing, receipt
from pipeline.core.money.refund_claims import claims
from tests.core.build import NOW, wrote
from tests.fakes.cases import each

V2 = read_provider("apiframe-v2", None, Path(), Path(__file__).parents[3] / "configs" / "providers")
V1 = read_provider("apiframe-v1", None, Path(), Path(__file__).parents[3] / "configs" / "providers")
OWN = Account("Apiframe", "credit", is_own=True, is_only=True)
MINUTE = timedelta(minutes=1)
NO_BODIES: Final = Bodies()


def sent(number: int, state: State = State.SUCCEEDED, **more: Any) -> Sent:
    """The attempt of row `number`, an hour ago; its task is `task-NUMBER`."""
    one = Sent(
        job=number,
        sheet="prompts.csv",
        row_id=f"r_{number}",
        take=1,
        part="",
        number=1,
        state=state,
        endpoint="imagine",
        inputs=wrote(f"fox {number}"),
        made_prompt="",
        task_id=f"task-{number}",
        price=16,
        reported=None,
        sent_at=NOW - 60 * MINUTE,
        ended_at=NOW - 58 * MINUTE,
        reason="generation failed" if state is State.FAILED else "",
        provider="apiframe-v2",
        base_url="",
        account="key",
        again_at=None,
    )
    return one._replace(**more)


def lost(number: int, **more: Any) -> Sent:
    """An attempt whose answer was lost."""
    return sent(number, State.UNKNOWN, task_id="", ended_at=None)._replace(**more)


def charge(number: int | str, amount: Credits | None = 16, **more: Any) -> ListedCharge:
    """The charge of `task-NUMBER`, a second after it was sent."""
    at = NOW - 60 * MINUTE + timedelta(seconds=1)
    return ListedCharge(f"task-{number}", at, amount, has_failed=False)._replace(**more)


def made(
    attempts: list[Sent],
    charges: list[ListedCharge] | None,
    *,
    left: Credits | None = None,
    before: tuple[Credits, datetime] | None = None,
    since: datetime | None = None,
    bodies: Bodies = NO_BODIES,
) -> Receipt:
    asked = ReceiptScope("prompts.csv", OWN, V2 if charges is not None else V1, "key", since)
    return receipt(asked, attempts, Reading(NOW, charges, left, before), bodies)


def test_each_charge_is_matched_once_and_unknown_ones_are_left() -> None:
    found = made([sent(1), sent(2)], [charge(2), charge(1), charge(1), charge("other")])

    assert {line.task_id: line.sent.row_id for line in found.lines} == {
        "task-1": "r_1",
        "task-2": "r_2",
    }
    assert [one.task_id for one in found.strangers] == ["task-other"]
    assert (found.charges, found.charged) == (3, 48)
    assert closing([found]) == "3 charges, 2 rows, 1 unmatched, 0 refunds due"


def test_a_row_whose_task_is_not_in_the_list_was_paid_without_a_charge() -> None:
    found = made([sent(1), sent(2)], [charge(1)])

    assert [one.row_id for one in found.unpaid] == ["r_2"]
    assert closing([found]) == "1 charge, 1 row, 1 unmatched, 0 refunds due"


@each(
    "one",
    [
        sent(1, State.RUNNING, sent_at=NOW - MINUTE, ended_at=None),
        sent(1, State.FAILED, task_id=""),
        sent(1, State.RETURNED, task_id=""),
        sent(1, account="other key"),
        sent(1, reported=0),
        sent(1, sheet="other.csv"),
    ],
)
def test_a_task_that_may_be_missing_in_the_list_is_no_row_without_a_charge(one: Sent) -> None:
    assert made([one], []).unmatched == 0


def test_charges_before_the_first_row_are_not_ours_to_explain() -> None:
    early = charge("early", at=NOW - timedelta(days=9))

    assert made([sent(1)], [charge(1), early]).unmatched == 0


def test_since_leaves_out_what_was_earlier_and_still_matches_it() -> None:
    old = sent(1, sent_at=NOW - timedelta(days=2), ended_at=NOW - timedelta(days=2))
    charges = [charge(1, at=NOW - timedelta(days=2)), charge(2)]
    found = made([old, sent(2)], charges, since=NOW - timedelta(days=1))

    assert [line.task_id for line in found.lines] == ["task-2"]
    assert found.unmatched == 0


def test_charges_of_other_sheets_are_counted_and_left_out() -> None:
    found = made([sent(1), sent(2, sheet="other.csv")], [charge(1), charge(2)])

    assert (found.charges, found.elsewhere, found.unmatched) == (1, 1, 0)


def test_a_list_that_names_no_amount_leaves_what_was_reported_or_listed() -> None:
    found = made([sent(1, reported=12), sent(2)], [charge(1, None), charge(2, None)])

    assert [(line.charged, line.basis) for line in found.lines] == [
        (12, Basis.REPORTED),
        (16, Basis.PRICE),
    ]


def test_a_lost_answer_gets_its_charge_by_what_was_asked() -> None:
    asked = {"model": "midjourney", "prompt": "fox 1", "webhookUrl": "https://one.example"}
    kept = {"model": "midjourney", "prompt": "fox 1", "webhookUrl": "https://two.example"}
    bodies = Bodies({(1, 1): asked, (2, 1): asked}, frozenset({"webhookUrl"}))
    charges = [charge("a", content={"id": "task-a", "input": kept})]
    found = made([lost(1), lost(2)], charges, bodies=bodies)

    assert [line.task_id for line in found.lines] == ["task-a"]
    assert (found.unmatched, len(found.lost)) == (0, 1)


@each(
    "other",
    [
        charge("a", content={"input": {"model": "midjourney", "prompt": "fox 2"}}),
        charge("a", content={"input": {"model": "midjourney", "prompt": "fox 1"}}, at=NOW),
        charge("a"),
    ],
)
def test_a_charge_for_something_else_or_at_another_time_is_no_lost_answer(
    other: ListedCharge,
) -> None:
    bodies = Bodies({(1, 1): {"model": "midjourney", "prompt": "fox 1"}})
    found = made([lost(1)], [other], bodies=bodies)

    assert (found.unmatched, len(found.lost)) == (1, 1)


def test_a_second_task_of_a_request_that_was_sent_again_is_a_refund() -> None:
    again = sent(1, again_at=NOW - 30 * MINUTE)
    body = {"prompt": "fox 1"}
    second = charge("twin", content={"input": body}, at=NOW - 31 * MINUTE)
    found = made([again], [charge(1), second], bodies=Bodies({(1, 1): body}))

    assert [(one.why, one.line.task_id, one.amount) for one in found.due] == [
        (Why.DOUBLE, "task-twin", 16)
    ]
    assert closing([found]) == "2 charges, 1 row, 0 unmatched, 1 refund due"


def test_a_charge_above_the_listed_price_is_due_by_the_difference() -> None:
    found = made([sent(1), sent(2, price=0)], [charge(1, 20.5), charge(2, 99)])

    assert [(one.why, one.amount) for one in found.due] == [(Why.ABOVE, 4.5)]


FAILED = [sent(1, State.FAILED), sent(2, State.FAILED), sent(3)]
CHARGES = [charge(1, has_failed=True), charge(2, has_failed=True), charge(3)]
BEFORE = (1000, NOW - 90 * MINUTE)


@each(
    ("left", "due", "to_check", "unexplained"),
    [
        (1000 - 16, 0, 0, 0),  # both came back
        (1000 - 48, 2, 0, 0),  # none did
        (1000 - 32, 0, 2, 0),  # one of them did, and nothing says which
        (1000 - 60, 0, 2, 12),  # something else was paid as well
        (1000 + 500, 0, 2, None),  # a top-up
        (None, 0, 2, None),  # the account does not say
    ],
)
def test_the_balance_shows_if_failed_tasks_were_refunded(
    left: Credits | None, due: int, to_check: int, unexplained: Credits | None
) -> None:
    found = made(FAILED, CHARGES, left=left, before=BEFORE)

    assert len(found.due) == due
    assert len(found.refunds) - due == to_check
    assert found.unexplained == unexplained


def test_the_balance_proves_nothing_while_the_list_names_no_amount_for_a_task() -> None:
    charges = [*CHARGES[:2], charge(3, None)]
    found = made(FAILED, charges, left=1000 - 48, before=BEFORE)

    assert (found.due, len(found.refunds), found.unexplained) == ((), 2, None)


def test_a_failed_task_that_the_list_calls_free_is_no_charge() -> None:
    found = made(FAILED, [charge(1, 0, has_failed=True), charge(2, 0, has_failed=True), charge(3)])

    assert closing([found]) == "1 charge, 1 row, 0 unmatched, 0 refunds due"


def test_without_a_list_nothing_is_called_unmatched_and_lost_answers_are_not_known() -> None:
    found = made([sent(1, price=4), lost(2, price=4), sent(3, State.RETURNED, task_id="")], None)

    assert closing([found]) == "1 charge, 1 row, 0 unmatched, 0 refunds due, 1 charge not known"
    assert (found.charged, found.unexplained) == (4, None)


@each(("left", "unexplained"), [(96, 0), (92, 0), (88, 4), (97, None), (120, None)])
def test_without_a_list_the_balance_bounds_what_can_have_been_paid(
    left: Credits, unexplained: Credits | None
) -> None:
    attempts = [sent(1, price=4), lost(2, price=4)]
    found = made(attempts, None, left=left, before=(100, NOW - 90 * MINUTE))

    assert found.unexplained == unexplained


def test_without_a_rule_of_the_vendor_a_failed_task_is_no_refund() -> None:
    found = made([sent(1, State.FAILED, price=4)], None)

    assert (found.refunds, found.failed_and_charged) == ((), 1)


def test_the_claim_has_account_tasks_dates_amounts_and_reasons() -> None:
    found = made(FAILED, CHARGES, left=1000 - 48, before=BEFORE)
    text = claims([found], NOW)

    assert "Subject: Request for a refund of 32 credits" in text
    assert "(Apiframe (API version 2))" in text
    assert "- 2026-03-01 11:00:01  task task-1  16 credits (generation failed)" in text
    assert claims([made([sent(1)], [charge(1)])], NOW) == ""


def test_the_claim_is_one_line_for_each_task_whatever_the_vendor_wrote() -> None:
    nasty = sent(1, State.FAILED, reason="no\n- 2026  task other  999 credits\x1b[2J")
    text = claims([made([nasty], [charge(1, has_failed=True)])], NOW)

    assert [line for line in text.splitlines() if line.startswith("- ")] == [
        "- 2026-03-01 11:00:01  task task-1  16 credits (no - 2026 task other 999 credits [2J)"
    ]


@each(
    ("body", "expected"),
    [
        (
            {"status": "FAILED", "creditCost": 16, "createdAt": "2026-03-01T12:00:00.000Z"},
            ListedCharge("t", NOW, 16, has_failed=True),
        ),
        ({"status": "QUEUED", "creditCost": None}, ListedCharge("t", None, None, has_failed=False)),
        (
            {"status": "COMPLETED", "creditCost": -4, "createdAt": "soon"},
            ListedCharge("t", None, None, has_failed=False),
        ),
        (
            {"status": "COMPLETED", "creditCost": 4.5, "createdAt": "2026-03-01T12:00:00"},
            ListedCharge("t", NOW, 4.5, has_failed=False),
        ),
    ],
)
def test_a_task_of_the_list_is_read_as_the_provider_file_says(
    body: dict[str, object], expected: ListedCharge
) -> None:
    assert charge_of(V2, "t", body) == expected


def test_amounts_of_any_mixture_are_those_of_the_list() -> None:
    chance = random.Random(7)
    for _ in range(200):
        many = chance.randint(1, 30)
        attempts = [
            sent(n, chance.choice([State.SUCCEEDED, State.FAILED]), price=chance.choice([4, 16]))
            for n in range(many)
        ]
        listed = [charge(n, chance.choice([1, 4, 16.5])) for n in range(many)]
        others = [charge(f"x{n}") for n in range(chance.randint(0, 3))]
        every = [*listed, *others]
        chance.shuffle(every)
        found = made(attempts, every)

        assert found.charges == len(every)
        assert found.unmatched == len(others)
        assert found.charged == sum(one.amount or 0 for one in every)


def test_an_account_without_a_rule_for_failures_has_nothing_to_claim() -> None:
    strict = replace(V2, task=replace(V2.task, failed_is_free=False))
    asked = ReceiptScope("prompts.csv", OWN, strict, "key")
    found = receipt(asked, FAILED, Reading(datetime.now(UTC), CHARGES), Bodies())

    assert found.refunds == ()


def test_ten_thousand_attempts_with_lost_answers_and_strangers_take_less_than_a_second() -> None:
    attempts = [lost(n) if n % 10 == 0 else sent(n) for n in range(10_000)]
    charges = [charge(n) for n in range(10_000)]
    began = time.process_time()
    found = made(attempts, charges)
    seconds = time.process_time() - began

    assert (len(found.lines), found.unmatched, len(found.lost)) == (9_000, 1_000, 1_000)
    assert seconds < 1
