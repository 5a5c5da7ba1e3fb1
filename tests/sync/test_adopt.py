"""A row with several generations whose store was lost: nothing paid is lost or paid again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import wiring
from pipeline.core.model import Attempt, Request, Response, State
from pipeline.open_sheet import open_sheet
from pipeline.sync.adopt import Adopted, adopt
from pipeline.sync.outcome import Asked
from tests.sync.bench import Api, Bench, reply

COLUMNS = ["row_id", "status", "task_id", "image_urls", "note"]
#: What becomes of a submission. The account has no credits for what is not sent.
ENDS = ("done", "running", "failed", "refused", "not sent")
#: A row of three generations: its cells `count` and `ratios`.
ROWS = (("3", ""), ("", "1:1, 9:16, 4:5"))


@dataclass
class Shop(Api):
    """An API that knows how each of its tasks ends; running tasks end once it is `late`."""

    ends: Sequence[str] = ()
    late: bool = False
    made: list[str] = field(default_factory=list)
    #: The tasks that it does not know any more, and what the name of a picture begins with.
    forgotten: set[str] = field(default_factory=set)
    pictures: str = "{task}"

    async def submit(self, request: Request, within: float) -> Response:
        self.received.append((self.loop.time(), "fox"))
        end = self.ends[len(self.received) - 1] if len(self.received) <= len(self.ends) else "done"
        if end == "refused":
            return reply({"errors": [{"msg": "no"}]}, 400)
        if end == "not sent":
            self.received.pop()
            return reply({"message": "no credits"}, 402)
        self.made.append(end)
        return reply({"task_id": f"task-{len(self.made)}"})

    async def ask(self, request: Request, within: float) -> Response:
        body = request.body or {}
        asked = body.get("task_ids", [body.get("task_id")])
        assert isinstance(asked, list)
        known = [one for one in asked if one not in self.forgotten]
        if known == asked:
            return await super().ask(request, within)
        if not known:
            return reply({"message": "Task not found"}, 404)
        return await super().ask(replace(request, body={"task_ids": known}), within)

    def _answer_about(self, task: str) -> dict[str, object]:
        end = self.made[int(task.removeprefix("task-")) - 1]
        if end == "running" and not self.late:
            return {"task_id": task, "status": "processing"}
        if end == "failed":
            return {"task_id": task, "status": "failed", "message": "it did not work"}
        name = self.pictures.format(task=task, number=int(task.removeprefix("task-")) * 7)
        urls = [f"http://127.0.0.1/{name}-{number}.png" for number in (1, 2)]
        return {"task_id": task, "status": "finished", "image_urls": urls}


def adopted(bench: Bench) -> Adopted:
    with bench.store() as store:
        sheet = open_sheet(bench.settings, store)
        rules = wiring.rules(bench.settings, sheet.key, store)
        header = bench.settings.header
        return adopt(sheet, store, rules, header, "bench", bench.now(), Random(1))


def attempts(bench: Bench) -> list[Attempt]:
    with bench.store() as store:
        sheet = open_sheet(bench.settings, store)
        return [one for job in store.jobs.all(sheet.key).values() for one in job.attempts]


def lose_store(bench: Bench) -> None:
    (store,) = bench.file.parent.glob("*.db")
    for file in bench.file.parent.glob(f"{store.name}*"):
        file.unlink()


def sent(
    folder: Path,
    row: tuple[str, str],
    ends: Sequence[str],
    take: str = "",
    pictures: str = "{task}",
) -> Bench:
    """A sheet with one row that a run has sent, and with the results that came so far."""
    bench = Bench(folder, [], '[pace]\ngive_up_after = "5m"\n', kind=Shop)
    assert isinstance(bench.api, Shop)
    bench.api.ends, bench.api.pictures = ends, pictures
    bench.write([["prompt", "count", "ratios", "take", *COLUMNS], ["a fox", *row, take]])
    for _ in range(3):
        bench.run(Asked(wait=False))
        bench.sleep(60)
    return bench


def without_entry(cells: dict[str, str], column: str, at: int) -> dict[str, str]:
    entries = cells[column].split("\n")
    return cells | {column: "\n".join(entries[:at] + entries[at + 1 :])}


def save(bench: Bench, cells: dict[str, str]) -> None:
    bench.write([[*cells], [*cells.values()]])


@example(ROWS[1], ["done", "running", "done"], None, {"task-3"}, False, "picture{number}")
@example(ROWS[0], ["done", "running", "done"], None, {"task-3"}, False, "{task}")
@example(ROWS[0], ["failed"] * 3, None, set(), True, "{task}")
@example(ROWS[0], ["done", "done", "refused"], None, set(), False, "{task}")
@example(ROWS[0], ["done", "done", "running"], ("task_id", 0), set(), False, "{task}")
@settings(max_examples=7, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    row=st.sampled_from(ROWS),
    ends=st.lists(st.sampled_from(ENDS), min_size=3, max_size=3),
    cleared=st.none() | st.tuples(st.sampled_from(["task_id", "image_urls"]), st.integers(0, 5)),
    forgotten=st.sets(st.sampled_from(["task-1", "task-2", "task-3"])),
    asks_for_one=st.booleans(),
    pictures=st.sampled_from(["{task}", "picture{number}"]),
)
def test_an_adoption_of_a_row_with_generations_loses_nothing_and_pays_nothing(
    row: tuple[str, str],
    ends: list[str],
    cleared: tuple[str, int] | None,
    forgotten: set[str],
    asks_for_one: bool,
    pictures: str,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = sent(Path(folder), row, ends, pictures=pictures)
        assert isinstance(bench.api, Shop)
        (before,) = bench.rows()
        if cleared:
            before = without_entry(before, *cleared)
        if asks_for_one:
            before |= {"count": "", "ratios": ""}
        save(bench, before)
        lose_store(bench)
        paid = len(bench.api.received)

        found = adopted(bench)
        bench.api.late, bench.api.forgotten = True, forgotten
        for _ in range(2):
            bench.run()

        (after,) = bench.rows()
        assert len(bench.api.received) == paid
        tasks = {one.task_id for one in attempts(bench)}
        assert {*before["task_id"].split()} <= tasks
        failed = {one.task_id for one in attempts(bench) if one.state is State.FAILED}
        assert {*before["task_id"].split()} - failed <= {*after["task_id"].split()}
        urls = after["image_urls"].split()
        assert {*before["image_urls"].split()} <= {*urls}
        assert len({*urls}) == len(urls)
        assert found.left == ()
        assert after["status"] in ("done", "failed", "check needed", "edited")
        left = {one.task_id for one in attempts(bench) if one.state in ("running", "submitting")}
        assert left <= forgotten
        bench.close()


def test_pictures_of_tasks_that_still_ran_arrive_in_the_adopted_row(tmp_path: Path) -> None:
    bench = sent(tmp_path, ROWS[1], ["done", "running", "running"])
    assert isinstance(bench.api, Shop)
    (before,) = bench.rows()
    assert len(before["image_urls"].split()) == 2
    lose_store(bench)

    assert adopted(bench) == Adopted(tasks=1)
    bench.api.late = True
    bench.run()

    (after,) = bench.rows()
    assert (after["status"], after["task_id"]) == ("done", before["task_id"])
    assert after["image_urls"].split() == [
        f"http://127.0.0.1/task-{task}-{number}.png" for task in (1, 2, 3) for number in (1, 2)
    ]
    bench.close()


def test_a_row_of_a_take_that_cannot_be_read_keeps_its_cells_and_is_named(tmp_path: Path) -> None:
    bench = sent(tmp_path, ROWS[0], ["done", "done", "done"], take="1")
    (before,) = bench.rows()
    save(bench, before | {"take": "1st"})
    lose_store(bench)

    assert adopted(bench).left == (2,)
    bench.run()
    (meanwhile,) = bench.rows()
    assert meanwhile == before | {"take": "1st"}
    save(bench, before)
    assert adopted(bench) == Adopted(pictures=1)
    bench.run()

    assert bench.rows() == [before]
    assert len(bench.api.received) == 3
    bench.close()


def test_a_take_that_could_not_be_read_at_first_is_no_new_take_once_it_can(tmp_path: Path) -> None:
    bench = sent(tmp_path, ROWS[0], ["done"] * 3, take="2")
    (before,) = bench.rows()
    save(bench, before | {"take": "2nd"})
    lose_store(bench)
    assert adopted(bench).left == (2,)
    bench.run()

    save(bench, before)
    bench.run()
    (meanwhile,) = bench.rows()
    assert (meanwhile["status"], meanwhile["task_id"]) == ("done", before["task_id"])
    assert adopted(bench) == Adopted(pictures=1)
    bench.run()

    assert bench.rows() == [before]
    assert len(bench.api.received) == 3
    save(bench, before | {"take": "3"})
    bench.run()
    assert len(bench.api.received) == 6
    bench.close()


@pytest.mark.parametrize("row", ROWS)
def test_a_row_that_asks_for_one_now_still_shows_all_that_was_made(
    row: tuple[str, str], tmp_path: Path
) -> None:
    bench = sent(tmp_path, row, ["done"] * 3)
    (before,) = bench.rows()
    save(bench, before | {"count": "", "ratios": ""})

    bench.run()
    (meanwhile,) = bench.rows()
    assert sorted(meanwhile["task_id"].split()) == sorted(before["task_id"].split())
    assert meanwhile["status"] == "edited"
    lose_store(bench)
    adopted(bench)
    bench.run()

    (after,) = bench.rows()
    shown = ("task_id", "image_urls")
    assert [after[name] for name in shown] == [meanwhile[name] for name in shown]
    assert len(bench.api.received) == 3
    bench.close()


def test_feedback_beside_an_adopted_take_counts_as_used_until_it_is_changed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [], kind=Shop)
    header, row = ["prompt", "feedback", "take", *COLUMNS], ["a fox", "", "", *[""] * 5]
    bench.write([header, row])
    bench.run()
    (first,) = bench.rows()
    save(bench, first | {"feedback": "warmer", "take": "2"})
    bench.run()
    (before,) = bench.rows()
    lose_store(bench)
    adopted(bench)
    bench.run()
    (after,) = bench.rows()
    save(bench, after | {"feedback": "colder"})
    bench.run()
    (changed,) = bench.rows()

    assert after == before
    assert (changed["status"], changed["note"]) == (
        "done",
        "To use the feedback, put 3 in the take column.",
    )
    assert len(bench.api.received) == 2
    bench.close()
