"""A pass that runs past midnight charges the budget of the new day."""

from __future__ import annotations

from pathlib import Path
from random import Random

from pipeline.config import configs, load
from pipeline.core.rules import Rules
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Limits, Store
from pipeline.sync.clock import Clock
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions


def test_an_attempt_started_after_midnight_counts_for_the_new_day(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("prompt\na fox\na hen\n")
    config = tmp_path / "mine.toml"
    config.write_text('[sheet]\nsource = "rows.csv"\n')
    settings = load(config, providers=configs() / "providers", environ={})
    days = iter(["2026-03-01", "2026-03-01", "2026-03-02"])
    with Store(settings.store_url) as store:
        sheet = CsvSheet(settings.file)
        sync = SheetSync(
            sheet,
            store,
            Rules(sheet=sheet.key, provider=settings.provider, endpoint="imagine"),
            settings.header,
            Limits("key", "run", "2026-03-01", per_run=100, per_day=4),
            config="mine.toml",
            clock=Clock(),
            chance=Random(1),
            today=lambda: next(days),
        )
        submissions = Submissions(sync, clock=Clock(), chance=Random(1))
        begun = []
        for _ in range(3):
            batch = submissions.commit_batch((), sync.look().plan.to_send)
            begun.append([one.attempt.inputs for one in batch.begun])

        assert [len(one) for one in begun] == [1, 0, 1]
        assert store.budget.spent("key", "run", "2026-03-01").day == 4
        assert store.budget.spent("key", "run", "2026-03-02").day == 4
