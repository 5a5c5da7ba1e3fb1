"""A plan that uses lines of the plan before is the same as a plan that uses none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.api.fields import columns_of
from pipeline.core.api.provider import Endpoint, Field
from pipeline.core.model import Grid, Job, JobKey, KnownRow, Result, State, Unsaved
from pipeline.core.planning.budgets import Left, within_budget
from pipeline.core.planning.earlier_lines import Made
from pipeline.core.planning.lines import Line, Plan
from pipeline.core.planning.plan import plan
from pipeline.core.rows.known import Memory
from pipeline.core.rows.matching import match
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns, Header
from pipeline.core.states import (
    Accepted,
    Event,
    Failed,
    Lost,
    Postponed,
    Progressed,
    Succeeded,
    advance,
)
from tests.core.build import NOW, PROVIDER, RULES, SHEET, attempt, minting
from tests.fakes.cases import each

TITLES = "prompt endpoint name parent index take skip owner row_id status task_id image_urls"
HEAD = tuple(TITLES.split())
IMAGINE = PROVIDER.endpoints["imagine"]
ENDPOINTS = {
    "imagine": IMAGINE,
    "upscale": Endpoint(
        path="/upscale",
        credits=2,
        parents=("imagine",),
        fields={
            "parent_task_id": Field(parent="task", required=True),
            "index": Field(type="integer", least=1, most=4),
        },
    ),
    "edit": Endpoint(
        path="/edit",
        credits=3,
        ended=(NOW + timedelta(days=1)).date(),
        fields={"prompt": Field(), "image": Field(type="address", required=True, parent="url")},
    ),
}
CHAINED = replace(
    RULES, provider=replace(PROVIDER, name="own", endpoints=ENDPOINTS, links=timedelta(hours=1))
)
HEADER = Header(
    columns_of(IMAGINE), endpoints={name: columns_of(one) for name, one in ENDPOINTS.items()}
)
FOUR = Result(tuple(f"https://x/{n}.png" for n in range(1, 5)))
EVENTS: tuple[Event, ...] = (
    Accepted("t-9"),
    Progressed(40),
    Succeeded(FOUR),
    Failed("no luck"),
    Lost("timed out"),
    Postponed("busy"),
)
TEXTS = {
    "prompt": ("", "a fox", "a hen", "{product}", "#REF!"),
    "endpoint": ("", "imagine", "upscale", "edit", "fax"),
    "name": ("", "one", "two"),
    "parent": ("", "one", "two", "nine"),
    "index": ("", "2", "9"),
    "take": ("", "1", "2", "9", "x"),
    "approved": ("", "yes", "no", "#N/A"),
    "skip": ("", "x"),
    "owner": ("", "Kim"),
    "row_id": ("", "r_zzzzzzzzz"),
    "task_id": ("", "t-77"),
}
KINDS = {
    "plain": CHAINED,
    "approval": replace(CHAINED, approval=True),
    "settle": replace(CHAINED, settle=timedelta(seconds=60)),
    "files": replace(CHAINED, saves_files=True),
    "commas": replace(CHAINED, delimiter=","),
    "strict": replace(CHAINED, strict_prompts=True),
}


@dataclass
class Sheet:
    """A sheet with its jobs, and the plans of one pass over it."""

    rules: Rules = CHAINED
    head: tuple[str, ...] = HEAD
    grid: list[list[str]] = field(default_factory=list)
    jobs: dict[JobKey, Job] = field(default_factory=dict)
    memory: Memory = field(default_factory=lambda: Memory({}, {}, {}, {}))
    now: datetime = NOW
    left: int = 1000
    made: Made = field(default_factory=Made)
    mint: Callable[[], str] = field(default_factory=minting)

    def add(self, **cells: str) -> Sheet:
        """Add a row with these cells."""
        self.grid = self.grid or [list(self.head)]
        self.grid.append([cells.get(title, "") for title in self.head])
        return self

    def look(self, is_noted: bool = True) -> tuple[Plan, Plan]:
        """A plan that uses the one before, and one that does not. The reading is noted."""
        grid: Grid = tuple(map(tuple, self.grid))
        columns: Columns = HEADER.read(grid)
        seen = match(list(columns.rows(grid)), self.memory, self.mint)
        using = plan(seen, grid, columns, self.jobs, self.rules, self.now, self.made)
        afresh = plan(seen, grid, columns, self.jobs, self.rules, self.now)
        self.made = using.made
        if is_noted:
            known = {line.seen.row_id: line.memory for line in using.lines}
            order = {line.seen.row_id: line.seen.place for line in using.lines}
            self.memory = replace(self.memory, known={**self.memory.known, **known}, order=order)
            for line in using.lines:
                self.grid[line.seen.place][self.head.index("row_id")] = line.seen.row_id
        return using, afresh

    def affordable(self, made: Plan) -> tuple[Line, ...]:
        """The lines that are left of a plan within the budget."""
        left = Left({"per_day": 1000}, {"per_day": self.left})
        return within_budget(made.lines, made.to_send, left)

    def edit(self, place: int, title: str, text: str) -> None:
        """Write a cell; a title that is none writes right of the table."""
        row = self.grid[1 + place % (len(self.grid) - 1)]
        if title in self.head:
            row[self.head.index(title)] = text
        elif title == "beyond":
            row[len(self.head) :] = [text] if text else []

    def begin(self, place: int) -> None:
        """Begin an attempt for one of the rows that may be sent."""
        ready = [line for line in self.look()[0].lines if line.endpoint and line.take]
        if not ready:
            return
        line = ready[place % len(ready)]
        key = JobKey(SHEET, line.seen.row_id, line.take or 1)
        before = self.jobs.get(key, Job(key))
        one = attempt(
            State.SUBMITTING,
            inputs=line.memory.inputs,
            number=len(before.attempts) + 1,
            endpoint=line.endpoint,
            sent_at=self.now,
            provider="own",
        )
        asked = max(before.asked, line.asked)
        self.jobs[key] = replace(before, asked=asked, attempts=(*before.attempts, one))

    def tell(self, number: int, event: Event) -> None:
        """Apply an event to the last attempt of a job."""
        if self.jobs:
            key = sorted(self.jobs)[number % len(self.jobs)]
            job = self.jobs[key]
            *others, last = job.attempts
            now = advance(last, event, self.now)
            self.jobs[key] = replace(job, attempts=(*others, now))

    def save(self, number: int, is_lost: bool) -> None:
        """Save the first picture of a job, or note why it could not be saved."""
        if self.jobs:
            key = sorted(self.jobs)[number % len(self.jobs)]
            job, url = self.jobs[key], FOUR.urls[0]
            lost = {url: Unsaved("gone", 1, None, lost=True)}
            self.jobs[key] = (
                replace(job, unsaved=lost) if is_lost else replace(job, files={url: "1.png"})
            )

    def press(self, number: int, what: str) -> None:
        """Something is done on the page about a known row."""
        known = dict(self.memory.known)
        if known:
            row_id = sorted(known)[number % len(known)]
            row: KnownRow = known[row_id]
            covers = f"1 {row.inputs}" if what == "approve" else row.approved_on_page
            more = row.extra_takes + (what == "another")
            known[row_id] = replace(row, extra_takes=more, approved_on_page=covers)
            self.memory = replace(self.memory, known=known)


NUMBER = st.integers(0, 5)
CELL = st.sampled_from([(title, text) for title, texts in TEXTS.items() for text in texts])
STEPS = st.one_of(
    st.tuples(st.just("look"), st.booleans()),
    st.tuples(st.just("edit"), NUMBER, CELL),
    st.tuples(st.just("edit"), NUMBER, st.tuples(st.just("beyond"), st.sampled_from(("", "x")))),
    st.tuples(st.just("begin"), NUMBER),
    st.tuples(st.just("tell"), NUMBER, st.sampled_from(EVENTS)),
    st.tuples(st.just("save"), NUMBER, st.booleans()),
    st.tuples(st.just("press"), NUMBER, st.sampled_from(("another", "approve"))),
    st.tuples(st.just("wait"), st.sampled_from((1, 30, 400, 3700, 90_000, -50))),
    st.tuples(st.just("swap"), NUMBER),
    st.tuples(st.just("remove"), NUMBER),
    st.tuples(st.just("spend"), st.sampled_from((0, 5, 1000))),
    st.tuples(st.just("rules"), st.sampled_from(sorted(KINDS))),
)


def take_step(sheet: Sheet, step: tuple[object, ...]) -> None:
    match step:
        case ("edit", int(place), (str(title), str(text))):
            sheet.edit(place, title, text)
        case ("begin", int(place)):
            sheet.begin(place)
        case ("tell", int(number), Accepted() | Progressed() | Succeeded() as event):
            sheet.tell(number, event)
        case ("tell", int(number), Failed() | Lost() | Postponed() as event):
            sheet.tell(number, event)
        case ("save", int(number), bool(is_lost)):
            sheet.save(number, is_lost)
        case ("press", int(number), str(what)):
            sheet.press(number, what)
        case ("wait", int(seconds)):
            sheet.now += timedelta(seconds=seconds)
        case ("swap", int(place)) if len(sheet.grid) > 2:
            at = 1 + place % (len(sheet.grid) - 2)
            sheet.grid[at], sheet.grid[at + 1] = sheet.grid[at + 1], sheet.grid[at]
        case ("remove", int(place)) if len(sheet.grid) > 3:
            del sheet.grid[1 + place % (len(sheet.grid) - 1)]
        case ("spend", int(left)):
            sheet.left = left
        case ("rules", str(kind)):
            sheet.rules = KINDS[kind]


@settings(max_examples=75)
@given(
    st.booleans(),
    st.sampled_from(((), ("approved",))),
    st.sampled_from(sorted(KINDS)),
    st.lists(STEPS, min_size=3, max_size=25),
)
def test_a_plan_is_the_same_with_and_without_earlier_lines(
    has_chains: bool, more: tuple[str, ...], kind: str, steps: list[tuple[object, ...]]
) -> None:
    sheet = Sheet(KINDS[kind], HEAD + more)
    sheet.add(prompt="a fox", name="one").add(prompt="a hen", name="two")
    if has_chains:
        sheet.add(endpoint="upscale", parent="one", index="2", name="three")
        sheet.add(endpoint="edit", parent="three", prompt="a red fox")
    sheet.look()

    is_noted = True
    for step in steps:
        match step:
            case ("look", bool(is_noted)):
                pass  # From now on readings are noted, or not: the sheet may be held.
            case _:
                take_step(sheet, step)
        using, afresh = sheet.look(is_noted)
        assert using.lines == afresh.lines
        assert sheet.affordable(using) == sheet.affordable(afresh)


def test_rows_are_planned_again_only_if_something_of_them_has_changed() -> None:
    sheet = Sheet()
    for number in range(6):
        sheet.add(prompt="a fox", name=f"fox {number}")
        sheet.add(endpoint="upscale", parent=f"fox {number}", index="2")
    for number in range(3):
        sheet.begin(0)
        sheet.tell(number, Accepted(f"t-{number}"))
    before = {line.seen.row_id: line for line in sheet.look()[0].lines}

    sheet.now += timedelta(seconds=5)
    sheet.tell(0, Succeeded(FOUR))
    after = {line.seen.row_id: line for line in sheet.look()[0].lines}

    other = [after[row_id] for row_id in after if after[row_id] is not before[row_id]]
    assert sorted(line.status for line in other) == ["done", "queued"]


def at_work(rules: Rules) -> Sheet:
    """Three rows: one at the API, one that follows it, one that is new."""
    sheet = Sheet(rules).add(prompt="a fox", name="one", owner="Kim")
    sheet.look()
    sheet.now += rules.settle
    sheet.begin(0)
    sheet.tell(0, Accepted("t-1"))
    sheet.add(prompt="a hen").add(prompt="a red fox", endpoint="edit", parent="one")
    sheet.look()
    sheet.look()
    return sheet


SETTLING = replace(CHAINED, settle=timedelta(seconds=60))
ENDING = replace(IMAGINE, ended=(NOW + timedelta(days=1)).date())
UNTIL_TOMORROW = replace(
    CHAINED, provider=replace(CHAINED.provider, endpoints={**ENDPOINTS, "imagine": ENDING})
)


@each(
    ("rules", "end", "seconds"),
    [
        (SETTLING, Progressed(), 61),  # the second row has settled
        (CHAINED, Progressed(), 3700),  # the task is overdue
        (CHAINED, Succeeded(FOUR), 3700),  # the addresses of its results work no more
        (KINDS["files"], Succeeded(FOUR), 301),  # its pictures should have been saved
        (UNTIL_TOMORROW, Progressed(), 24 * 3600),  # the endpoint has ended
    ],
)
def test_time_alone_changes_a_line(rules: Rules, end: Event, seconds: int) -> None:
    sheet = at_work(rules)
    sheet.tell(0, end)
    sheet.look()
    before = sheet.look()[0].lines

    sheet.now += timedelta(seconds=seconds)
    using, afresh = sheet.look()

    assert using.lines == afresh.lines
    assert [line.note for line in using.lines] != [line.note for line in before]


@each("title", ["prompt", "name", "take", "skip", "owner", "task_id", "beyond"])
def test_an_edit_of_a_cell_is_never_missed(title: str) -> None:
    sheet = at_work(KINDS["commas"])

    for place in range(3):
        sheet.edit(place, title, "2")
        using, afresh = sheet.look()
        assert using.lines == afresh.lines


def test_an_edit_that_is_not_noted_yet_gets_its_moment_from_each_reading() -> None:
    sheet = at_work(CHAINED)
    sheet.edit(1, "prompt", "a red hen")

    for _ in range(3):
        sheet.now += timedelta(seconds=20)
        using, afresh = sheet.look(is_noted=False)
        assert using.lines == afresh.lines
