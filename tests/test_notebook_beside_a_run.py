"""A notebook reads while a pass runs: it disturbs nothing, and sees one moment."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from pipeline import notebook, wiring
from pipeline.config import load
from pipeline.sandbox import running
from pipeline.server import event_loop
from pipeline.store import Store
from pipeline.sync.outcome import Asked, Outcome
from tests.benchmarks.__main__ import KEY, make

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("pandas", "pyarrow"))), reason="needs the notebook extra"
)
ROWS = 60


@pytest.fixture(params=["sqlite", "postgresql"])
def store_table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The table `[store]` of a configuration with an empty store."""
    if request.param == "sqlite":
        yield ""
        return
    server = request.getfixturevalue("postgresql_server")
    monkeypatch.setenv("NOTEBOOK_STORE", server.make_database("beside_a_run"))
    yield '[store]\nurl = "env:NOTEBOOK_STORE"\n'


def test_a_notebook_that_reads_in_a_loop_disturbs_no_pass_and_each_row_is_paid_once(
    store_table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_KEY", KEY)
    with running(KEY, task_seconds=1, max_seconds=1, plain_pictures=True) as sandbox:
        config = make(tmp_path, ROWS, sandbox.url, "poll_every = '100ms'\nwrite_every = '100ms'")
        config.write_text(config.read_text() + store_table)
        settings = load(config, need_key=True)
        Store(settings.store_url).close()
        notebook.open(config).jobs()  # the first one imports pandas
        ended: list[object] = []
        thread = Thread(
            target=lambda: ended.append(event_loop.run(wiring.run(settings, Asked(wait=True))))
        )
        thread.start()
        seen: list[tuple[int, int]] = []
        while thread.is_alive():
            jobs = notebook.open(config).jobs()
            done = jobs[jobs["status"] == "done"]
            # What is done has all that belongs to it: one moment was read, and not two.
            assert done["urls"].map(len).min() > 0 if len(done) else True
            assert done["finished_at"].notna().all()
            seen.append((len(jobs), len(done)))
        thread.join()
        taken = sandbox.state()["tasks_taken"]

    assert isinstance(ended[0], Outcome)
    assert not ended[0].sentences
    assert taken == ROWS
    assert seen == sorted(seen)
    assert len(seen) > 2
    after = notebook.open(config).jobs()
    assert after["status"].tolist() == ["done"] * ROWS
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done"] * ROWS


def test_a_pass_writes_and_checkpoints_while_the_columns_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from pipeline.notebook import jobs
    from pipeline.notebook.plain_jobs import plain_jobs

    config = make(tmp_path, 0, "http://127.0.0.1:9")
    settings = load(config)
    with Store(settings.store_url) as store:
        store.sheets.update("another sheet", config="before")
        found: list[tuple[int, ...]] = []
        real = plain_jobs

        def meanwhile(*its: object) -> object:
            store.sheets.update("another sheet", config="after")
            with sqlite3.connect(str(settings.store_file), timeout=0) as own:
                found.append(own.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
            return real(*its)  # type: ignore[arg-type]

        monkeypatch.setattr(jobs, "plain_jobs", meanwhile)
        notebook.open(config)

    # Not busy: no reader held the checkpoint up.
    assert found == [(0, 0, 0)]
