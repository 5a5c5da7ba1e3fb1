"""The lines of a receipt: an attempt as a receipt needs it, a charge in a list, and both together.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.core.api.provider import MARGIN
from pipeline.core.credits import Credits
from pipeline.core.messages.picture_notes import in_a_few_words
from pipeline.core.model import State
from pipeline.core.picture_findings import Findings
from pipeline.core.states import cost_of_attempt, costs_nothing


class Sent(NamedTuple):
    """One attempt, as far as a receipt needs it."""

    #: The number of its job inside the store.
    job: int
    sheet: str
    row_id: str
    take: int
    #: Which generation of the take, where the row asks for several.
    part: str
    number: int
    state: State
    endpoint: str
    inputs: str
    #: The prompt that was made of columns; empty if the inputs have it.
    made_prompt: str
    task_id: str
    #: Listed credits when it was sent, and those that the API reported.
    price: Credits
    reported: Credits | None
    sent_at: datetime
    ended_at: datetime | None
    reason: str
    provider: str
    base_url: str
    account: str
    #: If its answer was lost: when it was heard of last. It may have been sent again until then.
    again_at: datetime | None
    #: What is wrong with its pictures: number -> findings, and how many pictures it has.
    findings: tuple[tuple[int, Findings], ...] = ()
    pictures: int = 0

    @property
    def is_useless(self) -> bool:
        """True if every picture of it is blank or damaged."""
        useless = sum(bool(one.look) for _, one in self.findings)
        return 0 < self.pictures == useless

    @property
    def wrong(self) -> str:
        """What is wrong with its pictures, in words; empty if nothing is."""
        return "; ".join(f"{number}: {in_a_few_words(one)}" for number, one in self.findings)

    @property
    def cost(self) -> Credits:
        """What it cost as far as the store knows: as reported, else as listed."""
        return cost_of_attempt(self)

    @property
    def is_lost(self) -> bool:
        """True if its answer was lost: it may have a task that nothing names."""
        return not self.task_id and not costs_nothing(self) and self.state is not State.SUCCEEDED

    def may_be_of(self, at: datetime | None) -> bool:
        """True if a task that was made at this moment may be of this attempt."""
        return at is not None and self.sent_at - MARGIN <= at <= self.heard_until + MARGIN

    @property
    def heard_until(self) -> datetime:
        """The last moment at which it may have been sent."""
        return self.again_at or self.sent_at


class Basis(StrEnum):
    """What an amount rests on."""

    LIST = "the account's list"
    REPORTED = "reported with the task"
    PRICE = "listed price"
    LOST = "answer lost: perhaps not charged"


class ReceiptLine(NamedTuple):
    """One charge, and the attempt that it is for."""

    sent: Sent
    task_id: str
    at: datetime
    charged: Credits
    basis: Basis
    has_failed: bool
    #: True if nothing but the content of the task says which attempt it is for.
    by_content: bool = False


class Bodies(NamedTuple):
    """What was asked of the API by attempts: (job, number) -> body."""

    of: Mapping[tuple[int, int], Mapping[str, Any]] = {}
    #: Fields that say where to call back: they differ from one request to the next.
    left_out: frozenset[str] = frozenset()

    def agrees(self, sent: Sent, content: Mapping[str, Any] | None) -> bool:
        """Returns whether a task was made for what this attempt asked."""
        body = self.of.get((sent.job, sent.number))
        if not body or not content:
            return False
        asked = {name: value for name, value in body.items() if name not in self.left_out}
        # A task holds what was asked as a part of its own description; the model may be beside it.
        parts = (part for part in content.values() if isinstance(part, dict))
        return any(_is_within(asked, one) for one in (content, *({**content, **p} for p in parts)))


def _is_within(asked: object, content: object) -> bool:
    if isinstance(asked, dict) and isinstance(content, dict):
        return all(name in content and _is_within(v, content[name]) for name, v in asked.items())
    return asked == content
