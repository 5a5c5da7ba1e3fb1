"""Polls tasks through the list of their API, if it has one: fewer requests than one for each task.

New tasks are added at the beginning of the list. So the first page changes, but a page that is
named by a cursor keeps its tasks. A task whose page is known is polled there, together with all
others of that page. The pages of the other tasks are found by reading the list from its beginning.

Owns which page each task is on.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection

from pipeline.core.api.task_list import Page
from pipeline.sync.poll_schedule import PollSchedule

#: A page is read only for this number of tasks or more: it is much longer than an answer about one.
LEAST = 2
#: How many tasks a page has, until one was read.
USUAL = 100

#: Reads the page with this cursor because of these tasks, and records what it says of any. None if
#: there was no answer about the list.
ReadPage = Callable[[str, Collection[str]], Awaitable[Page | None]]


class TaskList:
    """The list of one API in one pass. `schedule` knows the open tasks."""

    def __init__(self, schedule: PollSchedule) -> None:
        self._schedule = schedule
        self._page_of: dict[str, str] = {}
        self._page_size = USUAL
        self._is_useless = False
        self._reading = asyncio.Lock()

    async def poll(self, tasks: Collection[str], read: ReadPage) -> list[str]:
        """Poll these tasks through the list. Returns those that need a request of their own."""
        alone = self._schedule.alone
        if self._is_useless:
            return list(tasks)
        by_page: dict[str, list[str]] = defaultdict(list)
        for task in (task for task in tasks if task not in alone):
            by_page[self._page_of.get(task, "")].append(task)
        single = [task for task in tasks if task in alone]
        new = by_page.pop("", [])
        for cursor in [cursor for cursor, its in by_page.items() if len(its) < LEAST]:
            single += by_page.pop(cursor)
        known = [self._on_page(cursor, its, read) for cursor, its in by_page.items()]
        for rest in await asyncio.gather(self._from_the_beginning(new, read), *known):
            single += rest
        return single

    async def _on_page(self, cursor: str, tasks: Collection[str], read: ReadPage) -> list[str]:
        """Poll tasks on their page. Returns those that it says nothing clear about."""
        page = await read(cursor, tasks)
        if page is None:
            return []
        gone = [task for task in tasks if task not in page.tasks]
        self._schedule.newly_alone(gone)
        return [*gone, *page.unclear.intersection(tasks)]

    async def _from_the_beginning(self, tasks: Collection[str], read: ReadPage) -> list[str]:
        """Read the list until all these tasks were found. Returns those that need another poll."""
        async with self._reading:
            # Another round may have found some in the meantime, and polled them.
            left = [task for task in tasks if task not in self._page_of]
            pages = len(left) // LEAST
            if self._schedule.newer_than(left) // self._page_size >= pages:
                return left  # They are too far from the beginning.
            cursor, unclear = "", set[str]()
            for _ in range(pages):
                page = await read(cursor, left)
                if page is None:
                    return list(unclear)
                self._note(cursor, page)
                unclear.update(page.unclear.intersection(left))
                left = [task for task in left if task not in page.tasks]
                cursor = page.next
                if not (left and cursor):
                    break
            self._schedule.newly_alone(left)
            return [*left, *unclear]

    def _note(self, cursor: str, page: Page) -> None:
        if cursor:
            ours = (task for task in page.tasks if self._schedule.get(task))
            self._page_of.update(dict.fromkeys(ours, cursor))
        elif not page.tasks:
            self._is_useless = True
        if page.next:
            self._page_size = max(len(page.tasks), 1)
