"""The lease of a machine that has stopped expires within a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Lease, Store
from pipeline.sync.lease import Busy, take_lease
from pipeline.sync.lease_keeper import LEASE_EVERY

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_sheet_is_free_within_a_minute_after_the_last_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOON
    (tmp_path / "prompts.csv").write_text("prompt\na fox\n")
    sheet = CsvSheet(tmp_path / "prompts.csv")
    with Store(f"sqlite:///{tmp_path}/store.db", now=lambda: now) as store:

        def from_machine(name: str) -> Lease | Busy:
            monkeypatch.setattr("socket.gethostname", lambda: name)
            return take_lease(store, sheet)

        assert isinstance(from_machine("first"), Lease)
        # A slow machine may miss two renewals without losing its sheet.
        now = NOON + timedelta(seconds=3 * LEASE_EVERY)
        assert isinstance(from_machine("second"), Busy)
        now = NOON + timedelta(seconds=60)
        assert isinstance(from_machine("second"), Lease)
