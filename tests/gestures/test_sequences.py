"""Gestures after which all is as before, one after another in any order: all is as before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sandbox import Sandbox
from tests.fakes.google_sheets import google_sheets
from tests.fakes.program import KEY, KEY_NAME
from tests.gestures import people as do
from tests.gestures.office import MakeSheet, Office, called
from tests.gestures.sheets import CsvSheet, ExcelSheet, GoogleSheet
from tests.gestures.table import CSV, OWN, ROWS, TABLE, Gesture

#: Longer than any test, so that a task ends only when the test says so.
TASK_SECONDS = 10_000
#: Gestures that cost nothing and leave each row with its result; those for rows that are not sent
#: yet are possible once only. They need no other sheet.
HARMLESS = [
    gesture
    for gesture in TABLE
    if sorted(gesture.rows) == sorted(ROWS)
    and not (gesture.paid or gesture.stops)
    and gesture.sheet in ("shared", OWN)
    and gesture.when != "not sent yet"
    and CSV in gesture.kinds
    and do.paste_ids_of_another_sheet not in gesture.steps
]


@contextmanager
def sheets(kind: str, folder: Path) -> Iterator[MakeSheet]:
    """How to make a sheet of this kind."""
    if kind != "google":
        file = {"csv": CsvSheet, "excel": ExcelSheet}[kind]
        yield lambda name: file(folder, name)
        return
    with google_sheets(reads=10**6, writes=10**6) as google:
        yield lambda name: GoogleSheet(folder, name, google, google.new_book(name, rows=30))


def assert_all_is_as_before(api: Sandbox, kind: str, gestures: list[Gesture]) -> None:
    """Do these gestures on the same five rows, and check the rows and what was paid."""
    api.reset()
    steps = tuple(
        (lambda people, act=act, when=gesture.when: act(people.about(when)))
        for gesture in gestures
        for act in gesture.steps
    )
    whole = Gesture("; ".join(g.name for g in gestures), "any time", steps, "", sheet=OWN)
    with (
        tempfile.TemporaryDirectory() as folder,
        sheets(kind, Path(folder)) as make,
        patch.dict(os.environ, {KEY_NAME: KEY}),
    ):
        office = Office(Path(folder), api, make, called)
        office.open([whole])
        office.prepare()
        office.act()
        office.end()
        assert office.problems(in_order=False) == []


SEQUENCES = st.lists(st.sampled_from(HARMLESS), min_size=2, max_size=6)
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def test_there_are_many_harmless_gestures() -> None:
    assert len(HARMLESS) >= 35


@settings(max_examples=1, suppress_health_check=SLOW)
@given(gestures=SEQUENCES)
def test_harmless_gestures_in_any_order_change_nothing(
    api: Sandbox, gestures: list[Gesture]
) -> None:
    assert_all_is_as_before(api, "csv", gestures)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["csv", "excel", "google"])
def test_many_sequences_of_harmless_gestures_change_nothing(api: Sandbox, kind: str) -> None:
    @settings(max_examples=200, suppress_health_check=SLOW, derandomize=False)
    @given(gestures=SEQUENCES)
    def played(gestures: list[Gesture]) -> None:
        assert_all_is_as_before(api, kind, gestures)

    played()
