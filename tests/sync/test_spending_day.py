"""A pass that runs past midnight charges the budgets of the new day and month."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.config import configs, load
from pipeline.core.rows.rules import Rules
from pipeline.core.states import Failed
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Fact, Limits, Store
from pipeline.store.budget import counters_of
from pipeline.sync.clock import Clock
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions


@pytest.mark.parametrize(
    ("caps", "kind", "old", "new"),
    [
        ({"per_day": 4}, "day", "2026-03-01", "2026-03-02"),
        ({"per_day": 4}, "day", "2026-12-31", "2027-01-01"),
        ({"per_month": 4}, "month", "2026-02-28", "2026-03-01"),
        ({"per_month": 4}, "month", "2026-12-31", "2027-01-01"),
    ],
)
def test_an_attempt_started_after_midnight_counts_for_the_new_day_and_month(
    tmp_path: Path, caps: dict[str, Any], kind: str, old: str, new: str
) -> None:
    (tmp_path / "rows.csv").write_text("prompt\na fox\na hen\n")
    config = tmp_path / "mine.toml"
    config.write_text('[sheet]\nsource = "rows.csv"\n')
    settings = load(config, providers=configs() / "providers", environ={})
    days = iter([old, old, new])
    with Store(settings.store_url) as store:
        sheet = CsvSheet(settings.file)
        sync = SheetSync(
            sheet,
            store,
            Rules(sheet=sheet.key, provider=settings.provider, endpoint="imagine"),
            settings.header,
            Limits("key", "run", old, per_run=100, **caps),
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
        names = [
            next(name for name in counters_of("key", "run", day) if name.kind == kind)
            for day in (old, new)
        ]
        assert store.budget.held(names) == [4, 4]
        # A refusal that is reported later gives the price back to the month in which it was held.
        (key,) = [key for key, job in store.jobs.all(sheet.key).items() if job.attempts][:1]
        store.attempts.record([Fact(key, 1, Failed("refused", refused=True))])
        assert sorted(store.budget.held(names)) == [0, 4]
