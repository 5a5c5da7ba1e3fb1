"""An API in memory that counts the tasks it accepted, and for whom. Tests trust only these counts.

It knows prompts but not rows. A request that it did not clearly refuse counts as received, whether
or not the answer arrived.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.core.model import JobKey, Response
from pipeline.core.provider import Endpoint, Field, Key, Poll, Provider
from pipeline.core.provider import TaskFields as TaskNames

PRICE = 4
IMAGINE = Endpoint(
    path="/imagine",
    fields={"prompt": Field(required=True)},
    urls=("image_urls",),
    credits=PRICE,
    deadline=60.0,
)
PROVIDER = Provider(
    title="Apiframe",
    base_url="http://127.0.0.1",
    key=Key(),
    task=TaskNames(
        id=("task_id",),
        status=("status",),
        finished=("finished",),
        failed=("failed",),
        percent=("percentage",),
    ),
    poll=Poll("/fetch", "task_id", "/fetch-many", "task_ids", "tasks"),
    endpoints={"imagine": IMAGINE},
)


class Answer(StrEnum):
    """The outcome of one submission."""

    ACCEPTED = "accepted"
    AT_ONCE = "success at once"
    LOST_TAKEN = "lost though taken"
    LOST = "lost and not taken"
    REFUSED = "refused"
    BUSY = "busy"
    ERROR_TAKEN = "500 though taken"
    ERROR = "500"
    NO_ID = "taken without a name"
    STOP = "key refused"
    NEVER_LEFT = "never left"


#: Answers after which the request may have been accepted.
_RECEIVED = frozenset(Answer) - {Answer.REFUSED, Answer.BUSY, Answer.STOP, Answer.NEVER_LEFT}
#: Answers with a task that is charged.
TAKEN = (
    Answer.ACCEPTED,
    Answer.AT_ONCE,
    Answer.LOST_TAKEN,
    Answer.ERROR_TAKEN,
    Answer.NO_ID,
)


class Turn(StrEnum):
    """The next state of a task, or the API's answer about it."""

    PROGRESS = "progress"
    FINISH = "finish"
    FAIL = "fail"
    STRANGE = "unknown status"
    #: It says that a finished task failed.
    CONTRADICT = "contradicts itself"


@dataclass
class Task:
    """One picture that the API makes; it is charged when it is accepted."""

    id: str
    words: str
    key: JobKey
    attempt: int
    #: Which store asked for it.
    store: str
    status: str = "processing"
    percent: int = 0

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of its pictures, once it is finished."""
        return tuple(f"https://pictures.example/{self.id}-{n}.png" for n in (1, 2))

    def body(self) -> dict[str, Any]:
        """The task as answers describe it."""
        body: dict[str, Any] = {"task_id": self.id, "status": self.status}
        if self.status == "finished":
            return body | {"image_urls": list(self.urls)}
        if self.status == "failed":
            return body | {"message": "=could not be made"}
        return body | {"percentage": f"{self.percent}"}


@dataclass
class Api:
    """The tasks accepted, received and charged."""

    tasks: dict[str, Task] = field(default_factory=dict)
    by_url: dict[str, Task] = field(default_factory=dict)
    #: Requests that were not clearly refused, by prompt and by job.
    received: Counter[str] = field(default_factory=Counter)
    received_for: Counter[JobKey] = field(default_factory=Counter)
    #: Failures reported, by job.
    failed_for: Counter[JobKey] = field(default_factory=Counter)
    #: Credits charged, by store, start of the program and day.
    charged: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def asked(self, key: JobKey, attempt: int, words: str, store: str, how: Answer) -> Task | None:
        """Receive one submission; returns the task if it is accepted."""
        self.counts[how] += 1
        if how in _RECEIVED:
            self.received[words] += 1
            self.received_for[key] += 1
        if how is Answer.REFUSED:
            self.failed_for[key] += 1
        if how not in TAKEN:
            return None
        task = Task(f"task-{len(self.tasks) + 1}", words, key, attempt, store)
        self.tasks[task.id] = task
        self.by_url |= dict.fromkeys(task.urls, task)
        if how is Answer.AT_ONCE:
            task.status = "finished"
        return task

    def has_received(self, row_id: str) -> bool:
        """True if a request for any take of that row was received."""
        return any(key.row_id == row_id for key in self.received_for)

    def turn(self, task: Task, what: Turn) -> dict[str, Any]:
        """Move a task on; returns the API's description of it."""
        self.counts[what] += 1
        match what:
            case Turn.FINISH:
                task.status = "finished"
            case Turn.FAIL if task.status != "finished":
                task.status = "failed"
            case Turn.CONTRADICT:
                self.failed_for[task.key] += 1
                return {"task_id": task.id, "status": "failed", "message": "on second thoughts"}
            case Turn.STRANGE if task.status not in ("finished", "failed"):
                return {"task_id": task.id, "status": "sleeping"}
            case Turn.PROGRESS if task.status not in ("finished", "failed"):
                task.percent = min(task.percent + 20, 90)
        if task.status == "failed":
            self.failed_for[task.key] += 1
        return task.body()


def response(how: Answer, task: Task | None) -> Response | None:
    """The response; None if none arrives."""
    match how:
        case Answer.ACCEPTED | Answer.AT_ONCE if task is not None:
            body = {"task_id": task.id} if how is Answer.ACCEPTED else task.body()
            return _answer(200, body)
        case Answer.REFUSED:
            return _answer(400, {"message": '=banned word "fox"'})
        case Answer.BUSY:
            return _answer(429, {"message": "slow down"})
        case Answer.ERROR | Answer.ERROR_TAKEN:
            return _answer(500, {})
        case Answer.NO_ID:
            return _answer(200, {})
        case Answer.STOP:
            return _answer(401, {"message": "who are you"})
    return None


def described(bodies: list[dict[str, Any]]) -> Response:
    """The answer to a poll for several tasks."""
    return _answer(200, {"tasks": bodies})


def _answer(status: int, body: dict[str, Any]) -> Response:
    return Response(status, {}, json.dumps(body).encode())
