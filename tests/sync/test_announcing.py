"""What an outlet is told when two machines of a fleet meet the same trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.core.outlets.outbox import MessageKind
from pipeline.store import OutletEntry, Store
from pipeline.sync.announcing import announce_pass
from pipeline.sync.outcome import Outcome

SHEET = "sheet"
OUT_OF_CREDITS = "Apiframe is out of credits (402). Top up the account, then run again."


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
        number = outlet_of(one)
        counts = []
        for day in ("2027-03-01", "2027-03-02"):
            for store, sentence in zip((one, other), sentences, strict=True):
                end_pass(store, day, sentence)
            counts.append(one.outbox.waiting(number).number)

    assert counts == [1, 2]


def test_an_outlet_is_told_again_on_the_same_day_of_a_stop_that_had_ended(tmp_path: Path) -> None:
    now = datetime(2027, 3, 1, 9, tzinfo=UTC)
    with Store(f"sqlite:///{tmp_path}/store.db", now=lambda: now) as store:
        number = outlet_of(store)
        counts = []
        for sentence in (OUT_OF_CREDITS, OUT_OF_CREDITS, "", "", OUT_OF_CREDITS):
            end_pass(store, "2027-03-01", sentence)
            counts.append(store.outbox.waiting(number).number)
            now += timedelta(minutes=5)

    assert counts == [1, 1, 1, 1, 2]


def test_a_stop_at_every_other_pass_is_told_of_every_quarter_of_an_hour(tmp_path: Path) -> None:
    now = datetime(2027, 3, 1, 9, tzinfo=UTC)
    with Store(f"sqlite:///{tmp_path}/store.db", now=lambda: now) as store:
        number = outlet_of(store)
        for sentence in (OUT_OF_CREDITS, "") * 60:  # two hours
            end_pass(store, "2027-03-01", sentence)
            now += timedelta(minutes=1)
        every_other = store.outbox.waiting(number).number
        for _ in range(20):
            end_pass(store, "2027-03-01", OUT_OF_CREDITS)
            now += timedelta(minutes=1)
        lasting = store.outbox.waiting(number).number

    assert every_other == 8
    assert lasting == 9


def test_a_message_about_a_rule_that_stopped_the_sending_says_how_it_goes_on(
    tmp_path: Path,
) -> None:
    with Store(f"sqlite:///{tmp_path}/store.db") as store:
        number = outlet_of(store)
        end_pass(store, "2027-03-01", "9 of 20 rows failed.", stopped=True)
        (line,) = store.outbox.claim(number, 10)

    assert line.body["sentence"] == (
        "9 of 20 rows failed. If watch runs the sheet, nothing more is sent until you run "
        "promptsheet resume."
    )


def outlet_of(store: Store) -> int:
    """The number of an outlet that is told of stops."""
    store.sheets.get(SHEET)
    entry = OutletEntry("push", (MessageKind.STOPPED,), "1")
    (number,) = store.outlets.configure(SHEET, [entry], "/team/promptsheet.toml").values()
    return number


def end_pass(store: Store, day: str, stop: str, *, stopped: bool = False) -> None:
    """A pass ends on this day, stopped for this reason."""
    sync = SimpleNamespace(store=store, key=SHEET, last=SimpleNamespace(hold=None))
    announce_pass(cast(Any, sync), Outcome(SHEET, SHEET, stop=stop, stopped=stopped), day)
