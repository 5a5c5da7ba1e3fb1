"""Records webhook calls: many calls in one commit. Each call is answered after its commit.

Calls that arrive during a commit share the next one, in one worker thread. So a burst of calls
needs only a few commits, and every call is on disk before it is answered. Calls and polls are
recorded by the same `Store.attempts.record`. If the store is full or cannot be reached, calls go
into the rescue file. What an unproved call says is not recorded, only when to poll its task
(`webhook.early_poll`). `WebhookRecorder` owns the calls that wait; no error of the store reaches a
caller.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.callers import limited_logger
from pipeline.core.api.accounts import Api, reading
from pipeline.core.api.protocol import TaskEvent, webhook_event
from pipeline.core.api.webhook import Webhook
from pipeline.core.errors import StoreError, StoreFull
from pipeline.core.rows.rules import Rules
from pipeline.store import Fact, Hooked, Store

# An unreachable store fails for every call, so each message appears at most once a minute.
log = limited_logger("intake")

#: Most calls in one commit. The others wait for the next commit.
MOST_CALLS = 200
#: Rounds of the event loop without another call before a commit begins: the first round sends
#: answers, the second reads the next requests, the third parses them.
ROUNDS = 3
#: Longest time that a commit waits for more calls, in seconds.
LONGEST_WAIT = 0.025
#: Seconds between two attempts to move the rescue file into the store.
RETRY_EVERY = 5.0


class CallResult(StrEnum):
    """The outcome of a call."""

    RECORDED = "recorded"
    #: Nothing new: a repeated or a late call.
    KNOWN = "known"
    #: No attempt in this store has this token.
    NO_TOKEN = "no token"  # noqa: S105
    #: The call names another task than the attempt has.
    OTHER_TASK = "other task"
    #: The store cannot record the call now. The API should call again.
    STORE_AWAY = "store away"


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and the accounts that it may come from."""

    token: str
    body: Mapping[str, Any]
    #: How it was proved.
    webhook: Webhook
    #: Key of the sheet -> each API whose proof it has, with the rules of the configuration.
    proved: Mapping[str, Sequence[tuple[Rules, Api]]]

    def api_of(self, hooked: Hooked) -> Api | None:
        """The API that has the attempt, if the call has that account's proof; else None."""
        for rules, api in self.proved.get(hooked.key.sheet, ()):
            owner = rules.api_of(hooked)
            # The secret of a submission is proof enough where its account is not configured now.
            is_ours = self.webhook.is_proved_by_submission and hooked.provider == api.provider.name
            if owner == api or (owner is None and is_ours):
                return api
        return None


#: (Account, task) -> the hook token of the attempt that has the task.
Owners = dict[tuple[str, str], str]


class EarlyPoll(NamedTuple):
    """An unproved call makes the task of the attempt with this token be polled at this moment."""

    token: str
    at: datetime


@dataclass(slots=True)
class CallCounts:
    """Counts of calls by outcome since the start, for the metrics."""

    calls: Counter[CallResult] = field(default_factory=Counter)
    #: Reason of a refusal ("proof", "no token", "not JSON", "too long", …) -> count.
    refused: Counter[str] = field(default_factory=Counter)
    #: Commits that recorded them.
    commits: int = 0


class WebhookRecorder:
    """Records calls about the jobs of one store. Close it after use, in the same event loop."""

    def __init__(self, store: Store, tally: CallCounts) -> None:
        self._store, self._tally = store, tally
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._waiting: list[tuple[Call, asyncio.Future[CallResult]]] = []
        self._recording: asyncio.Task[None] | None = None
        #: True if the rescue file contains facts that must be moved into the store.
        self._rescued = False
        self._retry_at = 0.0

    async def take(self, call: Call) -> CallResult:
        """Record a call and return its outcome. After RECORDED or KNOWN, it is on disk."""
        future: asyncio.Future[CallResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._recording is None:
            self._recording = asyncio.create_task(self._record_waiting())
        return await future

    async def close(self) -> None:
        """Record the calls that have arrived, then end the thread."""
        while self._recording is not None:
            await asyncio.wait([self._recording])
        self._thread.shutdown()

    async def _record_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await self._wait_for_more()
                batch, self._waiting = self._waiting[:MOST_CALLS], self._waiting[MOST_CALLS:]
                results = await loop.run_in_executor(
                    self._thread, self._record_safely, [call for call, _ in batch]
                )
                for (_, future), one in zip(batch, results, strict=True):
                    if not future.done():  # the caller has disconnected
                        future.set_result(one)
                self._tally.calls.update(results)
        finally:
            self._recording = None

    async def _wait_for_more(self) -> None:
        """Wait until no call has arrived for some rounds: each commit slows the loop down."""
        loop = asyncio.get_running_loop()
        until, before = loop.time() + LONGEST_WAIT, 0
        while before < len(self._waiting) < MOST_CALLS and loop.time() < until:
            before = len(self._waiting)
            for _ in range(ROUNDS):
                await asyncio.sleep(0)

    def _record_safely(self, calls: Sequence[Call]) -> list[CallResult]:
        try:
            return self._record(calls)
        except Exception:  # every caller must get an answer; the API will call again
            log.exception("webhooks could not be recorded, because of an unexpected error")
            return [CallResult.STORE_AWAY] * len(calls)

    def _record(self, calls: Sequence[Call]) -> list[CallResult]:
        """Record these calls in one commit and return their outcomes."""
        try:
            hooked = self._store.callbacks.by_hook({call.token for call in calls})
            owners = self._owners(calls, hooked)
        except StoreError as trouble:
            log.warning("webhooks are not accepted: %s", trouble)
            return [CallResult.STORE_AWAY] * len(calls)
        tasks = {token: one.task_id for token, one in hooked.items()}
        read = [_read(call, hooked.get(call.token), tasks, owners) for call in calls]
        facts = [fact for fact in read if isinstance(fact, Fact)]
        results = iter(self._save(facts) if facts else ())
        early = self._poll_early([one for one in read if isinstance(one, EarlyPoll)])
        return [
            one
            if isinstance(one, CallResult)
            else next(results)
            if isinstance(one, Fact)
            else early
            for one in read
        ]

    def _owners(self, calls: Sequence[Call], hooked: Mapping[str, Hooked]) -> Owners:
        """Who has the tasks that these calls name, where a call must not name another's task.

        A signature proves the account, but not for which submission a call was made: a call that
        was sent to another address would be believed here.
        """
        named = {
            event.task_id
            for call in calls
            if call.webhook.proof in ("signature", "standard")
            and (its := hooked.get(call.token))
            and not its.task_id
            and (event := _event(call, its))
        }
        return self._store.callbacks.owners(named - {""}) if named - {""} else {}

    def _poll_early(self, polls: Sequence[EarlyPoll]) -> CallResult:
        """Note these polls, for the pass that works on the sheet or the next one."""
        try:
            if polls:
                self._store.callbacks.poll_early(dict(polls))
        except StoreError as trouble:
            log.warning("webhooks are not accepted: %s", trouble)
            return CallResult.STORE_AWAY
        return CallResult.RECORDED

    def _save(self, facts: Sequence[Fact]) -> list[CallResult]:
        """Record the facts; use the rescue file if the store is full or cannot be reached."""
        try:
            if self._rescued and time.monotonic() >= self._retry_at:
                # One commit for the whole file. While the disk is full, not every call tries again.
                self._retry_at = time.monotonic() + RETRY_EVERY
                self._store.attempts.rescued()
                self._rescued = False
            changed = self._store.attempts.record(facts)
            self._tally.commits += any(changed)
            return [CallResult.RECORDED if one else CallResult.KNOWN for one in changed]
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


def _read(
    call: Call, hooked: Hooked | None, tasks: dict[str, str], owners: Owners
) -> Fact | EarlyPoll | CallResult:
    """What the call reports. `tasks` holds the task id of each attempt so far."""
    event = _event(call, hooked) if hooked else None
    if hooked is None or event is None:
        return CallResult.NO_TOKEN
    known, named = tasks[call.token], event[0]
    if named and known and named != known:
        return CallResult.OTHER_TASK
    if call.webhook.proof == "none":  # Anyone could have sent it: only an answer to a poll counts.
        early = hooked.early_poll
        return EarlyPoll(call.token, early) if early else CallResult.KNOWN
    if not call.webhook.is_proved_by_submission:
        # The account made this call, but perhaps about another of its tasks. Tasks that were
        # adopted have no account.
        has = {owners.get((account, named), call.token) for account in (hooked.account, "")}
        if not named or (not known and has != {call.token}):
            return CallResult.OTHER_TASK
    tasks[call.token] = known or named
    owners.setdefault((hooked.account, known or named), call.token)
    return Fact(hooked.key, hooked.number, event[1])


def _event(call: Call, hooked: Hooked) -> TaskEvent | None:
    """What the call says of the attempt; None if it may not speak of it."""
    api = call.api_of(hooked)
    if api is None:
        return None
    endpoint = reading(api.provider, hooked.endpoint, api.prefix)
    return webhook_event(api.provider, endpoint, call.body)
