"""On a full disk nothing is half-written, no answer of the API is lost, and nothing is sent."""

from __future__ import annotations

import multiprocessing
import re
import resource
import stat
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import StoreFull
from pipeline.core.model import Attempt, JobKey, KnownRow, Result, State
from pipeline.core.states import Accepted, Event, Failed, Lost, Postponed, Progressed, Succeeded
from pipeline.store import Fact, Intent, Limits, Store
from pipeline.store.attempt_events import from_body
from pipeline.store.rescue_file import RescueFile
from tests.fakes.small_disk import SmallDisk, mounted

KEYS = [JobKey("sheet", f"r_{number:09d}", 1) for number in range(220)]
LIMITS = Limits(api_key="key", run="run", day="2026-03-01")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def intent(key: JobKey, inputs: str = "{}") -> Intent:
    return Intent(key, 1, inputs, (), "imagine", 8, 120)


def success(key: JobKey, many: int = 4) -> Fact:
    urls = tuple(f"https://cdn.apiframe.example/{key.row_id}/{n}/{'x' * 150}" for n in range(many))
    return Fact(key, 1, Succeeded(Result(urls), f"task-{key.row_id}", 8))


def begin_until_full(store: Store) -> None:
    for key in KEYS[100:]:
        store.attempts.begin([intent(key, "x" * 50_000)], LIMITS)


def record_until_full(store: Store, recorded: list[JobKey]) -> None:
    for at in range(0, 100, 10):
        recorded += KEYS[at : at + 10]
        assert all(store.attempts.record([success(key) for key in recorded[-10:]]))


class ShortFiles(SmallDisk):
    """The same for a process without the right to mount: a limit on the length of its files."""

    def fill(self, process: int = 0) -> None:
        longest = max(path.stat().st_size for path in self.folder.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (longest, resource.RLIM_INFINITY))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


def small(folder: Path) -> AbstractContextManager[SmallDisk]:
    """A file system of 2 MB, or files that cannot grow."""
    return mounted(folder, ShortFiles)


@contextmanager
def shortened(folder: Path) -> Iterator[SmallDisk]:
    """A folder in which files cannot grow."""
    yield ShortFiles(folder)


def in_own_process(work: Callable[[], None]) -> None:
    """Run `work` in its own process, so that its limits end with it."""
    fork = multiprocessing.get_context("fork")
    reports: Any = fork.SimpleQueue()

    def child() -> None:
        try:
            work()
            reports.put("")
        except BaseException:
            reports.put(traceback.format_exc())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = fork.Process(target=child)
        process.start()
    trouble = reports.get()
    process.join()
    assert not trouble, trouble


disks = pytest.mark.parametrize("disk", [small, shortened])


@disks
def test_on_a_full_disk_nothing_starts_and_nothing_is_lost(
    disk: Callable[[Path], Any], tmp_path: Path
) -> None:
    def work() -> None:
        with disk(tmp_path) as room, Store(f"sqlite:///{tmp_path}/store.db") as store:
            store.attempts.reserve()
            # Some history, so that the log of the database is no shorter than the rescue file.
            store.rows.note("sheet", [KnownRow(f"r_{n:09d}", "x" * 100, 1) for n in range(2000)])
            store.jobs.add(KEYS)
            store.attempts.begin([intent(key) for key in KEYS[:100]], LIMITS)

            room.fill()
            with pytest.raises(StoreFull, match="No space is left"):
                begin_until_full(store)
            begun = [job for job in store.jobs.all("sheet").values() if job.attempts]
            assert all(len(job.attempts) == 1 for job in begun)
            assert store.budget.spent("key", "run", "2026-03-01").day == 8 * len(begun)

            recorded: list[JobKey] = []
            with pytest.raises(StoreFull, match=" saved in "):
                record_until_full(store, recorded)
            still = store.jobs.all("sheet", recorded[-10:]).values()
            assert {job.attempts[0].state for job in still} == {State.SUBMITTING}
            with pytest.raises(StoreFull):
                store.attempts.rescued()

            room.free()
            assert store.attempts.rescued() == 10
            assert store.attempts.rescued() == 0
            after = store.jobs.all("sheet", recorded).values()
            assert {job.attempts[0].state for job in after} == {State.SUCCEEDED}
            assert isinstance(store.attempts.begin([intent(KEYS[-1])], LIMITS)[0], Attempt)
            assert set(store.jobs.all("sheet")) == set(KEYS)

    in_own_process(work)


@disks
def test_no_pass_starts_without_space_for_the_rescue_file(
    disk: Callable[[Path], Any], tmp_path: Path
) -> None:
    def work() -> None:
        with disk(tmp_path) as room, Store(f"sqlite:///{tmp_path}/store.db") as store:
            room.fill()
            with pytest.raises(StoreFull, match=r"No space in the rescue file .*store\.db\.rescue"):
                store.attempts.reserve()
            room.free()
            store.attempts.reserve()

    in_own_process(work)


def test_a_rescue_file_that_cannot_be_made_is_not_called_full(tmp_path: Path) -> None:
    file = RescueFile(tmp_path / "missing" / "store.db.rescue")
    why = (
        r"store\.db\.rescue cannot be written: .*\. Nothing is sent without it, .* Let this account"
    )

    with pytest.raises(StoreFull, match=why):
        file.reserve()
    assert re.search(why, file.trouble())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/store.db", now=lambda: NOON) as opened:
        opened.jobs.add(KEYS)
        opened.attempts.begin([intent(key) for key in KEYS], LIMITS)
        opened.attempts.reserve()
        yield opened


def test_the_rescue_file_has_allocated_blocks_and_is_private(store: Store, tmp_path: Path) -> None:
    kept = (tmp_path / "store.db.rescue").stat()

    assert kept.st_size == 256 * 1024
    assert kept.st_blocks * 512 >= kept.st_size
    assert stat.S_IMODE(kept.st_mode) == 0o600


def test_the_rescue_file_has_space_for_two_hundred_facts_with_four_urls_each(
    store: Store, tmp_path: Path
) -> None:
    for key in KEYS[:200]:
        store.attempts.rescue([success(key)])

    assert (tmp_path / "store.db.rescue").stat().st_size == 256 * 1024
    assert store.attempts.rescued() == 200
    done = [j for j in store.jobs.all("sheet").values() if j.attempts[0].state is State.SUCCEEDED]
    assert {job.key for job in done} == set(KEYS[:200])
    assert store.budget.spent("key", "run", "2026-03-01").day == 8 * 220


def test_facts_that_do_not_fit_are_reported_and_the_others_are_kept(store: Store) -> None:
    store.attempts.rescue([success(KEYS[0])])
    with pytest.raises(StoreFull, match="is full too"):
        store.attempts.rescue([success(key, 9) for key in KEYS])

    assert store.attempts.rescued() == 1


def test_every_kind_of_event_is_rescued_with_its_time(tmp_path: Path) -> None:
    events: list[Event] = [
        *(Accepted("t"), Progressed(3, "t"), Progressed(), Failed("no \ud800\n\0", "t", True, 1)),
        *(Lost("time-out"), Postponed("429"), Succeeded(Result(("u\n",), "g\x1a", 3), "t", 2)),
    ]
    url, later = f"sqlite:///{tmp_path}/store.db", NOON + timedelta(hours=5)
    with Store(url, now=lambda: NOON) as store:
        store.jobs.add(KEYS)
        store.attempts.begin([intent(key) for key in KEYS[: len(events)]], LIMITS)
        store.attempts.rescue([Fact(key, 1, one) for key, one in zip(KEYS, events, strict=False)])

    with Store(url, now=lambda: later) as store:
        assert store.attempts.rescued() == len(events)
        jobs = store.jobs.all("sheet")
        assert [jobs[key].attempts[0].state for key in KEYS[: len(events)]] == [
            *(State.RUNNING, State.RUNNING, State.RUNNING, State.FAILED),
            *(State.UNKNOWN, State.RETURNED, State.SUCCEEDED),
        ]
        assert jobs[KEYS[3]].attempts[0].reason == "no \ud800\n\0"
        assert jobs[KEYS[6]].attempts[0].ended_at == NOON
        assert jobs[KEYS[6]].attempts[0].result == Result(("u\n",), "g\x1a", 3)


def test_incomplete_lines_are_skipped_and_reported(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.db.rescue"
    store.attempts.rescue([success(KEYS[0])])
    content = path.read_bytes().rstrip(b"\0")
    torn = content + b'\n{"key":["sheet","r_00000\xff\n[]\n7\n{"key":1}\nnull\n"key"'
    path.write_bytes(torn.ljust(256 * 1024, b"\0"))
    store.attempts.rescue([success(KEYS[1])])

    assert store.attempts.rescued() == 2
    assert len(caplog.records) == 6
    assert path.read_bytes() == bytes(256 * 1024)


def test_a_fact_recorded_twice_from_the_rescue_file_counts_once(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "store.db.rescue"
    store.attempts.rescue([success(KEYS[0])])
    before_the_crash = path.read_bytes()
    store.attempts.rescued()
    path.write_bytes(before_the_crash)

    assert store.attempts.rescued() == 1
    assert [line.kind for line in store.jobs.history(KEYS[0])] == ["sent", "succeeded"]


def test_a_store_without_a_rescue_file_has_nothing_to_rescue(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/store.db") as store:
        assert store.attempts.rescued() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_an_event_from_an_earlier_version_is_still_read() -> None:
    # Results had a text in earlier versions.
    result = {"urls": ["https://x/1.png"], "grid_url": "", "text": ""}
    body = {"result": result, "task_id": "t", "reported": None}

    assert from_body("succeeded", body) == Succeeded(Result(("https://x/1.png",)), "t")
