"""The buttons of the page. Each leaves a small note in the store for the next pass.

A form contains the state that the page showed. If that state has changed since, nothing is done. So
when two people press a button at the same time, or one person presses it twice, it takes effect
once. The store owns the notes. Returns redirects; a store that fails becomes a message.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipeline import wiring
from pipeline.core.errors import StoreError
from pipeline.core.language import say
from pipeline.core.planning.causes import on_the_page
from pipeline.core.rows.feedback import on_page
from pipeline.core.text import joined
from pipeline.page.board import Board
from pipeline.page.cards import Approval, Card, ticked_take
from pipeline.page.following import ask_for_row, withdraw_row

#: Word -> message. The address contains the word, so that a link cannot show any other text.
MESSAGES: Final = {
    "again": say("Noted. The next run generates this row again."),
    "retry": say("Noted. The next run sends this row again."),
    "picked": say("Picked."),
    "unpicked": say("No longer picked."),
    "followed": say("Noted. The next run adds the row below the last row of the sheet."),
    "withdrawn": say("Withdrawn. The row is not added."),
    "approved": say("Approved. The next run sends this row."),
    "unapproved": say("Approval taken back. This row is not sent."),
    "dismissed": say("Dismissed. You can find it under “dismissed”. The sheet was not changed."),
    "restored": say("The row is listed under the rows that need attention again."),
    "paused": say("Paused. Nothing more is sent; results of what is running still arrive."),
    "resumed": say("Resumed. The next run sends again."),
    "continued": say("Noted. The next run sends the rows that waited for a look at the sample."),
    "changed": say(
        "Nothing was done, because this has changed in the meantime. See how it is now."
    ),
    "full": say("Nothing was done, because the store cannot be written now."),
}
#: Longest feedback, in characters.
LONGEST_FEEDBACK: Final = 1_000
#: The words of actions that cause something to be sent.
SENDING: Final = ("again", "retry", "approved", "followed")
#: Their messages while the sheet sends nothing: word -> first sentence; reason -> second one.
NOTED: Final = {**dict.fromkeys(SENDING, say("Noted.")), "approved": say("Approved.")}
WAITING: Final = {
    "paused": say("It is sent after you press Resume."),
    "held": say("It is sent once this sheet may send again; see the message above."),
}
#: The row, take and picture of the page on which a person stays.
_STAY: Final = re.compile(r"([A-Za-z0-9_.-]{1,100}/[0-9]{1,9})/([0-9]{1,6})")
MESSAGES_WHILE_HELD: Final = {
    f"{word}-{why}": joined(NOTED[word], when) for word in SENDING for why, when in WAITING.items()
}


@dataclass(frozen=True, slots=True)
class Click:
    """A button of a card that was pressed: the form that it sent, and by whom."""

    board: Board
    card: Card
    form: Mapping[str, str]
    #: The name of the person; empty if it is not known.
    person: str


class Actions:
    """The buttons of these campaigns."""

    def __init__(self, boards: Sequence[Board]) -> None:
        self._boards = boards

    async def again(self, request: Request) -> Response:
        """Request one more take: one more than the take cell of the row says."""
        return await self._with_card(request, _ask_again, "again")

    async def pick(self, request: Request) -> Response:
        """Pick one picture of a take, or take that back if it is picked."""
        number: int = request.path_params["number"]

        def do(click: Click) -> bool:
            return _pick(click, number)

        is_picked = str(number) in request.state.form.get("ticked", "").split(",")
        return await self._with_card(request, do, "unpicked" if is_picked else "picked")

    async def follow(self, request: Request) -> Response:
        """Ask for a row that follows one picture of a take."""
        number: int = request.path_params["number"]

        def do(click: Click) -> bool:
            form, before = click.form, click.form.get("wanted", "")
            prompt, endpoint = form.get("prompt", "").strip(), form.get("endpoint", "")
            if not (before.isdecimal() and len(before) < 6):
                return False
            board, card = click.board, click.card
            return ask_for_row(board, card, number, endpoint, prompt, int(before), click.person)

        return await self._with_card(request, do, "followed")

    async def withdraw(self, request: Request) -> Response:
        """Withdraw a row that was asked for, as long as no run has begun to add it."""

        def do(click: Click) -> bool:
            return withdraw_row(click.board, click.form.get("row", ""), click.person)

        return await self._with_card(request, do, "withdrawn")

    async def retry(self, request: Request) -> Response:
        """Request one more attempt, as the command `retry` does."""
        return await self._with_card(request, _retry, "retry")

    async def approve(self, request: Request) -> Response:
        """Approve the inputs, the take and the price that the page showed."""
        return await self._with_card(request, _approve, "approved")

    async def unapprove(self, request: Request) -> Response:
        """Take back an approval that was given on this page, as long as nothing was sent."""
        return await self._with_card(request, _unapprove, "unapproved")

    async def dismiss(self, request: Request) -> Response:
        """Dismiss a row that needs attention, on the page only."""

        def do(click: Click) -> bool:
            return click.card.needs and _set_dismissed(click, away=True)

        return await self._with_card(request, do, "dismissed")

    async def restore(self, request: Request) -> Response:
        """Undo a dismissal."""

        def do(click: Click) -> bool:
            return click.card.dismissed and _set_dismissed(click, away=False)

        return await self._with_card(request, do, "restored")

    async def pause(self, request: Request) -> Response:
        """Stop sending, as the command `pause` does."""
        return await self._set_paused(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Send again after a pause, or after a rule stopped the sending."""
        return await self._set_paused(request, paused=False)

    async def sample_seen(self, request: Request) -> Response:
        """Release the rows that wait for a look at the sample, as the command `continue` does."""
        board = board_of(self._boards, request)

        def do() -> bool:
            sheets, key = board.campaign.store.sheets, board.campaign.key
            if request.state.form.get("waits") != str(sheets.get(key).sample_waits):
                return False
            sheets.update(key, sample_seen=wiring.now(), sample_waits=0)
            return True

        return await _answered(request, board, do, "continued")

    async def _set_paused(self, request: Request, *, paused: bool) -> Response:
        board = board_of(self._boards, request)

        def do() -> bool:
            board.campaign.store.set_paused(board.campaign.key, paused)
            return True

        return await _answered(request, board, do, "paused" if paused else "resumed")

    async def _with_card(
        self, request: Request, do: Callable[[Click], bool], said: str
    ) -> Response:
        board = board_of(self._boards, request)
        generation, take = named_take(request)

        def done() -> bool:
            board.refresh(at_once=True)
            card = board.card(generation, take)
            person = request.state.visitor.person
            return card is not None and do(Click(board, card, request.state.form, person))

        return await _answered(request, board, done, said)


def board_of(boards: Sequence[Board], request: Request) -> Board:
    """The campaign that an address names by its number, from 1. Raises a 404 if there is none."""
    number: int = request.path_params["sheet"]
    if not 1 <= number <= len(boards):
        raise HTTPException(404)
    return boards[number - 1]


class NamedTake(NamedTuple):
    """One take of a row, or of one of its generations, as an address names it."""

    generation: str
    take: int


def named_take(request: Request) -> NamedTake:
    """The take that an address names."""
    return NamedTake(str(request.path_params["row_id"]), int(request.path_params["take"]))


def _ask_again(click: Click) -> bool:
    card, campaign = click.card, click.board.campaign
    said, feedback = click.form.get("again"), " ".join(click.form.get("feedback", "").split())
    if said != str(card.extra_takes) or not card.may_make_again or card.asked is None:
        return False
    if len(feedback) > LONGEST_FEEDBACK or (feedback and not card.takes_feedback):
        return False
    take = card.asked + 1
    return campaign.store.rows.ask_again(
        campaign.key,
        card.shown.row_id,
        card.extra_takes,
        on_page(take, feedback) if feedback else "",
        take,
        click.person,
    )


def _pick(click: Click, number: int) -> bool:
    card, campaign = click.card, click.board.campaign
    shown = ",".join(map(str, card.ticked))
    if card.job is None or click.form.get("ticked") != shown:
        return False
    row = click.board.row(card.shown.row_id)
    if card.shown.take != ticked_take(row) or not 1 <= number <= len(card.shown.urls):
        return False
    wanted, by = {*card.ticked} ^ {number}, on_the_page(click.person)
    for one in row:
        # A take that waits may start from the picked pictures, and was approved with others.
        if one.is_approved and (what := one.approval):
            campaign.store.rows.approve(
                campaign.key, one.shown.row_id, what.inputs, "", what.take, click.person
            )
    return campaign.store.picks.set(card.job.key, wanted, card.ticked, by)


def _retry(click: Click) -> bool:
    card, job = click.card, click.card.job
    if job is None or not card.may_retry or click.form.get("asked") != str(job.asked):
        return False
    # It may have been paid already, so the form must confirm that the person knows it.
    if card.may_be_paid_twice and click.form.get("unknown") != "yes":
        return False
    return click.board.campaign.store.jobs.ask(job.key, job.asked + 1, on_the_page(click.person))


def _approve(click: Click) -> bool:
    one = click.card.approval
    return one is not None and not click.card.is_approved and _set_approved(click, one, one.covers)


def _unapprove(click: Click) -> bool:
    one = click.card.approval
    return one is not None and click.card.is_approved and _set_approved(click, one, "")


def _set_approved(click: Click, one: Approval, covers: str) -> bool:
    if click.form.get("shown") != one.shown:
        return False
    campaign, row_id = click.board.campaign, click.card.shown.row_id
    return campaign.store.rows.approve(
        campaign.key, row_id, one.inputs, covers, one.take, click.person
    )


def _set_dismissed(click: Click, away: bool) -> bool:
    card, campaign = click.card, click.board.campaign
    if card.job is not None:
        return campaign.store.jobs.dismiss(card.job.key, away)
    return campaign.store.rows.dismiss(campaign.key, card.shown.row_id, card.says if away else "")


async def _answered(request: Request, board: Board, do: Callable[[], bool], said: str) -> Response:
    def both() -> bool:
        done = do()
        board.refresh(at_once=True)
        return done

    try:
        word = said if await asyncio.to_thread(both) else "changed"
        sheet = board.shown.sheet_status
        why = "paused" if sheet.is_at_rest else "held" if sheet.hold else ""
        if word in SENDING and why:
            word = f"{word}-{why}"
    except StoreError:
        word = "full"
    return RedirectResponse(f"{_back(request)}&{urlencode({'said': word})}", 303)


def _back(request: Request) -> str:
    """The page from which the form was sent: that of a row, or the board with its search."""
    form, sheet = request.state.form, request.path_params["sheet"]
    if stay := _STAY.fullmatch(form.get("stay", "")):
        return f"/row/{sheet}/{stay[1]}?picture={stay[2]}"
    kept = {name: form.get(name, "") for name in ("status", "q", "page")}
    kept = {"sheet": sheet} | {name: value for name, value in kept.items() if value}
    return f"/?{urlencode(kept)}"
