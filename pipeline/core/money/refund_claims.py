"""The claim for refunds, as plain text that a person sends to the support of an API. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from pipeline.core.credits import total
from pipeline.core.money.costs import Account, Cost
from pipeline.core.money.receipts import Receipt, Refund, Why
from pipeline.core.text import one_line

#: Why credits should come back: a heading for the tasks that certainly are to be refunded.
_HEADINGS = {
    Why.FAILED: "These tasks failed. By your rules, a task that fails is refunded in full.",
    Why.DOUBLE: (
        "These tasks were made a second time for one request, which we sent again with the same "
        "idempotency key because its answer was lost."
    ),
    Why.ABOVE: "These tasks cost more than the price that was listed when we sent them.",
    Why.USELESS: (
        "Every picture of these tasks is blank or damaged, so we cannot use them. Please refund "
        "them."
    ),
}
_TO_CHECK = (
    "These tasks failed as well. By your rules, a task that fails is refunded in full; we cannot "
    "see if these refunds arrived. Please check them, and refund what is missing."
)


def claims(receipts: Iterable[Receipt], today: datetime) -> str:
    """One letter for each account with refunds; empty if there are none."""
    return "\n\n".join(_letter(one, today) for one in receipts if one.refunds)


def _letter(receipt: Receipt, today: datetime) -> str:
    by_reason: defaultdict[str, list[Refund]] = defaultdict(list)
    for one in receipt.refunds:
        by_reason[_TO_CHECK if one.to_check else _HEADINGS[one.why]].append(one)
    due = receipt.due
    account = receipt.account
    sure = due or receipt.to_ask
    asked = f"a refund of {_amount(sure, account)}" if sure else "a check of refunds"
    provider = receipt.provider
    lines = [
        f"Subject: Request for {asked}",
        "",
        f"To the support of {provider.title}",
        "",
        f"Account: [the e-mail address of your account] ({provider.full_title})",
        f"Date: {today:%Y-%m-%d}",
    ]
    for heading in (*_HEADINGS.values(), _TO_CHECK):
        if its := by_reason.get(heading):
            lines += ["", f"{heading} Together: {_amount(its, account)}.", ""]
            lines += [_line(one, account) for one in its]
    lines += ["", "Times are in UTC. Thank you."]
    return "\n".join(lines) + "\n"


def _line(one: Refund, account: Account) -> str:
    line = one.line
    words = f"- {line.at:%Y-%m-%d %H:%M:%S}  task {line.task_id}  {_words(one.amount, account)}"
    match one.why:
        case Why.ABOVE:
            return f"{words} (charged {line.charged}, listed {line.sent.price})"
        case Why.DOUBLE:
            return f"{words} (the first task: {line.sent.task_id})"
        case Why.USELESS:
            return f"{words} (picture {line.sent.wrong})"
    return f"{words} ({one_line(line.sent.reason) or 'failed'})"


def _amount(refunds: Sequence[Refund], account: Account) -> str:
    return _words(total(one.amount for one in refunds), account)


def _words(amount: float, account: Account) -> str:
    return Cost(amount, account._replace(is_only=True)).in_words()
