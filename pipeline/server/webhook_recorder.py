"""Records the calls of the API: many of them in one commit, each answered after its commit.

Calls that arrive during a commit share the next one, in one worker thread. So a burst costs a few
commits, and every call is on disk before it is answered. Calls and polls are recorded by the same
`Store.attempts.record`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.callers import limited_logger
from pipeline.core.errors import StoreError, StoreFull
from pipeline.core.protocol import webhook_event
from pipeline.core.states import Event
from pipeline.store import Fact, Hooked, Store
from pipeline.sync.configured_sheet import Campaign

# A store that is away fails call after call: each sentence appears once a minute.
log = limited_logger("intake")

#: Most calls in one commit; the others wait for the next.
SHARED = 200
#: A commit begins after so many rounds of the loop without another call: in the first, answers are
#: sent; in the second, the next requests are read; in the third, they are parsed.
ROUNDS = 3
#: Most seconds that a commit waits for more calls.
LONGEST = 0.025
#: Seconds between two tries to move the rescue file into the store.
BRING_EVERY = 5.0


class CallResult(StrEnum):
    """What became of a call."""

    RECORDED = "recorded"
    #: Nothing new: a repeated or a late call.
    KNOWN = "known"
    #: No attempt in this store has this token.
    NO_TOKEN = "no token"  # noqa: S105
    #: It names another task than that of the attempt.
    OTHER_TASK = "other task"
    #: The store cannot record it now; the API should call again.
    STORE_AWAY = "store away"


@dataclass(frozen=True, slots=True)
class Call:
    """One call that has been proved to come from the API of one of these campaigns."""

    token: str
    body: Mapping[str, Any]
    #: By the sheet's name in the store: the campaigns whose proof it met.
    campaigns: Mapping[str, Campaign]


@dataclass(slots=True)
class CallCounts:
    """How many calls came to what, since the start: for the metrics."""

    calls: Counter[CallResult] = field(default_factory=Counter)
    #: By why they were refused: "proof", "no token", "not JSON", "too long", …
    refused: Counter[str] = field(default_factory=Counter)
    #: Commits that recorded them.
    commits: int = 0


class Intake:
    """Records calls about the jobs of one store. To be closed after use, in the same loop."""

    def __init__(self, store: Store, tally: CallCounts) -> None:
        self._store, self._tally = store, tally
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._waiting: list[tuple[Call, asyncio.Future[CallResult]]] = []
        self._turns: asyncio.Task[None] | None = None
        #: Whether the rescue file holds something that belongs into the store.
        self._rescued = False
        self._bring_at = 0.0

    async def take(self, call: Call) -> CallResult:
        """What became of the call; where it says RECORDED or KNOWN, it is on disk."""
        future: asyncio.Future[CallResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns())
        return await future

    async def close(self) -> None:
        """Record the calls that have arrived, then end the thread."""
        while self._turns is not None:
            await asyncio.wait([self._turns])
        self._thread.shutdown()

    async def _take_turns(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await self._gather()
                turn, self._waiting = self._waiting[:SHARED], self._waiting[SHARED:]
                told = await loop.run_in_executor(
                    self._thread, self._all_told, [call for call, _ in turn]
                )
                for (_, future), one in zip(turn, told, strict=True):
                    if not future.done():  # the caller has left
                        future.set_result(one)
                self._tally.calls.update(told)
        finally:
            self._turns = None

    async def _gather(self) -> None:
        """Wait until no new call comes for some rounds: a commit slows the loop down."""
        loop = asyncio.get_running_loop()
        until, before = loop.time() + LONGEST, 0
        while before < len(self._waiting) < SHARED and loop.time() < until:
            before = len(self._waiting)
            for _ in range(ROUNDS):
                await asyncio.sleep(0)

    def _all_told(self, calls: Sequence[Call]) -> list[CallResult]:
        try:
            return self._record(calls)
        except Exception:  # every caller must get an answer, and the API calls again
            log.exception("webhooks could not be recorded, because of an unexpected error")
            return [CallResult.STORE_AWAY] * len(calls)

    def _record(self, calls: Sequence[Call]) -> list[CallResult]:
        """What became of each, all in one commit."""
        try:
            hooked = self._store.callbacks.by_hook({call.token for call in calls})
        except StoreError as trouble:
            log.warning("webhooks are not accepted: %s", trouble)
            return [CallResult.STORE_AWAY] * len(calls)
        tasks = {token: one.task_id for token, one in hooked.items()}
        read = [_read(call, hooked.get(call.token), tasks) for call in calls]
        facts = [fact for fact in read if isinstance(fact, Fact)]
        moved = iter(self._kept(facts) if facts else ())
        return [one if isinstance(one, CallResult) else next(moved) for one in read]

    def _kept(self, facts: Sequence[Fact]) -> list[CallResult]:
        """Record them, or write them into the rescue file if the store is full or out of reach."""
        try:
            if self._rescued and time.monotonic() >= self._bring_at:
                # All of it in one commit, and not with each call while the disk is full.
                self._bring_at = time.monotonic() + BRING_EVERY
                self._store.attempts.rescued()
                self._rescued = False
            moved = self._store.attempts.record(facts)
            self._tally.commits += any(moved)
            return [CallResult.RECORDED if one else CallResult.KNOWN for one in moved]
        except StoreError as trouble:
            log.warning("webhooks are not recorded in the store: %s", trouble)
            kept = self._is_kept(facts, trouble)
        self._rescued |= kept
        return [CallResult.RECORDED if kept else CallResult.STORE_AWAY] * len(facts)

    def _is_kept(self, facts: Sequence[Fact], trouble: StoreError) -> bool:
        if isinstance(trouble, StoreFull) and trouble.kept:
            return True
        try:
            return self._store.attempts.rescue(facts)
        except StoreFull:
            return False


def _read(call: Call, hooked: Hooked | None, tasks: dict[str, str]) -> Fact | CallResult:
    """What the call reports, as a fact; `tasks` holds the task of each attempt so far."""
    campaign = call.campaigns.get(hooked.key.sheet) if hooked else None
    if hooked is None or campaign is None:
        return CallResult.NO_TOKEN
    event = _event(campaign, hooked.endpoint, call.body)
    known, named = tasks[call.token], event[0]
    if named and known and named != known:
        return CallResult.OTHER_TASK
    tasks[call.token] = known or named
    return Fact(hooked.key, hooked.number, event[1])


def _event(campaign: Campaign, endpoint: str, body: Mapping[str, Any]) -> tuple[str, Event]:
    provider = campaign.settings.provider
    usual = provider.endpoints[campaign.settings.endpoint]
    return webhook_event(provider, provider.endpoints.get(endpoint, usual), body)
