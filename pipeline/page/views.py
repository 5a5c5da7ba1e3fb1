"""The pages: the board and single cards; and live updates.

Each method of `Views` takes a request and returns a response. An unknown row or take is a 404. A
failing store is shown as a message. This module owns no state.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from pipeline.core.errors import StoreError
from pipeline.core.language import Said, say
from pipeline.core.messages.dates import moment
from pipeline.page.actions import MESSAGES, MESSAGES_WHILE_HELD, board_of, named_take
from pipeline.page.auth import Authenticator
from pipeline.page.board import PAGE, Board
from pipeline.page.cards import DISMISSED, EARLIER, NEEDING
from pipeline.page.files import files_of, thumbs_of
from pipeline.page.following import following_of
from pipeline.page.history import history_of
from pipeline.page.rendering import html, rendered, web
from pipeline.page.snapshot import Snapshot
from pipeline.page.takes import takes_of
from pipeline.page.texts import bar_of, texts_of, waiting

#: Most rows that need attention at the top of the board.
MOST_NEEDING: Final = 5
#: Seconds between two checks for changes, between two keep-alives, and until the stream ends and
#: the browser connects again.
CHECK_SECONDS, KEEPALIVE_SECONDS, CONNECTION_SECONDS = 1.0, 15.0, 600.0
#: Seconds that a search waits until all rows are known, and seconds between two checks for changes
#: until then.
SEARCH_SECONDS, FAST_CHECK_SECONDS = 0.5, 0.05
#: Most of the team's own columns on a card of the board; the page of a row shows all.
MOST_OWN: Final = 3


#: The filters besides the statuses, as the page names them.
FILTERS: Final = {
    NEEDING: say("needs attention"),
    DISMISSED: say("dismissed"),
    EARLIER: say("earlier takes"),
}


class Views:
    """The pages of these campaigns."""

    def __init__(self, boards: Sequence[Board], auth: Authenticator) -> None:
        self._boards = boards
        self._auth = auth

    # -- pages -----------------------------------------------------------------------------------

    async def board(self, request: Request) -> Response:
        """The campaign: rows that need attention, then all pictures, the newest first."""
        asked = request.query_params
        number = _number_of(asked.get("sheet", ""), 1)
        board = self._boards[number - 1] if number <= len(self._boards) else self._boards[0]
        status, search = asked.get("status", ""), asked.get("q", "").strip()[:200]

        def made() -> str:
            goes_far = bool(status or search or "page" in asked)
            board.refresh_until_complete(within=SEARCH_SECONDS if goes_far else 0)
            shown = board.shown
            picked = shown.picked(status, search, board.rules.catalogue)
            pages = max(-(-len(picked) // PAGE), 1)
            page = min(_number_of(asked.get("page", ""), 1), pages)
            cards = board.cards(picked[(page - 1) * PAGE : page * PAGE])
            needing = [one for one in shown.summaries if one.needs] if shown.is_complete else []
            above = [] if status or search or page > 1 else needing[:MOST_NEEDING]
            return self._rendered(
                "board.html.j2",
                board,
                shown,
                request,
                cards=cards,
                found=len(picked),
                with_files=sum(one.saved > 0 for one in picked),
                goes_far=goes_far,
                needing=board.cards(above),
                more_needing=max(len(needing) - MOST_NEEDING, 0),
                status=status,
                search=search,
                nothing_found=_nothing_found(status, search),
                page=page,
                pages=pages,
                said=_said(request),
                downloads=_zip_address(self._boards.index(board) + 1, status, search),
                texts=texts_of(shown),
                bar=bar_of(shown),
                link=_link_maker(self._boards.index(board) + 1, status, search),
            )

        return await html(made, board.rules.catalogue)

    async def card(self, request: Request) -> Response:
        """One take of a row in full size, with all that is known about it."""
        board = board_of(self._boards, request)
        generation, take = named_take(request)

        def made() -> str:
            board.refresh(at_once=not board.shown.is_complete)
            card = board.card(generation, take)
            if card is None:
                raise HTTPException(404)
            takes = takes_of(board, card.shown.row_id)
            files = files_of(board, card)
            number = min(_number_of(request.query_params.get("picture", ""), 1), max(len(files), 1))
            return self._rendered(
                "card.html.j2",
                board,
                board.shown,
                request,
                card=card,
                files=files,
                number=number,
                history=history_of(board.campaign, card),
                takes=takes,
                following=following_of(board, card, number),
                here=next(one for one in takes if one.card.id == card.id),
                said=_said(request),
            )

        try:
            return await html(made, board.rules.catalogue)
        except HTTPException:
            # People save addresses of rows and send them to others, so explain what happened.
            sheet = self._boards.index(board) + 1
            return HTMLResponse(
                rendered(board.rules.catalogue, "missing.html.j2", sheet=sheet), 404
            )

    # -- live updates ----------------------------------------------------------------------------

    async def live(self, request: Request) -> Response:
        """Changes as server-sent events."""
        board = board_of(self._boards, request)
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._changes(board, request), headers=headers, media_type="text/event-stream"
        )

    async def _changes(self, board: Board, request: Request) -> AsyncIterator[str]:
        """Each change as one event, and a comment as keep-alive when there is none.

        Ends when the visitor signs out.
        """
        catalogue = board.rules.catalogue
        began = sent_at = time.monotonic()
        sent_revision = -1
        yield "retry: 2000\n\n"
        while (
            now := time.monotonic()
        ) < began + CONNECTION_SECONDS and await self._auth.is_signed_in(request):
            try:
                await asyncio.to_thread(board.refresh)
            except StoreError:
                # The page stays unchanged; the store may be available at the next refresh.
                sent_revision = -1
            shown = board.shown
            if shown.revision != sent_revision:
                sent_revision, sent_at = shown.revision, now
                said = {name: catalogue.text(text) for name, text in texts_of(shown).items()}
                news = {"revision": sent_revision, "texts": said, "bar": bar_of(shown)}
                yield f"data: {json.dumps(news)}\n\n"
            elif now >= sent_at + KEEPALIVE_SECONDS:
                sent_at = now
                yield ": \n\n"
            await asyncio.sleep(CHECK_SECONDS if shown.is_complete else FAST_CHECK_SECONDS)

    # -- templates -------------------------------------------------------------------------------

    def _rendered(
        self, name: str, board: Board, shown: Snapshot, request: Request, **more: Any
    ) -> str:
        settings = board.campaign.settings
        here = urlsplit(settings.base_url).netloc
        usual = settings.base_url == settings.provider.base_url.rstrip("/")
        return rendered(
            board.rules.catalogue,
            name,
            sheet=self._boards.index(board) + 1,
            title=_title(board),
            place=web(getattr(settings.source, "place", "")),
            api=settings.provider.title,
            made_with=settings.provider.full_title,
            at="" if usual else here,
            snapshot=shown,
            totals=shown.totals,
            sheet_status=shown.sheet_status,
            unread=board.pictures.trouble,
            others=[_title(one) for one in self._boards],
            csrf=request.state.visitor.csrf,
            person=request.state.visitor.person,
            when=lambda at: moment(at, board.timezone),
            thumbs=lambda card: thumbs_of(board, card),
            NEEDING=NEEDING,
            DISMISSED=DISMISSED,
            EARLIER=EARLIER,
            FILTERS=FILTERS,
            ENDPOINT="endpoint",
            ROW_ID="row id",
            MOST_OWN=MOST_OWN,
            waiting=waiting(shown),
            **more,
        )


def _title(board: Board) -> str:
    """The sheet's title, as far as the store knows it."""
    return board.shown.sheet_status.title or board.campaign.settings.source.name


def _said(request: Request) -> str:
    """What the button did that led here; empty if none did."""
    return (MESSAGES | MESSAGES_WHILE_HELD).get(request.query_params.get("said", ""), "")


def _nothing_found(status: str, search: str) -> Said:
    """That no row is found, and by what."""
    name = FILTERS.get(status, status)
    if status and search:
        return say("No row is “{status}” and contains “{words}”.", status=name, words=search)
    if status:
        return say("No row is “{status}”.", status=name)
    return say("No row contains “{words}”.", words=search) if search else say("No row is here.")


def _zip_address(sheet: int, status: str, search: str) -> str:
    asked = {"status": status, "q": search}
    return f"/zip/{sheet}?{urlencode({name: text for name, text in asked.items() if text})}"


def _link_maker(sheet: int, status: str, search: str) -> Any:
    """A function for addresses of the board: the present filter with some values changed."""

    def link(**other: object) -> str:
        asked = {"sheet": sheet, "status": status, "q": search} | other
        return "/?" + urlencode({name: value for name, value in asked.items() if value})

    return link


def _number_of(text: str, otherwise: int) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 7
    return max(int(text), 1) if is_number else otherwise
