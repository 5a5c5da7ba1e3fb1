"""What an outlet is told when two machines of a fleet meet the same trouble."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.core.outbox import MessageKind
from pipeline.store import OutletEntry, Store
from pipeline.sync.announcing import announce_pass
from pipeline.sync.outcome import Outcome

SHEET = "sheet"


@pytest.mark.parametrize(
    "sentences",
    [
        ("Apiframe refused the API key (401). Check [provider] api_key.",) * 2,
        tuple(
            f"{failed} of {total} rows failed, so nothing more was sent. Look at their notes first."
            for failed, total in ((4, 10), (5, 13))
        ),
    ],
)
def test_an_outlet_is_told_once_a_day_of_a_stop_that_two_machines_meet(
    tmp_path: Path, sentences: tuple[str, str]
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store(url) as one, Store(url) as other:
        one.sheets.get(SHEET)
        entry = OutletEntry("push", (MessageKind.STOPPED,), "1")
        (number,) = one.outlets.configure(SHEET, [entry], "/team/promptsheet.toml").values()
        counts = []
        for day in ("2027-03-01", "2027-03-02"):
            for store, sentence in zip((one, other), sentences, strict=True):
                sync = SimpleNamespace(store=store, key=SHEET, last=SimpleNamespace(hold=None))
                announce_pass(cast(Any, sync), Outcome(SHEET, SHEET, stop=sentence), day)
            counts.append(one.outbox.waiting(number).number)

    assert counts == [1, 2]
