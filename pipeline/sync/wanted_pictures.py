"""A picture that is to be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pipeline.core.model import Attempt, JobKey, Unsaved


class Picture(NamedTuple):
    """One result of an attempt: its key in the store."""

    key: JobKey
    attempt: int
    url: str


@dataclass(frozen=True, slots=True)
class WantedPicture:
    """A picture to save: of which attempt it is number `number`, and its earlier failure."""

    picture: Picture
    attempt: Attempt
    number: int
    stem: str
    before: Unsaved | None
    reserved: str
