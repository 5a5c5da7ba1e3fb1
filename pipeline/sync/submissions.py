"""Begins attempts and records what became of them: every write about money passes here.

Each call is one transaction of the store. An attempt is on disk before its request may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from pipeline.core.api.accounts import Api, endpoint_of
from pipeline.core.api.fields import Parent, body_of
from pipeline.core.api.paths import merged, values
from pipeline.core.api.protocol import resend_key, sent_once, submission
from pipeline.core.api.provider import Provider
from pipeline.core.api.webhook import Callback, new_token
from pipeline.core.inputs import PROMPT, parsed
from pipeline.core.model import Attempt, JobKey, Request, State
from pipeline.core.planning.causes import cause_of
from pipeline.core.planning.lines import Line
from pipeline.core.rows.chains import Link, link_in, with_link
from pipeline.core.rows.following import parent_of
from pipeline.core.sheet.header import RATIO
from pipeline.core.states import shown, state_of
from pipeline.store import Fact, Intent, Refusal
from pipeline.sync.clock import Clock
from pipeline.sync.look import Look
from pipeline.sync.sheet_sync import SheetSync


@dataclass(frozen=True, slots=True)
class Sending:
    """An attempt that is on disk, and the request that may now leave."""

    key: JobKey
    attempt: Attempt
    request: Request


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that may not be begun; without a reason, the next look decides about it."""

    line: Line
    why: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The outcome of one transaction: the attempts on disk, and the refused lines."""

    begun: list[Sending] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)


class Submissions:
    """The attempts of one pass. `callback` gives an API's webhook settings; None: polling only.

    `labels` gives what outlets tell of a row, from a look, the row's name and its place.
    """

    def __init__(
        self,
        sync: SheetSync,
        *,
        callback: Callable[[Provider], Callback | None] = lambda provider: None,
        labels: Callable[[Look, str, int], str] = lambda look, name, place: "",
        clock: Clock,
        chance: Random,
        by: str = "",
    ) -> None:
        self._labels, self._by = labels, by
        self._sync, self._store, self._state = sync, sync.store, sync.state
        self._callback, self._clock, self._chance = callback, clock, chance

    def commit_batch(
        self, facts: Sequence[Fact], lines: Sequence[Line], api: Api | None = None
    ) -> Batch:
        """Record what happened and begin an attempt for each of the lines, all in one commit.

        All lines are for this API, by default the sheet's own. Lines of a look that is older than a
        minute, or of a held sheet, are refused. If this raises, nothing was done, and the facts are
        still to be recorded.
        """
        batch, api = Batch(), api or self._sync.rules.api
        look = self._sync.last
        if look.hold or not look.is_fresh(self._clock.now()):
            batch.refused.extend(RefusedLine(line) for line in lines)
            lines = ()
        parents = self._parents({line.parent for line in lines if line.parent}, api)
        asked = []
        for line in lines:
            parent = parents.get(line.parent) if line.parent else None
            if line.parent and parent is None:
                batch.refused.append(RefusedLine(line))
            else:
                asked.append((line, *self._intent(line, api, parent)))
        result = self._store.attempts.commit_batch(
            facts, [intent for _, intent, _ in asked], self._sync.spending.of(api)
        )
        self._state.take_over(facts, result)
        for (line, intent, request), answer in zip(asked, result.answers, strict=True):
            if isinstance(answer, Attempt):
                batch.begun.append(Sending(intent.key, answer, request))
                self._sync.ownership.note_sent()
                self._state.begun(intent.key, answer)
            else:
                batch.refused.append(RefusedLine(line, answer))
        return batch

    def record(self, facts: Sequence[Fact]) -> None:
        """Record what happened, all in one commit."""
        self._state.take_over(facts, self._store.attempts.recorded(facts))

    def again(self, key: JobKey, attempt: Attempt, api: Api) -> Request:
        """The same request as the attempt was sent with, under the same resend key."""
        endpoint = endpoint_of(api.provider, attempt.endpoint, api.prefix)
        link = link_in(attempt.inputs)
        its = JobKey(key.sheet, *link) if link else None
        parent = self._parents({its}, api).get(its) if its else None
        _, parts = body_of(endpoint, self._sync.rules.values(attempt.inputs), parent)
        body = self._store.attempts.body(key, attempt.number)
        # The addresses of files that were uploaded before are in the body.
        parts = tuple(part for part in parts if not any(True for _ in values(body, part.to)))
        request = Request("POST", endpoint.path, body, parts=parts)
        callback = self._callback(api.provider)
        if attempt.hook and callback:
            request = _called_back(request, callback, attempt.hook, is_kept=True)
        return sent_once(request, api.provider, attempt.resend_key)

    @property
    def is_paused(self) -> bool:
        """True if a person has paused the sheet, by what the store says now."""
        return self._store.sheets.get(self._sync.key).paused

    def forget_key(self, key: JobKey, number: int) -> None:
        """Forget the resend key of an attempt: it is never sent again automatically."""
        self._store.attempts.forget_key(key, number)

    def keep_body(self, key: JobKey, number: int, request: Request) -> None:
        """Keep the body that an attempt is sent with, now that its files have addresses."""
        self._store.attempts.keep_body(key, number, dict(request.body or {}))

    def _parents(self, keys: Collection[JobKey], api: Api) -> dict[JobKey, Parent]:
        """What children at this API can use of these jobs, as the store has them now.

        Only of those that are done.
        """
        jobs = self._store.jobs.all(self._sync.key, only=keys) if keys else {}
        done = {key: shown(job) for key, job in jobs.items() if state_of(job) is State.SUCCEEDED}
        rules = self._sync.rules
        return {key: parent_of(attempt, api, rules) for key, attempt in done.items() if attempt}

    def _intent(self, line: Line, api: Api, parent: Parent | None) -> tuple[Intent, Request]:
        rules, inputs, key = self._sync.rules, line.inputs, self._sync.job_key(line)
        endpoint = endpoint_of(api.provider, line.endpoint, api.prefix)
        link = Link(*line.parent[1:]) if line.parent else None
        given = rules.given(inputs, line.turn)
        request = submission(endpoint, given, parent)
        hook, key_of_it = "", ""
        callback = self._callback(api.provider)
        if callback and endpoint.webhook:
            hook = new_token(self._chance)
            request = _called_back(request, callback, hook, is_kept=api.provider.once is not None)
        if api.provider.once:
            key_of_it = resend_key(api.provider, endpoint, new_token(self._chance))
            request = sent_once(request, api.provider, key_of_it)
        intent = Intent(
            key=key,
            number=len(self._state.jobs.all[key].attempts) + 1,
            inputs=with_link(inputs, link),
            columns=columns_of(line, self._sync.last.columns.inputs),
            endpoint=line.endpoint,
            prompt=given.get(PROMPT, "") if rules.prompts or line.revised else "",
            price=line.price,
            deadline=endpoint.deadline,
            body=dict(request.body or {}),
            provider=api.provider.name,
            base_url=api.base_url,
            resend_key=key_of_it,
            hook=hook,
            because=cause_of(line, self._state.jobs.all[key].attempts),
            by=self._by,
            shares=line.shares,
            labels=self._labels(self._sync.last, line.name, line.seen.place),
        )
        return intent, request


def columns_of(line: Line, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that a line was made from, of the input columns of its sheet.

    A ratio of the list in `ratios` is one of them.
    """
    is_listed = line.generation is not None and RATIO not in columns
    return (*columns, RATIO) if is_listed and RATIO in parsed(line.inputs) else columns


def _called_back(request: Request, callback: Callback, hook: str, *, is_kept: bool) -> Request:
    """The request that asks the API to call back.

    The secret is never kept. The address is kept only with a request that may be sent again, which
    must then be the same word for word.
    """
    shown, hidden = callback.shown(hook), callback.hidden(hook)
    if is_kept:
        return replace(request, body=merged(shown, request.body or {}), hidden=hidden)
    return replace(request, hidden=merged(shown, hidden))
