"""Begins attempts and records what became of them: every write about money passes here.

Each call is one transaction of the store. An attempt is on disk before its request may leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from pipeline.core.inputs import parsed
from pipeline.core.model import Attempt, JobKey, Request
from pipeline.core.planning import Line
from pipeline.core.protocol import submission
from pipeline.core.webhook import Callback, new_token
from pipeline.store import Fact, Intent, Refusal
from pipeline.sync.clock import Clock
from pipeline.sync.sheet_sync import SheetSync


@dataclass(frozen=True, slots=True)
class Sending:
    """An attempt that is on disk, and the request that may now leave."""

    line: Line
    attempt: Attempt
    request: Request

    @property
    def key(self) -> JobKey:
        """The job that it is an attempt of."""
        assert self.line.job is not None, "only a line with a job is begun"
        return self.line.job.key


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that may not be begun; without a reason, the next look decides about it."""

    line: Line
    why: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of one transaction: the attempts on disk, and the lines that were refused."""

    begun: list[Sending] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)


class Submissions:
    """The attempts of one pass. `callback` has the webhook settings; None means polling only."""

    def __init__(
        self, sync: SheetSync, *, callback: Callback | None, clock: Clock, chance: Random
    ) -> None:
        self._sync, self._store, self._state = sync, sync.store, sync.state
        self._callback, self._clock, self._chance = callback, clock, chance

    def commit_batch(self, facts: Sequence[Fact], lines: Sequence[Line]) -> Batch:
        """Record what happened and begin an attempt for each of the lines, all in one commit.

        Lines of a look that is older than a minute, or of a held sheet, are refused. If this
        raises, nothing was done, and the facts are still to be recorded.
        """
        batch = Batch()
        look = self._sync.last
        if look.hold or not look.is_fresh(self._clock.now()):
            batch.refused.extend(RefusedLine(line) for line in lines)
            lines = ()
        asked = [(line, *self._intent(line)) for line in lines]
        turn = self._store.attempts.turn(
            facts, [intent for _, intent, _ in asked], self._sync.limits
        )
        self._state.take_over(facts, turn)
        for (line, intent, request), answer in zip(asked, turn.answers, strict=True):
            if isinstance(answer, Attempt):
                batch.begun.append(Sending(line, answer, request))
                self._sync.ownership.note_sent()
                self._state.begun(intent.key, answer)
            else:
                batch.refused.append(RefusedLine(line, answer))
        return batch

    def record(self, facts: Sequence[Fact]) -> None:
        """Record what happened, all in one commit."""
        self._state.take_over(facts, self._store.attempts.recorded(facts))

    def _intent(self, line: Line) -> tuple[Intent, Request]:
        rules, inputs, key = self._sync.rules, line.memory.inputs, self._sync.job_key(line)
        endpoint = rules.provider.endpoints[line.endpoint]
        request = submission(endpoint, parsed(inputs), rules.defaults)
        hook = ""
        if self._callback and endpoint.webhook:
            hook = new_token(self._chance)
            request = replace(request, hidden=self._callback.fields(hook))
        intent = Intent(
            key=key,
            number=len(self._state.jobs.all[key].attempts) + 1,
            inputs=inputs,
            columns=self._sync.last.columns.inputs,
            endpoint=line.endpoint,
            price=line.price,
            deadline=endpoint.deadline,
            body=dict(request.body or {}),
            hook=hook,
        )
        return intent, request
