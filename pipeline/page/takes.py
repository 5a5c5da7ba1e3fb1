"""All takes of a row beside each other, with their pictures, so that people can compare and pick.

Reads the store; owns no state. Raises StoreError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.core.messages.picture_notes import in_a_few_words
from pipeline.page.board import Board
from pipeline.page.cards import Card, ticked_take
from pipeline.page.files import files_of
from pipeline.page.history import requests_of
from pipeline.page.thumbnails import Saved


class TakePicture(NamedTuple):
    """One result of a take."""

    number: int
    url: str
    file: Saved | None
    #: What is wrong with it, in a few words; empty for nothing.
    findings: str
    #: True if it is picked; of an earlier take, if it was.
    is_picked: bool


@dataclass(frozen=True, slots=True)
class Take:
    """One take of a row, or one of its generations."""

    card: Card
    pictures: Sequence[TakePicture]
    #: Where and by whom it was requested; empty if not on the page.
    requested: str
    #: True if its pictures can be picked here: they are the ones that the row shows.
    may_pick: bool


def takes_of(board: Board, row_id: str) -> list[Take]:
    """All takes of a row, the newest first; the generations of one take in their order."""
    cards = board.row(row_id)
    requested = requests_of(board.campaign, row_id)
    ticked = ticked_take(cards)
    return [
        Take(
            card,
            _pictures(board, card),
            requested.get(card.shown.take, ""),
            card.shown.take == ticked,
        )
        for card in sorted(cards, key=lambda card: -card.shown.take)
    ]


def _pictures(board: Board, card: Card) -> list[TakePicture]:
    wrong = card.job.findings if card.job else {}
    picked = card.ticked if card.is_earlier else card.picked
    return [
        TakePicture(
            number,
            url,
            file,
            in_a_few_words(wrong[url]) if url in wrong else "",
            number in picked,
        )
        for number, (url, file) in enumerate(files_of(board, card), start=1)
    ]
