"""What the buttons of the page do: one small note in the store each, which the next pass heeds.

A form says what the page showed when it was pressed; if that is no longer so, nothing is done. So
two people who press at once, or one who presses twice, ask for one thing once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipeline.core.errors import StoreError
from pipeline.page.cards import Card
from pipeline.page.wall import Wall

#: What was done, in a sentence. The address names it by its word, and cannot say anything else.
SAID: Final = {
    "again": "Asked for. The next run makes this row again.",
    "retry": "Asked for. The next run sends this row once more.",
    "dismissed": "Out of sight. It is under “dismissed” and in the sheet as before.",
    "restored": "Back in sight.",
    "paused": "Paused. Nothing more is sent; what is under way still comes.",
    "resumed": "Going on with the next run.",
    "changed": "Nothing done: this has changed in the meantime. See how it stands now.",
    "full": "Nothing done: the store cannot be written just now.",
}


class Deeds:
    """The buttons of these campaigns."""

    def __init__(self, walls: Sequence[Wall]) -> None:
        self._walls = walls

    async def again(self, request: Request) -> Response:
        """Ask for one more take of the row than its cell does."""

        def do(wall: Wall, card: Card) -> bool:
            said = request.state.form.get("again") == str(card.again)
            one, store = card.shown, wall.campaign.store
            return (
                said
                and card.may_make_again
                and store.make_again(wall.campaign.key, one.row_id, card.again)
            )

        return await self._with_card(request, do, "again")

    async def retry(self, request: Request) -> Response:
        """Ask for one more attempt, as the command does."""

        def do(wall: Wall, card: Card) -> bool:
            job, form = card.job, request.state.form
            if job is None or not card.may_retry or form.get("asked") != str(job.asked):
                return False
            # What may have been paid is paid again only by who was told so.
            if card.may_be_paid_twice and form.get("unknown") != "yes":
                return False
            return wall.campaign.store.ask(job.key, job.asked + 1)

        return await self._with_card(request, do, "retry")

    async def dismiss(self, request: Request) -> Response:
        """Put the trouble of a row out of sight, on the page only."""

        def do(wall: Wall, card: Card) -> bool:
            return card.needs and _put(wall, card, away=True)

        return await self._with_card(request, do, "dismissed")

    async def restore(self, request: Request) -> Response:
        """Bring it back into sight."""

        def do(wall: Wall, card: Card) -> bool:
            return card.dismissed and _put(wall, card, away=False)

        return await self._with_card(request, do, "restored")

    async def pause(self, request: Request) -> Response:
        """Let nothing more leave, as the command does."""
        return await self._set_paused(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Go on after a pause."""
        return await self._set_paused(request, paused=False)

    async def _set_paused(self, request: Request, *, paused: bool) -> Response:
        wall = wall_of(self._walls, request)

        def do() -> bool:
            wall.campaign.store.update_sheet(wall.campaign.key, paused=paused)
            return True

        return await _answered(request, wall, do, "paused" if paused else "resumed")

    async def _with_card(
        self, request: Request, do: Callable[[Wall, Card], bool], said: str
    ) -> Response:
        wall = wall_of(self._walls, request)
        row_id, take = place_of(request)

        def done() -> bool:
            wall.look(at_once=True)
            card = wall.card(row_id, take)
            return card is not None and do(wall, card)

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


def _put(wall: Wall, card: Card, away: bool) -> bool:
    store = wall.campaign.store
    if card.job is not None:
        return store.dismiss(card.job.key, away)
    return store.dismiss_row(wall.campaign.key, card.shown.row_id, card.says if away else "")


async def _answered(request: Request, wall: Wall, do: Callable[[], bool], said: str) -> Response:
    def both() -> bool:
        done = do()
        wall.look(at_once=True)
        return done

    try:
        word = said if await asyncio.to_thread(both) else "changed"
    except StoreError:
        word = "full"
    return RedirectResponse(f"{_back(request)}&{urlencode({'said': word})}", 303)


def _back(request: Request) -> str:
    """Where the form was pressed: the wall, as it was picked."""
    form = request.state.form
    kept = {name: form.get(name, "") for name in ("status", "q", "page")}
    sheet = {"sheet": request.path_params["sheet"]}
    return f"/?{urlencode(sheet | {name: value for name, value in kept.items() if value})}"
