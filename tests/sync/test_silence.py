"""Outlets are told once if no pass has ended for long, and not while one is running."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.outlets.outbox import MessageKind
from pipeline.delivering import silence_of
from pipeline.store import OutletEntry, Store
from pipeline.sync.announcing import announce_silence
from pipeline.sync.lease import this_process
from tests.store.build import Clock

AFTER = timedelta(hours=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path / 'store.db'}", now=clock) as opened:
        opened.outlets.configure("sheet", [OutletEntry("push", (MessageKind.SILENT,), "1")], "")
        lease = opened.leases.take("sheet", this_process(), 60)
        assert lease
        opened.leases.release(lease)  # a pass has ended
        assert opened.sheets.get("sheet").passed_at == clock()
        yield opened


def told(store: Store) -> int:
    announce_silence(store, "sheet", lambda last: last + AFTER)
    (state,) = store.outbox.states("sheet")
    return state.waiting


def test_silence_is_told_once(store: Store, clock: Clock) -> None:
    clock.forward(3000)
    assert told(store) == 0
    clock.forward(3000)
    assert [told(store) for _ in range(3)] == [1, 1, 1]


def test_a_long_pass_is_no_silence(store: Store, clock: Clock) -> None:
    clock.forward(3000)
    lease = store.leases.take("sheet", this_process(), 60)
    for _ in range(100):
        assert lease
        assert store.leases.renew(lease, 60)
        clock.forward(50)
    assert told(store) == 0

    clock.forward(100)  # it does not renew its lease any more

    assert told(store) == 1


def test_the_end_of_a_silence_is_told_once_and_the_next_silence_again(
    store: Store, clock: Clock
) -> None:
    clock.forward(4000)
    assert told(store) == 1
    lease = store.leases.take("sheet", this_process(), 60)
    assert lease
    store.leases.release(lease)
    assert [told(store) for _ in range(2)] == [2, 2]
    clock.forward(4000)
    assert [told(store) for _ in range(2)] == [3, 3]


@pytest.mark.parametrize(
    ("schedule", "after"),
    [
        ("", timedelta(hours=24)),
        ('every = "1m"', timedelta(minutes=15)),
        ('every = "1h"', timedelta(hours=3)),
        ('every = "1h"\nsilent_after = "90m"', timedelta(minutes=90)),
        # Friday evening: the next passes are on Monday morning.
        ('cron = "0 9-17 * * MON-FRI"', timedelta(days=2, hours=18)),
    ],
)
def test_three_missing_passes_are_a_silence(
    tmp_path: Path, schedule: str, after: timedelta
) -> None:
    config = tmp_path / "promptsheet.toml"
    config.write_text(f'[sheet]\nsource = "prompts.csv"\n[schedule]\n{schedule}\n')
    friday = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)

    assert silence_of(load(config))(friday) - friday == after
