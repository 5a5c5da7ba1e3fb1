"""Does the gestures of the table in real sheets, with the real command line and the sandbox.

Most gestures share a sheet: each has its own rows there, which show its number in their prompts. A
gesture that concerns the whole sheet has a sheet of its own. All sheets are run by one command,
again and again as cron does it.
"""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from typer.main import get_command

from pipeline.cli.commands import app
from pipeline.core.sheet.header import OURS
from pipeline.sandbox import Sandbox
from tests.fakes.program import Ended
from tests.fakes.team import LIVE, Team
from tests.gestures.people import FEEDBACK, HEADER, MOMENTS, REMARK, People
from tests.gestures.sheets import Grid, Sheet
from tests.gestures.table import NOTES, OWN, ROWS, SHARED, STOPPED, Gesture

MakeSheet = Callable[[str], Sheet]
#: The animal of a prompt, and the number of the gesture.
_PROMPT = re.compile(rf"(.*?)[,\s]+scene (\d+)(?: \[fail\])?(\. {FEEDBACK})?\s*")
_TASK = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SPEC = re.compile(
    r"(?P<prompt>[^:]+)(: (?P<status>[a-z ]*))?(, shows (?P<shows>[\w -]+?))?(?P<new>, new)?"
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row of the table says of one row of the sheet."""

    prompt: str
    status: str
    #: The animal whose pictures it shows; empty if none.
    shows: str
    #: True if the task is not the one that it showed before the gesture.
    is_new: bool

    @classmethod
    def of(cls, spec: str) -> Expected:
        """Read a row of the table, such as `wolf: edited, shows fox`."""
        found = _SPEC.fullmatch(spec)
        assert found, spec
        prompt, status = found["prompt"], found["status"]
        if status is None:
            status = ROWS[prompt]
            return cls(prompt, status, prompt if status == "done" else "", is_new=False)
        shows = (found["shows"] or "").replace("nothing", "")
        return cls(prompt, status, shows, is_new=bool(found["new"]))


@dataclass
class Scene:
    """One gesture in a sheet."""

    gesture: Gesture
    number: int
    sheet: Sheet
    config: Path
    #: The sheet before the gesture, and the tasks that its rows showed then, by animal.
    before: Grid = field(default_factory=list)
    tasks: dict[str, str] = field(default_factory=dict)
    #: What people wrote, after the last step: their cells in each row.
    theirs: Grid = field(default_factory=list)

    @property
    def campaign(self) -> str:
        return f"{self.number}"

    def people(self, elsewhere: Grid) -> People:
        """The people who do it."""
        animal = MOMENTS[self.gesture.when]
        return People(self.sheet, self.campaign, self.number, animal, elsewhere, self.before)

    def line(self, animal: str) -> list[str]:
        """A new row as people write it."""
        people = self.people([])
        cells = {"Campaign": self.campaign, "prompt": people.words(animal), "Remark": REMARK}
        cells.update(SHARED.get(self.gesture.sheet, {}))
        return [cells.get(title, "") for title in header_of(self.gesture)]

    def says(self) -> set[str]:
        """The status words of the whole sheet."""
        header, *rows = self.sheet.read()
        return {row[header.index("status")] for row in rows} if "status" in header else set()

    def rows(self, grid: Grid) -> list[dict[str, str]]:
        """The rows of this gesture, by title."""
        header = grid[0] if grid else []
        if "Campaign" not in header:
            return []
        at = header.index("Campaign")
        mine = (cells for cells in grid[1:] if cells[at] == self.campaign)
        return [dict(zip(header, cells, strict=True)) for cells in mine]


def header_of(gesture: Gesture) -> list[str]:
    """The header of the sheet in which it is done."""
    return [*HEADER, *SHARED.get(gesture.sheet, ())]


@dataclass
class Office:
    """All gestures of a table, in sheets of one kind."""

    folder: Path
    api: Sandbox
    make: MakeSheet
    #: Starts the command line with these words.
    start: Callable[..., Ended]
    scenes: list[Scene] = field(default_factory=list)
    #: What the runs said; each problem is said once a day.
    said: list[str] = field(default_factory=list)

    def open(self, gestures: Iterable[Gesture]) -> None:
        """Make the sheets and their configurations."""
        places: dict[str, tuple[Sheet, Path]] = {}
        for number, gesture in enumerate(gestures, 1):
            name = gesture.sheet or f"own{number:02}"
            if name not in places:
                places[name] = self._sheet(name, gesture)
            self.scenes.append(Scene(gesture, number, *places[name]))

    def _sheet(self, name: str, gesture: Gesture) -> tuple[Sheet, Path]:
        sheet = self.make(name)
        with sheet.open():
            sheet.paste(0, 0, [header_of(gesture)])
        config = Team(self.folder, self.api.url).configured(
            name, tables={"sheet": sheet.source()}, in_flight=1000, concurrency=100
        )
        return sheet, config

    @property
    def configs(self) -> list[Path]:
        return [*{scene.config: None for scene in self.scenes}]

    def send(self, among: Iterable[Scene] | None = None) -> None:
        """Run until every row is sent that may be sent: on a busy machine a run may leave some of a
        big sheet to the next one.
        """
        among = self.scenes if among is None else [*among]
        sheets = [scenes[0] for _, scenes in self._by_sheet(among) if scenes[0].gesture.is_sent]
        for _ in range(5):
            self.run(among=among)
            if not any("queued" in scene.says() for scene in sheets):
                return
        raise AssertionError("the runs do not send what may be sent")

    def run(self, *words: str, among: Iterable[Scene] | None = None) -> None:
        """One start for the sheets of these scenes, by default for all."""
        configs = {scene.config: None for scene in (self.scenes if among is None else among)}
        if not configs:
            return
        ended = self.start("run", *configs, *words)
        self.said.append(ended.said)
        assert ended.is_plain, ended.said
        assert ended.code in (0, 1, 2), ended.said

    def _add(self, *animals: str, among: Iterable[Scene], above: str = "", below: str = "") -> None:
        """People write these rows for each gesture, above or below its row about an animal."""
        for sheet, scenes in self._by_sheet(among):
            with sheet.open():
                beside = {(cells[0], word_of(cells[1])): n for n, cells in enumerate(sheet.grid())}
                for scene in reversed(scenes):
                    there = beside.get((scene.campaign, above or below))
                    at = 1 if there is None else there + bool(below)
                    sheet.insert_rows(at, len(animals))
                    sheet.paste(at, 0, [scene.line(animal) for animal in animals])

    @staticmethod
    def _by_sheet(scenes: Iterable[Scene]) -> Iterable[tuple[Sheet, list[Scene]]]:
        found: dict[str, list[Scene]] = defaultdict(list)
        for scene in scenes:
            found[scene.sheet.name].append(scene)
        return [(scenes[0].sheet, scenes) for scenes in found.values()]

    def prepare(self) -> None:
        """Bring the rows of each gesture into their states."""
        # Many failed rows stop a run: those of a shared sheet end in a run that sends nothing.
        self._add("cat", among=self.scenes)
        shared = [scene for scene in self.scenes if scene.gesture.sheet != OWN]
        alone = [scene for scene in self.scenes if scene.gesture.sheet == OWN]
        self.send(among=shared)
        self.finish(shared)
        self._add("fox", "owl", among=self.scenes, above="cat")
        self.send()
        ended = self.all_end()
        self._add("hare", among=self.scenes, below="cat")
        self._add("crow", among=alone, below="hare")
        self.run("--limit", "1", among=alone)
        self.collect(ended, shared)
        self._add("crow", among=shared, below="hare")
        self.run("--limit", "0", among=shared)
        wanted = {"hare": "in progress", "crow": "queued"}
        for sheet, scenes in self._by_sheet(self.scenes):
            grid = sheet.read()
            for scene in scenes:
                rows = {word_of(row["prompt"]): row for row in scene.rows(grid)}
                said = {animal: row["status"] for animal, row in rows.items()}
                assert said == {**ROWS, **wanted}, (scene.gesture.name, said)
                scene.before = grid
                scene.tasks = {animal: row["task_id"] for animal, row in rows.items()}

    def act(self) -> None:
        """Do the gestures; a run comes after each step."""
        donor = next(scene for scene in self.scenes if scene.gesture.sheet == OWN)
        elsewhere = [cells for cells in donor.before if cells[0] == donor.campaign][:2]
        turns = self._turns()
        for turn in range(max(turn + len(scene.gesture.steps) for scene, turn in turns)):
            acting = [
                scene for scene, first in turns if turn - first in range(len(scene.gesture.steps))
            ]
            first_turn = {scene.number: first for scene, first in turns}
            for sheet, scenes in self._by_sheet(acting):
                with sheet.open():
                    for scene in scenes:
                        step = turn - first_turn[scene.number]
                        try:
                            scene.gesture.steps[step](scene.people(elsewhere))
                        except Exception as e:
                            e.add_note(f"{scene.number}: {scene.gesture.name}")
                            raise
                    grid = sheet.grid()
                    for scene in self._as_left(scenes):
                        scene.theirs = theirs(scene, grid)
            self.send(among=acting)

    def _as_left(self, acting: list[Scene]) -> list[Scene]:
        """The gestures whose rows are now as people left them."""
        if acting[0].gesture.sheet != STOPPED:
            return acting
        return [scene for scene in self.scenes if scene.gesture.sheet == STOPPED]

    def _turns(self) -> list[tuple[Scene, int]]:
        """The turn in which each gesture begins: those that stop a shared sheet come one by one."""
        stopping = [scene for scene in self.scenes if scene.gesture.sheet == STOPPED]
        late = {scene.number: turn for turn, scene in enumerate(stopping)}
        return [(scene, late.get(scene.number, 0)) for scene in self.scenes]

    def finish(self, among: Iterable[Scene] | None = None) -> None:
        """All tasks end, and runs collect them."""
        self.collect(self.all_end(), among)

    def all_end(self) -> set[str]:
        """All tasks end that the API has; returns them."""
        self.api.finish()
        return set(self.api.state(ids=True)["ids"])

    def collect(self, ended: set[str], among: Iterable[Scene] | None = None) -> None:
        """Run until these tasks are collected: on a busy machine a poll may time out, and the next
        run polls it.
        """
        among = self.scenes if among is None else [*among]
        for _ in range(5):
            self.send(among=among)
            attempts = Team(self.folder, self.api.url).attempts()
            if not any(a["state"] == "running" and a["task_id"] in ended for a in attempts):
                return
        raise AssertionError("the runs do not collect what has ended")

    def end(self) -> None:
        """Run until all is at rest; the last run changes nothing."""
        self.finish()
        for _ in range(3):
            before = [sheet.version() for sheet, _ in self._by_sheet(self.scenes)]
            self.run()
            if [sheet.version() for sheet, _ in self._by_sheet(self.scenes)] == before:
                return
        raise AssertionError("the runs do not come to rest")

    # -- checks ------------------------------------------------------------------------------------

    def problems(self, *, in_order: bool = True) -> list[str]:
        """What is not as the table says. With `in_order` false, the rows may have another order."""
        state = self.api.state(ids=True)
        paid: dict[int, Counter[str]] = defaultdict(Counter)
        for prompt, times in state["tasks"].items():
            found = _PROMPT.fullmatch(prompt)
            assert found, f"{prompt!r} is of no gesture"
            paid[int(found[2])][found[1] + (", with feedback" if found[3] else "")] += times
        wrong = [
            f"{prompt} is paid {times} times" for prompt, times in paid[0].items() if times > 1
        ]
        for sheet, scenes in self._by_sheet(self.scenes):
            grid = sheet.read()
            for scene in scenes:
                for problem in self._problems_of(
                    scene, grid, paid[scene.number], state["ids"], in_order
                ):
                    gesture = scene.gesture
                    wrong.append(f"{scene.number} {gesture.name} ({gesture.when}): {problem}")
        return wrong

    def _problems_of(
        self, scene: Scene, grid: Grid, paid: Counter[str], ids: dict[str, str], in_order: bool
    ) -> Iterable[str]:
        gesture, rows = scene.gesture, scene.rows(grid)
        wanted = {
            animal: n for animal, n in {**dict.fromkeys(ROWS, 1), **gesture.paid}.items() if n
        }
        if paid != wanted:
            yield f"paid {dict(paid)}, expected {wanted}"
        if theirs(scene, grid) != scene.theirs:
            yield f"people's cells changed: {theirs(scene, grid)}, they wrote {scene.theirs}"
        if gesture.stops and not any(re.search(gesture.stops, said) for said in self.said):
            yield f"no run said {gesture.stops!r}"
        yield from _live(rows)
        yield from self._differences(scene, rows, ids, in_order)

    def _differences(
        self, scene: Scene, rows: Sequence[dict[str, str]], ids: dict[str, str], in_order: bool
    ) -> Iterable[str]:
        gesture = scene.gesture
        expected = [Expected.of(spec) for spec in gesture.rows]
        found = [row for row in rows if row.get("prompt") and row["prompt"] != "prompt"]
        if not in_order:
            expected.sort(key=lambda one: one.prompt)
            found.sort(key=lambda row: word_of(row["prompt"]))
        said = [(word_of(row["prompt"]), row.get("status", "")) for row in found]
        if said != [(one.prompt, one.status) for one in expected]:
            yield f"the rows are {said}"
            return
        shown: Counter[str] = Counter()
        for row, one in zip(found, expected, strict=True):
            tasks = tasks_in(row, ids)
            shown.update(tasks)
            pictures = {word_of(ids[task]) for task in tasks if row["image_urls"]}
            if pictures != ({one.shows} if one.shows else set()):
                yield f"{one.prompt} shows {pictures}"
            was = scene.tasks.get(one.shows or one.prompt)
            if was and (tasks == {was}) is one.is_new and one.status != "copy":
                yield f"{one.prompt} shows {tasks}, before {was}"
            usual = gesture.notes.get(one.status, NOTES[one.status])
            note = gesture.notes.get(f"{one.prompt}: {one.status}", usual)
            if not row["note"].startswith(note) or (not note and row["note"]):
                yield f"{one.prompt} says {row['note']!r}"
            if not row["row_id"]:
                yield f"{one.prompt} has no id"
        if any(times > 1 for times in shown.values()):
            yield f"pictures are shown twice: {shown}"
        if len({row["row_id"] for row in found}) < len(found):
            yield "an id is there twice"
        for row in rows:
            if not row.get("prompt") and any(row.get(title) for title in OURS):
                yield f"an emptied row has cells of ours: {row}"


def _live(rows: Iterable[dict[str, str]]) -> Iterable[str]:
    cells = [row[title] for row in rows for title in OURS if row.get(title, "").startswith(LIVE)]
    if cells and not any(row.get("prompt") == "prompt" for row in rows):
        yield f"cells of ours are formulas: {cells}"


def theirs(scene: Scene, grid: Grid) -> list[list[str]]:
    """People's cells in the rows of a gesture."""
    rows = scene.rows(grid)
    return [[text for title, text in row.items() if title not in (*OURS, "")] for row in rows]


def word_of(prompt: str) -> str:
    """The animal of a prompt; a prompt of another gesture is `foreign`."""
    return prompt.strip().partition(",")[0]


def tasks_in(row: dict[str, str], ids: dict[str, str]) -> set[str]:
    """The tasks whose id or pictures a row shows."""
    texts = f"{row['task_id']} {row['image_urls']}"
    return {task for task in _TASK.findall(texts) if task in ids} | ({row["task_id"]} - {""})


def called(*words: object) -> Ended:
    """One start of the command line in this process: like cron, but faster."""
    said, code = io.StringIO(), 0
    with redirect_stdout(said), redirect_stderr(said):
        try:
            _command().main([*map(str, words)], prog_name="promptsheet")
        except SystemExit as e:
            code = int(e.code or 0)
    return Ended(code, said.getvalue())


@cache
def _command() -> Any:
    """The command line, built once, because building it takes 20 ms."""
    return get_command(app)
