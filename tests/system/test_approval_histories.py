"""Any history of edits with a column `approved`: only approved content is sent, and all of it.

A person ticks, unticks, edits, sorts, copies and pastes; the program runs between the edits, and is
killed while it sends. What was approved is known here from the history alone, what was sent from
the API's count of each prompt. Each prompt that a person types is another one.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, Program, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Row as Cells
from tests.fakes.team import Team

YES, NO = ("TRUE", "yes", "ok"), ("", "FALSE", "later")
THEIRS = ("prompt", "approved", "take", "remark")
#: A prompt and the take that is wanted of it.
Content = tuple[str, str]
PICK = st.integers(0, 2**20)


@dataclass
class Row:
    """What a person knows of a row besides its cells."""

    #: The word for yes that the last reading showed; empty for none.
    yes: str = ""
    #: The content that this tick approved.
    covers: Content | None = None
    #: The same, unless cells came from other rows since: then the program may want a new tick.
    surely: Content | None = None
    #: True if its take was raised, and no run has ended since: a higher one would be a jump.
    raised: bool = False
    #: Earlier prompts.
    earlier: tuple[str, ...] = ()

    def copied(self) -> Row:
        """The state of a row that was made as a copy of this one: nobody ticked anything."""
        new = copy(self)
        new.surely = None
        return new


def content_of(cells: Cells) -> Content:
    return cells["prompt"], cells["take"] or "1"


def word_of(cells: Cells) -> str:
    return cells["approved"] if cells["approved"] in YES else ""


class Histories(RuleBasedStateMachine):
    """Random steps. `counts` has the number of events over all runs."""

    counts: ClassVar[Counter[str]] = Counter()
    sandbox: ClassVar[Sandbox]

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.sandbox.reset()
        self.team = Team(Path(self._folder.name), self.sandbox.url, version=2)
        self.team.answers_within(2)
        self.config = self.team.configured()
        self.rows: list[Row] = []
        #: Prompts whose attempt had begun when a run was killed: they are sent in any case, since
        #: the API may have them.
        self.in_flight: Counter[str] = Counter()
        #: Contents that were approved in rows that are gone.
        self.gone: set[Content] = set()
        self.sent: Counter[str] = Counter()
        self.number = 0

    @initialize(count=st.integers(2, 4), pick=PICK)
    def a_sheet(self, count: int, pick: int) -> None:
        self.team.write(",".join(THEIRS))
        for one in range(count):
            self.add(pick >> one)

    # -- people ----------------------------------------------------------------------------------

    @contextmanager
    def edited(self, name: str) -> Iterator[list[Cells]]:
        self.counts[name] += 1
        with self.team.editing() as cells:
            yield cells
            note(f"{name}: {[[one[title] for title in THEIRS[:3]] for one in cells]}")

    @rule(pick=PICK)
    def add(self, pick: int) -> None:
        chance = Random(pick)
        with self.edited("add") as cells:
            ticked = chance.choice(("", "", *YES))
            new = dict.fromkeys(THEIRS, "") | {"prompt": self._new(), "approved": ticked}
            cells.append(new | {"remark": f"remark {self.number}"})
            self.rows.append(Row())

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, word=st.sampled_from(YES))
    def tick(self, pick: int, word: str) -> None:
        with self.edited("tick") as cells:
            cells[pick % len(cells)]["approved"] = word

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, word=st.sampled_from(NO))
    def untick(self, pick: int, word: str) -> None:
        with self.edited("untick") as cells:
            cells[pick % len(cells)]["approved"] = word

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def edit(self, pick: int) -> None:
        with self.edited("edit") as cells:
            self._put_prompt(cells, pick % len(cells), self._new())

    @precondition(lambda self: any(row.earlier for row in self.rows))
    @rule(pick=PICK)
    def edit_back(self, pick: int) -> None:
        with self.edited("edit back") as cells:
            places = [at for at, row in enumerate(self.rows) if row.earlier]
            at = places[pick % len(places)]
            self._put_prompt(cells, at, self.rows[at].earlier[-1])

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def raise_take(self, pick: int) -> None:
        # No precondition: Hypothesis must not see how far a killed run came.
        if not (done := self._done()):
            return
        with self.edited("raise take") as cells:
            at = done[pick % len(done)]
            self.rows[at].raised = True
            one = cells[at]
            one["take"] = str(int(one["take"] or "1") + 1)

    @precondition(lambda self: len(self.rows) > 1)
    @rule(pick=PICK)
    def sort(self, pick: int) -> None:
        with self.edited("sort") as cells:
            order = Random(pick).sample(range(len(cells)), len(cells))
            cells[:] = [cells[at] for at in order]
            self.rows = [self.rows[at] for at in order]

    @precondition(lambda self: len(self.rows) > 1)
    @rule(pick=PICK)
    def sort_prompts_alone(self, pick: int) -> None:
        with self.edited("sort prompts alone") as cells:
            prompts = [one["prompt"] for one in cells]
            Random(pick).shuffle(prompts)
            for at, prompt in enumerate(prompts):
                if cells[at]["prompt"] != prompt:
                    self._put_prompt(cells, at, prompt)
            for row in self.rows:
                row.surely = None

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, to=PICK)
    def copy_whole(self, pick: int, to: int) -> None:
        with self.edited("copy whole") as cells:
            at, place = pick % len(cells), to % (len(cells) + 1)
            cells.insert(place, dict(cells[at]))
            self.rows.insert(place, self.rows[at].copied())

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, to=PICK)
    def copy_whole_and_change(self, pick: int, to: int) -> None:
        with self.edited("copy whole and change") as cells:
            at, place = pick % len(cells), to % (len(cells) + 1)
            new = dict(cells[at])
            cells.insert(place, new)
            self.rows.insert(place, self.rows[at].copied())
            self._put_prompt(cells, place, self._new())

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def copy_their_cells(self, pick: int) -> None:
        with self.edited("copy their cells") as cells:
            one = cells[pick % len(cells)]
            cells.append({title: one[title] for title in THEIRS})
            self.rows.append(Row())

    @precondition(lambda self: len(self.rows) > 1)
    @rule(pick=PICK, to=PICK)
    def paste_a_prompt_over(self, pick: int, to: int) -> None:
        with self.edited("paste a prompt over") as cells:
            prompt = cells[pick % len(cells)]["prompt"]
            self._put_prompt(cells, to % len(cells), prompt)

    @precondition(lambda self: len(self.rows) > 1)
    @rule(pick=PICK, to=PICK)
    def paste_a_row_over(self, pick: int, to: int) -> None:
        at, place = pick % len(self.rows), to % len(self.rows)
        if at == place:
            return
        with self.edited("paste a row over") as cells:
            self._leaves(place)
            cells[place] = dict(cells[at])
            self.rows[place] = self.rows[at].copied()

    @precondition(lambda self: len(self.rows) > 1)
    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        with self.edited("delete") as cells:
            at = pick % len(cells)
            self._leaves(at)
            del cells[at], self.rows[at]

    def _new(self) -> str:
        self.number += 1
        return f"picture {self.number}"

    def _put_prompt(self, cells: list[Cells], at: int, prompt: str) -> None:
        row, was = self.rows[at], cells[at]["prompt"]
        row.earlier = (*(one for one in row.earlier if one != prompt), was)
        cells[at]["prompt"] = prompt

    def _leaves(self, at: int) -> None:
        if covers := self.rows[at].covers:
            self.gone.add(covers)

    def _done(self) -> list[int]:
        """Places of rows that are done, as the sheet says."""
        is_done = [one.get("status") in ("done", "edited") for one in self.team.rows()]
        return [at for at, row in enumerate(self.rows) if is_done[at] and not row.raised]

    # -- the program -----------------------------------------------------------------------------

    @rule()
    def run(self) -> None:
        self.counts["run"] += 1
        allowed = self._read()
        ended = call("run", self.config, "--wait")
        assert ended.is_plain, ended.said
        assert ended.code in (0, 1), ended.said
        self._compare(allowed)
        self.in_flight.clear()
        self._assert_live()

    @precondition(lambda self: self.rows)
    @rule()
    def run_and_kill(self) -> None:
        allowed = self._read()
        before = sum(self.sent.values())
        with Program("run", self.config, "--wait") as program:
            while not program.is_over and self.sandbox.state()["tasks_taken"] == before:
                pass
            self.counts["kill"] += not program.is_over
            program.kill()
            program.end()
        note("killed")
        self._compare(allowed)
        open_ = (one for one in self.team.attempts() if one["state"] == "submitting")
        self.in_flight = Counter(one["prompt"] for one in open_)

    def _read(self) -> dict[str, int]:
        """Note what the next reading shows; how often each prompt may be sent then."""
        cells = self.team.rows()
        covered = self.gone | {row.covers for row in self.rows if row.covers}
        for row, one in zip(self.rows, cells, strict=True):
            word, content = word_of(one), content_of(one)
            if not word:
                row.yes, row.covers, row.surely = "", None, None
                self.gone.discard(content)
            elif word != row.yes:
                row.yes, row.covers, row.surely = word, content, content
            elif content in covered:
                row.covers = content
        approved = {row.covers for row in self.rows} | self.gone
        shown = [content_of(one) for one in cells if word_of(one)]
        return Counter(prompt for prompt, take in shown if (prompt, take) in approved)

    def _compare(self, allowed: dict[str, int]) -> None:
        """Safety: nothing else was sent since."""
        now = Counter(self.sandbox.state()["tasks"])
        new = now - self.sent
        self.sent = now
        self.counts["sent"] += new.total()
        may = Counter(allowed) + self.in_flight
        wrong = {prompt: times for prompt, times in new.items() if times > may[prompt]}
        assert not wrong, f"sent without approval: {wrong}"

    def _assert_live(self) -> None:
        """Liveness: every row whose content was ticked in it has been sent."""
        for row, one in zip(self.rows, self.team.rows(), strict=True):
            row.raised = False
            if word_of(one) and row.surely == content_of(one):
                assert one["status"] in ("done", "edited", "copy"), one
                self.counts[f"ticked and {one['status']}"] += 1
            elif word_of(one):
                self.counts[f"not ticked as it is and {one['status']}"] += 1
            if one["status"] == "done":
                assert self.sent[one["prompt"]], one

    def teardown(self) -> None:
        """At the end everything is approved anew, and is sent."""
        with self._folder:
            for approved in ("", "yes"):
                with self.edited("all") as cells:
                    for row, one in zip(self.rows, cells, strict=True):
                        one["approved"] = approved
                        if one.get("status") == "edited" and approved and not row.raised:
                            one["take"] = str(int(one["take"] or "1") + 1)
                self.run()
            statuses = self.team.statuses()
            assert set(statuses) <= {"done", "copy"}, (statuses, self.team.rows())


def histories(number: int, examples: int, steps: int) -> Counter[str]:
    """Run the machine with a seed. Returns how often each event happened."""

    class Fresh(Histories):
        counts: ClassVar[Counter[str]] = Counter()

    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=[*HealthCheck],
    )
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as sandbox:
        Fresh.sandbox = sandbox
        run_state_machine_as_test(seed(number)(Fresh), settings=chosen)
    print(
        f"\nsafety: sent without approval 0 of {Fresh.counts['sent']}; liveness: all "
        f"{Fresh.counts['ticked and done']} ticked rows done at their runs\n"
        f"{dict(sorted(Fresh.counts.items()))}"
    )
    return Fresh.counts


def test_only_approved_content_is_sent_and_all_of_it_whatever_people_do() -> None:
    counts = histories(1, 8, 12)

    assert counts["sent"] > 20
    assert counts["kill"] > 2


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_only_approved_content_is_sent_in_many_histories() -> None:
    counts = histories(2, 300, 25)

    assert min(counts[name] for name in ("copy whole", "paste a row over", "edit back")) > 50
