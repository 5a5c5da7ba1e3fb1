"""An API in memory that counts the tasks it accepted, and for whom. Tests trust only these counts.

It knows prompts but not rows. It has two versions. Version 1 has no idempotency key: a request that
it did not clearly refuse counts as received, whether or not the answer arrived. Version 2 remembers
keys for a day and makes one task for each: only tasks count as received.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pipeline.core.api.provider import Endpoint, Field, Key, Once, Poll, Provider
from pipeline.core.api.provider import TaskFields as TaskNames
from pipeline.core.model import JobKey, Response

PRICE = 4
#: For how long version 2 remembers a key.
DAY = timedelta(hours=24)
IMAGINE = Endpoint(
    path="/imagine",
    fields={"prompt": Field(required=True)},
    urls=("image_urls",),
    credits=PRICE,
    deadline=60.0,
)
#: Fields that are filled from the row that a row follows.
FOLLOWING = {
    "parent_task_id": Field(parent="task"),
    "image": Field(type="address", parent="url"),
}
V1 = Provider(
    name="apiframe-v1",
    title="Apiframe",
    base_url="http://127.0.0.1/v1",
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
V2 = Provider(
    name="apiframe-v2",
    title="Apiframe",
    base_url="http://127.0.0.1/v2",
    key=Key(header="X-API-Key"),
    task=TaskNames(
        id=("jobId", "id"),
        status=("status",),
        finished=("completed",),
        failed=("failed",),
        percent=("progress",),
        credits=("creditCost",),
    ),
    poll=Poll(
        "/jobs/{id}",
        method="GET",
        list="/jobs?cursor={cursor}",
        list_tasks="jobs",
        list_next="nextCursor",
    ),
    endpoints={"imagine": replace(IMAGINE, urls=("result.images",))},
    once=Once("Idempotency-Key", 24),
)


def provider(version: int, chains: bool) -> Provider:
    """One version of the API. With `chains`, its rows can follow other rows."""
    found = {1: V1, 2: V2}[version]
    if not chains:
        return found
    endpoint = found.endpoints["imagine"]
    endpoint = replace(endpoint, fields={**endpoint.fields, **FOLLOWING})
    return replace(found, endpoints={"imagine": endpoint})


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
    #: The name of the API that has it.
    at: str = V1.name
    body_sent: Mapping[str, object] = field(default_factory=dict)
    status: str = "processing"
    percent: int = 0

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of its pictures, once it is finished."""
        return tuple(f"https://pictures.example/{self.id}-{n}.png" for n in (1, 2))

    def body(self) -> dict[str, Any]:
        """The task as answers describe it."""
        if self.at == V2.name:
            return self._second_body()
        body: dict[str, Any] = {"task_id": self.id, "status": self.status}
        if self.status == "finished":
            return body | {"image_urls": list(self.urls)}
        if self.status == "failed":
            return body | {"message": "=could not be made"}
        return body | {"percentage": f"{self.percent}"}

    def _second_body(self) -> dict[str, Any]:
        words = {"finished": "COMPLETED", "failed": "FAILED"}
        body: dict[str, Any] = {"id": self.id, "status": words.get(self.status, "PROCESSING")}
        if self.status == "finished":
            return body | {"result": {"images": list(self.urls)}, "creditCost": PRICE}
        if self.status == "failed":
            return body | {"error": "=could not be made", "creditCost": PRICE}
        return body | {"progress": self.percent}


@dataclass(frozen=True)
class Sent:
    """A submission as it was begun, and when."""

    key: JobKey
    attempt: int
    words: str
    store: str
    #: The name of the API that it is for, its idempotency key (empty if it has none), its body.
    at: str
    once: str
    body: Mapping[str, object]
    when: datetime
    #: Who pays for it: names of starts of the program and of days.
    payers: tuple[str, ...]


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
    #: Idempotency key -> the task made under it, what was sent first, and when.
    kept: dict[str, tuple[Task, Sent, datetime]] = field(default_factory=dict)

    def asked(self, sent: Sent, how: Answer, now: datetime) -> Task | None:
        """Receive one submission; returns the task if it is accepted."""
        self.counts[how] += 1
        if sent.once and (task := self._kept(sent, now)):
            return task if how in TAKEN else None
        if how in (TAKEN if sent.once else _RECEIVED):
            self.received[sent.words] += 1
            self.received_for[sent.key] += 1
        if how is Answer.REFUSED:
            self.failed_for[sent.key] += 1
        if how not in TAKEN:
            return None
        number = len(self.tasks) + 1
        task = Task(
            f"task-{number}", sent.words, sent.key, sent.attempt, sent.store, sent.at, sent.body
        )
        self.tasks[task.id] = task
        self.by_url |= dict.fromkeys(task.urls, task)
        if sent.once:
            self.kept[sent.once] = task, sent, now
        for name in sent.payers:
            self.charged[name] += PRICE
        if how is Answer.AT_ONCE:
            task.status = "finished"
        return task

    def _kept(self, sent: Sent, now: datetime) -> Task | None:
        """The task that was made under the same key, if it is still remembered."""
        if sent.once not in self.kept:
            return None
        task, first, at = self.kept[sent.once]
        if now - at >= DAY:
            return None
        assert first.body == sent.body, f"{sent.once} came with another body"
        self.counts["key seen again"] += 1
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
                return {**_named(task), "status": "failed", "message": "on second thoughts"}
            case Turn.STRANGE if task.status not in ("finished", "failed"):
                return {**_named(task), "status": "sleeping"}
            case Turn.PROGRESS if task.status not in ("finished", "failed"):
                task.percent = min(task.percent + 20, 90)
        if task.status == "failed":
            self.failed_for[task.key] += 1
        return task.body()


def _named(task: Task) -> dict[str, str]:
    return {"id" if task.at == V2.name else "task_id": task.id}


def response(how: Answer, task: Task | None) -> Response | None:
    """The response; None if none arrives."""
    match how:
        case Answer.ACCEPTED if task is not None and task.at == V2.name:
            return _answer(202, {"jobId": task.id, "status": "QUEUED"})
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
    """The answer to a poll for several tasks of version 1."""
    return _answer(200, {"tasks": bodies})


def listed(bodies: list[dict[str, Any]]) -> Response:
    """A page of version 2's list of jobs. It also has a job of another program."""
    other = {"id": "of another program", "status": "COMPLETED", "result": {"images": []}}
    return _answer(200, {"jobs": [other, *bodies], "nextCursor": None, "hasMore": False})


def told(body: dict[str, Any]) -> Response:
    """The answer to a poll for one task of version 2."""
    return _answer(200, body)


def _answer(status: int, body: dict[str, Any]) -> Response:
    return Response(status, {}, json.dumps(body).encode())
