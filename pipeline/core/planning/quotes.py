"""When a run will be finished: a simulation of the queue of its tasks. Pure, and deterministic.

Earlier tasks say how long tasks of an endpoint take. The queue is played through several times;
each time, every task gets a duration drawn from those. The middle of the ends is the quoted time.
Between an early and a late one of them, 95 of 100 runs end. In a small run one slow task decides,
so no single time is right; then only these two are honest.

All times are seconds. A duration is counted from the moment at which a submission is begun to the
moment at which its end is known, so that it contains the API's answer and the wait for a poll.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from random import Random
from typing import Final

#: How many tasks are simulated in all, about; and how often the queue is played through.
TASKS: Final = 400_000
LEAST_RUNS, MOST_RUNS = 7, 201
#: How often the queue is played with one population of durations.
_PLAYS: Final = 4
#: The share of the simulated ends that are earlier than the early bound, and later than the late.
OUTSIDE: Final = 0.02
#: A single time is quoted if both bounds are within this part of it.
NEAR: Final = 0.1
#: For each known duration there are so many in a population, so that its last part can hold
#: durations longer than all known ones.
_FINE: Final = 8
#: The tail of durations is taken to be no heavier than this.
_HEAVIEST: Final = 0.5
#: The window of a limit by the minute; the store counts whole seconds.
_WINDOW: Final = 61.0


@dataclass(frozen=True, slots=True)
class Place:
    """One account: how many tasks it may have, and how fast they are sent."""

    at_once: int
    #: Requests at the same time, and seconds until a submission is answered.
    concurrency: int = 1_000
    answered: float = 0.0
    #: Submissions in any minute; None: any number.
    per_minute: int | None = None
    #: Seconds until each submission without an answer is given up. Until then it takes a place.
    lost: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a run: at which place, and of which kind, which says how long it takes."""

    place: int
    kind: str
    #: The number of the task that it follows, if any. It is begun after the end of that one.
    after: int | None = None
    #: Seconds from now before which it is not begun.
    begins: float = 0.0
    #: How old it is, if it is at the API already.
    age: float | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """When a run is finished, in seconds from its start."""

    seconds: float
    #: It ends earlier, and later, in one of forty runs each.
    earliest: float
    latest: float
    #: How many earlier tasks it is learnt from; of several kinds, the fewest.
    tasks: int

    @property
    def is_near(self) -> bool:
        """True if nearly all runs end close to the quoted time."""
        near = NEAR * self.seconds
        return self.seconds - self.earliest <= near and self.latest - self.seconds <= near


def quote(
    tasks: Sequence[Task],
    places: Sequence[Place],
    history: Mapping[str, Sequence[float]],
    most: int = TASKS,
) -> Quote | None:
    """When these tasks are finished, in the order in which they are begun.

    `history` has the durations of earlier tasks by kind. None without tasks, or if nothing is known
    of one of the kinds. About `most` tasks are simulated.
    """
    kinds = {task.kind for task in tasks}
    if not tasks or not all(history.get(kind) for kind in kinds):
        return None
    known = [len(history[kind]) for kind in kinds]
    runs = min(max(most // (len(tasks) + sum(known) // _PLAYS), LEAST_RUNS), MOST_RUNS)
    # The same plan gives the same quote.
    queue, chance = _Queue.of(tasks, places), Random(len(tasks))  # noqa: S311
    ends: list[float] = []
    drawn: dict[str, list[float]] = {}
    for number in range(runs):
        if number % _PLAYS == 0:
            drawn = {kind: _population(history[kind], chance) for kind in sorted(kinds)}
        ends.append(queue.end(drawn, chance))
    ends.sort()
    seconds, aside = ends[runs // 2], int(OUTSIDE * runs)
    # What is learnt from few tasks, or from few plays, is less certain.
    few = 1 + 2 / min(known)
    unsure = few + 1 / (4 * runs)
    early, late = ends[aside] / few, ends[runs - 1 - aside] * few
    return Quote(seconds, min(early, seconds / unsure), max(late, seconds * unsure), min(known))


def _population(known: Sequence[float], chance: Random) -> list[float]:
    """Durations to draw from. They differ from play to play as the known ones might have differed.

    One of so many as are known, and one more, is longer than all of them.
    """
    many = len(known)
    drawn = sorted(chance.choices(known, k=many))
    tail = min((_tail(drawn, number, chance) for number in _numbers(many)), default=0.0)
    longer = (drawn[-1] * (_FINE / (number + 0.5)) ** tail for number in range(_FINE))
    return drawn * _FINE + [*longer]


def _numbers(many: int) -> set[int]:
    """From how many of the longest tasks the tail is learnt: a tenth and a twentieth of all.

    Of few tasks these are ten and five, but at most half of all.
    """
    return {max(many // part, min(many // 2, least)) for part, least in ((10, 10), (20, 5))} - {0}


def _tail(drawn: Sequence[float], number: int, chance: Random) -> float:
    """How slowly the longest tasks get rarer, by Hill's estimator over the longest `number`.

    From few, it may be far off: so it differs from call to call.
    """
    above = sum(math.log(seconds / drawn[-1 - number]) for seconds in drawn[-number:])
    return min(above / chance.gammavariate(number, 1.0), _HEAVIEST)


@dataclass(slots=True)
class _Queue:
    """The tasks as they wait: at each place, after another task, or until a moment."""

    tasks: Sequence[Task]
    places: Sequence[Place]
    running: list[int] = field(default_factory=list)
    ready: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    later: list[tuple[float, int]] = field(default_factory=list)
    children: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    kinds: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, tasks: Sequence[Task], places: Sequence[Place]) -> _Queue:
        """The queue of these tasks."""
        queue = cls(tasks, places)
        for number, task in enumerate(tasks):
            queue.kinds[task.kind].append(number)
            if task.after is not None:
                queue.children[task.after].append(number)
            elif task.age is not None:
                queue.running.append(number)
            elif task.begins:
                queue.later.append((task.begins, number))
            else:
                queue.ready[task.place].append(number)
        return queue

    def end(self, populations: Mapping[str, Sequence[float]], chance: Random) -> float:
        """Play the queue through once: when the last task ends."""
        tasks, children, many = self.tasks, self.children, len(self.tasks)
        lasts = [0.0] * len(tasks)
        for kind, numbers in self.kinds.items():
            drawn = chance.choices(populations[kind], k=len(numbers))
            for number, seconds in zip(numbers, drawn, strict=True):
                lasts[number] = seconds
        desks = [_Desk(place, self.ready.get(at, ())) for at, place in enumerate(self.places)]
        # (when, number): the end of a task; a number below 0: one that may be begun from then on; a
        # number above all tasks: a place, where a lost submission is given up.
        events: list[tuple[float, int]] = [(at, ~number) for at, number in self.later]
        events += [(at, many + n) for n, place in enumerate(self.places) for at in place.lost]
        for number in self.running:
            task = tasks[number]
            left = _left(populations[task.kind], task.age or 0.0, chance)
            events.append((left, number))
            desks[task.place].free -= 1
        heapify(events)
        for desk in desks:
            desk.begin(0.0, lasts, events)
        end = 0.0
        while events:
            now, number = heappop(events)
            if number < 0:
                number = ~number
                desk = desks[tasks[number].place]
                desk.waiting.append(number)
            elif number >= many:
                desk = desks[number - many]
                desk.free += 1
            else:
                end = now
                desk = desks[tasks[number].place]
                desk.free += 1
                for child in children.get(number, ()):
                    other = desks[tasks[child].place]
                    # A row whose parent is done goes before those that wait anyway.
                    other.waiting.appendleft(child)
                    if other is not desk:
                        other.begin(now, lasts, events)
            if desk.waiting:
                desk.begin(now, lasts, events)
        return end


class _Desk:
    """A place while the queue is played: its tasks that wait, and when it sent the last ones."""

    def __init__(self, place: Place, ready: Sequence[int]) -> None:
        self.free = place.at_once - len(place.lost)
        self.waiting = deque(ready)
        self._place = place
        self._sent: deque[float] = deque(maxlen=max(place.concurrency, place.per_minute or 0))

    def begin(self, now: float, lasts: Sequence[float], events: list[tuple[float, int]]) -> None:
        """Begin as many tasks as there are free places. Adds their ends to `events`."""
        place, sent, waiting = self._place, self._sent, self.waiting
        concurrency, per_minute, answered = place.concurrency, place.per_minute, place.answered
        while self.free > 0 and waiting:
            number = waiting.popleft()
            at, many = now, len(sent)
            if answered and many >= concurrency:
                at = max(at, sent[-concurrency] + answered)
            if per_minute and many >= per_minute:
                at = max(at, sent[-per_minute] + _WINDOW)
            sent.append(at)
            self.free -= 1
            heappush(events, (at + lasts[number], number))


def _left(population: Sequence[float], age: float, chance: Random) -> float:
    """How much longer a task of this age takes: as those did that took longer."""
    longer = [seconds for seconds in population if seconds > age]
    # It is older than all others were: nothing says when it ends.
    return chance.choice(longer) - age if longer else age / 4
