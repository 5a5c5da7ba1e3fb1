"""A pass keeps its lease, also while it waits; that of a machine that has stopped expires."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from pipeline import wiring
from pipeline.core.errors import StoreError
from pipeline.core.model import Grid, Patch
from pipeline.open_sheet import open_sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Lease, Store
from pipeline.sync import lease, lease_keeper
from pipeline.sync.clock import Clock
from pipeline.sync.last_pass import ending
from pipeline.sync.lease import Busy, is_dead, take_lease, this_process
from pipeline.sync.lease_keeper import LEASE_EVERY
from pipeline.sync.outcome import Asked
from pipeline.sync.ports import ApiAccess
from pipeline.sync.runner import Runner
from tests.fakes.postgresql import own_server
from tests.sync.bench import Bench

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


def test_a_sheet_is_free_at_once_whose_pass_ended_while_the_server_was_away(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("prompt\na fox\n")
    sheet = CsvSheet(tmp_path / "prompts.csv")
    with own_server(safe=True) as server, Store(server.url()) as store:
        first = take_lease(store, sheet)
        assert isinstance(first, Lease)
        with ending(store, first):
            assert isinstance(take_lease(store, sheet), Busy)
            server.stop("immediate")
        server.start()
        left = store.leases.of(sheet.key)
        second = take_lease(store, sheet)
        third = take_lease(store, sheet)

    assert left
    assert left.word == first.word
    assert isinstance(second, Lease)
    assert isinstance(third, Busy), "a pass that runs keeps its lease"


def test_a_lease_whose_taking_was_not_answered_is_taken_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompts.csv").write_text("prompt\na fox\n")
    sheet = CsvSheet(tmp_path / "prompts.csv")
    with Store(f"sqlite:///{tmp_path}/store.db") as store:
        with monkeypatch.context() as patch:
            answers_nothing(store, patch)
            with pytest.raises(StoreError):
                take_lease(store, sheet)
        left = store.leases.of(sheet.key)
        again = take_lease(store, sheet)

    assert left
    assert isinstance(again, Lease)


def answers_nothing(store: Store, patch: pytest.MonkeyPatch) -> None:
    """The store does what is asked, and the answers are lost."""
    writing = store.leases._database.writing

    @contextmanager
    def unanswered() -> Iterator[Connection]:
        with writing() as connection:
            yield connection
        raise StoreError("the connection is lost")

    patch.setattr(store.leases._database, "writing", unanswered)


def test_a_pass_renews_its_lease_while_its_first_look_waits_for_the_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_keeper, "LEASE_EVERY", 0.01)
    renewed = threading.Event()
    came = list[bool]()

    def renew() -> bool:
        renewed.set()
        return True

    with closing(Bench(tmp_path, ["a fox"])) as bench, bench.store() as store:
        sheet = open_sheet(bench.settings, store)
        write = sheet.write

        def write_late(patch_for: Callable[[Grid], Patch]) -> Grid:
            came.append(renewed.wait(10))
            return write(patch_for)

        monkeypatch.setattr(sheet, "write", write_late)
        sync = wiring.open_sync(bench.settings, store, sheet, clock=bench.clock)
        ways = [ApiAccess(one, bench.api, wiring.pace(bench.settings)) for one in sync.rules.apis]
        submissions = wiring.submissions(bench.settings, sync, bench.clock)
        clock = Clock(bench.now)
        asked = Asked(limit=0)
        runner = Runner(sync, submissions, ways, None, asked, clock, keep_lease=renew)
        outcome = asyncio.run(runner.run())

    assert came[0]
    assert outcome.statuses == {"queued": 1}
    assert outcome.sentences == []


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="numbers are the machine's")
def test_a_lease_of_another_machine_with_the_same_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = "99999999"  # no process has a number as high as that
    here, _, _ = this_process().rpartition(":")
    numbers = Path.readlink

    assert is_dead(f"{here}:{dead}")
    monkeypatch.setattr(Path, "readlink", lambda path: numbers(path) / "of another container")
    lease._mark.cache_clear()
    assert this_process() != f"{here}:{os.getpid()}"
    assert not is_dead(f"{here}:{dead}")
    monkeypatch.undo()
    lease._mark.cache_clear()
