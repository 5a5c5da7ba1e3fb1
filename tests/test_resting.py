"""Looking only at rows that are not at rest comes to what looking at all of them comes to.

The machine of `test_whole` does to sheet, store and API whatever can happen to them. Before a look
the whole world is copied, and a pass that knows of no row at rest looks at the copy: file, store
and plan must come out alike.
"""

from __future__ import annotations

import atexit
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

import pytest

from pipeline import book as book_module
from pipeline.book import Book
from pipeline.core import resting
from pipeline.core.errors import SheetError
from pipeline.core.model import Grid
from pipeline.store import Store
from tests.test_whole import run
from tests.whole.desks import SHEET, FileDesk
from tests.whole.world import MAIN, Pass, World, _folder


def outcome(book: Book, store: Store, file: Path) -> dict[str, Any]:
    """Everything that may come of a look."""
    memory = store.memory(book.key)
    record = store.sheet(book.key)
    return {
        "file": file.read_bytes(),
        "known": memory.known,
        "past": {one: list(had) for one, had in memory.past.items() if had},
        "order": memory.order,
        "jobs": store.jobs(book.key),
        "record": replace(record, word=""),
        "hold": book.hold,
        "statuses": book.plan.statuses,
        "to send": [(line.seen.row_id, line.take, line.asked) for line in book.plan.to_send],
        "newly": book.newly,
        "names": {key.row_id: book.name_of(key) for key in store.jobs(book.key)},
        "open": sorted(map(str, book.open_attempts())),
        "at work": book.at_work(),
        "rests": book.is_at_rest(saves_files=False),
    }


def file_of(world: World) -> Path:
    """The file that people and program write in."""
    assert isinstance(world.team.desk, FileDesk)
    return world.team.desk.path


@cache
def _beside() -> Path:
    """The folder of the copies, beside that of the world."""
    folder = Path(mkdtemp(prefix="promptsheet-twin-", dir=_folder().parent))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def at_full_length(world: World, one: Pass) -> dict[str, Any] | str:
    """What comes of the look, in a copy of everything, where nothing is known to be at rest."""
    folder = _beside()
    twin = folder / "twin.store"
    for file in folder.iterdir():
        if not file.name.startswith(twin.name):
            file.unlink()
    for file in world.folder.iterdir():
        if not file.name.partition(".")[2].startswith("db"):
            shutil.copy2(file, folder / file.name)
    with (
        closing(sqlite3.connect(world._file(one.store_name))) as source,
        closing(sqlite3.connect(twin)) as copied,
    ):
        source.backup(copied)
        copied.execute("delete from resting")
        copied.commit()
    chance = Random()
    chance.setstate(world.chance.getstate())
    file = folder / file_of(world).name
    with Store(f"sqlite:///{twin}", now=world.clock) as store:
        book = Book(
            FileDesk(file).watched(world.clock).sheet,
            store,
            one.book.rules,
            one.book._header,
            one.book.limits,
            config="promptsheet.toml",
            now=world.clock,
            chance=chance,
        )
        try:
            book.look()
        except SheetError as refused:
            return str(refused)
        return outcome(book, store, file)


class Twins:
    """Every first look of a pass that is alone, at both lengths."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._look = World.look

    def look(
        self,
        world: World,
        one: Pass,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """As the machine does it; the comparison is made where nothing comes in between."""
        alone = before is None is after and len(world.passes) == 1 and one.store_name == MAIN
        # What a book knew before another pass noted rows is another matter.
        fresh = one.book.looked_at is None and one.store.noted(SHEET) == one.book._noted
        full = at_full_length(world, one) if alone and fresh else None
        self._look(world, one, before, after)
        if isinstance(full, dict):
            mine = outcome(one.book, one.store, file_of(world))
            differing = [name for name in full if mine[name] != full[name]]
            told = "".join(f"\n{n}: {mine[n]}\n   full: {full[n]}" for n in differing)
            assert not differing, f"looked at in part it comes out otherwise: {told}"
            self.counts["compared"] += 1
            self.counts["in part"] += one.book._parted is not None
            self.counts["rows at rest"] += one.book.plan.at_rest.total()
            self.counts["rows looked at beside them"] += (
                len(one.book.plan.lines) if one.book.plan.at_rest else 0
            )


@contextmanager
def compared() -> Iterator[Twins]:
    """The machine, with every look compared."""
    twins = Twins()

    def look(world: World, one: Pass, *between: Callable[[], None] | None) -> None:
        twins.look(world, one, *between)

    with patch.object(World, "look", look):
        yield twins


def test_a_look_in_part_comes_to_what_a_look_at_all_comes_to() -> None:
    with compared() as twins:
        run(5, 4)

    print(twins.counts)
    assert twins.counts["rows at rest"] > 10
    assert twins.counts["rows looked at beside them"] > 3


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_look_in_part_comes_to_the_same_in_a_long_run() -> None:
    with compared() as twins:
        run(6, 300)

    print(twins.counts)
    assert twins.counts["rows at rest"] > 1000


# -- planted faults: the comparison sees each of them ---------------------------------------------


def _a_copied_id_rests() -> Any:
    """A row rests although its id stands twice."""
    right = resting.parted

    def parted(grid: Grid, columns: Any, left: Any, stirred: Any) -> Any:
        with patch.object(resting, "Counter", lambda marks=(): Counter(dict.fromkeys(marks, 1))):
            return right(grid, columns, left, stirred)

    return patch.object(book_module, "parted", parted)


def _moved_jobs_rest() -> Any:
    """A row rests although its job has moved."""
    right = resting.parted
    return patch.object(
        book_module, "parted", lambda grid, columns, left, stirred: right(grid, columns, left, ())
    )


def _edits_rest() -> Any:
    """A row rests by its id, whatever its cells say."""
    return patch.object(resting, "digest", lambda row: b"0" * resting.DIGEST)


def _missing_ids_are_forgotten() -> Any:
    """What is known of rows that are gone from the sheet is not loaded."""
    return patch.object(Book, "_load", lambda self, ids: None)


def _whoever_waits_rests() -> Any:
    """Rows rest whose task is not finished."""
    return patch.multiple(
        resting,
        STILL=(
            *resting.STILL,
            "queued",
            "in progress",
            "waiting",
            "over budget",
            "copy",
            "check needed",
        ),
        _is_over=lambda job, saves: True,
    )


def _copies_rest() -> Any:
    """A copy rests, although it becomes the original when that is deleted."""

    def rests(line: Any, jobs: Any, saves_files: bool) -> bool:
        return bool(line.confirmed and line.status in (*resting.STILL, "copy"))

    return patch.object(resting, "_rests", rests)


@pytest.mark.parametrize(
    "fault",
    [
        _a_copied_id_rests,
        _edits_rest,
        _missing_ids_are_forgotten,
        _whoever_waits_rests,
        _copies_rest,
    ],
    ids=lambda fault: fault.__name__.strip("_"),
)
def test_a_planted_fault_is_seen(fault: Callable[[], Any]) -> None:
    assert is_seen(fault, seeds=(1, 2), examples=25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_job_that_moved_in_silence_is_seen_in_a_long_run() -> None:
    assert is_seen(_moved_jobs_rest, seeds=(1, 2, 3), examples=300)


def is_seen(fault: Callable[[], Any], seeds: tuple[int, ...], examples: int) -> bool:
    for seed in seeds:
        with fault(), compared():
            try:
                run(seed, examples)
            except Exception:
                return True
    return False
