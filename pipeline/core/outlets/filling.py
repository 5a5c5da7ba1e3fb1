"""Which earlier results a new outlet still has to hear of.

Only the newest result of a row counts, and never one that is older than what the outlet has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.core.model import Job, JobKey, State
from pipeline.core.outlets.outbox import TOLD, MessageKind
from pipeline.core.planning.job_status import job_status
from pipeline.core.rows.rules import Rules
from pipeline.core.states import shown
from pipeline.core.statuses import Status


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message about a take that has ended, or that needs a check."""

    key: JobKey
    #: The number of its attempt.
    number: int
    kind: MessageKind
    #: When it ended; for a lost answer, when it was sent.
    at: datetime
    #: True if files of it are still to be saved.
    is_saving: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What an outlet was told of, or will be."""

    #: Row -> take, attempt and kind of each message that the store has.
    lines: Mapping[str, Collection[tuple[int, int, str]]]
    #: Kind -> since when it gets messages of that kind.
    since: Mapping[str, datetime]
    #: The store has all messages since then; delivered ones from before may be deleted.
    kept_since: datetime

    def has(self, message: PastMessage) -> bool:
        """Returns whether the outlet got this message or a newer one of the row, or will get it."""
        return self.has_line(message) or (
            message.kind in self.since and self.since[message.kind] <= message.at < self.kept_since
        )

    def has_line(self, message: PastMessage) -> bool:
        """The same, by the messages alone that the store has."""
        its = message.key.take, message.number
        return any(
            (take, number) > its or (take, number, kind) == (*its, message.kind)
            for take, number, kind in self.lines.get(message.key.generation, ())
        )


def untold(
    jobs: Sequence[Job],
    told: Told,
    rules: Rules,
    now: datetime,
    *,
    each_take: bool,
    since: datetime | None,
) -> list[PastMessage]:
    """The messages about one row that an outlet lacks, the oldest first. `jobs` are its takes.

    That is the newest one; with `each_take` one for each take. With `since`, only those that ended
    since then.
    """
    lacking = list[PastMessage]()
    for message in _messages(jobs, [MessageKind(kind) for kind in told.since], rules, now):
        if told.has(message):
            lacking.clear()  # older ones would come after it
        else:
            lacking.append(message)
    newest = lacking if each_take else lacking[-1:]
    return [one for one in newest if since is None or one.at >= since]


def _messages(
    jobs: Sequence[Job], kinds: Collection[MessageKind], rules: Rules, now: datetime
) -> Iterator[PastMessage]:
    for job in sorted(jobs, key=lambda one: one.key.take):
        attempt = shown(job)
        kind = TOLD.get(attempt.state) if attempt else None
        if attempt is None or kind is None or kind not in kinds or attempt.forgotten:
            continue
        if attempt.state is State.UNKNOWN:  # It may be sent again by itself.
            status, _ = job_status(job, attempt.inputs, rules, now, "")
            if status != Status.CHECK_NEEDED:
                continue
        at = attempt.ended_at or attempt.sent_at
        yield PastMessage(job.key, attempt.number, kind, at, bool(job.to_save(attempt)))
