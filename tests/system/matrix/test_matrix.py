"""Every way of running, with every kind of sheet, with polling and webhooks, in five situations.

Each test has one way of running, one kind of sheet, and either polling or webhooks. It goes through
all situations: a first pass, a later one, a retry, a pause and `kill -9`. After each of them every
row was paid once (once more where people asked for it), its pictures are on disk, its cells are
written, and people's cells are unchanged. The API counts charges and polls. The test decides when
tasks end.

The suite has a third of the combinations: each way of running with two kinds of sheet, with polling
and with webhooks, and each kind of sheet with both. `make soak` has the others.

Two combinations are special. Without a process that keeps running, nothing receives the API's calls
between two starts: they are lost, and the next start has to poll (Excel and Google go only through
the first pass there, CSV through all situations). And `doctor --repair` never sends: there a plain
`run` sends, and the repair collects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from pipeline.sandbox import Sandbox
from tests.fakes.google_sheets import GoogleSheets, google_sheets
from tests.fakes.program import KEY, KEY_NAME
from tests.system.matrix.kinds import CsvKind, ExcelKind, GoogleKind, Kind
from tests.system.matrix.ways import WAYS, Way
from tests.system.matrix.world import World

#: Longer than any test, so that a task ends only when the test says so.
TASK_SECONDS = 10_000


@pytest.fixture(scope="module")
def google() -> Iterator[GoogleSheets]:
    with google_sheets(reads=10**6, writes=10**6) as google:
        yield google


@pytest.fixture
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "google":
        return GoogleKind(tmp_path, request.getfixturevalue("google"))
    return {"csv": CsvKind, "excel": ExcelKind}[request.param](tmp_path)


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    api: Sandbox,
    kind: Kind,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv(KEY_NAME, KEY)
    api.reset()
    return World(tmp_path, api, kind, hears=request.param == "webhooks")


def combinations() -> Iterator[ParameterSet]:
    """Ways of running, kinds of sheet, and polling or webhooks; two thirds of them are marked."""
    sides = (
        enumerate(WAYS),
        enumerate(("csv", "excel", "google")),
        enumerate(("polling", "webhooks")),
    )
    for (i, way), (j, kind), (k, hearing) in product(*sides):
        marks = [pytest.mark.soak] * ((i + j + k) % 3 > 0)
        yield pytest.param(WAYS[way], kind, hearing, marks=marks, id=f"{hearing}-{kind}-{way}")


@pytest.mark.parametrize(("way", "kind", "world"), [*combinations()], indirect=["kind", "world"])
def test_every_row_is_paid_once_done_saved_and_written(
    world: World, way: Callable[[World], Way]
) -> None:
    with way(world) as running:
        # After the first pass, a call without a receiver is the same for every kind of sheet.
        is_lost = world.hears and not running.receives and not isinstance(world.kind, CsvKind)
        for situation in SITUATIONS[:1] if is_lost else SITUATIONS:
            try:
                world.kind.a_minute_later()
                situation(world, running)
            except Exception as e:
                e.add_note(f"The situation: {situation.__name__.replace('_', ' ')}.")
                raise


def first_pass(world: World, way: Way) -> None:
    world.add("a fox", "an owl")
    way.send(2)
    world.api.finish()
    way.collect(2)
    world.assert_done()


def later_pass(world: World, way: Way) -> None:
    world.add("a cat")
    way.send(3)
    world.api.finish()
    way.collect(3)
    world.assert_done()


def after_a_retry(world: World, way: Way) -> None:
    world.api.set(fail="next 1")
    world.add("a dog")
    way.send(4)
    world.api.finish()
    way.collect(3)
    world.until_says("a dog", "failed")
    assert world.call("retry").code == 0
    world.paid["a dog"] = 2
    way.send(5)
    world.api.finish()
    way.collect(4)
    world.assert_done()


def after_a_pause(world: World, way: Way) -> None:
    world.add("a wolf")
    way.send(6)
    assert world.call("pause").code == 0
    world.add("a bear")
    world.api.finish()
    way.collect(5)
    world.assert_done(but=["a bear"])
    assert world.call("resume").code == 0
    way.send(7)
    world.api.finish()
    way.collect(6)
    world.assert_done()


def after_a_kill(world: World, way: Way) -> None:
    world.add("a hare", "a crow")
    way.die(9)
    way.send(9)
    world.api.finish()
    way.collect(8)
    world.assert_done()


#: Each starts from the result of the one before.
SITUATIONS = (first_pass, later_pass, after_a_retry, after_a_pause, after_a_kill)
