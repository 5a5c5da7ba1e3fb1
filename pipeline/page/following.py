"""Follow-up rows on the page: what a picture can become, and the rows that people asked for.

A click leaves a wish in the store; a pass adds the row. Reads the store; owns no state. Raises
StoreError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Final

from pipeline import wiring
from pipeline.core.language import Said, say
from pipeline.core.model import State
from pipeline.core.money.currency import in_credits_and_money
from pipeline.core.rows.follow_ups import FollowUp, cells_for, follow_ups, lacks, missing_columns
from pipeline.core.rows.known import new_id
from pipeline.core.rows.named_takes import name_of_take
from pipeline.core.states import shown, with_results
from pipeline.page.board import Board
from pipeline.page.cards import Card
from pipeline.reports.rows_to_add import about, costs_of_added, needs_approval
from pipeline.store import WantedRow

#: Longest prompt of a follow-up row, in characters.
LONGEST_PROMPT: Final = 4_000


@dataclass(frozen=True, slots=True)
class Wish:
    """A row that a person asked for, as the page shows it."""

    row: WantedRow
    #: What it makes, such as `upscale-1x of picture 2 of take 1`; and what it costs, and when.
    about: Said
    price: Said
    #: True if it can be withdrawn: no run has begun to add it.
    is_open: bool


@dataclass(frozen=True, slots=True)
class Following:
    """What can be made from the pictures of a take, and what was asked for."""

    #: What can be made of the picture that is shown; empty if nothing can.
    offers: Sequence[FollowUp]
    #: Why no row can be added, as a sentence; empty if one can.
    lacks: str
    #: The rows that were asked for, of all pictures of the row.
    wanted: Sequence[Wish]

    @property
    def may_have_prompt(self) -> bool:
        """True if one of the offers takes a prompt."""
        return any(one.takes_prompt for one in self.offers)


def following_of(board: Board, card: Card, number: int) -> Following:
    """What can follow this picture of a take, numbered from 1."""
    wanted = board.campaign.store.wanted_rows.of_parent(board.campaign.key, card.shown.row_id)
    offers = _offers(board, card, number)
    cells = cells_for("x", _parent(board, card), number, "") if offers else {}
    missing = missing_columns(cells, board.columns)
    wishes = [_wish(one, board) for one in wanted]
    return Following(offers, lacks(missing) if missing else "", wishes)


def ask_for_row(
    board: Board, card: Card, number: int, endpoint: str, prompt: str, before: int, person: str
) -> bool:
    """Ask for a row that follows a picture. Returns False if the page is out of date.

    `before` is how many follow-up rows of the row the page showed.
    """
    offer = next((one for one in _offers(board, card, number) if one.endpoint == endpoint), None)
    if offer is None or len(prompt) > LONGEST_PROMPT or (offer.needs_prompt and not prompt):
        return False
    row_id, text = card.shown.row_id, prompt if offer.takes_prompt else ""
    cells = cells_for(endpoint, _parent(board, card), number, text)
    if missing_columns(cells, board.columns):
        return False
    store, key = board.campaign.store, board.campaign.key
    return store.wanted_rows.ask(key, new_id(SystemRandom()), row_id, cells, before, person)


def withdraw_row(board: Board, row_id: str, person: str) -> bool:
    """Withdraw a row that was asked for. False if a run has begun to add it, or if it is gone."""
    return board.campaign.store.wanted_rows.withdraw(board.campaign.key, row_id, person)


def _wish(one: WantedRow, board: Board) -> Wish:
    price = in_credits_and_money(costs_of_added([one], board.rules))
    if needs_approval(board.columns, board.rules):
        price = say("{price} once it is approved", price=price)
    is_open = one.added_at is None and one.adding_at is None
    return Wish(one, about(one), price, is_open)


def _parent(board: Board, card: Card) -> str:
    """How the new row names the take and the part, so that it follows no other picture later."""
    its = (one.shown for one in board.row(card.shown.row_id) if one.shown.take == card.shown.take)
    has_parts = any(one.part for one in its)
    one = card.shown
    return name_of_take(one.row_id, one.take, one.part, has_parts=has_parts)


def _offers(board: Board, card: Card, number: int) -> list[FollowUp]:
    attempt = shown(card.job) if card.job else None
    if card.job is None or attempt is None or attempt.state is not State.SUCCEEDED:
        return []
    if not card.shown.in_sheet or not 1 <= number <= len(card.shown.urls):
        return []
    made = with_results(card.job, attempt)
    return list(follow_ups(card.shown.row_id, made, number, board.rules, wiring.now()))
