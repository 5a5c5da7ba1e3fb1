"""The pages: the board, single cards and files; and live updates.

Each method of `Views` takes a request and returns a response. An unknown row, take or file is a
404. A failing store is shown as a message. This module owns the cache of small pictures only.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse

from pipeline.core.errors import StoreError
from pipeline.core.text import duration
from pipeline.page import downloads, thumbnails
from pipeline.page.actions import MESSAGES, MESSAGES_WHILE_HELD, board_of, place_of
from pipeline.page.auth import Authenticator
from pipeline.page.board import PAGE, Board
from pipeline.page.cards import DISMISSED, EARLIER, NEEDING, Card, CardSummary
from pipeline.page.rendering import html, moment, rendered, web
from pipeline.page.thumbnails import Saved, SmallPictures
from pipeline.store import HistoryLine

#: Most rows that need attention at the top of the board.
MOST_NEEDING: Final = 5
#: Seconds between two checks for changes, between two keep-alives, and until the stream ends and
#: the browser connects again.
CHECK_SECONDS, KEEPALIVE_SECONDS, CONNECTION_SECONDS = 1.0, 15.0, 600.0
#: Seconds that a search waits until all rows are known, and seconds between two checks for changes
#: until then.
SEARCH_SECONDS, FAST_CHECK_SECONDS = 0.5, 0.05
#: Seconds that a download waits until all rows are known.
DOWNLOAD_SECONDS: Final = 30.0
#: Most of the team's own columns on a card of the board; the page of a row shows all.
MOST_OWN: Final = 3
#: Kind of event -> its text in the history.
KINDS: Final = {
    "sent": "Submitted",
    "accepted": "Accepted by the API",
    "progressed": "In progress",
    "succeeded": "Delivered",
    "failed": "Failed",
    "lost": "No answer came",
    "postponed": "Not accepted; it will be sent again",
    "adopted": "Taken over from the sheet",
}


class Views:
    """The pages of these campaigns."""

    def __init__(self, boards: Sequence[Board], auth: Authenticator) -> None:
        self._boards = boards
        self._auth = auth
        self._small = SmallPictures()

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
            picked = board.picked(status, search)
            pages = max(-(-len(picked) // PAGE), 1)
            page = min(_number_of(asked.get("page", ""), 1), pages)
            cards = board.cards(picked[(page - 1) * PAGE : page * PAGE])
            needing = [one for one in board.summaries if one.needs] if board.is_complete else []
            above = [] if status or search or page > 1 else needing[:MOST_NEEDING]
            return self._rendered(
                "board.html.j2",
                board,
                request,
                cards=cards,
                found=len(picked),
                with_files=sum(one.saved > 0 for one in picked),
                goes_far=goes_far,
                needing=board.cards(above),
                more_needing=max(len(needing) - MOST_NEEDING, 0),
                status=status,
                search=search,
                page=page,
                pages=pages,
                said=(MESSAGES | MESSAGES_WHILE_HELD).get(asked.get("said", ""), ""),
                downloads=_zip_address(self._boards.index(board) + 1, status, search),
                texts=texts_of(board),
                bar=_bar(board),
                link=_link_maker(self._boards.index(board) + 1, status, search),
            )

        return await html(made)

    async def card(self, request: Request) -> Response:
        """One take of a row in full size, with all that is known about it."""
        board = board_of(self._boards, request)
        row_id, take = place_of(request)

        def made() -> str:
            board.refresh(at_once=not board.is_complete)
            takes = board.row(row_id)
            card = next((one for one in takes if one.shown.take == take), None)
            if card is None:
                raise HTTPException(404)
            files = self._files(board, card)
            number = min(_number_of(request.query_params.get("picture", ""), 1), max(len(files), 1))
            history, runs = [], {}
            if card.job:
                history = board.campaign.store.jobs.history(card.job.key)
                runs = board.campaign.store.jobs.run_of(card.job.key)
            return self._rendered(
                "card.html.j2",
                board,
                request,
                card=card,
                files=files,
                number=number,
                history=[_history_line(line, runs) for line in history],
                takes=takes,
            )

        try:
            return await html(made)
        except HTTPException:
            # People save addresses of rows and send them to others, so explain what happened.
            sheet = self._boards.index(board) + 1
            return HTMLResponse(rendered("missing.html.j2", sheet=sheet), 404)

    # -- files -----------------------------------------------------------------------------------

    async def picture(self, request: Request) -> Response:
        """A saved file, or the requested part of it: videos are long."""
        file = await asyncio.to_thread(self._asked, request)
        return FileResponse(file.path, headers=_file_headers(file), media_type=file.type)

    async def small(self, request: Request) -> Response:
        """A saved picture, scaled down."""
        file = await asyncio.to_thread(self._asked, request)
        content = await self._small.of(file) if file.is_picture else None
        if content is None:
            raise HTTPException(404)
        return Response(content, headers=_file_headers(file), media_type="image/webp")

    async def zip_of_row(self, request: Request) -> Response:
        """All saved files of one take of a row, as a zip file."""
        board = board_of(self._boards, request)
        card = await asyncio.to_thread(board.card, *place_of(request))
        if card is None:
            raise HTTPException(404)
        return self._zip(board, [card], card.shown.name or card.shown.row_id)

    async def zip_of_picked(self, request: Request) -> Response:
        """All saved files of the rows that match the filter and search, as a zip file."""
        board, asked = board_of(self._boards, request), request.query_params
        status, search = asked.get("status", ""), asked.get("q", "").strip()[:200]

        def found() -> Sequence[CardSummary]:
            board.refresh_until_complete(within=DOWNLOAD_SECONDS)
            return [one for one in board.picked(status, search) if one.saved]

        picked = await asyncio.to_thread(found)
        # Cards are made page by page, so that they are not all in memory at once.
        pages = (picked[at : at + PAGE] for at in range(0, len(picked), PAGE))
        cards = (card for page in pages for card in board.cards(page))
        return self._zip(board, cards, board.campaign.settings.source.name)

    def _zip(self, board: Board, cards: Iterable[Card], title: str) -> Response:
        media = board.campaign.settings.media
        if media is None:
            raise HTTPException(404)
        files = (file for card in cards for _, file in self._files(board, card) if file)
        made = downloads.zipped(files, media)
        return StreamingResponse(
            made, headers=downloads.headers(title), media_type="application/zip"
        )

    def _asked(self, request: Request) -> Saved:
        board = board_of(self._boards, request)
        card = board.card(*place_of(request))
        files = self._files(board, card) if card else []
        number: int = request.path_params["number"]
        file = files[number - 1][1] if 1 <= number <= len(files) else None
        if file is None:
            raise HTTPException(404)
        return file

    def _files(self, board: Board, card: Card) -> list[tuple[str, Saved | None]]:
        """Each result's address, with its saved file if there is one."""
        names = card.job.files if card.job else {}
        media = board.campaign.settings.media
        return [
            (url, thumbnails.saved(media, names[url]) if url in names else None)
            for url in card.shown.urls
        ]

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
            if board.revision != sent_revision:
                sent_revision, sent_at = board.revision, now
                news = {"revision": sent_revision, "texts": texts_of(board), "bar": _bar(board)}
                yield f"data: {json.dumps(news)}\n\n"
            elif now >= sent_at + KEEPALIVE_SECONDS:
                sent_at = now
                yield ": \n\n"
            await asyncio.sleep(CHECK_SECONDS if board.is_complete else FAST_CHECK_SECONDS)

    # -- templates -------------------------------------------------------------------------------

    def _rendered(self, name: str, board: Board, request: Request, **more: Any) -> str:
        settings = board.campaign.settings
        here = urlsplit(settings.base_url).netloc
        usual = settings.base_url == settings.provider.base_url.rstrip("/")
        return rendered(
            name,
            sheet=self._boards.index(board) + 1,
            title=settings.source.name,
            place=web(getattr(settings.source, "place", "")),
            api=settings.provider.title,
            at="" if usual else here,
            board=board,
            totals=board.totals,
            sheet_status=board.sheet_status,
            others=[one.campaign.settings.source.name for one in self._boards],
            csrf=request.state.visitor.csrf,
            when=lambda at: moment(at, board.timezone),
            thumbs=lambda card: self._thumbs(board, card),
            NEEDING=NEEDING,
            DISMISSED=DISMISSED,
            EARLIER=EARLIER,
            MOST_OWN=MOST_OWN,
            waiting=_waiting(board),
            **more,
        )

    def _thumbs(self, board: Board, card: Card) -> dict[str, Any]:
        """The pictures of a card on the board, and their layout."""
        files = self._files(board, card)
        shown = [
            (number, file)
            for number, (_, file) in enumerate(files, start=1)
            if file and file.is_picture
        ]
        wide, high = thumbnails.size_of(shown[0][1]) if shown else (0, 0)
        ratio = wide / high if high else 1.0
        shape = "wide" if ratio > 1.2 else "tall" if ratio < 0.85 else "square"
        return {"shown": shown[:4], "shape": shape, "all": len(files)}


def texts_of(board: Board) -> dict[str, str]:
    """The texts of the page that change often, by their place in the HTML."""
    totals, sheet_status = board.totals, board.sheet_status
    spent = "–" if sheet_status.spent is None else f"{sheet_status.spent:,}"
    budget = "" if sheet_status.budget is None else f"of {sheet_status.budget:,} "
    return {
        "pictures": f"{totals.pictures:,}" if board.is_complete else "…",
        "rows": f"{totals.rows:,}",
        "spent": spent,
        "budget": f"{budget}credits today",
        "progress": _progress(board),
        "state": _state(board),
        **{f"count {status}": f"{count:,}" for status, count in totals.counts.items()},
        "count needing": f"{totals.needing:,}",
        "count all": f"{sum(totals.counts.values()):,}" if board.is_complete else "…",
    }


def _waiting(board: Board) -> str:
    """When a requested take or attempt is sent; empty if by the next run."""
    if board.sheet_status.paused:
        return "after Resume"
    return "not before the hold ends" if board.sheet_status.hold else ""


def _zip_address(sheet: int, status: str, search: str) -> str:
    asked = {"status": status, "q": search}
    return f"/zip/{sheet}?{urlencode({name: text for name, text in asked.items() if text})}"


def _progress(board: Board) -> str:
    """How many rows are finished, the rate, and the estimated time left."""
    totals = board.totals
    if not board.is_complete:
        return "Counting…"
    words = [f"{totals.finished:,} of {totals.finished + totals.on_their_way:,} finished"]
    if totals.on_their_way and totals.rate:
        words.append(f"{totals.rate:,.0f} a minute" if totals.rate >= 1 else "under 1 a minute")
    if totals.left is not None:
        words.append(f"about {_rounded(totals.left)} left")
    return " · ".join(words)


def _state(board: Board) -> str:
    sheet_status = board.sheet_status
    if sheet_status.paused:
        return "Paused"
    if sheet_status.running_since:
        return "Running"
    return "Waiting for the next run" if board.totals.on_their_way else "Up to date"


def _rounded(seconds: float) -> str:
    """A duration as text, rounded, because it is an estimate."""
    if seconds < 60:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    return duration(round(seconds / 60) * 60)


def _bar(board: Board) -> list[tuple[str, float, float]]:
    """The rows by status as parts of a bar: (status, start, width), both in percent."""
    counts = board.totals.counts
    whole = sum(counts.values()) or 1
    parts, at = [], 0.0
    for status, count in counts.items():
        width = 100 * count / whole
        parts.append((status.replace(" ", "-"), round(at, 3), round(width, 3)))
        at += width
    return parts


def _history_line(line: HistoryLine, runs: dict[int, str]) -> dict[str, object]:
    """A line of the history: the time, the event, and which start of the program sent it."""
    run = runs.get(line.number, "") if line.kind == "sent" else ""
    # A start of the program is named by its time (see `wiring.START`).
    found = re.match(r"\d{8}T\d{6}(?=-)", run)
    began = datetime.fromisoformat(f"{found[0]}+00:00") if found else None
    return {
        "at": line.at,
        "what": KINDS.get(line.kind, line.kind),
        "number": line.number,
        "text": line.text,
        "began": began,
    }


def _link_maker(sheet: int, status: str, search: str) -> Any:
    """A function for addresses of the board: the present filter with some values changed."""

    def link(**other: object) -> str:
        asked = {"sheet": sheet, "status": status, "q": search} | other
        return "/?" + urlencode({name: value for name, value in asked.items() if value})

    return link


def _number_of(text: str, otherwise: int) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 7
    return max(int(text), 1) if is_number else otherwise


def _file_headers(file: Saved) -> dict[str, str]:
    """Headers of a saved file. Its address contains its version, so a browser may cache it."""
    how = "inline" if file.is_picture else "attachment"
    name = re.sub(r"[^A-Za-z0-9._-]", "-", file.path.name)
    return {
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'{how}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
