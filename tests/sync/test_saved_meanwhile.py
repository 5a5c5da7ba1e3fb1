"""What people save while a pass writes the sheet is seen in the same pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.sheets.csv import sheet as csv_sheet
from pipeline.sheets.files.swap import exchange
from pipeline.sync.outcome import Asked
from tests.sync.bench import Bench

Saves = Callable[[Callable[[Bench], bool], Callable[[Bench], None]], None]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, ["the first"])
    yield bench
    bench.close()


@pytest.fixture
def saves(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Saves:
    """A person saves once, after a write and before it is read back, as soon as `when` is true."""

    def saves(when: Callable[[Bench], bool], change: Callable[[Bench], None]) -> None:
        left = [change]

        def exchanged(incoming: Path, target: Path) -> Path:
            out = exchange(incoming, target)
            if left and when(bench):
                left.pop()(bench)
            return out

        init = csv_sheet.CsvSheet.__init__
        monkeypatch.setattr(
            csv_sheet.CsvSheet,
            "__init__",
            lambda self, *args, **more: init(self, *args, **more, exchange=exchanged),
        )

    return saves


def is_done(bench: Bench) -> bool:
    return any(row.get("status") == "done" for row in bench.rows())


def add_a_row(bench: Bench) -> None:
    lines = bench.lines()
    bench.write([*lines, ["the second", *[""] * (len(lines[0]) - 1)]])


def empty_the_status(bench: Bench) -> None:
    lines = bench.lines()
    place = lines[0].index("status")
    bench.write([lines[0], *([*row[:place], "", *row[place + 1 :]] for row in lines[1:])])


def test_a_row_that_is_added_during_the_last_write_is_sent_in_the_same_pass(
    bench: Bench, saves: Saves
) -> None:
    saves(is_done, add_a_row)

    outcome = bench.run()

    assert [row["status"] for row in bench.rows()] == ["done", "done"]
    assert sorted(prompt for _, prompt in bench.api.received) == ["the first", "the second"]
    assert (outcome.counts.new, outcome.counts.done) == (2, 2)


def test_a_plain_run_leaves_such_a_row_to_the_next_one(bench: Bench, saves: Saves) -> None:
    bench.run(Asked(wait=False))
    bench.sleep(10)
    saves(is_done, add_a_row)

    bench.run(Asked(wait=False))
    between = [row["status"] for row in bench.rows()]
    for _ in range(2):
        bench.sleep(10)
        bench.run(Asked(wait=False))

    assert between[0] == "done"
    assert [row["status"] for row in bench.rows()] == ["done", "done"]
    assert sorted(prompt for _, prompt in bench.api.received) == ["the first", "the second"]


def test_a_cell_of_ours_that_a_save_empties_during_the_last_write_is_written_again(
    bench: Bench, saves: Saves
) -> None:
    saves(is_done, empty_the_status)

    bench.run()

    assert [row["status"] for row in bench.rows()] == ["done"]


def test_a_program_that_saves_after_every_write_does_not_keep_a_pass_busy(bench: Bench) -> None:
    looks = 0

    async def saved_each_time(bench: Bench, _: object) -> None:
        sheet = bench.runner._sync.sheet
        assert isinstance(sheet, csv_sheet.CsvSheet)

        def exchanged(incoming: Path, target: Path) -> Path:
            nonlocal looks
            looks += 1
            out = exchange(incoming, target)
            empty_the_status(bench)
            return out

        sheet._exchange = exchanged

    outcome = bench.run(during=saved_each_time)

    assert outcome.counts.done == 1
    assert 2 <= looks <= 8
