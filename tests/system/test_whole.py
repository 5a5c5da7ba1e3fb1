"""The whole program in random situations: actions of people and the API, and crashes, in any order.

The machine needs no network: `tests/system/whole/world.py` runs a pass step by step and counts the
tasks that the API accepted.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.core.model import Claim, Grid
from pipeline.core.planning.lines import Line
from pipeline.sync.corrections import Draft
from pipeline.sync.hold import Hold
from pipeline.sync.look import Look
from pipeline.sync.sheet_updater import SheetUpdater
from tests.system.whole.api import TAKEN, Answer, Turn
from tests.system.whole.desks import SHEET
from tests.system.whole.line import APPROVED, INDEX, NAME, PARENT, PROMPT, REMARK, SKIP, TAKE
from tests.system.whole.stores import kept_engines
from tests.system.whole.world import COPY, MAIN, OTHER, Killed, Pass, Shape, World

PICK = st.integers(0, 2**24 - 1)
SHAPES = st.builds(
    Shape,
    titles=st.sampled_from(
        [
            (PROMPT, REMARK, TAKE),
            (REMARK, PROMPT, TAKE),
            (PROMPT, TAKE, REMARK, SKIP),
            (PROMPT, REMARK),
            (PROMPT, TAKE, APPROVED, REMARK),
        ]
    ),
    ours=st.sampled_from([(), (), ("status", "image_1"), ("image_urls", "credits", "row_id")]),
    settle=st.sampled_from([timedelta(0), timedelta(0), timedelta(seconds=30)]),
    per_run=st.sampled_from([None, None, None, 8]),
    per_day=st.sampled_from([None, None, None, 12]),
)
#: Sheets whose rows can follow other rows.
CHAINED_TITLES = [
    (PROMPT, NAME, PARENT, INDEX, TAKE),
    (NAME, PROMPT, PARENT, INDEX, SKIP, TAKE),
    (PARENT, PROMPT, NAME, REMARK, INDEX),
    (PROMPT, TAKE, APPROVED, NAME, PARENT, INDEX),
]
#: Mostly an API that works; lost answers are what can cost money.
ANSWERS = st.sampled_from([*Answer, Answer.ACCEPTED, Answer.ACCEPTED, Answer.LOST_TAKEN])
TURNS = st.sampled_from([*Turn, Turn.FINISH, Turn.FINISH])
SECONDS = st.sampled_from([1, 20, 31, 46, 59, 61, 61, 61, 200, 200, 7300])
#: A key of version 2 is good for a day.
LONG = st.sampled_from([1, 31, 46, 61, 61, 200, 7300, 23 * 3600, 25 * 3600])


class Machine(RuleBasedStateMachine):
    """Random steps; `counts` has the number of events over all runs of a test."""

    counts: ClassVar[Counter[str]] = Counter()
    examples = 0
    place = "prompts.csv"
    #: True if two consecutive readings agree: no row is settling, and no budget is used up.
    is_steady = False
    #: Over all runs of this process.
    started = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        Machine.started += 1
        self.world: World

    @initialize(shape=SHAPES, number=st.integers(0, 10**6), rows=st.integers(2, 4))
    def a_sheet(self, shape: Shape, number: int, rows: int) -> None:
        shape = self.formed(replace(shape, place=self.place), number)
        if self.is_steady:
            shape = replace(shape, settle=timedelta(0), per_run=None, per_day=None)
        self.world = World(number, shape)
        for row in range(rows):
            self.world.team.do("add", number + row, self.world.clock())
        if APPROVED in shape.titles:
            self.world.team.do("approve all", 0, self.world.clock())
        self.opened(number)

    def opened(self, number: int) -> None:
        """What happens before anything else in this run; here nothing."""

    def formed(self, shape: Shape, number: int) -> Shape:
        """The shape that a run begins with."""
        return shape

    # -- people ----------------------------------------------------------------------------------

    @rule(picks=st.lists(PICK, min_size=1, max_size=3))
    def gestures(self, picks: list[int]) -> None:
        for pick in picks:
            self.world.gesture(pick)

    @precondition(lambda self: self.world.api.tasks)
    @rule(pick=PICK)
    def retry(self, pick: int) -> None:
        self.world.retry(pick)

    @precondition(lambda self: self.world.recorded)
    @rule(pick=PICK)
    def press(self, pick: int) -> None:
        self.world.press(pick)

    @precondition(lambda self: self.world.api.tasks)
    @rule()
    def pause_or_resume(self) -> None:
        self.world.pause()

    # -- a pass, all at once, with things that come in between -----------------------------------

    @rule(
        between=st.lists(PICK, min_size=8, max_size=8),
        answers=st.lists(ANSWERS, min_size=1, max_size=4),
        turns=st.lists(TURNS, min_size=1, max_size=3),
        leased=st.integers(0, 3).map(lambda n: n == 3),
        new=PICK,
    )
    def a_pass(
        self,
        between: list[int],
        answers: list[Answer],
        turns: list[Turn],
        leased: bool,
        new: int,
    ) -> None:
        world = self.world
        for name in ("add", "add", "edit", "")[new % 4 : new % 4 + 1]:
            if name in world.team.possible():
                world.team.do(name, new, world.clock())
        # As with --limit: the remaining rows were read and not sent.
        most = (20, 20, 1, 0)[new // 4 % 4]
        if len(world.passes) > 1:
            world.end(world.passes[0])
        one = world.start(MAIN, leased)
        if one is None:
            return
        steps: list[Callable[[], None]] = [
            partial(
                world.look,
                one,
                self._what(one, between[0]),
                self._what(one, between[1], alone=True),
            ),
            partial(world.begin, one, most),
            *(partial(world.leave, one, answers[n % len(answers)]) for n in range(5)),
            partial(world.record, one),
            partial(world.ask_after, one, between[7], turns),
            partial(world.record, one),
            partial(world.resend, one, answers, new // 16 % 4 == 3),
            partial(world.look, one, self._what(one, between[5])),
        ]
        gaps = {1: between[2], 2: between[3], 7: between[4], 11: between[6]}
        for number, step in enumerate(steps):
            what = self._what(one, gaps.get(number, 0), rival=number == 1)
            if one in world.passes and what:
                try:
                    what()
                except Killed:
                    world.crash(one)
            if one not in world.passes:
                return
            step()
        if one in world.passes and not one.ready:
            world.end(one)

    def _what(
        self, one: Pass, pick: int, alone: bool = False, rival: bool = False
    ) -> Callable[[], None] | None:
        """An event between two steps: mostly none, sometimes the worst possible.

        `alone`: the pass is replacing the file and so keeps other passes out of the folder.
        `rival`: another pass is most harmful here, between a sync and the requests after it.
        """
        world, kind, rest = self.world, pick % 16, pick // 16
        if rival and 0 < kind < 5:
            return partial(self._another, rest)
        if kind < 9:
            return None
        if kind < 12:
            return partial(world.gesture, rest)
        if kind < 13:
            return self._die
        if kind < 14:
            return partial(world.clock.on, (1, 46, 61)[rest % 3])
        return partial(world.gesture, rest) if alone else partial(self._another, rest)

    def _die(self) -> None:
        raise Killed

    def _another(self, pick: int) -> None:
        """Another pass runs as far as it can while the first one waits."""
        world = self.world
        names = [MAIN, OTHER]
        another = world.start(names[pick % 5 == 0], leased=pick % 7 == 0)
        if another:
            world.look(another)
            world.begin(another)
            while another.ready:
                world.leave(another, list(Answer)[pick % len(Answer)])
            if pick % 3:
                world.end(another)
            else:
                world.crash(another)

    @rule(
        answers=st.lists(ANSWERS, min_size=2, max_size=4),
        leased=st.integers(0, 3).map(lambda n: n == 3),
        pick=PICK,
    )
    def two_passes_at_once(self, answers: list[Answer], leased: bool, pick: int) -> None:
        """Two passes have read the same rows, and each would send them."""
        world = self.world
        for one in world.passes[1:]:
            world.end(one)
        if "add" in world.team.possible():
            world.team.do("add", pick, world.clock())
        both = [started for _ in range(2) if (started := world.start(MAIN, leased))]
        for one in (*both, *both):
            world.look(one)
            world.clock.on(world.shape.settle.total_seconds() / 2)
        for one in both if pick % 2 else both[::-1]:
            world.begin(one)
        for how in answers:
            for one in both:
                world.leave(one, how)
        for one in both:
            world.end(one)

    # -- a pass, step by step --------------------------------------------------------------------

    @precondition(lambda self: len(self.world.passes) < 2)
    @rule(leased=st.booleans())
    def start(self, leased: bool) -> None:
        self.world.start(MAIN, leased)

    @precondition(lambda self: len(self.world.passes) < 3)
    @rule(pick=PICK)
    def start_elsewhere(self, pick: int) -> None:
        """Another team's store, or an old copy of ours, starts on the sheet."""
        world = self.world
        name = COPY if pick % 2 and world.may_restore() else OTHER
        if another := world.start(name):
            world.look(another)
            world.begin(another)
            while another.ready:
                world.leave(another, Answer.ACCEPTED)
            world.end(another)

    @precondition(lambda self: self.world.passes)
    @rule(pick=PICK, between=PICK, kind=st.integers(0, 2))
    def look(self, pick: int, between: int, kind: int) -> None:
        one = self._one(pick)
        what = self._what(one, between, alone=kind == 2)
        self.world.look(one, what if kind == 1 else None, what if kind == 2 else None)

    @precondition(lambda self: any(one.queue for one in self.world.passes))
    @rule(pick=PICK, most=st.integers(1, 4))
    def begin(self, pick: int, most: int) -> None:
        self.world.begin(self._one(pick), most)

    @precondition(lambda self: any(one.ready for one in self.world.passes))
    @rule(pick=PICK, answers=st.lists(ANSWERS, min_size=1, max_size=4))
    def leave(self, pick: int, answers: list[Answer]) -> None:
        for how in answers:
            self.world.leave(self._one(pick), how)

    @precondition(lambda self: any(one.answers for one in self.world.passes))
    @rule(pick=PICK)
    def record(self, pick: int) -> None:
        self.world.record(self._one(pick))

    @precondition(lambda self: self.world.passes and self.world.api.tasks)
    @rule(pick=PICK, turns=st.lists(TURNS, min_size=1, max_size=4))
    def ask_after(self, pick: int, turns: list[Turn]) -> None:
        self.world.ask_after(self._one(pick), pick, turns)

    @precondition(lambda self: self.world.passes)
    @rule(pick=PICK)
    def crash(self, pick: int) -> None:
        self.world.crash(self._one(pick))

    # -- elsewhere -------------------------------------------------------------------------------

    @precondition(lambda self: self.world.api.tasks)
    @rule(pick=PICK, what=TURNS)
    def task_moves(self, pick: int, what: Turn) -> None:
        self.world.task_moves(pick, what)

    @precondition(lambda self: self.world.mail)
    @rule(picks=st.lists(PICK, min_size=1, max_size=3))
    def callbacks(self, picks: list[int]) -> None:
        for pick in picks:
            self.world.callback(pick)

    @precondition(lambda self: self.world.recorded)
    @rule(pick=PICK)
    def the_api_changes_its_mind(self, pick: int) -> None:
        self.world.change_of_mind(pick)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.world.clock.on(seconds)

    @precondition(lambda self: self.world.counts["look"] % 3 == 1)
    @rule()
    def back_up(self) -> None:
        self.world.back_up()

    @precondition(lambda self: self.world.counts["left in peace"] == 0 < len(self.world.api.tasks))
    @rule()
    def left_in_peace(self) -> None:
        self.world.peace()

    # -- always ----------------------------------------------------------------------------------

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        self.world.assert_nothing_paid_twice()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.world.peace()
        finally:
            note("\n".join(self.world.story))
            for counts in (self.world.counts, self.world.team.counts, self.world.api.counts):
                type(self).counts += counts
            self.world.close()

    def _one(self, pick: int) -> Pass:
        return self.world.passes[pick % len(self.world.passes)]


class Keyed(Machine):
    """The same at version 2 of the API, from the start or after a move from version 1."""

    def formed(self, shape: Shape, number: int) -> Shape:
        return (
            replace(shape, version=1, moves=True) if number % 3 == 2 else replace(shape, version=2)
        )

    def opened(self, number: int) -> None:
        """In every second run that moves, tasks are under way when the account moves."""
        world = self.world
        if not world.may_move or number % 2:
            return
        for turn in (None, Turn.PROGRESS):
            if (one := world.start(MAIN)) is None:
                return
            world.look(one)
            world.clock.on(world.shape.settle.total_seconds())
            world.look(one)
            if turn is None:
                world.begin(one)
                while one.ready:
                    world.leave(one, Answer.ACCEPTED)
            else:
                world.ask_after(one, number, [turn])
            world.end(one)
            if turn is None:
                world.move()

    @precondition(lambda self: self.world.may_move)
    @rule()
    def move(self) -> None:
        self.world.move()

    @precondition(lambda self: any(one.resends for one in self.world.passes))
    @rule(pick=PICK, answers=st.lists(ANSWERS, min_size=1, max_size=4))
    def resend(self, pick: int, answers: list[Answer]) -> None:
        self.world.resend(self._one(pick), answers, dies=pick % 5 == 4)

    @precondition(lambda self: "add" in self.world.team.possible())
    @rule(pick=PICK, how=st.sampled_from([Answer.LOST_TAKEN, Answer.LOST, Answer.NO_ID]))
    def no_answer_for_a_day(self, pick: int, how: Answer) -> None:
        """The answer to a submission is lost, and no pass runs until its key is forgotten."""
        world = self.world
        for running in list(world.passes):
            world.end(running)
        world.team.do("add", pick, world.clock())
        if (one := world.start(MAIN)) is not None:
            world.look(one)
            world.begin(one)
            while one.ready:
                world.leave(one, how)
            world.end(one)
            world.clock.on(25 * 3600)

    @rule(seconds=LONG)
    def time_passes(self, seconds: int) -> None:
        self.world.clock.on(seconds)


class Forgetful(Machine):
    """The same where all that is finished is forgotten, at any moment."""

    @rule(pick=PICK, finished=st.booleans(), more=st.lists(PICK, max_size=3))
    def forget(self, pick: int, finished: bool, more: list[int]) -> None:
        world = self.world
        if finished and (one := world.start(MAIN)) is not None:
            for _ in range(2):
                world.look(one)
                world.clock.on(world.shape.settle.total_seconds())
            world.begin(one)
            while one.ready:
                world.leave(one, Answer.AT_ONCE if pick % 4 else Answer.REFUSED)
            world.record(one)
            world.look(one)
            world.end(one)
        world.forget()
        for gesture in more:
            world.gesture(gesture)


class Chained(Keyed):
    """The same with rows that follow other rows, at either version."""

    def formed(self, shape: Shape, number: int) -> Shape:
        titles = CHAINED_TITLES[number // 2 % len(CHAINED_TITLES)]
        return replace(shape, titles=titles, version=2 if number % 3 else 1)

    @precondition(lambda self: "add a child" in self.world.team.possible())
    @rule(
        picks=st.lists(PICK, min_size=1, max_size=3),
        how=st.sampled_from([None, Answer.LOST_TAKEN, Answer.LOST, Answer.ERROR_TAKEN]),
    )
    def a_chain(self, picks: list[int], how: Answer | None) -> None:
        if how and self.world.version == 2 and self.world.api.tasks:
            self._no_answer_to_a_child(picks[0], how)
            return
        for pick in picks:
            self.world.team.do("add a child", pick, self.world.clock())

    def _no_answer_to_a_child(self, pick: int, how: Answer) -> None:
        """All rows are done at once; then a row follows one of them, and its answer is lost."""
        world = self.world
        for running in list(world.passes):
            world.end(running)
        one = world.start(MAIN)
        assert one is not None
        for answer in (Answer.AT_ONCE, how):
            for _ in range(2):
                world.look(one)
                world.clock.on(world.shape.settle.total_seconds())
            world.begin(one)
            while one.ready:
                world.leave(one, answer)
            world.record(one)
            if answer is not how:
                world.team.do("add a child", pick, world.clock())
        world.resend(one, [Answer.ACCEPTED])
        world.end(one)


def run(
    number: int,
    examples: int,
    steps: int = 30,
    shrink: bool = False,
    sheet: str = "prompts.csv",
    steady: bool = False,
    kind: type[Machine] = Machine,
) -> type[Machine]:
    """Run the machine with a seed and its own counts. Raises the failure that it finds."""

    class Fresh(kind):  # type: ignore[misc, valid-type]
        counts: ClassVar[Counter[str]] = Counter()
        examples = 0
        place = sheet
        is_steady = steady

    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        # Files make a run slow, even in memory.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    # Looking through all that the libraries keep would take a tenth of the time.
    gc.freeze()
    try:
        with kept_engines():
            run_state_machine_as_test(seed(number)(Fresh), settings=chosen)
    finally:
        gc.unfreeze()
    return Fresh


class Found(BaseException):
    """The failure that is its cause has ended a run: Hypothesis lets it pass."""


def failure(
    number: int, examples: int, kind: type[Machine] = Machine, sheet: str = "prompts.csv"
) -> BaseException | None:
    """The first failure that the machine finds with a seed; None if it finds none. This takes half
    the time of `run`, which plays a failure again for its report.
    """

    class Hasty(kind):  # type: ignore[misc, valid-type]
        def teardown(self) -> None:
            ended_by = sys.exc_info()[1]
            try:
                super().teardown()
            except Exception as e:
                ended_by = ended_by or e
            if isinstance(ended_by, Exception) and not isinstance(ended_by, HypothesisException):
                raise Found from ended_by

    try:
        run(number, examples, kind=Hasty, sheet=sheet)
    except Found as found:
        return found.__cause__
    return None


def counted(
    number: int, examples: int, kind: str = "Machine", sheet: str = "prompts.csv"
) -> Counter[str]:
    """The counts of a run in a process of its own, where a seed draws the same examples each time:
    here, they depend on the modules that other tests have loaded.
    """
    from tests.system.whole.hunt import counted as counted_apart  # it imports this module

    return counted_apart(number, examples, kind, sheet)


def summary(counts: Counter[str]) -> str:
    """Safety and liveness of one run in one line, with the number of each event."""
    rest = {n.removeprefix("at rest: "): c for n, c in counts.items() if n.startswith("at rest: ")}
    others = {n: c for n, c in counts.items() if not n.startswith("at rest: ")}
    return (
        f"paid twice 0, paid {sum(counts[how] for how in TAKEN)}, left in peace "
        f"{counts['left in peace']} times, rows then: {dict(sorted(rest.items()))}\n"
        f"{dict(sorted(others.items()))}"
    )


#: The events that must happen in any run, by kind: an idle machine finds nothing.
KINDS: dict[str, tuple[str, ...]] = {
    "rows are added": ("add", "add the same", "insert above"),
    "rows are edited": ("edit", "edit back", "empty"),
    "rows are deleted": ("delete", "undo the delete", "delete all", "put all back"),
    "rows are moved": ("sort", "move"),
    "rows are copied": ("copy whole", "copy and change", "copy over"),
    "our cells are meddled with": ("fill down", "clear", "scribble", "remove ours"),
    "a column is sorted alone": ("sort ours alone", "sort prompts alone"),
    "takes change": ("raise take", "lower take", "jump take"),
    "rows are held back": ("skip", "approve", "approve all", "unapprove"),
    "an old version is saved": ("save an old version",),
    "columns go and come": ("remove a column", "put the columns back"),
    "somebody asks for more": ("retry", "made again"),
    "the sheet is held": ("held: owner", "held: columns", "held: paused"),
    "answers are lost": (Answer.LOST, Answer.LOST_TAKEN, Answer.NO_ID),
    "answers are no": (Answer.REFUSED, Answer.STOP),
    "answers are later": (Answer.BUSY, Answer.NEVER_LEFT),
    "answers make no sense": (Answer.ERROR, Answer.ERROR_TAKEN),
    "answers are good": (Answer.ACCEPTED, Answer.AT_ONCE),
    "tasks go on": (Turn.PROGRESS, Turn.FINISH, Turn.FAIL),
    "tasks are strange": (Turn.STRANGE, Turn.CONTRADICT),
    "answers come twice or late": ("callback",),
    "passes die": ("crash with something in hand", "crash inside a look"),
    "rows are at rest": ("rows not looked at",),
    "passes meet": ("kept out by a lease", "refused to begin"),
    "other stores come": ("start on other", "start on copy"),
}
#: The same where lost submissions are sent again under their keys.
KEYED: dict[str, tuple[str, ...]] = {
    "a submission is sent again": ("sent again",),
    "one that was taken is sent again": ("key seen again",),
    "a process dies before the answer to it": ("died while sending again",),
    "a key runs out": ("a key ran out",),
    "the account moves": ("moved",),
    "a task of the former account is polled": ("polled at the former account",),
    "rows are done": ("at rest: done",),
}
#: The same where rows follow other rows.
CHAINED: dict[str, tuple[str, ...]] = {
    "rows follow rows": ("add a child", "name a parent"),
    "another picture is chosen": ("choose a picture",),
    "names change": ("rename",),
    "parents are edited": ("edit",),
    "parents are deleted": ("delete", "delete all"),
    "rows are moved": ("sort", "move"),
    "children are sent": ("child begun",),
    "children of children are sent": ("grandchild begun",),
    "a child is sent again under its key": ("child sent again",),
    "children are done": ("a child is done",),
    "children wait": ("at rest: waiting",),
    "children are invalid": ("an orphan or a circle",),
    "parents are made again": ("at rest: edited",),
}


#: The same where finished rows are forgotten.
FORGETFUL: dict[str, tuple[str, ...]] = {
    "rows are forgotten": ("forgotten",),
    "results are forgotten": ("results forgotten",),
    "cells keep their results": ("forgotten, and shown",),
    "rows are edited": ("edit", "edit back"),
    "cells are meddled with": ("fill down", "clear", "copy over"),
    "rows are done": ("at rest: done",),
}


@pytest.mark.timeout(300)
def test_in_any_order_of_events_nothing_is_paid_twice_or_lost_and_all_rows_end() -> None:
    counts = counted(6, 10)
    # Other code draws other examples: rare events may need more of them.
    for number in (8, 7, 13):
        if missing(counts):
            counts += counted(number, 20)

    print(summary(counts))
    assert missing(counts) == []


@pytest.mark.timeout(300)
def test_the_same_holds_where_lost_submissions_are_sent_again_under_their_keys() -> None:
    counts = counted(2, 5, "Keyed")
    for number in (14, 17, 9, 11):
        if missing(counts, KEYED):
            counts += counted(number, 10, "Keyed")

    print(summary(counts))
    assert missing(counts, KEYED) == []


@pytest.mark.timeout(300)
def test_the_same_holds_if_what_is_finished_is_forgotten_at_any_moment() -> None:
    counts = counted(1, 5, "Forgetful")
    for number in (2, 77):
        if missing(counts, FORGETFUL):
            counts += counted(number, 10, "Forgetful")

    print(summary(counts))
    assert missing(counts, FORGETFUL) == []


@pytest.mark.timeout(300)
def test_the_same_holds_for_rows_that_follow_other_rows() -> None:
    counts = counted(9, 10, "Chained")
    for number in (13, 3, 5, 8):
        if missing(counts, CHAINED):
            counts += counted(number, 10, "Chained")

    print(summary(counts))
    assert missing(counts, CHAINED) == []


def missing(
    counts: Counter[str], kinds: Mapping[str, tuple[str, ...]] = MappingProxyType(KINDS)
) -> list[str]:
    """The kinds of events that did not happen."""
    return [kind for kind, names in kinds.items() if not any(counts[n] for n in names)]


def test_the_plan_after_a_verified_write_equals_the_plan_of_a_new_reading() -> None:
    seen: Counter[str] = Counter()
    after_write = SheetUpdater._after_write

    def compared(updater: SheetUpdater, draft: Draft, grid: Grid, refused: Hold | None) -> Look:
        found = after_write(updater, draft, grid, refused)
        if draft.as_written(grid, updater._planner.columns(grid)):
            seen["read back"] += 1
            look = updater._read_back(grid, refused)
            lines = {line.seen.row_id: _stand(line) for line in found.plan.lines}
            # A row that is up to date again may count as unchanged by now.
            assert all(lines[line.seen.row_id] == _stand(line) for line in look.plan.lines)
            assert (look.plan.statuses, look.hold) == (found.plan.statuses, found.hold)
            # In a sheet that another store owns, only some rows are written.
            assert look.hold or not look.outdated
        return found

    with patch.object(SheetUpdater, "_after_write", compared):
        ran = run(3, 8, steady=True)

    assert seen["read back"] > 20
    assert sum(ran.counts[how] for how in TAKEN) >= 12


def _stand(line: Line) -> Line:
    """The plan of a row, without whether it is new and without the earlier content of its cells."""
    marked = replace(line.seen.marked, has_results=False, has_marks=False)
    return replace(line, seen=replace(line.seen, marked=marked, known=None))


@pytest.mark.timeout(300)
def test_in_any_order_of_events_an_excel_workbook_loses_nothing() -> None:
    counts = counted(11, 3, sheet="prompts.xlsx")

    print(summary(counts))
    assert counts["left in peace"] >= 3
    assert sum(counts[how] for how in TAKEN) >= 4


@pytest.mark.timeout(300)
def test_in_any_order_of_events_a_google_sheet_loses_nothing() -> None:
    counts = counted(5, 3, sheet="google")

    print(summary(counts))
    assert counts["left in peace"] >= 3
    assert sum(counts[how] for how in TAKEN) >= 4


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_google_sheet_meets_the_same_events_as_a_csv_file_in_a_long_run() -> None:
    ran = run(5, 500, sheet="google")

    print(summary(ran.counts))
    assert [kind for kind, names in KINDS.items() if not any(ran.counts[n] for n in names)] == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_an_excel_workbook_meets_the_same_events_as_a_csv_file_in_a_long_run() -> None:
    ran = run(7, 200, sheet="prompts.xlsx")

    print(summary(ran.counts))
    assert [kind for kind, names in KINDS.items() if not any(ran.counts[n] for n in names)] == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_in_a_long_run_every_kind_of_event_happens() -> None:
    ran = run(7, 1000)

    print(summary(ran.counts))
    never = [name for names in KINDS.values() for name in names if not ran.counts[name]]
    assert never == []


# -- failures that the machine found, one test each -----------------------------------------------


@pytest.fixture
def world() -> Iterator[World]:
    with kept_engines():
        made = World(1, Shape())
        made.team.do("add", 1, made.clock())
        yield made
        made.close()


def started(world: World, name: str = MAIN) -> Pass:
    one = world.start(name)
    assert one
    return one


def whole_pass(world: World) -> None:
    one = started(world)
    world.look(one)
    world.begin(one)
    world.leave(one, Answer.AT_ONCE)
    world.record(one)
    world.look(one)
    world.end(one)


def statuses(one: Pass) -> list[str]:
    return [*one.sync.last.plan.statuses.elements()]


def test_a_backup_from_before_the_last_requests_is_held(world: World) -> None:
    one = started(world)
    world.look(one)
    world.back_up()
    world.begin(one)
    world.leave(one, Answer.ACCEPTED)
    world.record(one)
    world.look(one)
    world.end(one)

    restored = started(world, COPY)
    world.look(restored)

    assert restored.sync.last.hold
    assert restored.sync.last.hold.kind == "owner"
    assert restored.queue == []


def test_rows_that_another_pass_added_meanwhile_are_recognised(world: World) -> None:
    one, another = started(world), started(world)
    world.look(one, before=lambda: world.look(another))
    world.end(another)

    world.look(one)

    assert "unrecognized" not in statuses(one)
    assert len(one.store.rows.memory(SHEET).known) == 1


def test_a_claim_that_another_store_has_just_written_is_not_replaced(world: World) -> None:
    one, other = started(world), started(world, OTHER)
    raise_claim = one.store.sheets.raise_claim

    def too_late(sheet: str, word: str, **more: Any) -> Claim:
        world.look(other)
        return raise_claim(sheet, word, **more)

    with patch.object(one.store.sheets, "raise_claim", too_late):
        world.look(one)

    assert one.sync.last.hold
    assert one.sync.last.hold.kind == "owner"
    assert other.sync.last.hold is None


def test_a_row_copied_with_all_cells_during_a_pause_is_a_copy_afterwards(world: World) -> None:
    whole_pass(world)
    world.pause()
    world.team.do("copy whole", 1, world.clock())
    paused = started(world)
    world.look(paused)
    world.end(paused)
    world.pause()

    one = started(world)
    world.look(one)

    assert sorted(statuses(one)) == ["copy", "done"]


def test_a_take_dragged_far_requests_nothing_for_a_row_that_was_sent(world: World) -> None:
    team = world.team
    (line,) = team.lines
    before = set(team.wishes[line.words])
    for is_sent in (True, False):
        team.is_sent = lambda row_id, is_sent=is_sent: is_sent  # type: ignore[misc]
        for pick in range(12):
            team.do("jump take", pick, world.clock())
        assert (team.wishes[line.words] == before) is is_sent
    # Raising the number by one is a request, whatever the cell had before.
    team.is_sent = lambda row_id: True
    team.do("raise take", 1, world.clock())
    assert (line.token, line.take) in team.wishes[line.words]
