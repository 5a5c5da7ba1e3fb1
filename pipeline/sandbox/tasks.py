"""A task: what was accepted, and how far it is at a given moment.

Nothing runs in the background: how far a task is follows from the clock at each request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Up to which part of its life a task shows which status; after the last comes `processing`.
STAGES = ((0.05, "staged"), (0.15, "pending"), (0.25, "starting"))
#: The part of its life during which a task shows an odd status, if it has one.
ODD_FROM, ODD_TO = 0.35, 0.75
#: The kinds of files that a task can have.
Kind = Literal["picture", "video", "audio"]


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the webhooks of a task go, and what proves them."""

    url: str
    secret: str = field(default="", repr=False)
    #: The events that are wanted (version 2); version 1 sends all.
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """How many files of each kind a finished task has, apart from the grid of its pictures."""

    pictures: int = 0
    videos: int = 0
    sounds: int = 0
    has_grid: bool = False

    def has(self, kind: Kind, number: int) -> bool:
        """True if there is this file; the grid is picture number 0."""
        if kind == "picture" and number == 0:
            return self.has_grid
        most = {"picture": self.pictures, "video": self.videos, "audio": self.sounds}[kind]
        return 1 <= number <= most


#: The files of a Midjourney grid.
GRID = Files(pictures=4, has_grid=True)


@dataclass(frozen=True, slots=True)
class Order:
    """A valid submission: what is to be made, and what it costs."""

    #: The endpoint: `imagine`, `pro/vary`, `v2/images/generate`.
    endpoint: str
    #: What the results show: the prompt, or the parent's.
    prompt: str
    cost: int
    fields: Mapping[str, Any]
    #: The prompt of the submission itself, or "".
    own_prompt: str = ""
    aspect_ratio: str = "1:1"
    files: Files = GRID
    hook: Hook | None = None
    #: The answer to the submission is the finished result.
    sync: bool = False
    model: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One accepted, paid task."""

    id: str
    prompt: str
    aspect_ratio: str
    #: Which task of this prompt it is, from 1: the pictures of the second differ from the first's.
    number: int
    #: The address that the client used: the results are found there.
    base_url: str
    began: float
    seconds: float
    #: Why it fails, or "".
    failure: str = ""
    failure_key: str = "message"
    endless: bool = False
    odd_status: str = ""
    #: What is wrong with its pictures, or "".
    flaw: str = ""
    endpoint: str = "imagine"
    model: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    files: Files = GRID
    cost: int = 0
    #: Seconds since 1970 at which it was accepted.
    created: float = 0.0
    hook: Hook | None = None

    @property
    def ends(self) -> float:
        """When it is final, by the clock that `began` was read from."""
        return math.inf if self.endless else self.began + self.seconds

    @property
    def is_v2(self) -> bool:
        """True if it is a job of version 2."""
        return self.endpoint.startswith("v2/")

    def has_results(self, now: float) -> bool:
        """True if its results can be had."""
        return now >= self.ends and not self.failure

    def part(self, now: float) -> float:
        """The part of its life that is over, from 0."""
        return (now - self.began) / self.seconds if self.seconds else 1.0

    def status(self, now: float) -> str:
        """The status in the words of version 1: finished, failed, or how far it is."""
        if now >= self.ends:
            return "failed" if self.failure else "finished"
        part = self.part(now)
        if self.odd_status and ODD_FROM <= part < ODD_TO:
            return self.odd_status
        return next((status for until, status in STAGES if part < until), "processing")

    def percent(self, now: float) -> int:
        """How far it is while its status is processing: 0 to 99."""
        begin = STAGES[-1][0]
        return max(0, min(99, int((self.part(now) - begin) / (1 - begin) * 100)))

    def address(self, kind: Kind, number: int) -> str:
        """Where a file of the results is found; the grid is picture number 0."""
        if kind == "picture":
            return f"{self.base_url}/pictures/{self.id}-{number or 'grid'}.png"
        ending = {"video": "mp4", "audio": "wav"}[kind]
        return f"{self.base_url}/media/{self.id}-{number}.{ending}"
