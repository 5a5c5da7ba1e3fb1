"""A short day of a fleet in simulated time, and what its stand-in for Google is measured by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from pipeline.core.model import Claim, Grid, Patch
from pipeline.sheets import Sheet
from pipeline.sheets.google.client import PER_MINUTE, Kind
from pipeline.sheets.google.sheet import GoogleSheet
from pipeline.store import Store
from tests.benchmarks.day.clock import POWER, DayLoop, Power
from tests.benchmarks.day.day import Day, Plan
from tests.benchmarks.day.google import ANSWERS_IN, HEADER, Book, Google, Requests, Tab
from tests.benchmarks.day.meter import percentile
from tests.fakes.google_desk import NOW, columns_of, open_spreadsheet
from tests.fakes.google_sheets import google_sheets

PLAN = Plan(
    rows=60,
    sheets=3,
    machines=3,
    accounts=1,
    pasted=20,
    hours=0.1,
    still=90.0,
    write_every="30s",
    at_once=60,
    lasts=(10.0, 40.0),
)


def test_on_a_day_of_three_machines_of_which_one_stands_still_each_row_is_paid_once_and_done(
    tmp_path: Path,
) -> None:
    report = Day(PLAN, tmp_path).live()

    assert report.paid_twice == 0
    assert report.in_wrong_rows == 0
    assert report.over_quota == 0
    assert report.handed_over > 0
    assert report.done == report.rows == PLAN.rows
    assert percentile(report.to_cell, 0.5) < 60


def test_what_a_machine_sent_before_it_stood_still_arrives_in_time_so_that_no_quota_is_exceeded(
    tmp_path: Path,
) -> None:
    loop = DayLoop()
    google = Google(loop, Random(1), 1, None)
    still, other = Power(), Power()
    with Store(f"sqlite:///{tmp_path}/store.db", now=loop.now) as store:

        async def read(power: Power, times: int) -> None:
            POWER.set(power)
            its = Requests(google, 0, store, loop)
            await asyncio.gather(*(loop.run_in_executor(None, its.read) for _ in range(times)))

        async def lived() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(read(still, 25))
                await asyncio.sleep(ANSWERS_IN / 4)
                tasks.create_task(still.stand_still(120.0))
                await asyncio.sleep(120.0 - ANSWERS_IN)
                tasks.create_task(read(other, PER_MINUTE))

        loop.run_until_complete(lived())
    loop.close()

    readings = google.of_account[0][Kind.READ]
    assert (readings.refused_at, readings.most) == ([], PER_MINUTE)
    assert readings.total == 25 + PER_MINUTE


def test_the_sheets_of_the_day_make_as_many_requests_as_a_google_sheet(tmp_path: Path) -> None:
    moment = [NOW]
    with google_sheets() as real:
        theirs = real.new_book("Spring", [HEADER, ["a fox", "16:9"], ["an owl", "1:1"]])
        sheet = GoogleSheet(
            open_spreadsheet(real, theirs), columns_of, now=lambda: moment[0], pause=lambda _: None
        )
        of_google = _requests(sheet, lambda: (real.reads, real.writes), moment)

    loop = DayLoop()
    book = Book("spring", 0, [HEADER, ("a fox", "16:9"), ("an owl", "1:1")])
    google = Google(loop, Random(1), 1, None)
    with Store(f"sqlite:///{tmp_path}/store.db", now=loop.now) as store:
        tab = Tab(book, Requests(google, 0, store, loop), loop, google, lambda *_: None)
        meters = google.of_account[0]
        counts = loop.run_until_complete(
            loop.run_in_executor(
                None,
                lambda: _requests(
                    tab, lambda: (meters[Kind.READ].total, meters[Kind.WRITE].total), loop
                ),
            )
        )
    loop.close()

    assert counts == of_google


def _requests(
    sheet: Sheet, counted: Callable[[], tuple[int, int]], time: list[datetime] | DayLoop
) -> list[tuple[int, int]]:
    """Reads and writes after each step: what a pass does to a sheet, twice, an hour apart."""

    def first(grid: Grid) -> Patch:
        titles = ("row_id", "status", "task_id", "image_urls", "note")
        ids = {(row, 2): f"r_{row:09d}" for row in range(1, len(grid))}
        return {(0, at): title for at, title in enumerate(titles, start=2)} | ids

    def second(grid: Grid) -> Patch:
        return {(1, 3): "done", (1, 5): "https://cdn.example/0.png"}

    claim = Claim("store", "spring", 1, "word")
    counts = [counted()]
    for step in (
        sheet.read,
        lambda: sheet.write(lambda grid: {}),
        lambda: sheet.write_claim(claim, sheet.read_claim()),
        lambda: sheet.write(first),
        lambda: sheet.write(second),
        lambda: sheet.write(second),
    ):
        step()
        counts.append(counted())
    if isinstance(time, list):
        time[0] += timedelta(hours=2)
    else:
        time.jump(7200)
    sheet.write(lambda grid: {(2, 3): "queued"})
    return [*counts, counted()]
