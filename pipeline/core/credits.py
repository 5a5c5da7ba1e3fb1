"""Amounts of credits. Some APIs bill fractions of one, such as 4.5 US cents for a picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: A whole number wherever an amount has no fraction.
Credits = int | float

#: Digits after the point. No known price has more; sums are rounded to them, so that 0.1 and 0.2
#: are 0.3, also where a sum is compared with a budget.
DIGITS: Final = 4


def exact(amount: float) -> Credits:
    """The amount with at most `DIGITS` digits after the point."""
    rounded = round(amount, DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded


def total(amounts: Iterable[Credits]) -> Credits:
    """The sum of these amounts."""
    return exact(sum(amounts))
