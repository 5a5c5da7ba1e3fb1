"""Every gesture of the table in every kind of sheet: what is paid, what rows say and show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.google_sheets import google_sheets
from tests.fakes.program import KEY, KEY_NAME
from tests.gestures.office import MakeSheet, Office, called
from tests.gestures.sheets import CsvSheet, ExcelSheet, GoogleSheet, Sheet
from tests.gestures.table import TABLE, Gesture

#: Longer than any test, so that a task ends only when the test says so.
TASK_SECONDS = 10_000


@pytest.fixture(params=["csv", "excel", "google"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str, tmp_path: Path) -> Iterator[MakeSheet]:
    if kind != "google":
        file = {"csv": CsvSheet, "excel": ExcelSheet}[kind]
        yield lambda name: file(tmp_path, name)
        return
    with google_sheets(reads=10**6, writes=10**6) as google:

        def new(name: str) -> Sheet:
            return GoogleSheet(tmp_path, name, google, google.new_book(name, rows=30, columns=16))

        yield new


@pytest.fixture
def office(
    tmp_path: Path, api: Sandbox, make: MakeSheet, monkeypatch: pytest.MonkeyPatch
) -> Office:
    monkeypatch.setenv(KEY_NAME, KEY)
    api.reset()
    return Office(tmp_path, api, make, called)


def played(office: Office, gestures: Iterable[Gesture]) -> str:
    """What differs from the table after these gestures."""
    office.open(gestures)
    office.prepare()
    office.act()
    office.end()
    return "\n".join(office.problems())


@pytest.mark.timeout(300)
def test_each_gesture_costs_and_shows_what_the_table_says(office: Office, kind: str) -> None:
    # Every gesture of a CSV; of the others, those that a CSV does not have and each 32nd one.
    some = (
        TABLE
        if kind == "csv"
        else [g for n, g in enumerate(TABLE) if n % 32 == 16 or "csv" not in g.kinds]
    )

    assert played(office, (gesture for gesture in some if kind in gesture.kinds)) == ""


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_each_gesture_does_the_same_in_every_kind_of_sheet(office: Office, kind: str) -> None:
    assert played(office, (gesture for gesture in TABLE if kind in gesture.kinds)) == ""
