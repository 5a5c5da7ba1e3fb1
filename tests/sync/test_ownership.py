"""Which store and which configuration a sheet belongs to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.config import load
from tests.sync.bench import Bench


def moved_to(bench: Bench, config: str = "", store: str = "") -> None:
    """Make the bench use this configuration and this store from now on."""
    path = bench.settings.path
    if config:
        path = path.rename(path.with_name(config))
    if store:
        path.write_text(f'{path.read_text()}\n[store]\nurl = "sqlite:///{store}"\n')
    bench.settings = load(path, environ={})


@pytest.mark.parametrize("ahead", [-1, 0, 1])
def test_a_second_copy_of_a_store_sends_nothing_whatever_its_claim_counter(
    tmp_path: Path, ahead: int
) -> None:
    bench = Bench(tmp_path, ["a fox"])
    bench.run()
    shutil.copy(tmp_path / "promptsheet.db", tmp_path / "copy.db")
    rows = [[*row.values()] for row in bench.rows()]
    header = [*bench.rows()[0]]
    bench.write([header, *rows, ["an owl"]])
    with bench.store() as store:
        (record,) = store.sheets.all()
        before = record.counter
    assert bench.run().counts.done == 1
    with bench.store() as store:
        claims = store.sheets.all()[0].counter - before
    moved_to(bench, store="copy.db")
    with bench.store() as store:
        for number in range(claims + ahead):
            # This copy raised its own claim equally often, for a copy of the sheet.
            store.sheets.raise_claim(record.key, f"another word {number}")
    bench.write([header, *([*row.values()] for row in bench.rows()), ["a wolf"]])

    outcome = bench.run()
    bench.close()

    if ahead <= 0:
        assert outcome.counts.new == 0
        assert any("another copy of this store" in said for said in outcome.sentences)
        assert outcome.code == 1
    assert bench.api.prompts["an owl"] == 1


def test_a_renamed_configuration_goes_on_and_a_second_one_does_not(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, ["a fox"])
    bench.run()
    bench.write([["prompt"], ["a fox"], ["an owl"]])
    shutil.copy(bench.settings.path, tmp_path / "copy.toml")

    moved_to(bench, config="renamed.toml")
    renamed = bench.run()
    bench.settings = load(tmp_path / "copy.toml", environ={})
    bench.write([["prompt"], ["a fox"], ["an owl"], ["a wolf"]])
    copied = bench.run()
    bench.close()

    assert (renamed.counts.new, renamed.sentences) == (1, [])
    assert (copied.counts.new, copied.code) == (0, 1)
    assert any("is run by another configuration" in said for said in copied.sentences)
