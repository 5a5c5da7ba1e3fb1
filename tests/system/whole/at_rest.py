"""What must be true of every row once nothing more can happen without a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline.core.api.provider import MARGIN
from pipeline.core.model import JobKey, State
from pipeline.core.statuses import Status
from tests.system.whole.api import DAY, Task
from tests.system.whole.chains import PICTURES
from tests.system.whole.desks import SHEET
from tests.system.whole.line import APPROVED, INDEX, SKIP, Line

if TYPE_CHECKING:
    from tests.system.whole.world import Pass, World


class AtRest:
    """The rows of a world after a pass that found nothing more to do."""

    def __init__(self, world: World, one: Pass) -> None:
        self._world, self._pass = world, one
        self._team, self._api = world.team, world.api
        self._again = one.store.rows.extra_takes(SHEET)
        self._cells = world.team.written()
        self._chains = world.team.chains()

    def check(self) -> Counter[str]:
        """Check that every row has ended or says what it waits for: how many rows did what."""
        last, jobs = self._pass.sync.last, self._pass.store.jobs.all(SHEET)
        for job in jobs.values():
            for attempt in job.attempts:
                settled = attempt.state not in (State.SUBMITTING, State.RUNNING)
                assert settled, f"{job.key} is {attempt.state} for ever"
        foreign = {line.seen.place: line.foreign for line in last.plan.lines}
        foreign |= dict.fromkeys(last.unchanged.values(), False)
        counts = Counter({"rows not looked at": last.plan.unchanged.total()})
        for place, (line, cells) in enumerate(
            zip(self._team.lines, self._cells, strict=True), start=1
        ):
            if line.words:
                said = cells.get("status", "")
                good = line.odd if foreign[place] else self._good(line, cells)
                assert good, f"line {place}, {line}, says {said!r}: {cells.get('note')}"
                status = Status.UNRECOGNIZED if foreign[place] else Status.of(said)
                counts[f"at rest: {status}"] += 1
                if line.parent:
                    counts["a child is done"] += status is Status.DONE
                    is_certain = status is Status.INVALID and self._parent(line) is None
                    counts["an orphan or a circle"] += is_certain
                if status is Status.CHECK_NEEDED and self._world.shape.version == 2:
                    counts["a key ran out"] += 1
        return counts

    def _good(self, line: Line, cells: dict[str, str]) -> bool:
        """True if the final status of a row agrees with what people can see."""
        tasks = self._tasks(cells) or self._forgotten_tasks(cells)
        words = {task.words for task in tasks}
        key = JobKey(
            SHEET,
            cells["row_id"],
            line.take_number and line.take_number + self._again.get(cells["row_id"], 0),
        )
        match cells["status"]:
            case "done":
                return words == {line.words} and not self._is_misled(line, tasks)
            case "edited":
                is_reworded = line.words not in words and (line.reworded or line.odd)
                return bool(words) and (is_reworded or self._may_be_misled(line, tasks))
            case "failed":
                return self._api.failed_for[key] > 0
            case "check needed":
                return key in self._world.uncertain and self._is_too_late(key)
            case "copy":
                return line.odd or line.words in self._team.copied_words
            case "invalid":
                return self._team.retakes > 0 or self._may_be_invalid(line)
            case "waiting":
                is_odd = line.odd or line.words in self._team.odd_words
                is_typed_again = is_odd and not cells["row_id"]
                return is_typed_again or (bool(line.parent) and not self._follows_a_done_row(line))
            case "needs approval":
                return APPROVED in self._team.titles
            case "skipped":
                return bool(line.cells.get(SKIP))
            case "over budget":
                return self._world.shape.per_day is not None
        return False

    def _is_too_late(self, key: JobKey) -> bool:
        """True if a lost attempt of the job cannot be sent again any more."""
        now = self._world.clock()
        return any(
            not sent.once or now - sent.when >= DAY - MARGIN for sent in self._world.begun_for[key]
        )

    # -- rows that follow another row ------------------------------------------------------------

    def _parent(self, line: Line) -> dict[str, str] | None:
        """The cells of the row that a line follows; None if it is not certain which one that is."""
        found = self._chains.named_by(line)
        if len(found) != 1 or self._chains.is_circle(line):
            return None
        place = next(at for at, one in enumerate(self._team.lines) if one is found[0])
        return self._cells[place]

    def _follows_a_done_row(self, line: Line) -> bool:
        parent = self._parent(line)
        return parent is not None and parent["status"] in ("done", "edited")

    def _may_be_invalid(self, line: Line) -> bool:
        if not line.parent:
            return False
        return self._parent(line) is None or int(line.cells.get(INDEX) or 1) > PICTURES

    def _is_misled(self, line: Line, tasks: list[Task]) -> bool:
        """True if the pictures were certainly not made from the row that the line follows."""
        for task in tasks:
            origin = self._api.tasks.get(str(task.body_sent.get("parent_task_id")))
            if (origin is not None) != bool(line.parent):
                return True
            parent = self._parent(line)
            if origin is None or parent is None:
                continue
            shown = self._tasks(parent)
            if shown and origin not in shown:
                return True
            wanted = int(line.cells.get(INDEX) or 1)
            if origin.urls.index(str(task.body_sent["image"])) + 1 != wanted:
                return True
        return False

    def _may_be_misled(self, line: Line, tasks: list[Task]) -> bool:
        """The same, where it is not certain."""
        if self._is_misled(line, tasks):
            return True
        parent = self._parent(line)
        return bool(line.parent) and (parent is None or not self._tasks(parent))

    def _tasks(self, cells: dict[str, str]) -> list[Task]:
        """The tasks whose pictures a row shows."""
        found = (self._api.by_url.get(url) for url in cells.get("image_urls", "").split())
        return list({task.id: task for task in found if task}.values())

    def _forgotten_tasks(self, cells: dict[str, str]) -> list[Task]:
        """The task of a row whose results are neither in the store nor in its cells."""
        if cells["row_id"] not in self._world.forgotten:
            return []
        task = self._api.tasks.get(cells["task_id"])
        return [task] if task else []
