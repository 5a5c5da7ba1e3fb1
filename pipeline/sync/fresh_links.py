"""New links for results whose links have died: some APIs sign them anew at each poll."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from pipeline.core.api.protocol import poll_answer, polls
from pipeline.core.errors import WireError
from pipeline.core.model import Attempt
from pipeline.core.states import Succeeded
from pipeline.sync.ports import ApiAccess
from pipeline.sync.request_pace import RequestPace
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.worker import Worker

log = logging.getLogger("promptsheet")

#: Seconds for an answer.
WITHIN = 30.0


class FreshLinks:
    """Polls the tasks of attempts that succeeded, at most once each in a pass."""

    def __init__(
        self,
        sync: SheetSync,
        worker: Worker,
        accesses: Sequence[ApiAccess],
        now: Callable[[], datetime],
    ) -> None:
        self._sync, self._worker, self._accesses, self._now = sync, worker, accesses, now
        #: API and task -> the addresses that its last answer named.
        self._turn = asyncio.Lock()
        self._answers: dict[tuple[str, str], tuple[str, ...]] = {}

    async def of(self, attempt: Attempt) -> tuple[str, ...]:
        """The addresses of its results as the API names them now, in their order.

        Empty if the API cannot be asked, or names another number of results. Raises StoreError.
        """
        key = attempt.provider, attempt.task_id
        async with self._turn:  # several pictures of a task ask at the same time
            if key not in self._answers:
                self._answers[key] = await self._asked(attempt)
        return self._answers[key]

    async def _asked(self, attempt: Attempt) -> tuple[str, ...]:
        its = (access for access in self._accesses if access.api.has(attempt))
        access, endpoint = next(its, None), self._sync.rules.endpoint_of(attempt.endpoint)
        if access is None or endpoint is None or not attempt.task_id:
            return ()
        if not await RequestPace(self._sync, self._worker, access.api).permits(1):
            return ()
        provider, task = access.api.provider, attempt.task_id
        alone, places = frozenset({task}), {task: attempt.poll_at} if attempt.poll_at else None
        (question,) = polls(provider.poll, [task], alone, places)
        try:
            response = await access.wire.ask(question.request, WITHIN)
        except WireError as error:
            log.info("%s cannot be asked for new links: %s", provider.title, error)
            return ()
        answers = poll_answer(provider, {task: endpoint}, response, self._now())
        event = answers.events.get(task)
        urls = event.result.urls if isinstance(event, Succeeded) else ()
        return urls if len(urls) == len(attempt.result.urls) else ()
