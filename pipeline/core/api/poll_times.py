"""When to poll which tasks, learnt from how long earlier ones took.

One question can be about many tasks. It is asked once enough of them have probably ended: then few
questions find nothing, and no result waits long. How probable an end is follows from the tasks of
the same endpoint that ended recently. A task is also asked about once it is `GROWTH` times as old
as when it was last found running. If no task has ended yet, the oldest are asked about in this way.

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
#: The moment of an end is known to within this part of the task's age, not better: clocks and
#: answers vary, and asking more often to know it better is not worth the requests.
EXACT = 0.05
#: Of the tasks that are older than all remembered ones, a share of 1 / factor ** STEEP is still
#: running when they are `factor` times as old.
STEEP = 1.5
#: The age at the first question if nothing is known.
FIRST = 0.8
#: A task is polled again when it is this many times as old as at its last poll, at the latest.
GROWTH = 1.6
#: The same while nothing is known about its endpoint, if more questions than `PLENTY` may be asked.
QUICK_GROWTH, PLENTY = 1.2, 40
#: Longest wait between two questions about a task that takes longer than all remembered ones.
LONGEST = 300.0
#: Questions that each submission pays for. A little below the 0.2 that are promised.
PER_ROW = 0.18
#: A task with a lower probability than this is not polled.
UNLIKELY = 0.02


@dataclass(frozen=True)
class DurationEstimate:
    """How long the tasks of one endpoint take, learnt from those that ended recently.

    Of each it is known between which two ages it ended: at the first, an answer said that it was
    running; at the second, the next answer said that it was done.
    """

    seen: tuple[tuple[float, float], ...] = ()

    def with_one(self, after: float, by: float) -> DurationEstimate:
        """The same with one more task, which ended between these two ages."""
        span = min(after, by * (1 - EXACT)), by * (1 + EXACT)
        return DurationEstimate((*self.seen[-LATELY + 1 :], span))

    def chance(self, age: float, asked: float) -> float:
        """The probability, 0 to 1, that a task has ended that was still running at age `asked`."""
        if age >= self._curve[0][-1] and age - asked >= LONGEST:
            return 1.0
        return 1.0 - self._at_work(age) / self._at_work(asked)

    def growth(self, age: float, asked: float) -> float:
        """The age of a task as a multiple of `asked`, the age at which it was last found running.

        Before it was found running, as a multiple of the age at which one in ten of the remembered
        tasks had ended.
        """
        return age / max(asked, self._early)

    @cached_property
    def _early(self) -> float:
        return sorted(by for _, by in self.seen)[len(self.seen) // 10]

    def _at_work(self, age: float) -> float:
        """The share of tasks, 0 to 1, that take longer than this."""
        # Some take longer than all remembered ones.
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
    """The tasks to poll now, those that have most probably ended first.

    `likely` has the probability of each task, `open_` is how many are running, `most` how many fit
    into one question, `spare` how many questions may still be asked (`PER_ROW` for each
    submission). The fewer are left, the more ended tasks a question has to find.
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
    """The tasks for one question if none are worthwhile; empty until a task has grown enough.

    `grown` has the `growth` of each. So no task waits long because others are slow: some take far
    longer than the rest, or never end.
    """
    ranked = sorted(grown, key=lambda one: -one[0])[:most]
    return [task for _, task in ranked] if ranked and ranked[0][0] >= GROWTH else []


def is_due(age: float, found_running: float, spare: float = 0.0) -> bool:
    """Returns whether to poll a task of this age if nothing is known about its endpoint.

    `found_running` is the greatest age at which it, or one like it, was still running; `spare` as
    for `worthwhile`.
    """
    growth = QUICK_GROWTH if spare > PLENTY else GROWTH
    return age >= max(FIRST, growth * found_running)
