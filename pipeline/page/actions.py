"""What the buttons of the page do: each leaves a small note in the store for the next pass.

A form says what the page showed when it was sent. If that is no longer true, nothing is done. So
two people who press at once, or one who presses twice, ask for one thing once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipeline.core.errors import StoreError
from pipeline.page.board import Wall
from pipeline.page.cards import Card

#: What was done, in a sentence. The address names it by its word, and cannot say anything else.
SAID: Final = {
    "again": "Noted. The next run generates this row again.",
    "retry": "Noted. The next run sends this row again.",
    "approved": "Approved. The next run sends this row.",
    "unapproved": "Approval taken back. This row is not sent.",
    "dismissed": "Dismissed. You can find it under “dismissed”. The sheet was not changed.",
    "restored": "The row is listed under the rows that need attention again.",
    "paused": "Paused. Nothing more is sent; results of what is running still arrive.",
    "resumed": "Resumed. The next run sends again.",
    "changed": "Nothing was done, because this has changed in the meantime. See how it is now.",
    "full": "Nothing was done, because the store cannot be written now.",
}
#: The words of buttons that ask for something to be sent.
SENDS: Final = ("again", "retry", "approved")
#: Their sentences while the sheet sends nothing: word -> beginning; reason -> end.
NOTED: Final = {"again": "Noted.", "retry": "Noted.", "approved": "Approved."}
WAITING: Final = {
    "paused": "It is sent after you press Resume.",
    "held": "It is sent once this sheet may send again; see the message above.",
}
SAID_WAITING: Final = {
    f"{word}-{why}": f"{NOTED[word]} {when}" for word in SENDS for why, when in WAITING.items()
}


class Deeds:
    """The buttons of these campaigns."""

    def __init__(self, walls: Sequence[Wall]) -> None:
        self._walls = walls

    async def again(self, request: Request) -> Response:
        """Request one more take than the take cell of the row."""

        def do(wall: Wall, card: Card, form: Mapping[str, str]) -> bool:
            said = form.get("again") == str(card.again)
            one, store = card.shown, wall.campaign.store
            return (
                said
                and card.may_make_again
                and store.rows.ask_again(wall.campaign.key, one.row_id, card.again)
            )

        return await self._with_card(request, do, "again")

    async def retry(self, request: Request) -> Response:
        """Request one more attempt, as the command does."""

        def do(wall: Wall, card: Card, form: Mapping[str, str]) -> bool:
            job = card.job
            if job is None or not card.may_retry or form.get("asked") != str(job.asked):
                return False
            # What may have been paid is paid again only by who was told so.
            if card.may_be_paid_twice and form.get("unknown") != "yes":
                return False
            return wall.campaign.store.jobs.ask(job.key, job.asked + 1)

        return await self._with_card(request, do, "retry")

    async def approve(self, request: Request) -> Response:
        """Approve the inputs, the take and the price that the page showed."""
        return await self._with_card(request, _approve, "approved")

    async def unapprove(self, request: Request) -> Response:
        """Take an approval of this page back, as long as nothing was sent."""
        return await self._with_card(request, _unapprove, "unapproved")

    async def dismiss(self, request: Request) -> Response:
        """Dismiss a row that needs attention, on the page only."""

        def do(wall: Wall, card: Card, form: Mapping[str, str]) -> bool:
            return card.needs and _put(wall, card, away=True)

        return await self._with_card(request, do, "dismissed")

    async def restore(self, request: Request) -> Response:
        """Undo a dismissal."""

        def do(wall: Wall, card: Card, form: Mapping[str, str]) -> bool:
            return card.dismissed and _put(wall, card, away=False)

        return await self._with_card(request, do, "restored")

    async def pause(self, request: Request) -> Response:
        """Stop sending, as the command does."""
        return await self._set_paused(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Send again after a pause."""
        return await self._set_paused(request, paused=False)

    async def _set_paused(self, request: Request, *, paused: bool) -> Response:
        wall = wall_of(self._walls, request)

        def do() -> bool:
            wall.campaign.store.sheets.update(wall.campaign.key, paused=paused)
            return True

        return await _answered(request, wall, do, "paused" if paused else "resumed")

    async def _with_card(
        self, request: Request, do: Callable[[Wall, Card, Mapping[str, str]], bool], said: str
    ) -> Response:
        wall = wall_of(self._walls, request)
        row_id, take = place_of(request)

        def done() -> bool:
            wall.look(at_once=True)
            card = wall.card(row_id, take)
            return card is not None and do(wall, card, request.state.form)

        return await _answered(request, wall, done, said)


def wall_of(walls: Sequence[Wall], request: Request) -> Wall:
    """The campaign that an address names, counted from 1. Raises a 404 if there is none."""
    number: int = request.path_params["sheet"]
    if not 1 <= number <= len(walls):
        raise HTTPException(404)
    return walls[number - 1]


def place_of(request: Request) -> tuple[str, int]:
    """The row and the take that an address names."""
    return str(request.path_params["row_id"]), int(request.path_params["take"])


def _approve(wall: Wall, card: Card, form: Mapping[str, str]) -> bool:
    one = card.approval
    if one is None or card.is_approved or form.get("shown") != one.shown:
        return False
    store, key = wall.campaign.store, wall.campaign.key
    return store.rows.approve(key, card.shown.row_id, one.inputs, one.covers)


def _unapprove(wall: Wall, card: Card, form: Mapping[str, str]) -> bool:
    one = card.approval
    if one is None or not card.is_approved or form.get("shown") != one.shown:
        return False
    return wall.campaign.store.rows.approve(wall.campaign.key, card.shown.row_id, one.inputs, "")


def _put(wall: Wall, card: Card, away: bool) -> bool:
    store = wall.campaign.store
    if card.job is not None:
        return store.jobs.dismiss(card.job.key, away)
    return store.rows.dismiss(wall.campaign.key, card.shown.row_id, card.says if away else "")


async def _answered(request: Request, wall: Wall, do: Callable[[], bool], said: str) -> Response:
    def both() -> bool:
        done = do()
        wall.look(at_once=True)
        return done

    try:
        word = said if await asyncio.to_thread(both) else "changed"
        why = "paused" if wall.standing.paused else "held" if wall.standing.hold else ""
        if word in SENDS and why:
            word = f"{word}-{why}"
    except StoreError:
        word = "full"
    return RedirectResponse(f"{_back(request)}&{urlencode({'said': word})}", 303)


def _back(request: Request) -> str:
    """The page from which the form was sent, with the same selection."""
    form = request.state.form
    kept = {name: form.get(name, "") for name in ("status", "q", "page")}
    sheet = {"sheet": request.path_params["sheet"]}
    return f"/?{urlencode(sheet | {name: value for name, value in kept.items() if value})}"
