"""Every gesture of the table in every kind of sheet: what is paid, what rows say and show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.google_sheets import google_sheets
from tests.fakes.program import KEY, KEY_NAME
from tests.gestures.office import MakeSheet, Office, called
from tests.gestures.sheets import CsvSheet, ExcelSheet, GoogleSheet, Sheet
from tests.gestures.table import TABLE

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


@pytest.mark.timeout(300)
def test_each_gesture_costs_and_shows_what_the_table_says(office: Office, kind: str) -> None:
    office.open(gesture for gesture in TABLE if kind in gesture.kinds)
    office.prepare()
    office.act()
    office.end()

    assert "\n".join(office.problems()) == ""
