"""Records answers and begins attempts, many of both in one transaction.

Each attempt is on disk before its request leaves, and an answer is never lost: where the store
cannot take it, it goes to the rescue file. The committer owns the answers that are not recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.core.api.accounts import Api
from pipeline.core.api.protocol import Verdict
from pipeline.core.errors import StoreError, StoreFull
from pipeline.core.planning.lines import Line
from pipeline.store import Fact, Store
from pipeline.sync.submissions import Batch, Sending, Submissions
from pipeline.sync.worker import Worker


@dataclass(frozen=True, slots=True)
class SubmissionAnswer:
    """The outcome of one submission."""

    sending: Sending
    verdict: Verdict

    @property
    def fact(self) -> Fact:
        """The same, for the store."""
        return Fact(self.sending.key, self.sending.attempt.number, self.verdict.event)


@dataclass(frozen=True, slots=True)
class Committed:
    """The outcome of one transaction."""

    #: The answers that are recorded now.
    answers: list[SubmissionAnswer]
    batch: Batch = field(default_factory=Batch)
    #: Why the store could not do it; None if it could.
    trouble: StoreError | None = None


class Committer:
    """One transaction after another; the answers that come meanwhile wait for the next."""

    def __init__(
        self,
        submissions: Submissions,
        api: Api,
        store: Store,
        worker: Worker,
    ) -> None:
        self._submissions, self._api, self._store = submissions, api, store
        self._worker = worker
        self._answers: list[SubmissionAnswer] = []
        self._is_committing = self._is_broken = False

    @property
    def is_broken(self) -> bool:
        """True if a transaction failed: the store is full or cannot be reached."""
        return self._is_broken

    @property
    def has_answers(self) -> bool:
        """True if an answer waits to be recorded."""
        return bool(self._answers)

    @property
    def is_idle(self) -> bool:
        """True if all answers are recorded."""
        return not (self._answers or self._is_committing)

    def add(self, sending: Sending, verdict: Verdict) -> None:
        """Have this answer recorded with the next transaction."""
        self._answers.append(SubmissionAnswer(sending, verdict))

    async def commit(self, lines: list[Line]) -> Committed:
        """Record all answers so far, and begin an attempt for each of the lines."""
        self._is_committing = True
        answers, self._answers = self._answers, []
        try:
            done = await self._worker.run(self._committed, answers, lines)
        except BaseException:
            self._answers = answers + self._answers  # For `flush`: recording twice changes nothing.
            raise
        finally:
            self._is_committing = False
        self._is_broken |= done.trouble is not None
        return done

    async def flush(self) -> None:
        """Record all answers so far; raises nothing."""
        answers, self._answers = self._answers, []
        if answers:
            await self._worker.run(self._recorded, [answer.fact for answer in answers])

    def _committed(self, answers: list[SubmissionAnswer], lines: list[Line]) -> Committed:
        """Record and begin. If the store cannot do both, the answers are still kept."""
        facts = [answer.fact for answer in answers]
        if not lines:
            return Committed(answers, trouble=self._recorded(facts))
        try:
            batch = self._submissions.commit_batch(facts, lines, self._api)
        except StoreError as trouble:
            return Committed(answers, trouble=self._recorded(facts) or trouble)
        return Committed(answers, batch)

    def _recorded(self, facts: list[Fact]) -> StoreError | None:
        """Record answers in the store, or else in its rescue file; the error of the store."""
        try:
            if facts:
                self._submissions.record(facts)
        except StoreFull as full:  # The store has written them to the rescue file itself.
            return full
        except StoreError as trouble:
            self._store.attempts.rescue(facts)
            return trouble
        return None
