"""What the stand-ins of all vendors share: orders, tasks, and the class that each of them fills in.

A task does not run in the background: its stage follows from the clock at each request.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import uuid4

Stage = Literal["waiting", "running", "done", "failed", "canceled"]
#: The part of its time for which a task waits before it runs.
WAITING = 0.2
#: A longer value of a submission is not remembered: it is a file.
LONG = 2000


class Refused(Exception):
    """The vendor does not take the request: status code, and the words for its error."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class VendorAnswer(NamedTuple):
    """Status code and JSON of one answer."""

    status: int
    body: object


class Call(NamedTuple):
    """One webhook: where it goes, its headers and its body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """What a submission asks for, and the address that it wants to be called at."""

    prompt: str
    model: str
    #: The body of the request, as the vendor shows it again.
    said: Mapping[str, Any]
    #: Width and height, such as "16:9".
    ratio: str = "1:1"
    count: int = 1
    kind: Literal["image", "video"] = "image"
    #: In the unit of the vendor's account.
    cost: float = 0
    #: Ids of the finished tasks that it follows.
    follows: tuple[str, ...] = ()
    webhook: str = ""
    webhook_secret: str = field(default="", repr=False)
    #: Stages at which the webhook is called.
    events: tuple[Stage, ...] = ("done", "failed", "canceled")


@dataclass(slots=True)
class Task:
    """One accepted, paid task."""

    id: str
    order: Order
    #: Which task of this prompt it is, from 1: the pictures of the second differ from the first's.
    number: int
    #: The address at which the stand-in was asked.
    base_url: str
    began: float
    seconds: float
    #: Why it fails, or "".
    failure: str = ""
    #: When it was canceled.
    canceled: float = math.inf
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def kept(self) -> dict[str, object]:
        """The task as JSON can carry it, for `of`: without secrets and long texts."""
        order = asdict(self.order) | {"webhook": "", "webhook_secret": ""}
        order["said"] = {
            name: value for name, value in self.order.said.items() if len(str(value)) < LONG
        }
        return {
            "id": self.id,
            "order": order,
            "number": self.number,
            "failure": self.failure,
            "created": self.created.isoformat(),
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any], base_url: str, now: float) -> Task:
        """A kept task, which has ended. Raises KeyError, TypeError or ValueError if it is none."""
        order: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in kept["order"].items()
        }
        return cls(
            id=str(kept["id"]),
            order=Order(**order),
            number=int(kept["number"]),
            base_url=base_url,
            began=now,
            seconds=0,
            failure=str(kept["failure"]),
            created=datetime.fromisoformat(kept["created"]),
        )

    @property
    def ends(self) -> float:
        """When it is final."""
        return min(self.began + self.seconds, self.canceled)

    def has_result(self, address: str, now: float) -> bool:
        """True if this is the address of one of its results, and it is done."""
        return address in self.results and self.stage(now) == "done"

    def part(self, now: float) -> float:
        """How much of it is done, 0 to 1."""
        return min(1.0, (now - self.began) / self.seconds) if self.seconds else 1.0

    def stage(self, now: float) -> Stage:
        """Where it stands."""
        if now >= self.ends:
            if self.ends == self.canceled:
                return "canceled"
            return "failed" if self.failure else "done"
        return "waiting" if self.part(now) < WAITING else "running"

    @property
    def results(self) -> list[str]:
        """The addresses of its results."""
        ending = "png" if self.order.kind == "image" else "mp4"
        numbers = range(1, self.order.count + 1)
        return [f"{self.base_url}/results/{self.id}-{n}.{ending}" for n in numbers]


class Vendor(ABC):
    """The API of one vendor: its paths, its words, its errors. It keeps no state."""

    title: str
    #: Where the API begins below the host: the path of `base_url`.
    base: str
    #: Paths that take a submission by POST, below `base`.
    submissions: tuple[str, ...]
    #: Path of the status of one task, by GET, below `base`; {id} is in the path or in the query.
    status: str
    #: Path by which a task is canceled, and the method; none if the vendor has none.
    cancel: tuple[str, str] | None = None
    #: Status code and words where the key is wrong.
    wrong_key = Refused(401, "Invalid API key")

    def key(self, headers: Mapping[str, str]) -> str:
        """The API key of a request; header names in lower case."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.casefold() == "bearer" else ""

    def check(self, headers: Mapping[str, str]) -> None:
        """Check what else every request must have. Raises Refused."""
        return

    @abstractmethod
    def order(self, path: Mapping[str, str], said: Mapping[str, Any]) -> Order:
        """What a submission asks for: the parts of its path, its body. Raises Refused."""

    @abstractmethod
    def accepted(self, task: Task, now: float) -> VendorAnswer:
        """The answer to a submission that was taken."""

    @abstractmethod
    def shown(self, task: Task, now: float) -> object:
        """What the vendor says of a task at that moment."""

    @abstractmethod
    def error(self, status: int, words: str) -> object:
        """The body of an error."""

    def unknown(self, task_id: str) -> VendorAnswer:
        """The answer about a task that does not exist."""
        return VendorAnswer(404, self.error(404, f"{task_id} not found"))

    def canceled(self, task: Task, now: float) -> VendorAnswer:
        """The answer to the request that canceled a task."""
        return VendorAnswer(200, self.shown(task, now))

    def pages(self, left: float, key: str) -> Mapping[str, object]:
        """Other answers by GET: path below `base` -> body. `left` is what the account holds."""
        return {}

    def call(self, task: Task, moment: float, key: str) -> Call | None:
        """The webhook that is sent at a moment of a task; none if the vendor sends none."""
        return None

    def new_id(self) -> str:
        """The id of a new task."""
        return str(uuid4())


def text(said: Mapping[str, Any], name: str, *, least: int = 1, most: int | None = None) -> str:
    """A text of a body. Raises Refused (400) if it is missing, too short or too long."""
    value = said.get(name)
    if not isinstance(value, str) or len(value.strip()) < least:
        raise Refused(400, f"{name} is required")
    if most is not None and len(value) > most:
        raise Refused(400, f"{name} must be at most {most} characters")
    return value


def ratio_of(value: object, default: str = "1:1") -> str:
    """A ratio, a size or a resolution as "W:H"; the default where it is none."""
    parts = str(value).lower().replace("x", ":").split(":")
    is_ratio = len(parts) == 2 and all(part.isdigit() and int(part) for part in parts)
    return ":".join(parts) if is_ratio else default


def stamp(moment: datetime) -> str:
    """A time as most of the vendors write it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
