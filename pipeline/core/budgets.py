"""Which rows of a plan the budget does not cover. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.core import messages
from pipeline.core.credits import Credits, exact, total
from pipeline.core.followers import to_follow
from pipeline.core.planning import Line, with_waits
from pipeline.core.statuses import Status

#: The caps by name (`per_run`, `per_day`); None: no cap.
Caps = Mapping[str, Credits | None]


@dataclass(frozen=True, slots=True)
class Left:
    """What one account may spend."""

    #: In all, and what is left of it.
    allowed: Mapping[str, int | None]
    left: Caps

    def after(self, lines: Iterable[Line]) -> Left:
        """The same after these lines were sent."""
        spent = total(line.price for line in lines)
        return replace(
            self,
            left={name: m if m is None else exact(m - spent) for name, m in self.left.items()},
        )


def over_budget(lines: Iterable[Line], caps: Mapping[str, Credits | None]) -> set[str]:
    """Row ids of the lines that the credits left do not cover, taken in the order of the sheet."""
    left = min((cap for cap in caps.values() if cap is not None), default=None)
    beyond: set[str] = set()
    for line in lines:
        if left is not None and line.price > left:
            beyond.add(line.seen.row_id)
        elif left is not None:
            left = exact(left - line.price)
    return beyond


def short_of_budget(line: Line, cap: str, allowed: Mapping[str, int | None]) -> Line:
    """The line of a row that the budget does not cover; `cap` names the cap it waits for.

    `allowed` holds the caps by name: a row that alone costs more than one of them never fits.
    """
    price = line.price
    note = messages.over_budget(cap)
    for name, most in allowed.items():
        if most is not None and price > most:
            note = messages.beyond_budget(name, most, price)
    return replace(line, status=Status.OVER_BUDGET, note=note, endpoint="")


def within_budget(lines: Sequence[Line], its: Sequence[Line], left: Left) -> tuple[Line, ...]:
    """The lines, of which those among `its` are not sent that the account cannot pay."""
    beyond = over_budget(its, left.left)
    if not beyond:
        return tuple(lines)
    tomorrow = over_budget(its, _of_the_day(left))
    return with_waits(
        [
            short_of_budget(line, _cap(line, tomorrow), left.allowed)
            if line.endpoint and line.seen.row_id in beyond
            else line
            for line in lines
        ]
    )


def _of_the_day(left: Left) -> Caps:
    """What is left of the budget of the day alone."""
    return {"per_day": left.left.get("per_day")}


def _cap(line: Line, tomorrow: Collection[str]) -> str:
    """The cap that a row waits for; `tomorrow` has the ids of those that the day does not cover."""
    return "per_day" if line.seen.row_id in tomorrow else "per_run"


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
    short: dict[str, Line] = {}
    unsent = set[str]()
    for line in to_follow(lines):
        its, row_id = rest[name := account_of(line)], line.seen.row_id
        if line.parent and line.parent.row_id in unsent:
            unsent.add(row_id)  # It waits for a row that is not sent.
        elif over_budget([line], its.left):
            cap = _cap(line, over_budget([line], _of_the_day(its)))
            short[row_id] = short_of_budget(line, cap, its.allowed)
            unsent.add(row_id)
        else:
            rest[name] = its.after([line])
    return (
        with_waits([short.get(line.seen.row_id, line) for line in lines]) if short else tuple(lines)
    )
