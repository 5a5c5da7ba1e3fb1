"""When to ask the API about which tasks, learnt from how long earlier ones took.

One question can be about many tasks. It is asked once enough of them have probably ended: then few
questions find nothing, and no result waits long. How probable an end is follows from the tasks of
the same endpoint that ended lately. A task is asked about in any case once it is `GROWTH` times as
old as when it was found at work. Where no task has ended yet, only the oldest ones are asked about
in this way.

All times are seconds; an age is counted from the submission.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

T = TypeVar("T")

#: How many ended tasks are remembered.
LATELY = 100
#: An end is taken to be known no more exactly than to this part of the task's age: clocks and
#: answers vary, and asking again to know it better would not pay.
EXACT = 0.05
#: Of the tasks that are older than all remembered ones, 1 / factor ** STEEP are still at work when
#: they are `factor` times as old.
STEEP = 1.5
#: Where nothing is known: the age of the first question.
FIRST = 0.8
#: A task is asked about at the latest when it is so many times as old as when it was at work.
GROWTH = 1.6
#: Longest wait between two questions about a task that takes longer than all remembered ones.
LONGEST = 300.0
#: Questions that each submission pays for. A little below the 0.2 that are promised.
PER_ROW = 0.18
#: Below this chance a task is not worth its place in a question.
UNLIKELY = 0.02


@dataclass(frozen=True)
class Durations:
    """How long the tasks of one endpoint take, by those that ended lately.

    Of each one it is known between which two ages it ended: the last answer said that it was at
    work, the next one that it was done.
    """

    seen: tuple[tuple[float, float], ...] = ()

    def with_one(self, after: float, by: float) -> Durations:
        """The same with one more task, which ended between these two ages."""
        span = min(after, by * (1 - EXACT)), by * (1 + EXACT)
        return Durations((*self.seen[-LATELY + 1 :], span))

    def chance(self, age: float, asked: float) -> float:
        """The probability, 0 to 1, that a task has ended which was still at work at age `asked`."""
        if age >= self._curve[0][-1] and age - asked >= LONGEST:
            return 1.0
        return 1.0 - self._at_work(age) / self._at_work(asked)

    def growth(self, age: float, asked: float) -> float:
        """How many times as old a task is as when it was found at work, at age `asked`.

        Until then, as when one in ten of the remembered ones had ended.
        """
        return age / max(asked, self._early)

    @cached_property
    def _early(self) -> float:
        return sorted(by for _, by in self.seen)[len(self.seen) // 10]

    def _at_work(self, age: float) -> float:
        """The share of tasks, 0 to 1, that take longer than this."""
        # A few take longer than any that was remembered.
        others = 1 / (2 * len(self.seen) + 2)
        ages, shares = self._curve
        if age >= ages[-1]:
            return others * math.pow(ages[-1] / age, STEEP)
        at = bisect_right(ages, age)
        low, high = ages[at - 1], ages[at]
        share = shares[at - 1] + (shares[at] - shares[at - 1]) * (age - low) / (high - low)
        return others + (1 - others) * share

    @cached_property
    def _curve(self) -> tuple[list[float], list[float]]:
        """Ages in order, and the share of the remembered tasks that took longer than each."""
        many = len(self.seen)
        slopes: dict[float, float] = {0.0: 0.0}
        for after, by in self.seen:
            slope = 1 / (by - after) / many
            slopes[after] = slopes.get(after, 0.0) - slope
            slopes[by] = slopes.get(by, 0.0) + slope
        ages = sorted(slopes)
        shares, share, slope = [], 1.0, 0.0
        for at, age in enumerate(ages):
            if at:
                share += slope * (age - ages[at - 1])
            shares.append(max(share, 0.0))
            slope += slopes[age]
        return ages, shares


def worthwhile(likely: Iterable[tuple[float, T]], open_: int, most: int, spare: float) -> list[T]:
    """The tasks to ask about now, those most likely to have ended first.

    `likely` has the chance of each task, `open_` is how many are at work, `most` how many fit into
    one question, `spare` how many questions may still be asked (`PER_ROW` for each submission).
    The fewer are to spare, the more ended tasks a question has to find.
    """
    share = min(max(0.7 - 0.05 * spare, 0.25), 0.7)
    if open_ < 5:
        share = min(share, 0.4)  # the last few: the person waits for them, and they are few
    need = share * min(open_, most)
    ranked = sorted((one for one in likely if one[0] > UNLIKELY), key=lambda one: -one[0])
    found: list[T] = []
    for start in range(0, len(ranked), most):
        question = ranked[start : start + most]
        if sum(chance for chance, _ in question) < need:
            break
        found += [task for _, task in question]
    return found


def overgrown(grown: Iterable[tuple[float, T]], most: int) -> list[T]:
    """The tasks to ask about where none are worthwhile: one question, once a task has grown enough.

    `grown` has the `growth` of each. So no task waits long because others are slow: some take far
    longer than the rest, or never end.
    """
    ranked = sorted(grown, key=lambda one: -one[0])[:most]
    return [task for _, task in ranked] if ranked and ranked[0][0] >= GROWTH else []


def is_due(age: float, in_vain: float) -> bool:
    """Whether to ask about a task of this age where nothing is known of its endpoint.

    `in_vain` is the greatest age at which it, or one like it, was found at work.
    """
    return age >= max(FIRST, GROWTH * in_vain)
