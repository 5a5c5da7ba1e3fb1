"""Matches what an account charged with what was sent: the receipt of one sheet at one account.

In: the attempts of the store, the charges of the account's list (where its API has one), and two
balances. Out: a line for each charge, the charges that no row knows, the rows that were paid
without a charge, and the refunds that are due. Pure.

An API without a list is taken at its word: a task costs what it reported, else the listed price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pipeline.core.api.provider import MARGIN, Provider
from pipeline.core.api.task_list import ListedCharge
from pipeline.core.credits import Credits, exact, total
from pipeline.core.model import State
from pipeline.core.money.costs import Account, Cost
from pipeline.core.money.receipt_lines import Basis, Bodies, ReceiptLine, Sent

#: How old a task may be when the list is read, before it has to be in the list.
SETTLED = timedelta(minutes=10)


class Why(StrEnum):
    """Why credits should come back."""

    FAILED = "the task failed"
    DOUBLE = "charged twice for one request"
    ABOVE = "charged more than the listed price"
    USELESS = "every picture is blank or damaged"


class Refund(NamedTuple):
    """Credits that should come back."""

    line: ReceiptLine
    why: Why
    amount: Credits
    #: True if it is not known whether they came back already.
    to_check: bool = False

    @property
    def to_ask(self) -> bool:
        """True if no rule of the vendor says that it comes back."""
        return self.why is Why.USELESS


class Reading(NamedTuple):
    """What an account said when it was asked."""

    #: When the first request was sent.
    began: datetime
    #: The tasks of its list; None if it has no list, or the list could not be read to its end.
    charges: Sequence[ListedCharge] | None = None
    #: The balance now, and an earlier one with its moment; None where they are not known.
    left: Credits | None = None
    before: tuple[Credits, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one account charged for one sheet."""

    account: Account
    provider: Provider
    has_list: bool
    can_be_asked: bool = True
    #: The oldest first.
    lines: tuple[ReceiptLine, ...] = ()
    #: Charges that no row knows; rows that were paid by the store's account, and are not in the
    #: list; attempts whose answer was lost and which are not in the list.
    strangers: tuple[ListedCharge, ...] = ()
    unpaid: tuple[Sent, ...] = ()
    lost: tuple[Sent, ...] = ()
    refunds: tuple[Refund, ...] = ()
    #: How many charges are of other sheets in the same store.
    elsewhere: int = 0
    #: Failed tasks that were charged, where the vendor's rules do not say that they are free.
    failed_and_charged: int = 0
    #: What the account lost since `since` beyond all that is known; 0 if all of it is explained,
    #: None if there is no earlier balance, or the balances cannot be compared.
    unexplained: Credits | None = None
    since: datetime | None = None

    @property
    def charged(self) -> Credits:
        """The total of its charges, those of no row included; those that are not sure left out."""
        sure = (line.charged for line in self.lines if line.basis is not Basis.LOST)
        return total((*sure, *(one.amount or 0 for one in self.strangers)))

    @property
    def charges(self) -> int:
        """How many charges there are, those of no row included, not those that are not sure."""
        return len(self.lines) - len(self.unsure) + len(self.strangers)

    @property
    def unsure(self) -> tuple[ReceiptLine, ...]:
        """What was charged only if the submission, whose answer was lost, had arrived."""
        return tuple(line for line in self.lines if line.basis is Basis.LOST)

    @property
    def unmatched(self) -> int:
        """Charges that no row knows, and rows that were paid without a charge."""
        return len(self.strangers) + len(self.unpaid)

    @property
    def due(self) -> tuple[Refund, ...]:
        """The refunds that certainly did not come back."""
        return tuple(one for one in self.refunds if not (one.to_check or one.to_ask))

    @property
    def to_check(self) -> tuple[Refund, ...]:
        """The refunds of which it is not known whether they came back."""
        return tuple(one for one in self.refunds if one.to_check)

    @property
    def to_ask(self) -> tuple[Refund, ...]:
        """The refunds that no rule of the vendor promises."""
        return tuple(one for one in self.refunds if one.to_ask)


class ReceiptScope(NamedTuple):
    """What a receipt is for: a sheet, at one account, and the charges since a moment."""

    sheet: str
    account: Account
    provider: Provider
    #: The digest of the account.
    key: str
    since: datetime | None = None
    #: False: its key is not configured any more, so that it cannot be asked.
    can_be_asked: bool = True

    def has(self, at: datetime | None) -> bool:
        """Returns whether a charge of this moment belongs to it."""
        return self.since is None or at is None or at >= self.since


def receipt(
    asked: ReceiptScope, attempts: Sequence[Sent], said: Reading, bodies: Bodies
) -> Receipt:
    """The receipt of these attempts, all of which are paid at this account."""
    if said.charges is None:
        return _without_a_list(asked, attempts, said)
    return _Matching(asked, attempts, said, said.charges, bodies).receipt()


# With a list -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Matching:
    asked: ReceiptScope
    attempts: Sequence[Sent]
    said: Reading
    charges: Sequence[ListedCharge]
    bodies: Bodies
    lines: list[ReceiptLine] = field(default_factory=list)
    strangers: list[ListedCharge] = field(default_factory=list)
    doubles: list[ReceiptLine] = field(default_factory=list)
    elsewhere: int = 0

    def receipt(self) -> Receipt:
        """Match everything once."""
        of_task = _by_task(self.attempts, self.asked.sheet)
        charges = {charge.task_id: charge for charge in self.charges}
        first = min((one.sent_at for one in self.attempts), default=None)
        unknown = []
        for charge in charges.values():
            if sent := of_task.get(charge.task_id):
                self._note(sent, charge)
            elif first is None or charge.at is None or charge.at >= first - MARGIN:
                unknown.append(charge)
        left = self._by_content(unknown)
        unpaid, lost = [], []
        for sent in self.attempts:
            if sent.sheet != self.asked.sheet or not self.asked.has(sent.sent_at):
                continue
            if sent in left:
                lost.append(sent)
            elif sent.account == self.asked.key and self._should_be_listed(sent, charges):
                unpaid.append(sent)
        lines = sorted((*self.lines, *self.doubles), key=lambda line: line.at)
        back, unexplained = self._compared(charges.values())
        return Receipt(
            self.asked.account,
            self.asked.provider,
            has_list=True,
            lines=tuple(lines),
            strangers=tuple(self.strangers),
            unpaid=tuple(unpaid),
            lost=tuple(lost),
            refunds=tuple(_refunds(self.asked, lines, self.doubles, back, self.said)),
            elsewhere=self.elsewhere,
            failed_and_charged=_charged_failures(self.asked, lines),
            unexplained=unexplained,
            since=self.said.before[1] if self.said.before else None,
        )

    def _note(self, sent: Sent, charge: ListedCharge, *, by_content: bool = False) -> None:
        line = _line(sent, charge, by_content=by_content)
        if not self.asked.has(line.at) or not line.charged:
            return
        if sent.sheet != self.asked.sheet:
            self.elsewhere += 1
        else:
            self.lines.append(line)

    def _by_content(self, unknown: Iterable[ListedCharge]) -> set[Sent]:
        """Find the rows of charges by what they are for. Returns the lost attempts without one."""
        left = {one for one in self.attempts if one.is_lost}
        again = [one for one in self.attempts if one.task_id and one.again_at]
        for charge in unknown:
            at, content = charge.at, charge.content
            fits = [
                one
                for one in ((*left, *again) if content else ())
                if one.may_be_of(at) and self.bodies.agrees(one, content)
            ]
            if not fits:
                if self.asked.has(at) and charge.amount != 0:
                    self.strangers.append(charge)
                continue
            sent = min(fits, key=lambda one: (bool(one.task_id), one.sent_at))
            if sent.task_id:
                if sent.sheet == self.asked.sheet and self.asked.has(at):
                    self.doubles.append(_line(sent, charge, by_content=True))
                else:
                    self.elsewhere += 1
            else:
                left.discard(sent)
                self._note(sent, charge, by_content=True)
        return left

    def _should_be_listed(self, sent: Sent, charges: Mapping[str, ListedCharge]) -> bool:
        is_old = (sent.ended_at or sent.sent_at + SETTLED) < self.said.began
        return bool(sent.task_id) and is_old and sent.task_id not in charges and sent.cost > 0

    def _compared(self, charges: Iterable[ListedCharge]) -> tuple[Credits | None, Credits | None]:
        """What came back for failed tasks since the earlier balance, and what is not explained."""
        if self.said.left is None or self.said.before is None:
            return None, None
        left, since = self.said.before
        new = [one for one in charges if one.at is not None and one.at >= since]
        if any(one.amount is None for one in new):
            return None, None
        spent = total(one.amount or 0 for one in new)
        failed = total(one.amount or 0 for one in new if one.has_failed)
        back = exact(spent - (left - self.said.left))
        if 0 <= back <= failed:
            return back, 0
        return None, exact(-back) if back < 0 else None


def _by_task(attempts: Iterable[Sent], sheet: str) -> dict[str, Sent]:
    """Task -> its attempt; an adopted task may have one in another sheet, too."""
    found: dict[str, Sent] = {}
    for one in attempts:
        if one.task_id and (one.task_id not in found or one.sheet == sheet):
            found[one.task_id] = one
    return found


def _line(sent: Sent, charge: ListedCharge, *, by_content: bool) -> ReceiptLine:
    is_named = charge.amount is not None
    amount = charge.amount if charge.amount is not None else sent.cost
    basis = Basis.LIST if is_named else _basis(sent)
    at = charge.at or sent.sent_at
    return ReceiptLine(sent, charge.task_id, at, amount, basis, charge.has_failed, by_content)


def _basis(sent: Sent) -> Basis:
    if sent.is_lost:
        return Basis.LOST
    return Basis.PRICE if sent.reported is None else Basis.REPORTED


# Without a list ----------------------------------------------------------------------------------


def _without_a_list(asked: ReceiptScope, attempts: Sequence[Sent], said: Reading) -> Receipt:
    lines, elsewhere = [], 0
    for sent in attempts:
        if not sent.cost or not asked.has(sent.sent_at):
            continue
        if sent.sheet != asked.sheet:
            elsewhere += 1
            continue
        has_failed = sent.state is State.FAILED
        lines.append(
            ReceiptLine(sent, sent.task_id, sent.sent_at, sent.cost, _basis(sent), has_failed)
        )
    lines.sort(key=lambda line: line.at)
    return Receipt(
        asked.account,
        asked.provider,
        has_list=False,
        can_be_asked=asked.can_be_asked,
        lines=tuple(lines),
        refunds=tuple(_refunds(asked, lines, (), None, said)),
        elsewhere=elsewhere,
        failed_and_charged=_charged_failures(asked, lines),
        unexplained=_unexplained(attempts, said),
        since=said.before[1] if said.before else None,
    )


def _unexplained(attempts: Iterable[Sent], said: Reading) -> Credits | None:
    """What the account lost beyond what its attempts can have cost; None if that cannot be said."""
    if said.left is None or said.before is None:
        return None
    left, since = said.before
    new = [one for one in attempts if one.sent_at >= since]
    fell, most = exact(left - said.left), total(one.cost for one in new)
    # Failed tasks may have been refunded, and lost ones not charged.
    doubtful = (one.cost for one in new if one.is_lost or one.state is State.FAILED)
    least = exact(most - total(doubtful))
    if fell > most:
        return exact(fell - most)
    return 0 if fell >= least else None


# Refunds -----------------------------------------------------------------------------------------


def _refunds(
    asked: ReceiptScope,
    lines: Iterable[ReceiptLine],
    doubles: Sequence[ReceiptLine],
    back: Credits | None,
    said: Reading,
) -> Iterable[Refund]:
    """The refunds. `back` is what came back for failed tasks since the earlier balance."""
    twice = {line.task_id for line in doubles}
    since = said.before[1] if said.before else None
    failed = (one for one in lines if one.has_failed and since and one.at >= since)
    owed = total(one.charged for one in failed)
    for line in lines:
        if line.has_failed:
            if not asked.provider.task.failed_is_free or line.basis is Basis.LOST:
                continue
            is_compared = since is not None and line.at >= since and back is not None
            if is_compared and back and back >= owed:
                continue  # all of it came back
            to_check = not is_compared or bool(back)
            yield Refund(line, Why.FAILED, line.charged, to_check)
        elif line.task_id in twice:
            yield Refund(line, Why.DOUBLE, line.charged)
        elif line.sent.is_useless:
            yield Refund(line, Why.USELESS, line.charged)
        elif 0 < line.sent.price < line.charged:
            yield Refund(line, Why.ABOVE, exact(line.charged - line.sent.price))


def _charged_failures(asked: ReceiptScope, lines: Iterable[ReceiptLine]) -> int:
    if asked.provider.task.failed_is_free:
        return 0
    return sum(line.has_failed and line.basis is not Basis.LOST for line in lines)


# All accounts ------------------------------------------------------------------------------------


def rows_of(receipts: Iterable[Receipt]) -> int:
    """How many rows the charges are for."""
    return len(
        {line.sent.row_id for one in receipts for line in one.lines if line.basis is not Basis.LOST}
    )


def grouped(
    attempts: Iterable[Sent], keys: Mapping[tuple[str, str, str], tuple[int, str]]
) -> dict[tuple[int, str], list[Sent]]:
    """The attempts of each account: key -> attempts. `keys`: where attempts were sent -> key."""
    found: defaultdict[tuple[int, str], list[Sent]] = defaultdict(list)
    for one in attempts:
        found[keys[one.provider, one.base_url, one.account]].append(one)
    return found


def closing(receipts: Sequence[Receipt]) -> str:
    """One line such as "500 charges, 500 rows, 0 unmatched, 2 refunds due"."""
    due, to_check, to_ask = (
        sum(len(getattr(one, name)) for one in receipts) for name in ("due", "to_check", "to_ask")
    )
    parts = [
        _counted(sum(one.charges for one in receipts), "charge"),
        _counted(rows_of(receipts), "row"),
        f"{sum(one.unmatched for one in receipts)} unmatched",
        f"{_counted(due, 'refund')} due",
    ]
    if to_check:
        parts.append(f"{_counted(to_check, 'refund')} to check")
    if to_ask:
        parts.append(f"{_counted(to_ask, 'refund')} to ask for")
    if unsure := sum(len(one.unsure) for one in receipts):
        parts.append(f"{_counted(unsure, 'charge')} not known")
    parts += (
        f"{Cost(one.unexplained, one.account).in_words(',')} not explained"
        for one in receipts
        if one.unexplained
    )
    return ", ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
