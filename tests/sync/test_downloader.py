"""When a failed download is tried again and reported, and how saved files are noted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from pipeline.core.errors import BadLink, DeadLink, NotSaved, StoreError
from pipeline.core.model import JobKey, State, Unsaved
from pipeline.store import NewFile, SavedFile
from pipeline.sync.download_queue import DOWNLOADS, UNDER_WAY, DownloadQueue
from pipeline.sync.download_retries import missed
from pipeline.sync.file_notes import FileNotes
from pipeline.sync.wanted_pictures import Picture, WantedPicture
from pipeline.sync.worker import Worker
from tests.core.build import NOW, attempt
from tests.fakes.cases import each


def tried(error: NotSaved, sent_at: datetime = NOW) -> list[tuple[timedelta, bool]]:
    """All tries until the download is given up: time since the first try, and what is reported."""
    seen: list[tuple[timedelta, bool]] = []
    before, now = None, NOW
    while True:
        before = missed(error, before, sent_at, now)
        seen.append((now - NOW, before.lost))
        if before.next_at is None:
            return seen
        assert before.next_at > now
        now = before.next_at


def test_a_failing_server_is_tried_less_and_less_often_for_two_days() -> None:
    times = tried(NotSaved("The server behind the link answers 503."))

    assert [lost for _, lost in times] == [False] * 15 + [True]
    pauses = [later - sooner for (sooner, _), (later, _) in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(minutes=1)
    assert timedelta(days=1) < times[-1][0] < timedelta(days=3)


def test_a_dead_link_of_a_recent_task_is_reported_and_tried_twice_more() -> None:
    gone = DeadLink("The link is dead: it answers 404.")

    assert tried(gone) == [
        (timedelta(0), True),
        (timedelta(minutes=10), True),
        (timedelta(minutes=130), True),
    ]


@each(
    ("error", "age"),
    [
        (DeadLink("The link is dead: it answers 404."), timedelta(days=2)),
        (BadLink("The link is not a web address."), timedelta(0)),
    ],
)
def test_a_permanent_failure_is_tried_once(error: NotSaved, age: timedelta) -> None:
    assert tried(error, NOW - age) == [(timedelta(0), True)]


def test_a_link_that_dies_while_its_server_fails_is_reported() -> None:
    before = Unsaved("The server behind the link answers 503.", 7, NOW, lost=False)

    now = missed(DeadLink("The link is dead: it answers 410."), before, NOW, NOW)

    assert now == Unsaved("The link is dead: it answers 410.", 8, None, lost=True)


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def note(number: int) -> NewFile:
    return NewFile(JobKey("sheet", "row", 1), 1, f"url {number}", SavedFile("fox.png", "", ""))


def test_files_that_are_saved_while_the_store_writes_are_noted_together(worker: Worker) -> None:
    written: list[list[NewFile]] = []
    began, may_end = threading.Event(), threading.Event()

    def save(notes: list[NewFile]) -> None:
        began.set()
        assert may_end.wait(20)
        written.append(notes)

    async def act() -> None:
        notes = FileNotes(worker, save)
        first = asyncio.create_task(notes.add(note(0)))
        assert await asyncio.to_thread(began.wait, 20)
        others = [asyncio.create_task(notes.add(note(number))) for number in range(1, 6)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in (first, *others))
        may_end.set()
        await asyncio.gather(first, *others)

    asyncio.run(act())

    assert written == [[note(0)], [note(number) for number in range(1, 6)]]


def test_each_file_whose_note_could_not_be_written_has_the_error(worker: Worker) -> None:
    full = StoreError("no space")
    answers = iter((full, None))

    def save(notes: list[NewFile]) -> None:
        if error := next(answers):
            raise error

    async def act() -> list[object]:
        notes = FileNotes(worker, save)
        both = notes.add(note(1)), notes.add(note(2))
        failed = await asyncio.gather(*both, return_exceptions=True)
        await notes.add(note(3))
        return list(failed)

    assert asyncio.run(act()) == [full, full]


def test_a_cancelled_download_does_not_cancel_the_notes_of_others(worker: Worker) -> None:
    written: list[NewFile] = []

    async def act() -> None:
        notes = FileNotes(worker, written.extend)
        cancelled = asyncio.create_task(notes.add(note(1)))
        other = asyncio.create_task(notes.add(note(2)))
        await asyncio.sleep(0)
        cancelled.cancel()
        await other

    asyncio.run(act())

    assert written == [note(1), note(2)]


def test_a_pass_hears_once_that_all_pictures_are_saved() -> None:
    saved, heard = list[int](), list[int]()

    async def save(one: WantedPicture, downloaded: Callable[[], None]) -> None:
        await asyncio.sleep(0)
        saved.append(one.number)

    async def act() -> None:
        queue = DownloadQueue(save, lambda: heard.append(len(saved)))
        for number in range(20):
            queue.add(wanted(number), NOW)
        queue.begin()
        await queue.finish()
        await asyncio.sleep(0)

    asyncio.run(act())

    assert heard == [20]


def wanted(number: int) -> WantedPicture:
    """A picture of a row that is done."""
    picture = Picture(JobKey("sheet", "row", 1), 1, f"https://x/{number}.png")
    done = attempt(State.SUCCEEDED, ended_at=NOW)
    return WantedPicture(picture, done, number, f"fox-{number}", None, "")


def test_downloads_go_on_while_the_store_writes_but_not_without_end() -> None:
    begun: list[WantedPicture] = []

    async def save(one: WantedPicture, downloaded: Callable[[], None]) -> None:
        begun.append(one)
        downloaded()
        await asyncio.Event().wait()  # the store never notes it

    async def act() -> int:
        queue = DownloadQueue(save, on_empty=lambda: None)
        for number in range(100):
            queue.add(wanted(number), NOW)
        queue.begin()
        for _ in range(100):
            await asyncio.sleep(0)
        pending = queue.pending
        await queue.close()
        return pending

    assert asyncio.run(act()) == 100
    assert DOWNLOADS < len(begun) == UNDER_WAY
