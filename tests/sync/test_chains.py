"""Rows that follow other rows, in whole passes over a real sheet and store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import wiring
from pipeline.core.model import Request, Response
from pipeline.open_sheet import open_sheet
from pipeline.store import Store
from pipeline.sync.look import Look
from pipeline.sync.outcome import Asked
from pipeline.sync.ports import Pace
from pipeline.sync.sheet_sync import SheetSync
from tests.sync.bench import Bench, reply

ROOT = Path(__file__).parents[2]
ENDPOINTS = """
[endpoints.vary]
path = "/vary"
credits = 2
urls = "image_urls[]"
parents = ["imagine", "vary"]
[endpoints.vary.fields]
parent_task_id = { parent = "task", required = true }
index = { type = "integer", least = 1, most = 4 }
prompt = { }

[endpoints.redo]
path = "/redo"
credits = 3
urls = "image_urls[]"
[endpoints.redo.fields]
image = { type = "address", required = true, parent = "url" }
prompt = { }
"""
HEADER = ["prompt", "endpoint", "name", "parent", "index", "take"]
NO_WAIT = Asked()
#: Seldom writes: what is sent at once is not sent because of the next look.
SLOW = '[pace]\nwrite_every = "10m"\n'


class Follow(Bench):
    """A bench whose API also makes pictures after other ones, and remembers what it was sent."""

    def __init__(self, folder: Path, rows: list[list[str]], extra: str = "") -> None:
        files = folder / "providers"
        files.mkdir(exist_ok=True)
        text = (ROOT / "configs" / "providers" / "apiframe-v1.toml").read_text("utf-8")
        (files / "chained.toml").write_text(text + ENDPOINTS)
        super().__init__(folder, [], f'{extra}[provider]\nname = "chained"\n')
        self.write([HEADER, *rows])
        self.sent: list[tuple[float, str, dict[str, object]]] = []
        self.at_once = False
        submit = self.api.submit

        async def noted(request: Request, within: float) -> Response:
            number = len(self.sent) + 1
            body = dict(request.body or {})
            self.sent.append((self.loop.time(), request.path, body))
            word = str(body.get("prompt", "")) or f"no prompt, {number}"
            answer = await submit(Request("POST", request.path, {"prompt": word}), within)
            return reply({**self.api._answer_about(f"task of {word}")}) if self.at_once else answer

        self.api.submit = noted  # type: ignore[method-assign]

    def status(self) -> list[str]:
        return [row["status"] for row in self.rows()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def open_benches() -> Iterator[list[Bench]]:
    benches: list[Bench] = []
    yield benches
    for bench in benches:
        bench.close()


CHAIN = [
    ["", "redo", "", "bear", "", ""],
    ["a bear", "vary", "bear", "fox", "2", ""],
    ["a fox", "", "fox", "", "", ""],
]


def test_a_chain_is_sent_parent_by_parent_with_what_each_made(
    folder: Path, open_benches: list[Bench]
) -> None:
    bench = Follow(folder, CHAIN, SLOW)
    open_benches.append(bench)

    outcome = bench.run()

    assert bench.status() == ["done"] * 3
    (_, first, fox), (_, second, bear), (third_at, third, last) = bench.sent
    assert (first, second, third) == ("/imagine", "/vary", "/redo")
    assert fox == {"prompt": "a fox"}
    assert bear == {"prompt": "a bear", "parent_task_id": "task of a fox", "index": 2}
    assert last == {"image": "http://127.0.0.1/1.png"}
    assert (outcome.counts.new, outcome.counts.done, outcome.counts.credits) == (3, 3, 9)
    # At once, and not with the next look, which is ten minutes later.
    assert third_at < 60


def test_a_plain_run_sends_a_chain_if_its_rows_end_within_the_pass(
    folder: Path, open_benches: list[Bench]
) -> None:
    bench = Follow(folder, CHAIN)
    open_benches.append(bench)
    bench.at_once, bench.api.lasts = True, 0.0

    bench.run(NO_WAIT)

    assert [path for _, path, _ in bench.sent] == ["/imagine", "/vary", "/redo"]
    assert bench.status() == ["done"] * 3


def test_plain_runs_one_after_the_other_send_a_chain(
    folder: Path, open_benches: list[Bench]
) -> None:
    bench = Follow(folder, CHAIN)
    open_benches.append(bench)
    said = []
    for _ in range(4):
        bench.run(NO_WAIT)
        said.append(bench.status())
        bench.loop.run_until_complete(asyncio.sleep(30))

    assert said[0] == ["waiting", "waiting", "in progress"]
    assert said[-1] == ["done"] * 3
    assert len(bench.sent) == 3


def test_a_child_is_never_sent_if_its_parent_fails(folder: Path, open_benches: list[Bench]) -> None:
    bench = Follow(folder, CHAIN)
    open_benches.append(bench)
    bench.api.failing = {"a fox"}

    outcome = bench.run()

    assert bench.status() == ["waiting", "waiting", "failed"]
    notes = [row["note"] for row in bench.rows()]
    assert notes[1].startswith('Waiting for the row "fox": it failed.')
    assert notes[0].startswith('Waiting for the row "bear": it is waiting, too.')
    assert outcome.counts.credits == 4


def test_a_parent_that_is_made_again_makes_its_child_edited_and_sends_nothing_else(
    folder: Path, open_benches: list[Bench]
) -> None:
    bench = Follow(folder, CHAIN)
    open_benches.append(bench)
    bench.run()
    raised(bench, "fox")

    bench.run()

    assert bench.status() == ["done", "edited", "done"]
    assert 'take 1 of the row "fox", which is now at take 2' in bench.rows()[1]["note"]
    assert [path for _, path, _ in bench.sent] == ["/imagine", "/vary", "/redo", "/imagine"]
    raised(bench, "bear")
    bench.run()
    assert bench.status() == ["edited", "done", "done"]
    assert bench.sent[-1][1] == "/vary"


def raised(bench: Bench, name: str) -> None:
    """A person raises the take of the row with this name."""
    rows = [{**row, "take": "2"} if row["name"] == name else row for row in bench.rows()]
    bench.write([list(rows[0]), *([*row.values()] for row in rows)])


def test_a_child_that_was_queued_is_not_sent_once_its_parent_is_not_done_any_more(
    folder: Path, open_benches: list[Bench]
) -> None:
    """The parent is raised to take 2 while its child waits for a place."""
    rows = [
        ["a fox", "", "fox", "", "", ""],
        *([f"{n}", "redo", "", "fox", "", ""] for n in range(60)),
    ]
    bench = Follow(folder, rows)
    open_benches.append(bench)
    bench.run(NO_WAIT)
    bench.loop.run_until_complete(asyncio.sleep(30))
    bench.api.answers_in = 3.0

    async def raise_take(bench: Bench, store: Store) -> None:
        await asyncio.sleep(30)
        raised(bench, "fox")

    bench.run(NO_WAIT, Pace(concurrency=1, in_flight=1000), during=raise_take)

    children = sum(path == "/redo" for _, path, _ in bench.sent)
    assert 10 < children < 60
    assert bench.status().count("waiting") == 60 - children


def test_a_line_whose_parent_is_not_done_in_the_store_is_not_begun(
    folder: Path, open_benches: list[Bench]
) -> None:
    bench = Follow(
        folder, [["a fox", "", "fox", "", "", ""], ["a bear", "redo", "", "fox", "", ""]]
    )
    open_benches.append(bench)
    bench.run(NO_WAIT)
    with bench.store() as store:
        sync = wiring.open_sync(
            bench.settings, store, open_sheet(bench.settings, store), clock=bench.clock
        )
        fox, bear = sync.look().plan.lines
        assert (fox.status, bear.status) == ("in progress", "waiting")
        assert fox.job
        too_early = replace(bear, endpoint="redo", parent=fox.job.key)
        batch = wiring.submissions(bench.settings, sync, bench.clock).commit_batch(
            [], [too_early], sync.rules.api
        )

    assert (batch.begun, [one.line for one in batch.refused]) == ([], [too_early])


def test_rows_are_sent_as_their_parents_end_without_a_look_for_each(
    folder: Path, open_benches: list[Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [[f"fox {n}", "", f"fox {n}", "", "", ""] for n in range(30)]
    children = [[f"bear {n}", "vary", "", f"fox {n}", "", ""] for n in range(30)]
    bench = Follow(folder, [*roots, *children], SLOW)
    open_benches.append(bench)
    bench.api.lasting = {f"fox {n}": 10.0 + 2 * n for n in range(30)}
    looks, look = [], SheetSync.look

    def noted(sync: SheetSync) -> Look:
        looks.append(bench.loop.time())
        return look(sync)

    monkeypatch.setattr(SheetSync, "look", noted)
    bench.run()

    assert bench.status() == ["done"] * 60
    assert len(bench.api.prompts) == bench.api.prompts.total() == 60
    at = {prompt: when for when, prompt in bench.api.received}
    ends = {n: at[f"fox {n}"] + 10 + 2 * n for n in range(30)}
    # Polls learn of the ends; the looks are ten minutes apart.
    assert max(at[f"bear {n}"] - end for n, end in ends.items()) < 20
    assert len(looks) <= 6  # One in 40 s, and the last ones.


def test_a_child_is_not_sent_once_a_reading_of_the_last_minute_has_not_asked_for_it(
    folder: Path, open_benches: list[Bench]
) -> None:
    bench = Follow(folder, CHAIN, SLOW)
    open_benches.append(bench)
    bench.api.lasting = {"a fox": 90.0}

    async def delete(bench: Bench, store: Store) -> None:
        await asyncio.sleep(10)
        bench.write(
            [
                list(bench.rows()[0]),
                *([*row.values()] for row in bench.rows() if row["name"] != "bear"),
            ]
        )

    bench.run(during=delete)

    assert [path for _, path, _ in bench.sent] == ["/imagine"]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_counts_the_rows_that_follow_others(
    folder: Path, open_benches: list[Bench], limit: int
) -> None:
    bench = Follow(folder, [*CHAIN, ["a hen", "", "", "fox", "", ""]], SLOW)
    open_benches.append(bench)

    bench.run(Asked(wait=True, limit=limit))

    assert len(bench.sent) == limit


def test_a_child_is_not_sent_while_the_sheet_is_paused(
    folder: Path, open_benches: list[Bench]
) -> None:
    bench = Follow(folder, CHAIN, SLOW)
    open_benches.append(bench)
    bench.api.lasting = {"a fox": 20.0}

    async def pause(bench: Bench, store: Store) -> None:
        await asyncio.sleep(10)
        store.sheets.update(store.sheets.all()[0].key, paused=True)

    bench.run(during=pause)

    assert [path for _, path, _ in bench.sent] == ["/imagine"]


# -- whatever the names say -----------------------------------------------------------------------

NAMES = ["", "a", "b", "B", "c", "d", "e"]
ROWS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["ok", "ok", "no"])),
    min_size=1,
    max_size=9,
)


@given(ROWS, st.randoms(use_true_random=False), st.booleans())
@settings(
    max_examples=7,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_each_row_that_follows_another_is_sent_once_or_says_why_not(
    rows: list[tuple[str, str, str]], chance: Random, waits: bool
) -> None:
    with TemporaryDirectory() as folder:
        check(Path(folder), rows, chance, waits)


def check(folder: Path, rows: list[tuple[str, str, str]], chance: Random, waits: bool) -> None:
    wrote = [
        [f"p{at}", "vary" if parent else "", name, parent, "", ""]
        for at, (name, parent, _) in enumerate(rows)
    ]
    bench = Follow(folder, wrote)
    try:
        bench.api.failing = {f"p{at}" for at, row in enumerate(rows) if row[2] == "no"}
        for _ in range(2 if waits else 2 * len(rows) + 2):
            bench.run(Asked(wait=waits))
            ours = bench.rows()
            assert ours == planned_anew(bench, ours)
            chance.shuffle(ours)  # People sort between two looks.
            bench.write([list(ours[0]), *([*row.values()] for row in ours)])
            bench.loop.run_until_complete(asyncio.sleep(20))
        bench.run(NO_WAIT)
        said = {row["prompt"]: row for row in bench.rows()}
    finally:
        bench.close()

    expected = [fate(at, rows) for at in range(len(rows))]
    for at, word in enumerate(expected):
        assert said[f"p{at}"]["status"] == word, said
    # Paid once for each row that ran, and for no other.
    prompts = [str(body["prompt"]) for _, _, body in bench.sent]
    ran = [f"p{at}" for at, word in enumerate(expected) if word in ("done", "failed")]
    assert sorted(prompts) == sorted(ran)
    # No child before its parent, and each with its own parent's task.
    for at, (_, parent, _) in enumerate(rows):
        if parent and f"p{at}" in prompts:
            (one,) = named(parent, rows)
            body = bench.sent[prompts.index(f"p{at}")][2]
            assert body["parent_task_id"] == f"task of p{one}"
            assert prompts.index(f"p{one}") < prompts.index(f"p{at}")
    # Every row of a circle is named in the note of each.
    for at in range(len(rows)):
        for one in circle_of(at, rows):
            name = rows[one][0]
            assert f'("{name}")' in said[f"p{at}"]["note"]


def planned_anew(bench: Bench, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows with the words that a look at all of them comes to."""
    with bench.store() as store:
        sheet = open_sheet(bench.settings, store)
        sync = wiring.open_sync(bench.settings, store, sheet, clock=bench.clock)
        said = {line.seen.row_id: line for line in sync.preview().plan.lines}
    return [
        {**row, "status": said[row["row_id"]].status, "note": said[row["row_id"]].note}
        for row in rows
    ]


def named(parent: str, rows: list[tuple[str, str, str]]) -> list[int]:
    exact = [at for at, row in enumerate(rows) if row[0] == parent]
    return exact or [at for at, row in enumerate(rows) if row[0].lower() == parent.lower()]


def circle_of(start: int, rows: list[tuple[str, str, str]]) -> list[int]:
    """The rows of the circle that a row is on; empty if it is on none."""
    path, at = [start], start
    for _ in rows:
        found = named(rows[at][1], rows) if rows[at][1] else []
        if len(found) != 1:
            return []
        if (at := found[0]) == start:
            return path
        path.append(at)
    return []


def fate(at: int, rows: list[tuple[str, str, str]]) -> str:
    """What becomes of a row in the end."""
    _, parent, answer = rows[at]
    own = "done" if answer == "ok" else "failed"
    if not parent:
        return own
    found = named(parent, rows)
    if len(found) != 1 or circle_of(at, rows):
        return "invalid"
    return own if fate_of_walk(found[0], rows) == "done" else "waiting"


def fate_of_walk(at: int, rows: list[tuple[str, str, str]]) -> str:
    return "invalid" if circle_of(at, rows) else fate(at, rows)
