"""A pass that stays beyond midnight spends on the day that it then is."""

from __future__ import annotations

from pathlib import Path
from random import Random

from pipeline.config import configs, load
from pipeline.core.header import Header
from pipeline.core.planning import Rules
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Limits, Store, utc_now
from pipeline.sync.book import Book


def test_what_is_begun_after_midnight_is_on_the_new_days_counter(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("prompt\na fox\na hen\n")
    config = tmp_path / "mine.toml"
    config.write_text('[sheet]\nsource = "rows.csv"\n')
    settings = load(config, providers=configs() / "providers", environ={})
    days = iter(["2026-03-01", "2026-03-01", "2026-03-02"])
    with Store(settings.store_url) as store:
        sheet = CsvSheet(settings.file)
        book = Book(
            sheet,
            store,
            Rules(sheet=sheet.key, provider=settings.provider, endpoint="imagine"),
            Header({}, (), settings.fields),
            Limits("key", "run", "2026-03-01", per_run=100, per_day=4),
            config="mine.toml",
            now=utc_now,
            chance=Random(1),
            today=lambda: next(days),
        )
        begun = []
        for _ in range(3):
            sent, _refused = book.turn((), book.look().to_send)
            begun.append([one.line.memory.inputs for one in sent])

        assert [len(one) for one in begun] == [1, 0, 1]
        assert store.spent("key", "run", "2026-03-01").day == 4
        assert store.spent("key", "run", "2026-03-02").day == 4
