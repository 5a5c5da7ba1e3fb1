"""The columns of plain jobs are those that every other job has: both ways give equal tables.

Each example is a store after a history, which the store's own functions wrote, and its sheet.
"""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import wiring
from pipeline.config import Settings, load
from pipeline.core.cell_errors import FormulaZero
from pipeline.core.inputs import canonical
from pipeline.core.model import Attempt, JobKey, KnownRow, Result, State, Unsaved
from pipeline.core.sheet.header import ALWAYS, believed
from pipeline.notebook import jobs, tables
from pipeline.notebook.cells import Sheet
from pipeline.notebook.plain_jobs import all_plain, plain_jobs
from pipeline.open_sheet import open_sheet
from pipeline.reports.results import Shown, results, results_of
from pipeline.store import Store
from pipeline.store.schema import jobs as job_table
from pipeline.store.serialization import NEW_ATTEMPT, to_plain
from tests.benchmarks.__main__ import make
from tests.store.build import NOON, save

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("pandas", "pyarrow"))), reason="needs the notebook extra"
)

TITLES = ("prompt", "aspect_ratio", "count", "name", "Owner notes", "text", "pick", *ALWAYS)


class Tried(NamedTuple):
    """An attempt of a history."""

    state: State
    urls: int
    price: float
    reported: float | None
    account: str
    left_out: int
    has_text: bool
    prompt: str
    remade: str
    #: What became of its files: saved, lost, deleted, elsewhere, or nothing yet.
    files: str


class Made(NamedTuple):
    """A row of a history: what is in its cells, and its takes."""

    prompt: str
    ratio: str
    several: str
    name: str
    notes: str
    pick: str
    takes: tuple[tuple[Tried, ...], ...]
    #: What a person did then: nothing, an edit before or after the last reading, or a deletion.
    then: str
    extra_takes: int


#: What a plain row has instead, one thing at a time: nearly all is plain, so that each matters.
OF_ATTEMPT: list[tuple[str, Any]] = [
    *(("state", state) for state in State),
    *(("urls", number) for number in (0, 1, 3)),
    *(("price", 2.5), ("price", 0), ("reported", 3), ("reported", 0), ("account", "another key")),
    *(("left_out", 2), ("has_text", True), ("remade", "blank")),
    *(("prompt", "a prompt of a template"), ("prompt", "forgotten#aaaaaaaaaaaaaaaaaaaaaa")),
    *(("files", became) for became in ("lost", "deleted", "elsewhere", "")),
]
OF_ROW: list[tuple[str, Any]] = [
    *(("prompt", text) for text in ("NA", "None", "2026-01-02", "007", "a {name}", "x" * 5_000)),
    *(("prompt", text) for text in ('say "count": 2', "one\ntwo", "/imagine a", "-ar 1:1 fox")),
    *(("prompt", text) for text in ("ein Fuchs – im Schnee 🦊", "half \ud83e of a pair")),
    *(("ratio", "16:9"), ("several", "2"), ("name", "fox"), ("name", "eine Füchsin")),
    *(("notes", " calm "), ("notes", "NA"), ("pick", "1"), ("extra_takes", 1)),
    *(("then", what) for what in ("edited", "edited later", "deleted", "moved")),
]


def _with(one: Any, more: list[tuple[str, Any]]) -> Any:
    return one._replace(**dict(more))


PLAIN = Tried(State.SUCCEEDED, 2, 4, None, "", 0, False, "", "", "saved")
tried = st.lists(st.sampled_from(OF_ATTEMPT), max_size=1).map(lambda more: _with(PLAIN, more))
#: Mostly one take with one attempt.
takes = st.one_of(
    tried.map(lambda one: ((one,),)),
    st.lists(st.lists(tried, max_size=2).map(tuple), min_size=1, max_size=2).map(tuple),
)
made = st.tuples(takes, st.lists(st.sampled_from(OF_ROW), max_size=1)).map(
    lambda its: _with(Made("a fox", "", "", "", "", "", its[0], "", 0), its[1])
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_sheet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Path]]:
    """Makes folders with a configuration, each with a new, empty store."""
    numbers, base = count(), tmp_path_factory.mktemp("columns")

    def folder(store: str = "") -> Path:
        place = base / str(next(numbers))
        place.mkdir()
        config = make(place, 0, "http://127.0.0.1:9")
        text = config.read_text().replace('save_to = ""', 'save_to = "media"')
        config.write_text(text + store)
        (place / "media").mkdir()
        return config

    if request.param == "sqlite":
        yield folder
        return
    from tests.fakes.postgresql import Emptied

    server = request.getfixturevalue("postgresql_server")
    url = server.make_database(f"columns_{base.name}_{base.parent.name}".replace("-", "_"))
    Store(url).close()
    with Emptied(url) as emptied, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS_STORE", url)
        yield lambda: (emptied(), folder('[store]\nurl = "env:COLUMNS_STORE"\n'))[1]


@given(st.lists(made, max_size=8))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_ways_to_read_a_history_give_equal_tables(
    new_sheet: Callable[[], Path], rows: list[Made]
) -> None:
    from pandas.testing import assert_frame_equal

    config = load(new_sheet())
    happened(config, rows)

    one_by_one, in_columns = tables.of_shown(results(config)), jobs.jobs(config)

    for table in (tables.jobs_table, tables.payments_table, tables.files_table):
        assert_frame_equal(table(in_columns), table(one_by_one))


@pytest.mark.parametrize("kind", ["plain", "all"])
def test_rows_as_they_are_after_a_run_need_no_object_each(
    kind: str, new_sheet: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(new_sheet())
    bad = PLAIN._replace(state=State.FAILED)
    row = Made("a fox", "", "", "", "", "", ((PLAIN,), (PLAIN,)), "", 0)
    happened(config, [row, row, *([row._replace(takes=((bad,),))] if kind == "all" else [])])
    asked: list[int] = []
    real = results_of

    def counted(rows: Any, *rest: Any) -> Any:
        asked.append(len(rows))
        return real(rows, *rest)

    monkeypatch.setattr(jobs, "results_of", counted)

    assert len(jobs.jobs(config)) == (5 if kind == "all" else 4)
    assert asked == ([1] if kind == "all" else [])


def test_the_texts_of_a_sheet_are_no_python_objects_while_its_jobs_are_read(
    new_sheet: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(new_sheet())
    row = Made("x" * 5_000, "", "", "", "y" * 5_000, "", ((PLAIN,),), "", 0)
    happened(config, [row] * 100)
    jobs.jobs(config)  # the first one imports what it needs
    held: list[int] = []
    real = plain_jobs

    def measured(*its: Any) -> Any:
        held.append(tracemalloc.get_traced_memory()[0])
        return real(*its)

    monkeypatch.setattr(jobs, "plain_jobs", measured)
    tracemalloc.start()
    try:
        jobs.jobs(config)
    finally:
        tracemalloc.stop()

    assert held[0] < 500_000 < Path(str(config.source)).stat().st_size


def test_a_row_that_arrow_cannot_hold_is_given_back_as_it_was(
    new_sheet: Callable[[], Path],
) -> None:
    header = load(new_sheet()).header
    zero, half = FormulaZero("0"), "half \ud83e of a pair"
    grid = (TITLES, (zero, "1:1"), (), (half, *[""] * 6, "r_000000002"), ("a", "b"), ("c", "d"))
    sheet = Sheet.of(grid, header.read(grid), ["", "r_000000002"])

    empty = [""] * (len(TITLES) - 2)
    assert sheet.grid()[1:3] == (grid[1], ("", "", *empty))
    assert type(sheet.grid()[1][0]) is FormulaZero
    assert sheet.grid()[4:] == (("a", "b", *empty), ("c", "d", *empty))
    assert sheet.grid(["r_000000002"]) == (TITLES, grid[3])


def test_jobs_are_put_into_order_without_a_second_copy_of_all() -> None:
    long = [Shown(f"r{n}", n, "", 1, "p" * 9_000, {}, "e", "done", "n" * 9_000) for n in range(400)]
    long = [replace(one, text="t" * 9_000, feedback="f" * 9_000) for one in reversed(long)]

    lines, size, peak = _put_into_order(long)

    assert lines == [*range(400)]
    assert peak < 1.6 * size


def _put_into_order(shown: list[Shown]) -> tuple[list[int], int, int]:
    """The lines of these jobs in order, the bytes of their table, and the most at one time."""
    import pyarrow as pa

    was, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
    pa.set_memory_pool(pool)
    try:
        ordered = jobs._in_order(all_plain(tables.of_shown(shown)))
        lines, size = ordered["line"].to_pylist(), ordered.nbytes
        del ordered  # Before the pool, of which it is a part.
    finally:
        pa.set_memory_pool(was)
    return lines, size, pool.max_memory()


def happened(config: Settings, rows: list[Made]) -> None:
    """Let a history happen, in the store and in the sheet of a configuration."""
    ids = [f"r_{number:09d}" for number in range(len(rows))]
    sheet, columns = Path(str(config.source)), config.header.read_line(TITLES)
    with wiring.open_store(config) as store:
        key = open_sheet(config, store).key
        grid = (TITLES, *map(_cells, ids, rows))
        seen = {row.mark: row for row in columns.rows(grid)}
        store.rows.note(
            key,
            (
                KnownRow(row.mark, row.inputs, 1, since=NOON, others=row.others, pick=row.pick)
                for row in seen.values()
            ),
            ["", *(i for i, row in zip(ids, rows, strict=True) if row.then != "deleted")],
            believed(columns),
        )
        for row_id, row in zip(ids, rows, strict=True):
            if row.extra_takes and row_id in seen:
                store.rows.ask_again(key, row_id, 0)
            _send(config, store, JobKey(key, row_id, 1), row)
    later = {
        i: row._replace(prompt="later") if row.then == "edited later" else row
        for i, row in zip(ids, rows, strict=True)
        if row.then != "deleted"
    }
    lines = [_cells(row_id, row) for row_id, row in later.items()]
    if any(row.then == "moved" for row in rows):
        lines.reverse()
    with sheet.open("w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([TITLES, *lines])


def _cells(row_id: str, row: Made) -> tuple[str, ...]:
    cells = (row.prompt, row.ratio, row.several, row.name, row.notes, "theirs", row.pick, row_id)
    return (*cells, "done", "", "", "")


def _send(config: Settings, store: Store, first: JobKey, row: Made) -> None:
    wrote = {"prompt": row.prompt, "aspect_ratio": row.ratio, "count": row.several}
    if row.then == "edited":
        wrote["prompt"] += " before"
    inputs = canonical({name: text for name, text in wrote.items() if text})
    for take, tries in enumerate(row.takes, start=1):
        key = first._replace(take=take)
        store.jobs.add([key])
        for number, one in enumerate(tries, start=1):
            if number > 1:
                store.jobs.ask(key, number)
            _try(store, key, number, one, inputs)
            for url in _urls(key, number, one):
                _keep(config, store, key, number, url, one.files)


def _urls(key: JobKey, number: int, one: Tried) -> tuple[str, ...]:
    if one.state is not State.SUCCEEDED:
        return ()
    return tuple(f"https://cdn.example/{key.row_id}/{key.take}{number}{n}" for n in range(one.urls))


def _try(store: Store, key: JobKey, number: int, one: Tried, inputs: str) -> None:
    is_done = one.state is State.SUCCEEDED
    text = "words 🦊" if is_done and one.has_text else ""
    sent = NOON + timedelta(seconds=number)
    attempt = Attempt(
        number=number,
        state=one.state,
        inputs=inputs,
        columns=("aspect_ratio", "count", "prompt"),
        endpoint="imagine",
        price=one.price,
        sent_at=sent,
        deadline=sent,
        task_id=f"task {number}",
        result=Result(_urls(key, number, one), left_out=one.left_out if is_done else 0, text=text),
        reason="" if is_done else "why",
        ended_at=sent + timedelta(seconds=61.25) if is_done else None,
        reported=one.reported,
        account=one.account,
        prompt=one.prompt,
        remade=one.remade if is_done else "",
    )
    with store._database.writing() as connection:
        wanted = (job_table.c.row_id == key.row_id) & (job_table.c.take == key.take)
        job = connection.execute(job_table.select().where(wanted)).one().id
        NEW_ATTEMPT.each(connection, [(job, *to_plain(attempt), "{}", "", "", 0, "", "", "")])


def _keep(config: Settings, store: Store, key: JobKey, number: int, url: str, became: str) -> None:
    name = url.removeprefix("https://cdn.example/").replace("/", "-") + ".png"
    match became:
        case "saved":
            assert config.media is not None
            (config.media / name).touch()
            save(store, key, number, url, name)
        case "deleted":
            save(store, key, number, url, name)
        case "elsewhere":
            save(store, key, number, url, f"s3://pictures/{name}", f"https://s3.example/{name}")
        case "lost":
            store.files.miss(key, number, url, Unsaved("It is gone.", 3, None, lost=True))
