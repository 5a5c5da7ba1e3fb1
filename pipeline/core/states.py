"""The states and events of an attempt: one table, and nothing else changes a state.

The rule of this file: only TABLE changes an attempt's state. An event that the table does not list
leaves the attempt unchanged, however often it is reported. Each event has one meaning: `Postponed`
says that the API did not accept the request, `Progressed` that it has the task, `Lost` that we do
not know. If the first two were mixed up, a picture could be bought twice.

A job's state is never stored. It is computed here from its attempts, so that what people see and
what may be sent always agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from pipeline.core.credits import Credits, total
from pipeline.core.model import Attempt, Job, Result, State


@dataclass(frozen=True, slots=True)
class Accepted:
    """The API accepted the task and gave it an id."""

    task_id: str
    #: Where the API says that the task is to be polled; empty: at the usual place.
    address: str = ""
    #: Credits that it costs, where the API says so in its answer to the submission.
    reported: Credits | None = None


@dataclass(frozen=True, slots=True)
class Progressed:
    """The API is working on the task."""

    percent: int | None = None
    task_id: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The API delivered the result."""

    result: Result
    task_id: str = ""
    #: Credits, where the API reports them.
    reported: Credits | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The API refused the task or could not complete it."""

    reason: str
    task_id: str = ""
    #: True if the request was refused: no task was made, and the price is given back.
    refused: bool = False
    reported: Credits | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The API may have accepted the request, but no answer says so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """Nothing was accepted: the request was not sent, or the API said so."""

    reason: str


#: What the reason of an attempt begins with if the API refused it when it was sent again. The
#: answer to the first submission was lost, so it may have been taken and paid all the same.
WHEN_SENT_AGAIN: Final = "when it was sent again: "


class Tried(Protocol):
    """The part of an attempt that says whether anything was taken."""

    @property
    def state(self) -> State:
        """Its state."""

    @property
    def task_id(self) -> str:
        """The id of its task; empty while none is known."""

    @property
    def reason(self) -> str:
        """Why it failed."""


def costs_nothing(attempt: Tried) -> bool:
    """Returns whether the API certainly took nothing."""
    if attempt.state is State.RETURNED:
        return True
    refused = attempt.state is State.FAILED and not attempt.task_id
    return refused and not attempt.reason.startswith(WHEN_SENT_AGAIN)


Event = Accepted | Progressed | Succeeded | Failed | Lost | Postponed

_S, _R, _OK, _F, _U, _B = (
    State.SUBMITTING,
    State.RUNNING,
    State.SUCCEEDED,
    State.FAILED,
    State.UNKNOWN,
    State.RETURNED,
)

#: state -> event -> state. `Sent` begins an attempt in SUBMITTING; SUCCEEDED is final.
TABLE: Final[dict[State, dict[type[Event], State]]] = {
    _S: {Accepted: _R, Progressed: _R, Succeeded: _OK, Failed: _F, Lost: _U, Postponed: _B},
    _U: {Accepted: _R, Progressed: _R, Succeeded: _OK, Failed: _F},
    _R: {Progressed: _R, Succeeded: _OK, Failed: _F},
    _B: {Accepted: _R, Progressed: _R, Succeeded: _OK},
    _F: {Succeeded: _OK},
    _OK: {},
}


def advance(attempt: Attempt, event: Event, at: datetime) -> Attempt:
    """The attempt after the event; the same object if the event changes nothing.

    The first task id that is learnt is kept, also from an event that changes nothing else: the task
    can then be polled. A reported charge counts until another one is reported.
    """
    state, task = TABLE[attempt.state].get(type(event)), attempt.task_id
    if not task and not isinstance(event, Lost | Postponed):
        task = event.task_id
    if state is None:
        cost = attempt.reported
        if isinstance(event, Accepted) and attempt.state in (_R, _OK) and cost is None:
            cost = event.reported  # A webhook was quicker than the answer to the submission.
        if (task, cost) == (attempt.task_id, attempt.reported):
            return attempt
        return replace(attempt, task_id=task, reported=cost)
    match event:
        case Accepted(address=address, reported=reported):
            return replace(
                attempt,
                state=state,
                task_id=task,
                poll_at=address,
                reported=reported,
                reason="",
            )
        case Progressed(percent):
            # A late report must not lower the percentage.
            seen = max((p for p in (attempt.progress, percent) if p is not None), default=None)
            return replace(attempt, state=state, task_id=task, progress=seen, reason="")
        case Succeeded(result, reported=reported):
            return replace(
                attempt,
                state=state,
                task_id=task,
                result=result,
                reported=attempt.reported if reported is None else reported,
                reason="",
                ended_at=at,
                forgotten=None,
            )
        case Failed(reason, reported=reported):
            return replace(
                attempt,
                state=state,
                task_id=task,
                reported=attempt.reported if reported is None else reported,
                reason=reason,
                ended_at=at,
            )
        case Lost(reason):
            return replace(attempt, state=state, reason=reason)
        case Postponed(reason):
            return replace(attempt, state=state, reason=reason, ended_at=at)


def gives_back(event: Event) -> bool:
    """Returns whether the event gives the attempt's price back to the budget."""
    return isinstance(event, Postponed) or (isinstance(event, Failed) and event.refused)


def state_of(job: Job) -> State:
    """The state of a job: that of its best attempt, or PENDING while more are requested."""
    states = {attempt.state for attempt in job.attempts if not attempt.remade}
    for best in (_OK, _R, _S):
        if best in states:
            return best
    if counted(job) < job.asked:
        return State.PENDING
    if _U in states:
        return _U
    # A result that was set aside counts again if nothing better came of it.
    return _OK if any(attempt.remade for attempt in job.attempts) else _F


def counted(job: Job) -> int:
    """How many of its attempts count against what was asked for: all but the returned ones."""
    return sum(attempt.state is not _B for attempt in job.attempts)


def shown(job: Job) -> Attempt | None:
    """The attempt that people see: the first success, else the latest of the best state.

    A result that was set aside is seen only if nothing better came of it.
    """
    if len(job.attempts) == 1:
        return job.attempts[0]
    if first := _first(a for a in job.attempts if a.state is _OK and not a.remade):
        return first
    for state in (_R, _S, _U):
        if same := [a for a in job.attempts if a.state is state]:
            return same[-1]
    if remade := [a for a in job.attempts if a.remade]:
        return remade[-1]
    for state in (_F, _B):
        if same := [a for a in job.attempts if a.state is state]:
            return same[-1]
    return None


def first_success(job: Job) -> Attempt | None:
    """The first success, also if it was set aside; None if there is none."""
    return _first(a for a in job.attempts if a.state is _OK)


def is_forgotten(job: Job) -> bool:
    """True if the result that people saw of it was removed from the store."""
    return any(attempt.forgotten is not None for attempt in job.attempts)


def with_results(job: Job, attempt: Attempt) -> Attempt:
    """The attempt whose results people see while they see this one.

    Until a result that is made again arrives, they see the one that was set aside.
    """
    remade = [a for a in job.attempts if a.remade]
    return remade[-1] if remade and attempt.result.is_empty else attempt


def _first(attempts: Iterable[Attempt]) -> Attempt | None:
    return min(attempts, key=lambda a: (a.ended_at or a.sent_at, a.number), default=None)


def is_open(attempt: Attempt) -> bool:
    """Returns whether the task can still be polled: it has an id and no final state."""
    return bool(attempt.task_id) and attempt.state in (_R, _U, _S, _B)


def end_of(attempt: Attempt) -> Succeeded | Failed:
    """The event that ended an attempt which has succeeded or failed."""
    if attempt.state is State.SUCCEEDED:
        return Succeeded(attempt.result, reported=attempt.reported)
    return Failed(attempt.reason, reported=attempt.reported)


def cost_of(job: Job) -> Credits:
    """Credits that all attempts of the job cost: as reported, else as listed.

    An attempt that the API did not take costs nothing.
    """
    return total(map(cost_of_attempt, job.attempts))


class Priced(Tried, Protocol):
    """The part of an attempt that says what it cost."""

    @property
    def price(self) -> Credits:
        """Listed credits when it was sent."""

    @property
    def reported(self) -> Credits | None:
        """Credits that the API reported; None if it reported none."""


class Paid(NamedTuple):
    """What one attempt cost, and at which account."""

    # As in `Attempt`.
    state: State
    provider: str
    base_url: str
    account: str
    task_id: str
    reason: str
    price: Credits
    reported: Credits | None


def cost_of_attempt(attempt: Priced) -> Credits:
    """Credits that one attempt cost: as reported, else as listed; 0 if it was not taken."""
    if attempt.reported is not None:
        return attempt.reported
    return 0 if costs_nothing(attempt) else attempt.price


class Charge(NamedTuple):
    """The cost of one attempt in credits: the price that was held for it, and what was reported."""

    #: The name of the provider file.
    provider: str
    listed: Credits
    reported: Credits


def higher_charge(attempt: Attempt, reported: Credits | None) -> Charge | None:
    """The charge of an attempt if it cost more than listed; else None.

    A lower charge is no surprise: a listed price may be the most that a model costs.
    """
    if reported is None or not 0 < attempt.price < reported:
        return None
    return Charge(attempt.provider, attempt.price, reported)


def higher_charges(job: Job) -> list[Charge]:
    """The charges of those attempts of the job that cost more than listed."""
    found = (higher_charge(one, one.reported) for one in job.attempts)
    return [one for one in found if one]
