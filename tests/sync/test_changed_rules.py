"""Unchanged rows are planned again after a change of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.core.rows.rules import Rules
from pipeline.open_sheet import open_sheet
from pipeline.sync.sheet_sync import SheetSync
from tests.sync.bench import Bench

Change = Callable[[Rules], Rules]


def as_set(rules: Rules) -> Rules:
    """The rules as the configuration has them."""
    return rules


def with_endpoint(rules: Rules, name: str, price: int | None) -> Rules:
    """The same rules with a second endpoint at this price."""
    usual = rules.provider.endpoints[rules.endpoint]
    endpoints = {**rules.provider.endpoints, name: replace(usual, credits=price)}
    return replace(rules, provider=replace(rules.provider, endpoints=endpoints))


@pytest.mark.parametrize(
    ("row", "before", "after", "status"),
    [
        ("a fox,", lambda rules: replace(rules, approval=True), as_set, "needs approval"),
        (",1:1", as_set, lambda rules: replace(rules, defaults={"prompt": "a house"}), "invalid"),
        ("a fox,", lambda rules: with_endpoint(rules, rules.endpoint, None), as_set, "invalid"),
        ("a fox,", lambda rules: replace(rules, endpoint="unpriced"), as_set, "invalid"),
    ],
    ids=["approval", "defaults", "price", "endpoint"],
)
def test_a_row_that_was_held_back_is_sent_once_the_configuration_allows_it(
    tmp_path: Path, row: str, before: Change, after: Change, status: str
) -> None:
    bench = Bench(tmp_path, [])
    bench.file.write_text(f"prompt,aspect_ratio\n{row}\n", "utf-8")

    def sync_with(change: Change) -> SheetSync:
        sheet = open_sheet(bench.settings, store)
        usual = with_endpoint(wiring.rules(bench.settings, sheet.key), "unpriced", None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wiring, "rules", lambda settings, key, store: change(usual))
            return wiring.open_sync(bench.settings, store, sheet, clock=bench.clock)

    with bench.store() as store:
        for _ in range(2):
            held = sync_with(before).look()
        assert (held.plan.statuses, len(held.plan.lines)) == ({status: 1}, 0)

        freed = sync_with(after).look()

        assert freed.plan.statuses == {"queued": 1}
        assert freed.plan.to_send[0].job
    bench.close()
