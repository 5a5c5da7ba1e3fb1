"""Which rows of a plan the budget does not cover. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.core.credits import Credits, exact
from pipeline.core.messages import row_notes
from pipeline.core.money.costs import OWN, Cost
from pipeline.core.money.currency import Money, in_currency
from pipeline.core.money.shares import beyond_share, used_up
from pipeline.core.planning.followers import to_follow, with_waits
from pipeline.core.planning.lines import Line
from pipeline.core.statuses import Status
from pipeline.core.text import in_credits, joined

#: The caps by name: `per_run`, `per_day`, `per_month`, and shares (`money.shares`); None: no cap.
Caps = Mapping[str, Credits | None]
#: Those that count for every row. A row waits longest for the last one.
PERIODS: Final = ("per_run", "per_day", "per_month")


@dataclass(frozen=True, slots=True)
class Left:
    """What one account may spend."""

    #: In all, and what is left of it, in credits.
    allowed: Caps
    left: Caps
    #: The caps that a person wrote in money, and the price of one credit.
    money: Mapping[str, Money] = field(default_factory=dict)
    credit_price: str = ""

    def after(self, lines: Iterable[Line]) -> Left:
        """The same after these lines were sent."""
        left = dict(self.left)
        for line in lines:
            _spend(line, left)
        return replace(self, left=left)


def _caps_of(line: Line, caps: Caps) -> dict[str, Credits]:
    """The caps that count for a line."""
    its = ((name, caps.get(name)) for name in (*PERIODS, *line.shares))
    return {name: most for name, most in its if most is not None}


def _spend(line: Line, left: dict[str, Credits | None]) -> None:
    for name, most in _caps_of(line, left).items():
        left[name] = exact(most - line.price)


def over_budget(lines: Iterable[Line], caps: Caps) -> set[tuple[str, str]]:
    """The identities of the lines that the credits left do not cover, by the order of the sheet."""
    left = dict(caps)
    beyond: set[tuple[str, str]] = set()
    for line in lines:
        if any(line.price > most for most in _caps_of(line, left).values()):
            beyond.add(line.identity)
        else:
            _spend(line, left)
    return beyond


def short_of_budget(line: Line, cap: str, left: Left) -> Line:
    """The line of a row that the budget does not cover; `cap` names the cap it waits for.

    A row that alone costs more than one of the caps never fits.
    """
    note = row_notes.over_budget(cap) if cap in PERIODS else used_up(cap)
    for name, most in _caps_of(line, left.allowed).items():
        if line.price > most:
            money = left.money.get(name)
            account = OWN._replace(credit_price=left.credit_price if money else "")
            amounts = in_currency([Cost(line.price, account)])
            cost = joined(in_credits(line.price), *(f"({one.in_words()})" for one in amounts))
            beyond = row_notes.beyond_budget if name in PERIODS else beyond_share
            note = beyond(name, money.in_words() if money else str(most), cost)
    return replace(line, status=Status.OVER_BUDGET, note=note, endpoint="")


def within_budget(lines: Sequence[Line], its: Sequence[Line], left: Left) -> tuple[Line, ...]:
    """The lines, of which those among `its` are not sent that the account cannot pay."""
    beyond = over_budget(its, left.left)
    if not beyond:
        return tuple(lines)
    waits = awaited(its, left.left)
    return with_waits(
        [
            short_of_budget(line, waits.get(line.identity, PERIODS[0]), left)
            if line.endpoint and line.identity in beyond
            else line
            for line in lines
        ]
    )


def awaited(its: Sequence[Line], caps: Caps) -> dict[tuple[str, str], str]:
    """Identity -> the cap that the line waits for: the one for which it waits longest."""
    found: dict[tuple[str, str], str] = {}
    for name in PERIODS:
        found |= dict.fromkeys(over_budget(its, {name: caps.get(name)}), name)
    for share in dict.fromkeys(share for line in its for share in line.shares):
        found |= dict.fromkeys(over_budget(its, {share: caps.get(share)}), share)
    return found


def with_followers_within_budget(
    lines: Sequence[Line], account_of: Callable[[Line], str], left: Mapping[str, Left]
) -> tuple[Line, ...]:
    """The lines, of which rows that follow others are not sent if their account cannot pay them.

    They are paid after the lines that are sent at once, in the order in which they are sent.
    `account_of` says at which account a line is paid, and `left` what each may spend.
    """
    sent = [line for line in lines if line.endpoint]
    rest = {
        name: one.after(line for line in sent if account_of(line) == name)
        for name, one in left.items()
    }
    short: dict[tuple[str, str], Line] = {}
    unsent = set[str]()
    for line in to_follow(lines):
        its, row_id = rest[name := account_of(line)], line.seen.row_id
        if line.parent and line.parent.row_id in unsent:
            unsent.add(row_id)  # It waits for a row that is not sent.
        elif over_budget([line], its.left):
            cap = awaited([line], its.left).get(line.identity, PERIODS[0])
            short[line.identity] = short_of_budget(line, cap, its)
            unsent.add(row_id)
        else:
            rest[name] = its.after([line])
    return with_waits([short.get(line.identity, line) for line in lines]) if short else tuple(lines)
