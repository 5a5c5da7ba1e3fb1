"""A task: what was taken, and what it says of itself at a given moment.

Nothing runs in the background: where a task stands is worked out from the clock when it is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: Up to which part of its life a task shows which status; after the last comes `processing`.
STAGES = ((0.05, "staged"), (0.15, "pending"), (0.25, "starting"))
#: The part of its life during which a task shows an odd status, if it has one.
ODD_FROM, ODD_TO = 0.35, 0.75
#: Pictures of one task, apart from the grid.
PICTURES = 4


@dataclass(frozen=True, slots=True)
class Task:
    """One accepted, paid task."""

    id: str
    prompt: str
    aspect_ratio: str
    #: Which task of this prompt it is, from 1: the pictures of the second differ from the first's.
    number: int
    #: The address under which the API was asked, and so the one under which pictures are found.
    base_url: str
    began: float
    seconds: float
    #: Why it fails, or "".
    failure: str = ""
    failure_key: str = "message"
    endless: bool = False
    odd_status: str = ""
    #: Where its webhooks go, or "", and the secret that they bear.
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)

    @property
    def ends(self) -> float:
        """When it is final, by the clock that `began` was read from."""
        return math.inf if self.endless else self.began + self.seconds

    def has_pictures(self, now: float) -> bool:
        """Whether its pictures can be had."""
        return now >= self.ends and not self.failure

    def payload(
        self, now: float, *, bare: bool = False, numeric: bool = False
    ) -> dict[str, object]:
        """What `/fetch` says, and a webhook.

        `bare` leaves `status` out once the task is finished; `numeric` writes its percentage as a
        number, as the API does for some of its models.
        """
        says: dict[str, object] = {"task_id": self.id, "task_type": "imagine"}
        if now < self.ends:
            part = (now - self.began) / self.seconds if self.seconds else 1.0
            return says | self._progress(part, numeric)
        if self.failure:
            return says | {"status": "failed", self.failure_key: self.failure}
        return says | self._result() | ({} if bare else {"status": "finished"})

    def _progress(self, part: float, numeric: bool) -> dict[str, object]:
        if self.odd_status and ODD_FROM <= part < ODD_TO:
            return {"status": self.odd_status}
        for until, status in STAGES:
            if part < until:
                return {"status": status}
        begin = STAGES[-1][0]
        percent = min(99, int((part - begin) / (1 - begin) * 100))
        return {"status": "processing", "percentage": percent if numeric else str(percent)}

    def _result(self) -> dict[str, object]:
        address = f"{self.base_url}/pictures/{self.id}"
        return {
            "original_image_url": f"{address}-grid.png",
            "image_urls": [f"{address}-{n}.png" for n in range(1, PICTURES + 1)],
        }
