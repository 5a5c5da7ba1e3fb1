"""The choices that a drop-down list of a new sheet offers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """The words to choose from; if the list is not `closed`, a cell may hold other words too."""

    words: tuple[str, ...]
    closed: bool
